"""The most similar existing name for one that the server does not have."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from pymysql.constants import ER

from tidb_pe_magic.database.schema.identifiers import sql_name
from tidb_pe_magic.database.schema.references import Reference, common_tables, pieces, references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tidb_pe_magic.database.schema.names import SchemaNames
    from tidb_pe_magic.database.schema.references import StatementToken

    #: Returns names, with the columns of some tables, each given by its database and name.
    ReadNames = Callable[[Sequence[tuple[str, str]]], SchemaNames]

# The same words in TiDB, MySQL and MariaDB.
_MISSING = {
    ER.BAD_FIELD_ERROR: re.compile(r"Unknown column '(.*?)' in", re.DOTALL),
    ER.NO_SUCH_TABLE: re.compile(r"Table '(.*)' doesn't exist", re.DOTALL),
    ER.BAD_TABLE_ERROR: re.compile(r"Unknown table '(.*)'", re.DOTALL),
    ER.BAD_DB_ERROR: re.compile(r"Unknown database '(.*)'", re.DOTALL),
}
_CLOSE = 0.7  # of 1.0, difflib's ratio: "carier" is 0.92 of "carrier", "name" 0.57 of "tailnum"


def missing_name(code: int, message: str) -> tuple[str, ...]:
    """Return the parts of the unknown name in an error; empty for other errors."""
    pattern = _MISSING.get(code)
    found = pattern.search(message) if pattern is not None else None
    return tuple(found[1].split(".")) if found else ()


def suggestion(code: int, message: str, statement: str, read_names: ReadNames, current: str) -> str:
    """Return the most similar name in SQL notation; empty if none is similar.

    Args:
        code: MySQL's error number.
        message: from the server.
        statement: the refused statement.
        read_names: returns the existing names.
        current: the current database; empty for none.
    """
    name = missing_name(code, message)
    if not name:
        return ""
    found = pieces(statement)
    if code == ER.BAD_FIELD_ERROR:
        return _column(name, found, read_names, current)
    names = read_names(())
    if code == ER.BAD_DB_ERROR:
        return sql_name(_close(name[-1], names.databases))
    database, table = (name[0], ".".join(name[1:])) if len(name) > 1 else (current, name[0])
    return _table(database, table, names, current, common_tables(found))


def similar_database(message: str, names: SchemaNames) -> str:
    """Return the most similar database for a login to an unknown one; empty if none is similar."""
    name = missing_name(ER.BAD_DB_ERROR, message)
    return _close(name[-1], names.own_databases) if name else ""


def _column(
    name: tuple[str, ...], found: Sequence[StatementToken], read_names: ReadNames, current: str
) -> str:
    tables = references(found)
    if len(name) > 1:
        named = [each for each in tables if (each.alias or each.table).lower() == name[-2].lower()]
        if not named:
            qualifier = _close(name[-2], [each.alias or each.table for each in tables])
            return sql_name(qualifier, name[-1]) if qualifier else ""
        tables = named
    names = read_names([_key(each, current) for each in tables])
    known = [column for each in tables for column in names.columns_of(*_key(each, current)) or ()]
    column = _close(name[-1], known)
    return sql_name(*name[-2:-1], column) if column else ""


def _key(reference: Reference, current: str) -> tuple[str, str]:
    return reference.database or current, reference.table


def _table(database: str, table: str, names: SchemaNames, current: str, common: Sequence[str]) -> str:
    here = _close(table, [*common, *names.tables_of(database)])
    if here:
        return sql_name("" if here in common or database.lower() == current.lower() else database, here)
    others = [each for each in names.own_databases if each.lower() != database.lower()]
    places = {table: each for each in reversed(others) for table in names.tables_of(each)}
    # The same name in another database is more similar than any other name there.
    same = next((each for each in places if each.lower() == table.lower()), "")
    there = same or _close(table, places)
    return sql_name(places[there], there) if there else ""


def _close(name: str, known: Iterable[str]) -> str:
    """Return the most similar name that is not equal; empty if none is similar."""
    by_case = {each.lower(): each for each in known if each != name}
    typed = name.lower()
    for place in range(len(typed) - 1):
        # Of a short name, difflib has too little left to compare.
        swapped = typed[:place] + typed[place + 1] + typed[place] + typed[place + 2 :]
        if swapped != typed and swapped in by_case:
            return by_case[swapped]
    found = difflib.get_close_matches(typed, by_case, n=1, cutoff=_CLOSE)
    return by_case[found[0]] if found else ""
