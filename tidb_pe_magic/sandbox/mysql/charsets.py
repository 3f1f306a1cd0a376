"""TiDB's character sets, and the codecs for clients' text."""

from __future__ import annotations

from typing import Final

#: MySQL's names (TiDB documentation, "Character Set and Collation") -> Python's codecs.
CODECS: Final = {
    "utf8mb4": "utf-8",
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "ascii": "ascii",
    "binary": "utf-8",
    "latin1": "cp1252",
    "gbk": "gbk",
    "gb18030": "gb18030",
}
_COLLATIONS: Final = {
    "latin1": (5, 8, 15, 31, 47, 48, 49, 94),
    "ascii": (11, 65),
    "gbk": (28, 87),
    "gb18030": (248, 249, 250),
    "binary": (63,),
    "utf8": (33, 76, 83, *range(192, 216), 223),
}
_OF_COLLATION: Final = {number: name for name, numbers in _COLLATIONS.items() for number in numbers}


def of_collation(number: int) -> str:
    """Return the character set of a collation's number; utf8mb4 for an unknown number."""
    return _OF_COLLATION.get(number, "utf8mb4")
