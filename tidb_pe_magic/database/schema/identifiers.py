"""Names of databases, tables and columns, as they are written in SQL."""

from __future__ import annotations

import re

from sqlalchemy.dialects.mysql.reserved_words import RESERVED_WORDS_MYSQL

_PLAIN = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_PARTS = re.compile(r"(`(?:[^`]|``)*`|[^`.]+)(?:\.(`(?:[^`]|``)*`|[^`.]+))?")


def sql_name(*names: str) -> str:
    """Return a name in SQL notation: parts joined by dots, in backticks only if necessary."""
    return ".".join(_sql_part(name) for name in names if name)


def _sql_part(name: str) -> str:
    if _PLAIN.fullmatch(name) and name.lower() not in RESERVED_WORDS_MYSQL:
        return name
    return quote(name)


def quote(name: str) -> str:
    """Return a name in backticks."""
    return "`" + name.replace("`", "``") + "`"


def bare(text: str) -> str:
    """Return a name without its backticks."""
    if len(text) > 1 and text[0] == text[-1] == "`":
        return text[1:-1].replace("``", "`")
    return text


def parts(text: str) -> tuple[str, str]:
    """Return the database, empty if not given, and the table of `table` or `database.table`."""
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        return "", text
    first, second = found.groups()
    return ("", bare(first)) if second is None else (bare(first), bare(second))
