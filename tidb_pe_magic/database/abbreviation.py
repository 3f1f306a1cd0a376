"""Shortens a statement for lists: one line, without the strings in it."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from tidb_pe_magic.database.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.database.tokens import Token

_LONGEST = 120
_HIDDEN = "…"
_QUOTES = ("'", '"')
# The text after these is a password in some form.
_SECRET = frozenset({"IDENTIFIED", "PASSWORD"})


def abbreviate(sql: str) -> str:
    """Return a statement's beginning, with an ellipsis for each string and each password.

    A string may be a password, a key or personal data. If it is unclear where a string ends, because a quote
    is not closed or a backslash may escape one, the statement ends there.
    """
    found = tokens(sql)
    if "\\" in sql:
        plain = tokens(sql, escapes=False)
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(found, plain, strict=False))
        found = (token for token, _ in alike)
    text, end = "", 0
    for token in _sure(found):
        shown = _HIDDEN if token.text.startswith(_QUOTES) or token.word.startswith("0X") else token.text
        text += (" " if text and token.start > end else "") + shown
        end = token.start + len(token.text)
        if token.word in _SECRET or len(text) > _LONGEST:
            break
    text = " ".join(text.split())
    complete = bool(text) and end >= len(sql.rstrip()) and len(text) <= _LONGEST
    return text if complete else f"{text[:_LONGEST].rstrip()} {_HIDDEN}".lstrip()


def _sure(found: Iterator[Token]) -> Iterator[Token]:
    """Yield the tokens up to a quote that is not closed, as they are needed: a statement may be long."""
    return takewhile(lambda token: token.kind != "sign" or token.text not in _QUOTES, found)
