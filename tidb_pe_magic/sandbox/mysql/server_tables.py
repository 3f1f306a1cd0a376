"""The tables of information_schema that are the same on each server: engines, character sets, collations."""

from __future__ import annotations

from typing import Final

from tidb_pe_magic.sandbox.mysql.system_table import SystemTable

_NAME_TYPE: Final = "varchar(64)"
_ONE_ROW = "(SELECT 1)"
_ENGINES = SystemTable(
    _ONE_ROW,
    (
        ("ENGINE", _NAME_TYPE, "'InnoDB'"),
        ("SUPPORT", "varchar(8)", "'DEFAULT'"),
        ("COMMENT", "varchar(80)", "'Supports transactions, row-level locking, and foreign keys'"),
        ("TRANSACTIONS", "varchar(3)", "'YES'"),
        ("XA", "varchar(3)", "'YES'"),
        ("SAVEPOINTS", "varchar(3)", "'YES'"),
    ),
)
_CHARACTER_SETS = SystemTable(
    _ONE_ROW,
    (
        ("CHARACTER_SET_NAME", "varchar(32)", "'utf8mb4'"),
        ("DEFAULT_COLLATE_NAME", "varchar(32)", "'utf8mb4_bin'"),
        ("DESCRIPTION", "varchar(60)", "'UTF-8 Unicode'"),
        ("MAXLEN", "bigint(3)", "CAST(4 AS BIGINT)"),
    ),
)
_COLLATIONS = SystemTable(
    _ONE_ROW,
    (
        ("COLLATION_NAME", "varchar(32)", "'utf8mb4_bin'"),
        ("CHARACTER_SET_NAME", "varchar(32)", "'utf8mb4'"),
        ("ID", "bigint(11)", "CAST(46 AS BIGINT)"),
        ("IS_DEFAULT", "varchar(3)", "'Yes'"),
        ("IS_COMPILED", "varchar(3)", "'Yes'"),
        ("SORTLEN", "bigint(3)", "CAST(1 AS BIGINT)"),
    ),
)

SERVER_TABLES: Final = {
    "engines": _ENGINES,
    "character_sets": _CHARACTER_SETS,
    "collations": _COLLATIONS,
}
"""The tables, by their names in lower case."""
