"""Properties of a statement that matter before it is sent: its first word, and its parameter markers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.database.tokens import pieces
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

# The tokens to find in the code.
_CODE = r"""
    | (?P<end> ; )
    | (?P<marker> \? )
    | (?P<word> [\w$@.]+ )
    | (?P<other> [^\s(] )
"""
_PIECES = {escapes: pieces(_CODE, escapes=escapes) for escapes in (True, False)}
# Their bodies may contain semicolons.
_COMPOUND = frozenset({"CREATE", "ALTER", "BEGIN"})
_SELECTS = frozenset({"SELECT", "WITH", "TABLE", "VALUES"})


@dataclass(frozen=True)
class Statement:
    """One SQL statement.

    Attributes:
        sql: the text, without a closing semicolon.
        selects: it begins with SELECT, WITH, TABLE or VALUES, possibly in parentheses.
        markers: the positions of its parameter markers, which are question marks.
    """

    sql: str
    selects: bool
    markers: tuple[int, ...]

    def fill(self, literals: Sequence[str]) -> str:
        """Return the text with each parameter marker replaced by a literal.

        Raises:
            InvalidRequest: the numbers of literals and markers differ.
        """
        if not literals:
            return self.sql
        check_number(len(literals), len(self.markers))
        pieces, position = [], 0
        for marker, literal in zip(self.markers, literals, strict=True):
            pieces += [self.sql[position:marker], literal]
            position = marker + 1
        return "".join([*pieces, self.sql[position:]])


def check_number(given: int, markers: int) -> None:
    """Reject a number of parameters that differs from the number of markers.

    Raises:
        InvalidRequest: it differs.
    """
    if given != markers:
        found = "1 marker" if markers == 1 else f"{markers} markers"
        # Only a SQL cell sends a statement with markers and without any values.
        advice = "Give a value for each ?." if given else "In a SQL cell, write :name for a variable."
        raise InvalidRequest("params", f"{given} given, but the statement has {found} (?).", advice=advice)


def parse(sql: str, *, backslash_escapes: bool = True) -> Statement:
    """Parse a statement.

    Raises:
        InvalidRequest: there is no statement, or more than one.
    """
    first, markers, end = "", [], len(sql)
    for token in _PIECES[backslash_escapes].finditer(sql):
        kind, text = token.lastgroup, token.group()
        if kind == "comment" or (kind == "end" and end < len(sql)):
            continue
        if end < len(sql):
            raise InvalidRequest(
                "sql",
                "more than one statement.",
                advice="Run one statement at a time, each with its own command.",
            )
        if kind == "end" and first not in _COMPOUND:
            end = token.start()
        elif kind == "marker":
            markers.append(token.start())
        first = first or text.upper()
    if first in {"", ";"}:
        raise InvalidRequest("sql", "no statement.")
    return Statement(sql[:end], first in _SELECTS, tuple(markers))
