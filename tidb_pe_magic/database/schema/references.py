"""The names in a statement: its tables and their aliases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tidb_pe_magic.database.schema.identifiers import bare
from tidb_pe_magic.database.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PART = re.compile(r"`(?:[^`]|``)*`|[^`.\s]+")
# A table follows these words.
BEFORE_TABLE = frozenset({"FROM", "JOIN", "STRAIGHT_JOIN", "INTO", "UPDATE", "TABLE", "DESC", "DESCRIBE"})
# A list of tables ends with these words.
_LIST_ENDS_TEXT = """
WHERE GROUP ORDER LIMIT HAVING SET UNION EXCEPT INTERSECT WINDOW FOR VALUES VALUE SELECT WITH LOCK INTO
FETCH OFFSET ADD DROP MODIFY CHANGE RENAME
"""
# Words that can follow a table instead of an alias.
_AFTER_TABLE_TEXT = """
ON JOIN LEFT RIGHT INNER OUTER CROSS NATURAL STRAIGHT_JOIN USING USE IGNORE FORCE PARTITION TABLESAMPLE
FROM COLUMNS LIKE
"""
_LIST_ENDS = frozenset(_LIST_ENDS_TEXT.split())
_NO_ALIAS = _LIST_ENDS.union(_AFTER_TABLE_TEXT.split())
# Between the word before a table and the table.
_SKIPPED = frozenset({"IF", "NOT", "EXISTS", "LATERAL", "ONLY"})


class StatementToken(NamedTuple):
    """A name with its qualifiers, or another token of a statement.

    Attributes:
        parts: of a name, without backticks; empty for other tokens.
        text: as written.
        start: its position in the statement.
        word: a name without qualifiers and backticks in upper case; empty for other tokens.
    """

    parts: tuple[str, ...]
    text: str
    start: int
    word: str = ""


class Reference(NamedTuple):
    """A table in a statement; `database` is empty for the current one, `alias` if there is none."""

    database: str
    table: str
    alias: str


def pieces(sql: str, *, escapes: bool = True) -> list[StatementToken]:
    """Return a statement's names and other tokens, without comments.

    Args:
        sql: the statement.
        escapes: a backslash in a string is an escape character, according to the session's sql_mode.
    """
    found: list[StatementToken] = []
    for token in tokens(sql, escapes=escapes):
        is_name = token.kind == "word" or token.text == "." or token.text[0] == "`" != token.text
        last = found[-1] if found else None
        if is_name and last is not None and last.parts and last.start + len(last.text) == token.start:
            found[-1] = _name(last.text + token.text, last.start)
        elif is_name:
            found.append(_name(token.text, token.start))
        else:
            found.append(StatementToken((), token.text, token.start))
    return found


def _name(text: str, start: int) -> StatementToken:
    if "." not in text and text[0] != "`":
        return StatementToken((text,), text, start, text.upper())
    parts = tuple(bare(part) for part in _PART.findall(text)) or ("",)
    return StatementToken(parts, text, start)


def references(found: Sequence[StatementToken]) -> list[Reference]:
    """Return the tables of a statement in order, including those of its subqueries and its CTEs."""
    return list(_references(found))


@dataclass
class _Level:
    """What surrounds a token: a statement, or the content of parentheses.

    Attributes:
        lists: a list of tables has begun, in which a comma is followed by a table.
        selects: FROM is followed by a table; in `EXTRACT(YEAR FROM day)` it is not.
    """

    lists: bool = False
    selects: bool = False


def _references(found: Sequence[StatementToken]) -> Iterator[Reference]:
    levels, expected, place = [_Level(selects=True)], False, 0
    while place < len(found):
        piece, level = found[place], levels[-1]
        word, place = piece.word, place + 1
        if piece.text == "(":
            levels.append(_Level(lists=expected))
        elif piece.text == ")":
            expected = False
            if len(levels) > 1:
                levels.pop()
        elif piece.text == ",":
            expected = level.lists
        elif word in BEFORE_TABLE and _is_before_table(word, found[place - 2] if place > 1 else None, level):
            level.lists = expected = True
        elif word in _LIST_ENDS:
            level.lists = expected = False
            level.selects = level.selects or word == "SELECT"
        elif expected and (piece.parts or piece.text[0] == '"') and word not in _SKIPPED:
            # With sql_mode=ANSI_QUOTES, double quotes enclose names.
            parts = piece.parts or (piece.text[1:-1].replace('""', '"'),)
            alias, place = _alias(found, place)
            yield Reference(parts[-2] if len(parts) > 1 else "", parts[-1], alias)
            expected = False


def _is_before_table(word: str, previous: StatementToken | None, level: _Level) -> bool:
    if previous is None:
        return True
    if word == "UPDATE":
        return previous.word not in {"FOR", "KEY"}  # FOR UPDATE, ON DUPLICATE KEY UPDATE
    return level.selects if word == "FROM" else word not in {"DESC", "DESCRIBE"}  # ORDER BY a DESC


def _alias(found: Sequence[StatementToken], place: int) -> tuple[str, int]:
    """Return the alias at a position, or an empty string, and the position after it."""
    if place < len(found) and found[place].word == "AS":
        place += 1
    if place < len(found) and len(found[place].parts) == 1 and found[place].word not in _NO_ALIAS:
        return found[place].parts[0], place + 1
    return "", place


def common_tables(found: Sequence[StatementToken]) -> list[str]:
    """Return the names of the common table expressions: `WITH name AS (`, `WITH name(columns) AS (`."""
    if not any(piece.word == "WITH" for piece in found):
        return []
    names, opened, before = [], [0], 0
    for place, piece in enumerate(found):
        if piece.text == "(":
            named = found[before] if place > 1 and found[place - 1].word == "AS" else None
            if named is not None and len(named.parts) == 1:
                names.append(named.parts[0])
            opened.append(place)
        elif piece.text == ")":
            before = opened.pop() - 1 if len(opened) > 1 else before
        elif piece.word != "AS":
            before = place
    return names
