"""Databases and tables from information_schema, each with one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model.schemas import TableColumn, TableIndex, TableSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    #: Runs one statement with its parameters, and returns its rows.
    Ask = Callable[[str, Sequence[object]], pa.Table]

SYSTEM_DATABASES = ("information_schema", "performance_schema", "metrics_schema", "mysql", "sys")
"""The server's own databases, in lower case (TiDB documentation, "System Tables"; MySQL's `sys`)."""

_OWN = "LOWER({}) NOT IN (" + ", ".join(f"'{name}'" for name in SYSTEM_DATABASES) + ")"
OWN_DATABASES_ONLY = _OWN.format("TABLE_SCHEMA")
"""A condition for information_schema's tables that excludes the server's own databases."""
_TABLE = """SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH, TABLE_COMMENT
FROM information_schema.TABLES"""
_DATABASES = """SELECT SCHEMA_NAME, NULL, NULL, NULL, NULL, NULL FROM information_schema.SCHEMATA"""
_COLUMNS = """SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_KEY, COLUMN_DEFAULT, EXTRA, COLUMN_COMMENT
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION"""
# The primary key comes first, as in SHOW INDEX.
_INDEXES = """SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
ORDER BY INDEX_NAME <> 'PRIMARY', NON_UNIQUE, INDEX_NAME, SEQ_IN_INDEX"""
_EXPRESSION = "(expression)"
_VIEW = "VIEW"


@dataclass(frozen=True)
class Listing:
    """Databases, and the tables in them, both by name."""

    databases: tuple[str, ...]
    tables: tuple[TableSummary, ...]


def listing(ask: Ask, *, system: bool = False) -> Listing:
    """Return every database and table, with one request.

    Args:
        ask: runs a statement.
        system: include the server's own databases.
    """
    chosen = [f" WHERE {_OWN.format(name)}" if not system else "" for name in ("SCHEMA_NAME", "TABLE_SCHEMA")]
    rows = _rows(ask(f"{_DATABASES}{chosen[0]} UNION ALL {_TABLE}{chosen[1]}", ()))
    databases = sorted({row[0] for row in rows}, key=str.lower)
    tables = sorted((_summary(row) for row in rows if row[1] is not None), key=_key)
    return Listing(tuple(databases), tuple(tables))


def table(ask: Ask, database: str, name: str) -> TableSummary | None:
    """Return one table or view by its exact name; None if it does not exist."""
    rows = _rows(ask(f"{_TABLE} WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", (database, name)))
    return _summary(rows[0]) if rows else None


def columns(ask: Ask, of: TableSummary) -> tuple[TableColumn, ...]:
    """Return the columns of a table, in their order."""
    return tuple(
        TableColumn(
            name=name,
            type=kind,
            nullable=nullable == "YES",
            key=key or "",
            default=default,
            extra=extra or "",
            comment=comment or "",
        )
        for name, kind, nullable, key, default, extra, comment in _rows(ask(_COLUMNS, (of.database, of.name)))
    )


def indexes(ask: Ask, of: TableSummary) -> tuple[TableIndex, ...]:
    """Return the indexes of a table, the primary key first."""
    found: dict[str, tuple[bool, list[str]]] = {}
    for name, non_unique, column in _rows(ask(_INDEXES, (of.database, of.name))):
        # A string in TiDB, a number in MariaDB.
        found.setdefault(name, (not int(non_unique), []))[1].append(column or _EXPRESSION)
    return tuple(
        TableIndex(name=name, unique=unique, columns=tuple(parts)) for name, (unique, parts) in found.items()
    )


def _summary(row: Sequence[Any]) -> TableSummary:
    database, name, kind, rows, size, comment = row
    is_view = kind == _VIEW
    return TableSummary(
        database=database,
        name=name,
        kind=kind,
        rows=None if is_view or rows is None else int(rows),
        bytes=None if is_view or size is None else int(size),
        # The comment of a view is the word VIEW.
        comment="" if is_view else comment or "",
    )


def _key(of: TableSummary) -> tuple[str, str]:
    return of.database.lower(), of.name.lower()


def _rows(answer: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in answer.columns), strict=True))
