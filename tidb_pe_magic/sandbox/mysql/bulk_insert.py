"""INSERTs of many plain rows, without the slow parser in Python.

A data frame's `to_sql` sends thousands of rows in one statement; parsing them takes a millisecond each.
"""

from __future__ import annotations

import re
from typing import Final

#: Shorter statements do not benefit.
_LONG: Final = 4096
_HEAD: Final = re.compile(
    r"\s*INSERT\s+(?:IGNORE\s+)?INTO\s+[^'\"()]+(?:\([^'\"()]*\))?\s*VALUES\s*(?=\()", re.IGNORECASE
)
#: Only rows of numbers, NULL, texts and bytes.
_ROWS: Final = re.compile(r"(?:[\s(),+\-.\deE]++|NULL|x?'(?:[^'\\]++|''|\\.)*+')*+", re.DOTALL)
_TAIL: Final = re.compile(r"(?:\s*ON\s+DUPLICATE\s+KEY\s+UPDATE\s[^'\"]*)?", re.IGNORECASE)
_TEXT: Final = re.compile(r"(x?)'((?:[^'\\]++|''|\\.)*+)'", re.DOTALL)
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


def split(sql: str) -> tuple[str, str, str] | None:
    """Return the head, the rows in DuckDB's SQL, and the rest; None if the statement is more complex."""
    head = _HEAD.match(sql) if len(sql) > _LONG else None
    found = _ROWS.match(sql, head.end()) if head is not None else None
    if head is None or found is None or not _TAIL.fullmatch(sql, found.end()):
        return None
    rows = found.group()
    if "\\" in rows or "x'" in rows:
        rows = _TEXT.sub(_in_duckdb, rows)
    return head.group(), rows, sql[found.end() :]


def _in_duckdb(text: re.Match[str]) -> str:
    if text.group(1):
        return f"unhex('{text.group(2)}')"
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape.group(1), escape.group(1)), text.group())
