"""What has to be known of a statement before it is sent: how it begins, and where its parameters go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.database.tokens import pieces
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the code is looked through for.
_CODE = r"""
    | (?P<end> ; )
    | (?P<marker> \? )
    | (?P<word> [\w$@.]+ )
    | (?P<other> [^\s(] )
"""
_PIECES = {escapes: pieces(_CODE, escapes=escapes) for escapes in (True, False)}
_RECURSIVE = "recursive"
# With sql_mode=ANSI_QUOTES double quotes are a name's, too.
_NAME_QUOTES = '`"'
# Their bodies may hold semicolons.
_COMPOUND = frozenset({"CREATE", "ALTER", "BEGIN"})
_SELECTS = frozenset({"SELECT", "WITH", "TABLE", "VALUES"})


@dataclass(frozen=True)
class Statement:
    """One SQL statement.

    Attributes:
        sql: the text, without a closing semicolon.
        selects: it begins with SELECT, WITH, TABLE or VALUES, perhaps in brackets.
        markers: the places of its parameter markers, which are question marks.
    """

    sql: str
    selects: bool
    markers: tuple[int, ...]

    def filled(self, literals: Sequence[str]) -> str:
        """Return the text with a literal in the place of each parameter marker.

        Raises:
            InvalidRequest: there are not as many literals as markers.
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
    """Refuse another number of parameters than the statement has markers.

    Raises:
        InvalidRequest: it is another one.
    """
    if given != markers:
        raise InvalidRequest("params", f"{given} given, but the statement has {markers} markers (?).")


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


def tables(statement: Statement, *, backslash_escapes: bool = True) -> frozenset[str]:
    """Return every name that a SELECT mentions, in lower case; its tables' names are among them.

    With WITH RECURSIVE there are none: its rows need not be like those of its first rows' table.
    """
    names: set[str] = set()
    if not statement.selects:
        return frozenset()
    for token in _PIECES[backslash_escapes].finditer(statement.sql):
        text = token.group()
        if token.lastgroup == "word":
            names.update(text.casefold().split("."))
        elif token.lastgroup == "quoted" and text[0] in _NAME_QUOTES:
            names.add(text[1:-1].replace(2 * text[0], text[0]).casefold())
    return frozenset(names - {""}) if _RECURSIVE not in names else frozenset()
