"""Completion of SQL in `%%sql`, `%sql` and `%%tidb_pe query` from already known names, without waiting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tidb_pe_magic.advice import USUAL_ALIAS

if TYPE_CHECKING:
    from tidb_pe_magic.completion.sql import Completion
    from tidb_pe_magic.runtime.known_names import KnownNames
    from tidb_pe_magic.runtime.open_connections import OpenConnection

_SQL_CELL = re.compile(r"\s*%%(?:sql|jupysql)(?:\s+(?P<line>.*))?\s*")
_QUERY_CELL = re.compile(r"\s*%%tidb_pe\s+query(?P<line>\s.*)?")
_SQL_LINE = re.compile(r"(?:^|=)\s*%(?:sql|jupysql)\s+(?P<sql>.*)\Z")
_FIRST_WORD = re.compile(r"(?:^|=)\s*%{1,2}(?:sql|jupysql)\s+(?P<word>\w*)\Z")
_NAMED = re.compile(r"(?:--alias(?:\s+|=)|@)(?P<alias>\w+)")


class SqlPlace(NamedTuple):
    """A position in a cell's SQL.

    Attributes:
        sql: the cell's SQL.
        cursor: the position in it.
        alias: the cell's connection; empty for jupysql's current one.
    """

    sql: str
    cursor: int
    alias: str


def sql_place(text: str, line: int, column: int) -> SqlPlace | None:
    """Return the position in a cell's SQL; None if the cursor is outside of it.

    Args:
        text: the cell's text.
        line: the cursor's line, from 0.
        column: the cursor's column in its line.
    """
    lines = text.split("\n")
    first = next((number for number, each in enumerate(lines) if each.strip()), 0)
    query, cell = _QUERY_CELL.fullmatch(lines[first]), _SQL_CELL.fullmatch(lines[first])
    if line > first and (query or cell):
        before = sum(len(each) + 1 for each in lines[first + 1 : line])
        sql = "\n".join(lines[first + 1 :])
        alias = (
            _connection_option(query["line"]) if query is not None else _word(cell["line"] if cell else "")
        )
        return SqlPlace(sql, before + column, alias)
    found = _SQL_LINE.search(lines[line][:column])
    if found is None:
        return None
    start = found.start("sql")
    return SqlPlace(lines[line][start:], column - start, _word(found["sql"]))


def _connection_option(options: str | None) -> str:
    """Return the connection in a query's options."""
    found = _NAMED.search(options or "")
    return found["alias"] if found else USUAL_ALIAS


def _word(text: str | None) -> str:
    """Return the first word, which may be an alias."""
    return (text or "").split(maxsplit=1)[0] if (text or "").strip() else ""


def complete_at(known: KnownNames, place: SqlPlace) -> Completion | None:
    """Return the completions at a position; None if the statement would not run over one of our connections.

    Unknown columns are read in the background, and offered the next time.
    """
    record = _record(known, place.alias)
    if record is None:
        return None
    from tidb_pe_magic.completion.sql import complete  # noqa: PLC0415 - imports sqlalchemy, which is slow

    found = complete(place.sql, place.cursor, record.schema.names, record.session.database)
    if found is not None:
        record.schema.request(found.tables)
    return found


def _record(known: KnownNames, alias: str) -> OpenConnection | None:
    """Return the connection of the alias, or the one that `%sql` uses."""
    named = known.connection(alias) if alias in known.aliases else None
    if named is not None or not known.aliases:
        return named
    from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - imports sqlalchemy, which is slow

    records = filter(None, map(known.connection, known.aliases))
    return next(
        (each for each in records if jupysql.is_current(each.connection.alias, each.connection.engine)), None
    )


def alias_word(line: str) -> str | None:
    """Return the incomplete first word of `%sql` or `%%sql`, which can become an alias; None elsewhere."""
    found = _FIRST_WORD.search(line)
    return found["word"] if found else None
