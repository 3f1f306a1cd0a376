"""Conversion of the database to its content as a value, and back."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from tidb_pe_magic.sandbox.mysql.create_table import sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.database_state import DatabaseState, TableState
from tidb_pe_magic.sandbox.mysql.flights import open_database
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA

if TYPE_CHECKING:
    import duckdb

_OWN: Final = f"schema_name NOT IN ('main', '{HIDDEN_SCHEMA}')"
_SCHEMAS: Final = f"""
SELECT schema_name FROM duckdb_schemas()
WHERE NOT internal AND database_name = 'memory' AND {_OWN}
ORDER BY oid"""  # noqa: S608 - of constants
_TABLES: Final = f"""
SELECT schema_name, table_name, sql, comment FROM duckdb_tables()
WHERE NOT internal AND NOT temporary AND {_OWN}
ORDER BY table_oid"""  # noqa: S608 - of constants
_COLUMNS: Final = """
SELECT c.column_name, c.data_type, c.comment
FROM duckdb_columns() c JOIN information_schema.columns i
  ON (i.table_schema, i.table_name, i.column_name) = (c.schema_name, c.table_name, c.column_name)
WHERE NOT c.internal AND c.schema_name = ? AND c.table_name = ? AND i.is_generated = 'NEVER'
ORDER BY c.column_index"""
_SEQUENCES: Final = "SELECT sql FROM duckdb_sequences() ORDER BY sequence_oid"
_INDEXES: Final = f"""
SELECT sql FROM duckdb_indexes() WHERE sql IS NOT NULL AND {_OWN} ORDER BY index_oid"""  # noqa: S608 - of constants
_VIEWS: Final = f"""
SELECT sql FROM duckdb_views() WHERE NOT internal AND {_OWN} ORDER BY view_oid"""  # noqa: S608 - of constants

Print = tuple[object, ...]


def read(cursor: duckdb.DuckDBPyConnection, flights: int | None) -> DatabaseState:
    """Return the content that the cursor's transaction sees; `flights` is the number of loaded rows."""
    known = _loaded_prints(flights)
    prints = _prints(cursor)
    unchanged = {name for name, found in prints.items() if known.get(name) == found}
    return DatabaseState(
        flights=flights,
        schemas=_column(cursor, _SCHEMAS),
        unchanged=frozenset(map(".".join, unchanged)),
        tables=tuple(_table(cursor, *name) for name in prints if name not in unchanged),
        sequences=_column(cursor, _SEQUENCES),
        others=_column(cursor, _INDEXES) + _column(cursor, _VIEWS),
    )


def new_database(state: DatabaseState) -> duckdb.DuckDBPyConnection:
    """Return a new database with this content.

    Raises:
        duckdb.Error: the state does not describe a database.
    """
    database = open_database(state.flights)
    try:
        if state.schemas is not None:
            _write(database, state, state.schemas)
    except BaseException:
        database.close()
        raise
    return database


def _write(database: duckdb.DuckDBPyConnection, state: DatabaseState, schemas: tuple[str, ...]) -> None:
    for schema, table, _, _ in database.execute(_TABLES).fetchall():
        if f"{schema}.{table}" not in state.unchanged:
            database.execute(f"DROP TABLE {sql_name(schema)}.{sql_name(table)}")
    for schema in _column(database, _SCHEMAS):
        if schema not in schemas:
            database.execute(f"DROP SCHEMA {sql_name(schema)}")
    for schema in schemas:
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {sql_name(schema)}")
    for sql in state.sequences:
        database.execute(sql)
    for table in state.tables:
        _fill(database, table)
    for sql in state.others:
        database.execute(sql)


def _fill(database: duckdb.DuckDBPyConnection, table: TableState) -> None:
    database.execute(table.sql)
    name = f"{sql_name(table.schema)}.{sql_name(table.name)}"
    if any(table.values):
        listed = ", ".join(sql_name(column) for column, _, _ in table.columns)
        cast = ", ".join(f"CAST(unnest(CAST(? AS VARCHAR[])) AS {kind})" for _, kind, _ in table.columns)
        database.execute(f"INSERT INTO {name} ({listed}) SELECT {cast}", list(map(list, table.values)))
    for column, _, comment in table.columns:
        if comment is not None:
            database.execute(f"COMMENT ON COLUMN {name}.{sql_name(column)} IS {sql_string(comment)}")
    if table.comment is not None:
        database.execute(f"COMMENT ON TABLE {name} IS {sql_string(table.comment)}")


def _table(cursor: duckdb.DuckDBPyConnection, schema: str, name: str) -> TableState:
    tables = cursor.execute(_TABLES).fetchall()
    sql, comment = next(rest for s, t, *rest in tables if (s, t) == (schema, name))
    columns = tuple(cursor.execute(_COLUMNS, [schema, name]).fetchall())
    shown = ", ".join(f"CAST({sql_name(column)} AS VARCHAR)" for column, _, _ in columns)
    rows = cursor.execute(
        f"SELECT {shown} FROM {sql_name(schema)}.{sql_name(name)} ORDER BY rowid"  # noqa: S608 - quoted
    ).fetchall()
    values = tuple(zip(*rows, strict=True)) if rows else ((),) * len(columns)
    return TableState(schema, name, sql, columns, values, comment)


@functools.cache
def _loaded_prints(flights: int | None) -> dict[tuple[str, str], Print]:
    """Return the fingerprints of the tables that every sandbox with this number of flights loads."""
    loaded = open_database(flights)
    try:
        return _prints(loaded)
    finally:
        loaded.close()


def _prints(database: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Print]:
    """Return a fingerprint of each table's definition, rows and their order."""
    found: dict[tuple[str, str], Print] = {}
    for schema, name, sql, comment in database.execute(_TABLES).fetchall():
        columns = tuple(database.execute(_COLUMNS, [schema, name]).fetchall())
        rows = database.execute(
            f"SELECT count(*), hash(list(hash(t) ORDER BY rowid)) FROM {sql_name(schema)}.{sql_name(name)} t"  # noqa: S608 - quoted
        ).fetchone()
        found[schema, name] = (sql, columns, rows, comment)
    return found


def _column(database: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, ...]:
    return tuple(value for (value,) in database.execute(sql).fetchall())
