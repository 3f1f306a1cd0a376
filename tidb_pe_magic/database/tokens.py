"""MySQL's SQL cut into its tokens: strings, quoted names, comments, variables, words and signs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is not code. A comment with ! or + is read by the server.
_NO_CODE = r"""
    (?P<quoted> '(?:[^'{escape}]++|{escaped}'')*+' | "(?:[^"{escape}]++|{escaped}"")*+" | `(?:[^`]++|``)*+` )
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


class Token(NamedTuple):
    """One token of a statement.

    Attributes:
        kind: word, quoted, variable (`@x`), system (`@@x`) or sign.
        text: as it is written.
        start: its place in the statement.
    """

    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """The word in capitals; empty where it is none."""
        return self.text.upper() if self.kind == "word" else ""


# `/*!80000 SET x = 1 */`: the server reads what is in the comment, so its two ends count as nothing.
_CODE = r"""
    | (?P<hint> /\*\+.*?\*/ )
    | (?P<edge> /\*(?:M?!\d*|T!(?:\[[^\]]*\])?) | \*/ )
    | (?P<system> @@[\w$.]+ )
    | (?P<variable> @(?:[\w$.]+ | '[^']*' | "[^"]*" | `[^`]*`) )
    | (?P<word> [\w$.]+ )
    | (?P<sign> := | \S )
"""
_LINE_COMMENTS = ("-", "#")
_TOKENS = {escapes: pieces(_CODE, escapes=escapes) for escapes in (True, False)}
_NAMES = frozenset({"word", "quoted"})


def tokens(sql: str, *, escapes: bool = True) -> Iterator[Token]:
    """Yield a statement's tokens, without comments and hints.

    Args:
        sql: the statement.
        escapes: a backslash in a string escapes what follows it, which the session's sql_mode says.
    """
    name_end = -1
    for found in _TOKENS[escapes].finditer(sql):
        kind = found.lastgroup or ""
        if kind in {"comment", "hint", "edge"}:
            continue
        if kind == "variable" and found.start() == name_end:
            kind = "sign"  # the host of an account, as in 'ann'@'%'
        yield Token(kind, found.group(), found.start())
        name_end = found.end() if kind in _NAMES else -1


def is_code(sql: str) -> bool:
    """Tell whether what follows a half-typed statement is code, and not the rest of a string or a comment."""
    last = None
    for found in _TOKENS[True].finditer(sql):
        text, kind = found.group(), found.lastgroup
        if text in {"'", '"'}:
            return False
        comment = kind == "comment" and text.startswith(_LINE_COMMENTS) and found.end() == len(sql)
        opened = kind == "edge" and text.startswith("/")
        last = "comment" if comment or opened else ("" if kind == "edge" else last)
    return last != "comment" and sql.rfind("/*") <= sql.rfind("*/")
