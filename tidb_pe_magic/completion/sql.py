"""Completions of a half-typed word in a SQL statement, from the known names."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tidb_pe_magic.database.schema.identifiers import bare, sql_name
from tidb_pe_magic.database.schema.references import (
    BEFORE_TABLE,
    Reference,
    StatementToken,
    common_tables,
    pieces,
    references,
)
from tidb_pe_magic.database.tokens import is_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidb_pe_magic.database.schema.names import SchemaNames

MOST = 300
"""Maximum number of completions; a longer list does not help."""

_QUALIFIER = r"(?:(?P<qualifier>(?:`[^`]*`|[^\W\d][\w$]*)(?:\.(?:`[^`]*`|[\w$]+))?)\.)?"
_TYPED = re.compile(_QUALIFIER + r"(?P<word>[\w$]*)\Z")
_QUOTED = re.compile(_QUALIFIER + r"(?P<word>`[^`]*)\Z")
_CLAUSES = frozenset(
    {
        "SELECT",
        "FROM",
        "WHERE",
        "ON",
        "GROUP",
        "ORDER",
        "BY",
        "HAVING",
        "SET",
        "VALUES",
        "LIMIT",
        "USING",
        "INTO",
        "JOIN",
        "UPDATE",
        "RETURNING",
    }
)
_BEFORE_DATABASE = frozenset({"USE", "DATABASE", "SCHEMA"})
# Minimum letters before columns of every table of the database are searched.
_ENOUGH = 2
_KEYWORDS_TEXT = """
SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET JOIN LEFT RIGHT INNER CROSS ON USING AS DISTINCT
AND OR NOT IN IS NULL LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END UNION ALL EXCEPT INTERSECT WITH
RECURSIVE ASC DESC INSERT INTO VALUES UPDATE SET DELETE REPLACE CREATE TABLE VIEW INDEX DROP ALTER
TRUNCATE USE SHOW TABLES DATABASES COLUMNS DESCRIBE EXPLAIN ANALYZE OVER PARTITION ROWS PRECEDING
FOLLOWING CURRENT ROW INTERVAL BEGIN COMMIT ROLLBACK PRIMARY KEY DEFAULT
"""
_FUNCTIONS_TEXT = """
ABS AVG CAST CEIL COALESCE CONCAT CONCAT_WS CONVERT COUNT CURDATE DATE DATEDIFF DATE_ADD DATE_FORMAT
DATE_SUB DAY DAYOFWEEK DENSE_RANK EXTRACT FIRST_VALUE FLOOR FROM_UNIXTIME GREATEST GROUP_CONCAT HOUR IF
IFNULL JSON_EXTRACT LAG LAST_VALUE LEAD LEAST LENGTH LOWER LPAD LTRIM MAX MIN MINUTE MOD MONTH NOW NTILE
NULLIF POWER QUARTER RANK REGEXP_LIKE REPLACE ROUND ROW_NUMBER RTRIM SECOND SQRT STDDEV STR_TO_DATE
SUBSTRING SUBSTRING_INDEX SUM TIMESTAMPDIFF TRIM TRUNCATE UNIX_TIMESTAMP UPPER VARIANCE WEEK WEEKDAY
YEAR
"""


_KEYWORDS, _FUNCTIONS = _KEYWORDS_TEXT.split(), _FUNCTIONS_TEXT.split()


class Kind(StrEnum):
    """Kind of a word, in the terms of front ends."""

    DATABASE = "module"
    TABLE = "class"
    COLUMN = "property"
    ALIAS = "instance"
    KEYWORD = "keyword"
    FUNCTION = "function"


_NO_NAMES = frozenset({Kind.KEYWORD, Kind.FUNCTION})


class Word(NamedTuple):
    """A completion, in the form in which it is inserted."""

    text: str
    kind: Kind


Named = tuple[str, Kind]
"""A name, unquoted, and its kind."""


class Completion(NamedTuple):
    """The typed part of a word, its completions, and the tables whose columns could be offered."""

    typed: str
    words: list[Word]
    tables: list[tuple[str, str]]


def complete(sql: str, cursor: int, names: SchemaNames, current: str) -> Completion | None:
    """Return the completions at a position in a statement; None where SQL does not apply, as in a string.

    Args:
        sql: the statement, or several.
        cursor: the position.
        names: the known names.
        current: the current database; empty for none.
    """
    before = sql[:cursor]
    if not is_code(before):
        return None
    found = (_QUOTED if before.count("`") % 2 else _TYPED).search(before)
    if found is None:
        return None
    word, qualifier = found["word"], found["qualifier"]
    left = _statement(pieces(before[: found.start()]), last=True)
    rest = _statement(pieces(" " + sql[cursor + len(_rest(sql[cursor:])) :]), last=False)
    # The typed word takes the place of a name: otherwise `FROM f. WHERE` would have an alias.
    typed = (
        [*left, *pieces(before[found.start() :])]
        if qualifier is None
        else [*left, StatementToken(("?",), "?", 0)]
    )
    known = _StatementNames(names, current, references([*typed, *rest]), common_tables([*left, *rest]))
    offered = known.behind(qualifier) if qualifier else known.here(left, word)
    start = bare(word).lstrip("`").lower()
    words: dict[str, Word] = {}
    for name, kind in offered:
        # Only the offered names are written, not all of ten thousand: a keystroke waits for this.
        if name.lower().startswith(start):
            text = name if kind in _NO_NAMES else sql_name(name)
            words.setdefault(text.lower(), Word(text, kind))
            if len(words) == MOST:
                break
    return Completion(word, list(words.values()), known.tables())


def _rest(text: str) -> str:
    """Return the part of the word after the cursor."""
    found = re.match(r"[\w$]*`?", text)
    return found.group() if found else ""


def _statement(found: Sequence[StatementToken], *, last: bool) -> list[StatementToken]:
    """Return the tokens of the last statement, or of the first one."""
    ends = [place for place, piece in enumerate(found) if piece.text == ";"]
    if not ends:
        return list(found)
    return list(found[ends[-1] + 1 :] if last else found[: ends[0]])


class _StatementNames:
    """The names that one statement defines."""

    def __init__(
        self, names: SchemaNames, current: str, found: Sequence[Reference], common: Sequence[str]
    ) -> None:
        self._names = names
        self._current = current
        self._common = common
        self._references = [each for each in found if each.table not in {"", "?"}]

    def tables(self) -> list[tuple[str, str]]:
        """Return the database and the name of each table in the statement."""
        return [(each.database or self._current, each.table) for each in self._references]

    def behind(self, qualifier: str) -> Iterator[Named]:
        """Yield what can follow a name and a dot."""
        parts = [bare(part) for part in re.findall(r"`[^`]*`|[^`.]+", qualifier)]
        name = parts[-1].lower()
        if len(parts) > 1:
            yield from self._columns(parts[0], parts[1])
            return
        for each in self._references:
            if name == (each.alias or each.table).lower():
                yield from self._columns(each.database or self._current, each.table)
        yield from self._tables(parts[0])
        if self._names.has_table(self._current, name):
            yield from self._columns(self._current, name)

    def here(self, left: Sequence[StatementToken], word: str) -> Iterator[Named]:
        """Yield what can follow these tokens."""
        last = left[-1].word if left else ""
        if last == "EXISTS" and len(left) > 1 and "IF" in {piece.word for piece in left[-3:]}:
            last = "TABLE"
        if last in _BEFORE_DATABASE:
            yield from self._databases()
        elif last in BEFORE_TABLE or (left and left[-1].text == "," and _clause(left) in BEFORE_TABLE):
            yield from ((name, Kind.TABLE) for name in self._common)
            yield from self._tables(self._current)
            yield from self._databases()
        else:
            yield from self._in_expression(word)

    def _in_expression(self, word: str) -> Iterator[Named]:
        for each in self._references:
            yield from self._columns(each.database or self._current, each.table)
        for each in self._references:
            yield each.alias or each.table, Kind.ALIAS if each.alias else Kind.TABLE
        lower = word.islower()
        if word and word[0] != "`":
            for listed, kind in ((_KEYWORDS, Kind.KEYWORD), (_FUNCTIONS, Kind.FUNCTION)):
                yield from ((each.lower() if lower else each, kind) for each in listed)
        if not self._references and len(word) >= _ENOUGH:
            for table in self._names.tables_of(self._current)[:MOST]:
                yield from self._columns(self._current, table)

    def _databases(self) -> Iterator[Named]:
        yield from ((name, Kind.DATABASE) for name in self._names.databases)

    def _tables(self, database: str) -> Iterator[Named]:
        yield from ((name, Kind.TABLE) for name in self._names.tables_of(database))

    def _columns(self, database: str, table: str) -> Iterator[Named]:
        columns: Iterable[str] = self._names.columns_of(database, table) or ()
        yield from ((name, Kind.COLUMN) for name in columns)


def _clause(left: Sequence[StatementToken]) -> str:
    """Return the word that begins the clause at the end of these tokens, outside of parentheses."""
    depth = 0
    for piece in reversed(left):
        depth += (piece.text == ")") - (piece.text == "(")
        if depth < 0:
            return ""
        if depth == 0 and piece.word in _CLAUSES:
            return piece.word
    return ""
