"""What has to be known of a statement before it is sent: how it begins, and where its parameters go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What is not code. A comment with ! or + is read by the server.
_NO_CODE = r"""
    (?P<quoted> '(?:[^'{escape}]|{escaped}'')*+' | "(?:[^"{escape}]|{escaped}"")*+" | `(?:[^`]|``)*+` )
    | (?P<comment> (?:--(?=\s|\Z)|\#)[^\n]* | /\*(?![!+]|M!|T!).*?\*/ )
"""


def pieces(code: str, *, escapes: bool) -> re.Pattern[str]:
    """Return what finds the pieces of a statement: quoted ones, comments, and those of `code`.

    Args:
        code: alternatives of a verbose pattern, each a named group.
        escapes: a backslash in a string escapes what follows it, which the session's sql_mode says.
    """
    escape, escaped = (r"\\", r"\\.|") if escapes else ("", "")
    no_code = _NO_CODE.replace("{escape}", escape).replace("{escaped}", escaped)
    return re.compile(no_code + code, re.VERBOSE | re.DOTALL)


# What the code is looked through for.
_CODE = r"""
    | (?P<end> ; )
    | (?P<marker> \? )
    | (?P<word> [\w$@.]+ )
    | (?P<other> [^\s(] )
"""
_PIECES = {escapes: pieces(_CODE, escapes=escapes) for escapes in (True, False)}
# Their bodies may hold semicolons.
_COMPOUND = frozenset({"CREATE", "ALTER", "BEGIN"})
_SELECTS = frozenset({"SELECT", "WITH"})


@dataclass(frozen=True)
class Statement:
    """One SQL statement.

    Attributes:
        sql: the text, without a closing semicolon.
        selects: it begins with SELECT or WITH.
        markers: the places of its parameter markers, which are question marks.
    """

    sql: str
    selects: bool
    markers: tuple[int, ...]

    def filled(self, params: Sequence[object], escape: Callable[[object], str]) -> str:
        """Return the text with each parameter in its place, as a literal that `escape` has made of it.

        Raises:
            InvalidRequest: there are not as many parameters as markers.
        """
        if not params:
            return self.sql
        if len(params) != len(self.markers):
            reason = f"{len(params)} given, but the statement has {len(self.markers)} markers (?)."
            raise InvalidRequest("params", reason)
        pieces, position = [], 0
        for marker, param in zip(self.markers, params, strict=True):
            pieces += [self.sql[position:marker], escape(param)]
            position = marker + 1
        return "".join([*pieces, self.sql[position:]])


def read(sql: str, *, backslash_escapes: bool = True) -> Statement:
    """Look through a statement.

    Raises:
        InvalidRequest: it is none, or more than one.
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
