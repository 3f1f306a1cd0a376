"""The parser of MySQL's text: its statements as trees, and what only their text shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # re-exported without saying so

from tidb_pe_magic.sandbox.mysql import bulk_insert
from tidb_pe_magic.sandbox.mysql.errors import (
    EMPTY_QUERY,
    MULTI_STATEMENTS_DISABLED,
    NOT_SUPPORTED,
    SqlError,
    syntax_error,
)
from tidb_pe_magic.sandbox.mysql.plain_rows import PlainRows
from tidb_pe_magic.sandbox.mysql.refusals import refuse_tokens, refuse_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokens import Token  # type: ignore[attr-defined]

    from tidb_pe_magic.sandbox.mysql.plain_rows import Value

_DIALECT: Final = MySQL()
#: The row in the tree of an INSERT whose rows are not parsed.
STUB: Final = "(NULL)"
#: What may precede a statement. Comments with "!" and "+" have a meaning.
_BEFORE: Final = re.compile(r"(?:\s+|/\*(?![!+]).*?\*/|#[^\n]*|--(?:\s[^\n]*)?(?=\n|$))*", re.DOTALL)
#: Statements without an effect here, which dumps and tools send.
_IGNORED: Final = re.compile(r"(?:un)?lock\s+tables?\b|flush\s|analyze\s+table\b|do\s", re.IGNORECASE)
_UNSUPPORTED: Final = re.compile(
    r"(?:savepoint|release|grant|revoke|admin|load|call|prepare)\b", re.IGNORECASE
)
_RENAME: Final = re.compile(r"rename\s+table\s", re.IGNORECASE)
_RENAMED: Final = re.compile(r"\s*(.+?)\s+to\s+(.+?)\s*;?\s*", re.IGNORECASE | re.DOTALL)
_REPLACE: Final = re.compile(r"replace\s+(?:into\s+)?", re.IGNORECASE)
_KILL_TIDB: Final = re.compile(r"(kill\s+)tidb\s+", re.IGNORECASE)


def _marker(parser: _MysqlParser) -> exp.Expr:
    marker = exp.Placeholder()
    marker.meta["start"] = parser._prev.start  # noqa: SLF001 - like sqlglot's own token parsers
    return marker


class _MysqlParser(MySQL.Parser):  # type: ignore[misc, valid-type]  # a variable in sqlglot's own types
    """sqlglot's parser, but with an error instead of a warning for unsupported statements.

    A marker ("?") stores its position in the text, because the tree has a different order.
    """

    PLACEHOLDER_PARSERS: Final = {**MySQL.Parser.PLACEHOLDER_PARSERS, TokenType.PLACEHOLDER: _marker}

    def _warn_unsupported(self) -> None:
        raise SqlError(NOT_SUPPORTED, "This statement is not supported by the sandbox")

    def _parse_set_item_assignment(self, kind: str | None = None) -> exp.Expr | None:
        """Parse `name = expression`: sqlglot's own method reads a comma after a subquery as a join."""
        index = self._index
        left = self._parse_primary() or self._parse_column()
        if left is None or not self._match_texts(self.SET_ASSIGNMENT_DELIMITERS):
            self._retreat(index)
            other: exp.Expr | None = super()._parse_set_item_assignment(kind)
            return other
        right = self._parse_disjunction() or self._parse_id_var()
        if isinstance(right, exp.Column | exp.Identifier):
            right = exp.var(right.name)
        return exp.SetItem(this=exp.EQ(this=left, expression=right), kind=kind)


class _ConcatenatingParser(_MysqlParser):
    """The parser for sql_mode PIPES_AS_CONCAT: `||` concatenates."""

    DISJUNCTION: Final = {
        token: kind for token, kind in _MysqlParser.DISJUNCTION.items() if token is not TokenType.DPIPE
    }

    def _parse_bitwise(self) -> exp.Expr | None:
        this: exp.Expr | None = super()._parse_bitwise()
        while this is not None and self._match(TokenType.DPIPE):
            this = exp.DPipe(this=this, expression=super()._parse_bitwise(), safe=False)
        return this


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement, with facts from its text.

    Attributes:
        tree: None if there is nothing to do: only a comment, or a statement without an effect here.
        sql: its text.
    """

    tree: exp.Expr | None
    sql: str = ""
    names: Sequence[str] | None = None
    #: Further DDL statements that run together with it, such as the other tables of RENAME TABLE.
    further: Sequence[exp.Expr] = ()
    #: The rows of an INSERT, which replace the single row in the tree.
    rows: PlainRows | None = None


def parse(
    sql: str, *, several: bool = False, markers: bool = False, pipes_concatenate: bool = False
) -> list[Statement]:
    """Parse a text of one statement, or of several if the client may send several.

    Only a prepared statement may have markers ("?"). The session's sql_mode tells what `||` means.

    Raises:
        SqlError: the text is invalid, or contains unsupported SQL.
    """
    start = _first_word(sql)
    if _IGNORED.match(sql, start):
        return [Statement(None, sql)]
    if unsupported := _UNSUPPORTED.match(sql, start):
        raise SqlError(NOT_SUPPORTED, f"{unsupported.group().upper()} is not supported by the sandbox")
    if bulk := bulk_insert.split(sql):
        return [with_rows(bulk[0], bulk[1], sql, bulk[2])]
    if kill := _KILL_TIDB.match(sql, start):
        sql = kill.group(1) + sql[kill.end() :]
    if rename := _RENAME.match(sql, start):
        return [_rename(sql, sql[rename.end() :])]
    written = _REPLACE.match(sql, start)
    text = sql if written is None else f"{sql[:start]}INSERT INTO {sql[written.end() :]}"
    try:
        tokens = _DIALECT.tokenize(text)
        refuse_tokens(tokens, text)
        parser = _ConcatenatingParser if pipes_concatenate else _MysqlParser
        parsed = parser(dialect=_DIALECT).parse(tokens, text)
    except SqlglotError as error:
        raise syntax_error(error, sql) from None
    marker = next((token for token in tokens if token.token_type is TokenType.PLACEHOLDER), None)
    if marker is not None and not markers:
        raise syntax_error(None, sql, marker)
    return _statements(parsed, tokens, text, sql, several=several)


def with_rows(head: str, rows: Sequence[Sequence[Value]], sql: str, tail: str = "") -> Statement:
    """Return an INSERT whose rows are not parsed.

    Args:
        head: MySQL's text before the rows.
        rows: of the same length.
        sql: the text of the statement.
        tail: MySQL's text after the rows.
    """
    (stub,) = parse(f"{head} {STUB} {tail}")
    return replace(stub, sql=sql, rows=PlainRows(rows))


def _first_word(sql: str) -> int:
    """Return the position after the spaces and comments at the beginning."""
    before = _BEFORE.match(sql)
    return before.end() if before is not None else 0


def _rename(sql: str, named: str) -> Statement:
    """Return RENAME TABLE as an ALTER TABLE for each of its tables."""
    commas = [token.start for token in _DIALECT.tokenize(named) if token.token_type is TokenType.COMMA]
    trees: list[exp.Expr] = []
    for begin, end in pairwise([-1, *commas, len(named)]):
        renamed = _RENAMED.fullmatch(named[begin + 1 : end])
        if renamed is None:
            raise syntax_error(None, sql)
        (altered,) = parse(f"ALTER TABLE {renamed[1]} RENAME TO {renamed[2]}")
        if altered.tree is None:
            raise syntax_error(None, sql)
        trees.append(altered.tree)
    return Statement(trees[0], sql, further=trees[1:])


def _statements(
    parsed: Sequence[exp.Expr | None], tokens: Sequence[Token], text: str, sql: str, *, several: bool
) -> list[Statement]:
    trees = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    if not trees:
        if not tokens and not sql.strip(" \t\r\n;"):
            raise SqlError(EMPTY_QUERY, "Query was empty")
        return [Statement(None, sql)]
    if len(trees) > 1 and not several:
        raise SqlError(
            MULTI_STATEMENTS_DISABLED,
            "client has multi-statement capability disabled. Run SET GLOBAL tidb_multi_statement_mode='ON' "
            "after you understand the security risk",
        )
    if any(isinstance(tree, exp.Alias | exp.Column) for tree in trees):
        # Words that are not a statement are parsed as an expression.
        raise syntax_error(None, sql)
    refuse_trees(trees, tokens, sql)
    for tree in trees:
        if text is not sql and isinstance(tree, exp.Insert):
            tree.set("alternative", "REPLACE")
    if len(trees) > 1:
        return [Statement(tree, tree.sql("mysql")) for tree in trees]
    return [Statement(trees[0], sql, _names(trees[0], tokens, text))]


def _names(tree: exp.Expr, tokens: Sequence[Token], sql: str) -> Sequence[str] | None:
    """Return the text of each column of the outermost SELECT, which MySQL uses as the column's name."""
    if not isinstance(tree, exp.Select):
        return None
    starts, depth, begun, end = [], 0, False, len(sql)
    for token in tokens:
        kind = token.token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if depth:
            continue
        if not begun:
            if kind is TokenType.SELECT:
                begun = True
                starts.append(token.end + 1)
        elif (
            kind in {TokenType.DISTINCT, TokenType.ALL}
            and len(starts) == 1
            and not sql[starts[0] : token.start].strip()
        ):
            starts[0] = token.end + 1
        elif kind is TokenType.COMMA:
            starts.append(token.end + 1)
        elif kind in {
            TokenType.FROM,
            TokenType.LIMIT,
            TokenType.WHERE,
            TokenType.SEMICOLON,
            TokenType.ORDER_BY,
        }:
            end = token.start
            break
    if not starts:
        return None
    ends = [start - 1 for start in starts[1:]] + [end]
    names = [sql[start:stop].strip() for start, stop in zip(starts, ends, strict=True)]
    return names if len(names) == len(tree.expressions) else None
