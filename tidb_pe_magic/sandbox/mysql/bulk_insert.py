"""INSERTs of many plain rows, without the slow parser in Python.

A data frame's `to_sql` sends thousands of rows in one statement; parsing them takes a millisecond each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tidb_pe_magic.sandbox.mysql.plain_rows import Number

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.plain_rows import Value

#: Shorter rows do not benefit.
_LONG: Final = 4096
_HEAD: Final = re.compile(
    r"\s*INSERT\s+(?:IGNORE\s+)?INTO\s+[^'\"()]+(?:\([^'\"()]*\))?\s*VALUES\s*(?=\()", re.IGNORECASE
)
_TAIL: Final = re.compile(r"(?:\s*ON\s+DUPLICATE\s+KEY\s+UPDATE\s[^'\"]*)?", re.IGNORECASE)
_HEX: Final = r"(?:[0-9a-f]{2})*+"
_BINARY: Final = r"_binary\s*+"
_TEXT: Final = r"'(?:[^'\\]++|''|\\.)*+'"
_NUMBER: Final = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[-+]?\d++)?"
_VALUE: Final = rf"\s*+(?:NULL|x'{_HEX}'|(?:{_BINARY})?{_TEXT}|{_NUMBER})\s*+"
_ROW: Final = rf"\({_VALUE}(?:,{_VALUE})*+\)"
_ROWS: Final = re.compile(rf"{_ROW}(?:\s*+,\s*+{_ROW})*+", re.IGNORECASE | re.DOTALL)
#: A value, and what separates it from the next one in the row, or in the next row.
_VALUES: Final = re.compile(
    rf"\s*+(?:(NULL)|x'({_HEX})'|({_BINARY})?({_TEXT})|({_NUMBER}))\s*+(,|\)(?:\s*+,\s*+\()?)",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)|''", re.DOTALL)
_ESCAPES: Final = {
    "0": "\0",
    "b": "\b",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "Z": "\x1a",
    "%": "\\%",
    "_": "\\_",
    None: "'",
}


def split(sql: str) -> tuple[str, list[list[Value]], str] | None:
    """Return the text before the rows, the rows, and the text behind them; None for other statements.

    All values are plain, and the rows have the same length.
    """
    head = _HEAD.match(sql) if len(sql) > _LONG else None
    found = _ROWS.match(sql, head.end()) if head is not None else None
    if head is None or found is None or found.end() - found.start() <= _LONG:
        return None
    if not _TAIL.fullmatch(sql, found.end()):
        return None
    rows: list[list[Value]] = []
    row: list[Value] = []
    for null, digits, binary, text, number, end in _VALUES.findall(sql, head.end() + 1, found.end()):
        if number:
            row.append(Number(number))
        elif text:
            row.append(_text(text[1:-1], binary=bool(binary)))
        else:
            row.append(None if null else bytes.fromhex(digits))
        if end != ",":
            rows.append(row)
            row = []
    if len(set(map(len, rows))) > 1:
        return None
    return head.group(), rows, sql[found.end() :]


def _text(text: str, *, binary: bool) -> str | bytes:
    if "\\" in text or "''" in text:
        text = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), text)
    return text.encode("utf-8", "surrogateescape") if binary else text
