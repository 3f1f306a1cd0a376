"""The known names of databases, tables and columns of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidb_pe_magic.database.schema.catalog import OWN_DATABASES_ONLY, SYSTEM_DATABASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from tidb_pe_magic.database.schema.catalog import Ask

_PLACES = """SELECT SCHEMA_NAME, NULL FROM information_schema.SCHEMATA
UNION ALL SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"""
_COLUMNS = """SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, ORDINAL_POSITION
FROM information_schema.COLUMNS WHERE """


@dataclass(frozen=True)
class SchemaNames:
    """Names at the time of reading; lookups are case-insensitive.

    Attributes:
        databases: by name.
        tables: by database in lower case: the names of its tables.
        columns: by database and table in lower case: the columns and their types, if known.
    """

    databases: tuple[str, ...] = ()
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)

    @property
    def own_databases(self) -> tuple[str, ...]:
        """The databases except the server's own."""
        return tuple(each for each in self.databases if each.lower() not in SYSTEM_DATABASES)

    def tables_of(self, database: str) -> tuple[str, ...]:
        """Return the tables of a database; empty if it is unknown."""
        return self.tables.get(database.lower(), ())

    def columns_of(self, database: str, table: str) -> Mapping[str, str] | None:
        """Return the columns of a table and their types; None if unknown."""
        return self.columns.get((database.lower(), table.lower()))

    def has_table(self, database: str, table: str) -> bool:
        """Return whether a database has this table."""
        return table.lower() in map(str.lower, self.tables_of(database))

    def with_columns(self, more: Mapping[tuple[str, str], Mapping[str, str]]) -> SchemaNames:
        """Return these names with the columns of further tables added."""
        return SchemaNames(self.databases, self.tables, {**self.columns, **more})


def places(ask: Ask) -> SchemaNames:
    """Return every database and table by name, including the server's own, with one request."""
    tables: dict[str, list[str]] = {}
    for database, table in _pairs(ask(_PLACES, ())):
        listed = tables.setdefault(database, [])
        if table is not None:
            listed.append(table)
    return SchemaNames(
        databases=tuple(sorted(tables, key=str.lower)),
        tables={database.lower(): tuple(sorted(listed)) for database, listed in tables.items()},
    )


def own_columns(ask: Ask, database: str = "") -> dict[tuple[str, str], dict[str, str]]:
    """Return the columns of every table except the server's own, or of every table of one database."""
    if database:
        return _columns(ask, "TABLE_SCHEMA = ?", (database,))
    return _columns(ask, OWN_DATABASES_ONLY, ())


def columns_of(ask: Ask, tables: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the columns of some tables, each given by its database and name."""
    chosen = tuple(tables)
    if not chosen:
        return {}
    where = " OR ".join(["(TABLE_SCHEMA = ? AND TABLE_NAME = ?)"] * len(chosen))
    return _columns(ask, where, [part for table in chosen for part in table])


def _columns(ask: Ask, where: str, params: Sequence[object]) -> dict[tuple[str, str], dict[str, str]]:
    answer = ask(_COLUMNS + where, params)
    databases, tables, names, kinds, numbers = (column.to_pylist() for column in answer.columns)
    found: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for database, table, name, kind, number in zip(databases, tables, names, kinds, numbers, strict=True):
        found.setdefault((database.lower(), table.lower()), []).append((int(number), name, kind))
    return {place: {name: kind for _, name, kind in sorted(listed)} for place, listed in found.items()}


def _pairs(answer: pa.Table) -> Iterable[tuple[str, str | None]]:
    first, second = (column.to_pylist() for column in answer.columns)
    return zip(first, second, strict=True)
