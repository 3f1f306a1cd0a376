"""The database's content as a value: the differences from the tables that every sandbox loads.

Rows are stored as text, because DuckDB writes and reads each type as text without loss.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TableState:
    """A table that has changed since loading.

    Attributes:
        sql: DuckDB's CREATE TABLE statement.
        columns: name, type and comment of each, without generated ones.
        values: values of each column, as text; None is NULL.
        comment: DuckDB's comment on the table.
    """

    schema: str
    name: str
    sql: str
    columns: tuple[tuple[str, str, str | None], ...]
    values: tuple[tuple[str | None, ...], ...]
    comment: str | None = None


@dataclass(frozen=True)
class DatabaseState:
    """The tables at one time.

    Attributes:
        flights: number of loaded rows of the flights table; None for all of them.
        schemas: all databases; None if nothing has changed since loading.
        unchanged: the unchanged tables, each "schema.name".
        tables: the changed tables.
        sequences: statements that create the sequences at their current values.
        others: statements that create indexes and views.
    """

    flights: int | None = None
    schemas: tuple[str, ...] | None = None
    unchanged: frozenset[str] = frozenset()
    tables: tuple[TableState, ...] = ()
    sequences: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
