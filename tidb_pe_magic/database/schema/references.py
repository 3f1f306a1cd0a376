"""The names in a statement: its tables and their aliases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tidb_pe_magic.database.schema.identifiers import bare
from tidb_pe_magic.database.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PART = re.compile(r"`(?:[^`]|``)*`|[^`.\s]+")
# A table follows these words.
BEFORE_TABLE = frozenset({"FROM", "JOIN", "STRAIGHT_JOIN", "INTO", "UPDATE", "TABLE", "DESC", "DESCRIBE"})
# Words that can follow a table instead of an alias.
_NO_ALIAS = frozenset(
    {
        "WHERE",
        "ON",
        "JOIN",
        "LEFT",
        "RIGHT",
        "INNER",
        "OUTER",
        "CROSS",
        "NATURAL",
        "STRAIGHT_JOIN",
        "GROUP",
        "ORDER",
        "LIMIT",
        "HAVING",
        "SET",
        "USING",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "WINDOW",
        "FOR",
        "USE",
        "IGNORE",
        "FORCE",
        "PARTITION",
        "TABLESAMPLE",
        "VALUES",
        "VALUE",
        "SELECT",
        "LOCK",
        "INTO",
        "FETCH",
        "OFFSET",
        "WITH",
        "FROM",
        "ADD",
        "DROP",
        "MODIFY",
        "CHANGE",
        "RENAME",
        "COLUMNS",
        "LIKE",
    }
)


class StatementToken(NamedTuple):
    """A name with its qualifiers, or another token of a statement.

    Attributes:
        parts: of a name, without backticks; empty for other tokens.
        text: as written.
        start: its position in the statement.
    """

    parts: tuple[str, ...]
    text: str
    start: int

    @property
    def word(self) -> str:
        """The word in upper case; empty if it is not a word."""
        return self.text.upper() if len(self.parts) == 1 and self.text[0] != "`" else ""


class Reference(NamedTuple):
    """A table in a statement; `database` is empty for the current one, `alias` if there is none."""

    database: str
    table: str
    alias: str


def pieces(sql: str) -> list[StatementToken]:
    """Return a statement's names and other tokens, without comments."""
    found: list[StatementToken] = []
    for token in tokens(sql):
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
    parts = tuple(bare(part) for part in _PART.findall(text)) or ("",)
    return StatementToken(parts, text, start)


def references(found: Sequence[StatementToken]) -> list[Reference]:
    """Return the tables of a statement in order, including those of its subqueries."""
    return list(_references(found))


def _references(found: Sequence[StatementToken]) -> Iterator[Reference]:
    place = 0
    while place < len(found):
        listed = found[place].word in BEFORE_TABLE
        place += 1
        while listed and place < len(found) and found[place].parts:
            piece = found[place]
            if piece.word in {"IF", "NOT", "EXISTS"}:  # DROP TABLE IF EXISTS
                place += 1
                continue
            alias, place = _alias(found, place + 1)
            yield Reference(piece.parts[-2] if len(piece.parts) > 1 else "", piece.parts[-1], alias)
            listed = place < len(found) and found[place].text == ","
            place += listed


def _alias(found: Sequence[StatementToken], place: int) -> tuple[str, int]:
    """Return the alias at a position, or an empty string, and the position after it."""
    if place < len(found) and found[place].word == "AS":
        place += 1
    if place < len(found) and len(found[place].parts) == 1 and found[place].word not in _NO_ALIAS:
        return found[place].parts[0], place + 1
    return "", place


def common_tables(found: Sequence[StatementToken]) -> list[str]:
    """Return the names of the common table expressions: `WITH name AS (`."""
    if not any(piece.word == "WITH" for piece in found):
        return []
    return [
        found[place].parts[0]
        for place in range(len(found) - 2)
        if len(found[place].parts) == 1 and found[place + 1].word == "AS" and found[place + 2].text == "("
    ]
