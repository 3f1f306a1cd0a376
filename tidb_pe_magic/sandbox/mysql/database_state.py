"""The database's content as a value: what differs from the tables that every sandbox loads.

Rows are kept as text, as DuckDB itself writes each type and reads it again without loss.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableState:
    """A table that is not as it was loaded.

    Attributes:
        sql: makes it, in DuckDB's words.
        columns: name, type and comment of each, without generated ones.
        values: of each column, as text; None is NULL.
        comment: on the table, as DuckDB has it.
    """

    schema: str
    name: str
    sql: str
    columns: tuple[tuple[str, str, str | None], ...]
    values: tuple[tuple[str | None, ...], ...]
    comment: str | None = None


@dataclass(frozen=True)
class DatabaseState:
    """The tables of one moment.

    Attributes:
        flights: how many rows of the flights table were loaded; None for all of them.
        schemas: all of them, as MySQL's databases; None where nothing has changed since the loading.
        unchanged: the tables that are as they were loaded, each "schema.name".
        tables: the other ones.
        sequences: make the sequences, which go on where they were.
        others: make indexes and views.
    """

    flights: int | None = None
    schemas: tuple[str, ...] | None = None
    unchanged: frozenset[str] = frozenset()
    tables: tuple[TableState, ...] = ()
    sequences: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
