"""The database that every sandbox loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.mysql.flights import DEFAULT_DATABASE, open_database

if TYPE_CHECKING:
    import duckdb

TABLES = "airlines", "airports", "flights", "planes", "weather"
# What a database contains, without the numbers that DuckDB gives to its parts.
CATALOG = {
    "schemata": "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal",
    "tables": "SELECT schema_name, table_name, sql, comment FROM duckdb_tables() ORDER BY table_oid",
    "columns": "SELECT * EXCLUDE (database_oid, schema_oid, table_oid) FROM duckdb_columns() "
    "WHERE NOT internal",
    "constraints": "SELECT * EXCLUDE (database_oid, schema_oid, table_oid) FROM duckdb_constraints()",
    "views": "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal",
    "macros": "SELECT function_name, parameters, parameter_types, macro_definition FROM duckdb_functions() "
    "WHERE NOT internal",
    "settings": "SELECT name, value FROM duckdb_settings()",
}
_IN_ORDER = ("tables",)


def content(database: duckdb.DuckDBPyConnection) -> dict[str, list[object]]:
    """Return what the database contains; rows in their order."""
    found: dict[str, list[object]] = {}
    for part, sql in CATALOG.items():
        rows = database.execute(sql).fetchall()
        found[part] = list(rows if part in _IN_ORDER else sorted(rows, key=str))
        assert rows, part
    for table in TABLES:
        found[table] = list(database.execute(f"FROM {DEFAULT_DATABASE}.{table}").fetchall())
    return found


def test_a_later_database_of_a_process_is_the_same() -> None:
    """Databases filled from the CSV files and from a template have the same parts, rows and settings.

    A write to one of them changes no other.
    """
    first, second, third = (open_database(7) for _ in range(3))
    expected = content(first)
    assert len(expected["flights"]) == 7
    third.execute(f"DELETE FROM {DEFAULT_DATABASE}.flights")
    fourth = open_database(7)
    for database in (second, fourth):
        assert content(database) == expected
    for database in (first, second, third, fourth):
        database.close()
