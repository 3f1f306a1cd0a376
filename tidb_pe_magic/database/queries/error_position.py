"""The position of an error in a refused statement, as the server reports it, and a similar existing name."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from typing import TYPE_CHECKING

from pymysql.constants import ER

from tidb_pe_magic.database.schema.references import pieces
from tidb_pe_magic.database.schema.suggestions import missing_name, suggestion
from tidb_pe_magic.errors import QueryFailed, TidbPeError
from tidb_pe_magic.text import escape_invisible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.database.schema.cache import SchemaCache

# TiDB: `line 1 column 13 near "form t" `, MySQL and MariaDB: `near 'form t' at line 1`. Both quote the
# statement from the wrong word on: TiDB up to 2048 bytes, the others up to 80.
_TIDB = re.compile(r'line (?P<line>\d+) column \d+ near "(?P<near>.*)"\s*\Z', re.DOTALL)
_MYSQL = re.compile(r"near '(?P<near>.*)' at line (?P<line>\d+)\s*\Z", re.DOTALL)
# Length of the compared text: the server may write what follows differently, such as a parameter.
_FEW, _WIDTH, _INDENT = 16, 100, "    "


def with_position(
    error: QueryFailed, statement: str, *, schema: SchemaCache | None, current: str
) -> QueryFailed:
    """Return the error with the line of the statement, a caret under the position, and a suggestion.

    Args:
        error: from the server.
        statement: the refused statement.
        schema: the existing names; they are read if unknown.
        current: the current database; empty for none.
    """
    meant = ""
    if schema is not None and missing_name(error.code, error.reason):
        # Without names there is no suggestion; the error itself is more important.
        with contextlib.suppress(TidbPeError):
            meant = suggestion(error.code, error.reason, statement, schema.read_now, current)
    place = position_in(statement, error.code, error.reason)
    return QueryFailed(
        error.code,
        error.reason,
        advice=f"Did you mean {meant}?" if meant else error.full_advice,
        excerpt=() if place is None else excerpt(statement, place),
    )


def position_in(statement: str, code: int, message: str) -> int | None:
    """Return the position in a statement that an error is about; None if unknown."""
    if code == ER.PARSE_ERROR:
        found = _TIDB.search(message) or _MYSQL.search(message)
        return _near(statement, found["near"], int(found["line"])) if found else None
    name = missing_name(code, message)
    if not name:
        return None
    # The server does not say which of several occurrences it means, but it repeats the qualifier of a column.
    for wanted in (name, name[-1:]):
        places = list(_occurrences(statement, wanted))
        if places:
            return places[0] if len(places) == 1 else None
    return None


def _occurrences(statement: str, name: tuple[str, ...]) -> Iterator[int]:
    """Yield the positions of a name that ends with these parts; each is that of the last part."""
    wanted = tuple(part.lower() for part in name)
    for piece in pieces(statement):
        if tuple(part.lower() for part in piece.parts[-len(wanted) :]) == wanted:
            last = piece.text.rstrip("`").lower().rfind(wanted[-1])
            yield piece.start + max(last, 0)


def _near(statement: str, near: str, line: int) -> int | None:
    """Return where the quoted rest of a statement starts."""
    if not near:
        return len(statement.rstrip())
    if statement.endswith(near):
        return len(statement) - len(near)
    start = near[:_FEW]
    places = (found.start() for found in re.finditer(re.escape(start), statement))
    return next((place for place in places if statement.count("\n", 0, place) + 1 == line), None)


def excerpt(statement: str, place: int) -> tuple[str, str]:
    """Return the line of a position (shortened if long), and a line with a caret under it."""
    begin = statement.rfind("\n", 0, place) + 1
    end = statement.find("\n", place)
    line = statement[begin : end if end >= 0 else len(statement)].rstrip("\r")
    column = min(place - begin, len(line))
    first = max(0, column - _WIDTH // 2) if len(line) > _WIDTH else 0
    before, after = _display(line[first:column]), _display(line[column : first + _WIDTH])
    if first:
        before = f"…{before}"
    if first + _WIDTH < len(line):
        after += "…"
    return f"{_INDENT}{before}{after}", f"{_INDENT}{' ' * _columns(before)}^"


def _display(text: str) -> str:
    return escape_invisible(text.replace("\t", "    "))


def _columns(text: str) -> int:
    """Count a terminal's columns: a wide character takes two, a combining one none."""
    return sum(
        0 if unicodedata.category(each) in {"Mn", "Me"} else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )
