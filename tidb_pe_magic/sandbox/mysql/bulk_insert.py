"""INSERTs of many plain rows, which need not go through a parser written in Python.

A data frame's `to_sql` sends thousands of rows in one statement; parsing them takes a millisecond each.
"""

from __future__ import annotations

import re
from typing import Final

#: Shorter statements gain nothing.
_LONG: Final = 4096
_HEAD: Final = re.compile(
    r"\s*INSERT\s+(?:IGNORE\s+)?INTO\s+[^'\"()]+(?:\([^'\"()]*\))?\s*VALUES\s*(?=\()", re.IGNORECASE
)
#: Nothing but rows of numbers, NULL and texts.
_ROWS: Final = re.compile(r"(?:[\s(),+\-.\deE]++|NULL|'(?:[^'\\]++|''|\\.)*+')*+", re.DOTALL)
_ESCAPED_TEXT: Final = re.compile(r"'((?:[^'\\]++|''|\\.)*+)'", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {
    "0": "\0",
    "b": "\b",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "Z": "\x1a",
    "'": "''",
    "%": "\\%",
    "_": "\\_",
}


def split(sql: str) -> tuple[str, str] | None:
    """Return the head, up to VALUES, and the rows in DuckDB's SQL; None where this is not so plain."""
    head = _HEAD.match(sql) if len(sql) > _LONG else None
    if head is None or not _ROWS.fullmatch(sql, head.end()):
        return None
    rows = sql[head.end() :]
    return head.group(), _ESCAPED_TEXT.sub(_unescape, rows) if "\\" in rows else rows


def _unescape(text: re.Match[str]) -> str:
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape.group(1), escape.group(1)), text.group())
