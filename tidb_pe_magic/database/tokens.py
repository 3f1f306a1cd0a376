"""Splits MySQL's SQL into its tokens: strings, quoted names, comments, variables, words and signs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Everything that is not code. The server executes a comment with ! or +.
_NO_CODE = r"""
    (?P<quoted> '(?:[^'{escape}]++|{escaped}'')*+' | "(?:[^"{escape}]++|{escaped}"")*+" | `(?:[^`]++|``)*+` )
    | (?P<comment> (?:--(?=\s|\Z)|\#)[^\n]* | /\*(?![!+]|M!|T!).*?\*/ )
"""


def pieces(code: str, *, escapes: bool) -> re.Pattern[str]:
    """Return the pattern for the tokens of a statement: quoted ones, comments, and those of `code`.

    Args:
        code: alternatives of a verbose pattern, each a named group.
        escapes: a backslash in a string is an escape character, according to the session's sql_mode.
    """
    escape, escaped = (r"\\", r"\\.|") if escapes else ("", "")
    no_code = _NO_CODE.replace("{escape}", escape).replace("{escaped}", escaped)
    return re.compile(no_code + code, re.VERBOSE | re.DOTALL)


class Token(NamedTuple):
    """One token of a statement.

    Attributes:
        kind: word, quoted, variable (`@x`), system (`@@x`) or sign.
        text: as written.
        start: its position in the statement.
    """

    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """The word in upper case; empty if it is not a word."""
        return self.text.upper() if self.kind == "word" else ""


# `/*!80000 SET x = 1 */`: the server executes the content, so the two ends of the comment are ignored.
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
        escapes: a backslash in a string is an escape character, according to the session's sql_mode.
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


def statements(sql: str, *, escapes: bool = True) -> list[str]:
    """Return the statements of a text, as typed, without the semicolons; comments alone are none.

    Args:
        sql: the text.
        escapes: a backslash in a string is an escape character, according to the session's sql_mode.
    """
    found, begin, is_statement = [], 0, False
    for token in tokens(sql, escapes=escapes):
        if token.text != ";":
            is_statement = True
        elif is_statement:
            found.append(sql[begin : token.start].strip())
        if token.text == ";":
            begin, is_statement = token.start + 1, False
    if is_statement:
        found.append(sql[begin:].strip())
    return found


def without_comments(sql: str) -> str:
    """Return a statement with a space for each comment; hints and comments that the server executes stay."""
    parts, begin = [], 0
    for found in _TOKENS[True].finditer(sql):
        if found.lastgroup == "comment":
            parts += [sql[begin : found.start()], " "]
            begin = found.end()
    return "".join([*parts, sql[begin:]]).strip()


def is_code(sql: str) -> bool:
    """Return whether the text after a half-typed statement is code, not inside a string or a comment."""
    last = None
    for found in _TOKENS[True].finditer(sql):
        text, kind = found.group(), found.lastgroup
        if text in {"'", '"'}:
            return False
        comment = kind == "comment" and text.startswith(_LINE_COMMENTS) and found.end() == len(sql)
        opened = kind == "edge" and text.startswith("/")
        last = "comment" if comment or opened else ("" if kind == "edge" else last)
    return last != "comment" and sql.rfind("/*") <= sql.rfind("*/")
