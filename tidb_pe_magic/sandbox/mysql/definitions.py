"""The columns of tables and views, for column definitions and the catalog."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tidb_pe_magic.sandbox.mysql.columns import Source
from tidb_pe_magic.sandbox.mysql.create_table import COMMENT_MARK
from tidb_pe_magic.sandbox.mysql.information_schema import NAME, SYSTEM_TABLES
from tidb_pe_magic.sandbox.mysql.lineage import outputs
from tidb_pe_magic.sandbox.mysql.protocol import FieldFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from tidb_pe_magic.sandbox.mysql.lineage import Output

_COLUMNS: Final = """
SELECT column_name, data_type, comment, is_nullable, column_default FROM duckdb_columns()
WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index"""
_KEYS: Final = """
SELECT constraint_type, constraint_column_names FROM duckdb_constraints()
WHERE database_name = ? AND schema_name = ? AND table_name = ?
AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')"""
_VIEW: Final = """
SELECT sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND lower(view_name) = ?"""
_TABLE: Final = """
SELECT database_name, schema_name, table_name FROM duckdb_tables()
WHERE NOT internal AND lower(table_name) = ? AND (lower(schema_name) = ? OR database_name = 'temp')
ORDER BY database_name = 'temp' DESC"""
_MEMORY: Final = "memory"
_KINDS: Final = {
    "BOOLEAN": "tinyint(1)",
    "INTEGER": "int",
    "UINTEGER": "int unsigned",
    "UBIGINT": "bigint unsigned",
    "USMALLINT": "smallint unsigned",
    "UTINYINT": "tinyint unsigned",
    "HUGEINT": "decimal(38,0)",
    "VARCHAR": "text",
    "BLOB": "longblob",
    "INTERVAL": "time(6)",
    "TIME": "time(6)",
}


def mysql_type(engine_type: str, comment: str | None) -> str:
    """Return a column's MySQL type, which is stored in DuckDB's comment."""
    if comment:
        return comment.partition(COMMENT_MARK)[0]
    if engine_type.startswith("TIMESTAMP"):
        return "datetime(6)"
    return _KINDS.get(engine_type) or engine_type.lower().replace(", ", ",")


class Definitions:
    """Looks up tables for one session, and caches them until definitions change."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, changes: Callable[[], int]) -> None:
        """Set the session's cursor, and the counter of definition changes in all sessions."""
        self._cursor = cursor
        self._changes = changes
        self._seen = -1
        self._known: dict[tuple[str, str], Sequence[Output]] = {}

    def columns(self, schema: str, table: str) -> Sequence[Output]:
        """Return the columns of a table or view; empty if neither exists."""
        if (changes := self._changes()) != self._seen:
            self._known.clear()
            self._seen = changes
        key = schema.lower(), table.lower()
        if key not in self._known:
            self._known[key] = _system_table(*key) or self._table(*key) or self._view(*key)
        return self._known[key]

    def _table(self, schema: str, table: str) -> Sequence[Output]:
        # Read to the end, because DuckDB refuses other work on a cursor with unread rows.
        place = next(iter(self._cursor.execute(_TABLE, [table, schema]).fetchall()), None)
        if place is None:
            return ()
        keys = _key_flags(self._cursor.execute(_KEYS, place).fetchall())
        found: list[Output] = []
        for name, kind, comment, nullable, default in self._cursor.execute(_COLUMNS, place).fetchall():
            flags = keys.get(name, FieldFlag(0))
            if not nullable:
                flags |= FieldFlag.NOT_NULL
                flags |= FieldFlag.NO_DEFAULT_VALUE if default is None else FieldFlag(0)
            if str(default).startswith("nextval("):
                flags |= FieldFlag.AUTO_INCREMENT
            shown = schema if place[0] == "temp" else place[1]
            source = Source(shown, place[2], place[2], name, mysql_type(kind, comment), flags)
            found.append((name, source))
        return found

    def _view(self, schema: str, view: str) -> Sequence[Output]:
        row = next(iter(self._cursor.execute(_VIEW, [_MEMORY, schema, view]).fetchall()), None)
        if row is None:
            return ()
        with contextlib.suppress(SqlglotError):
            create = sqlglot.parse_one(row[0], read="duckdb")
            query = create.args.get("expression")
            if isinstance(query, exp.Expr):
                found = outputs(query, lambda db, name: self.columns(db or schema, name))
                names = [column.name for column in create.this.expressions] if create.this.expressions else []
                return [(name, source) for name, (_, source) in zip(names, found, strict=False)] or found
        return ()


def _system_table(schema: str, table: str) -> Sequence[Output]:
    """Return the columns of a table of information_schema, as TiDB declares them."""
    described = SYSTEM_TABLES.get(table) if schema == NAME.lower() else None
    if described is None:
        return ()
    shown = table.upper()
    return [(name, Source(NAME, shown, shown, name, kind)) for name, kind, _ in described.columns]


def _key_flags(rows: Sequence[tuple[str, Sequence[str]]]) -> dict[str, FieldFlag]:
    flags: dict[str, FieldFlag] = {}
    for kind, names in rows:
        for place, name in enumerate(names):
            own = FieldFlag.PRIMARY_KEY
            if kind == "UNIQUE":
                own = FieldFlag.UNIQUE_KEY if len(names) == 1 else FieldFlag(0)
                own = own or (FieldFlag.MULTIPLE_KEY if place == 0 else FieldFlag(0))
            flags[name] = flags.get(name, FieldFlag(0)) | own
    return flags
