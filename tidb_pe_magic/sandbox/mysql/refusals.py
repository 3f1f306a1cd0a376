"""SQL that sqlglot's MySQL parser accepts, but TiDB refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # re-exported without saying so

from tidb_pe_magic.sandbox.mysql.errors import UNKNOWN_ERROR, SqlError, syntax_error

if TYPE_CHECKING:
    from collections.abc import Sequence


def refuse_tokens(tokens: Sequence[Token], sql: str) -> None:
    """Refuse `==` and `::`, which are not operators in MySQL.

    Raises:
        SqlError: 1064, at the second `=` or the first `:`.
    """
    for token in tokens:
        if token.token_type is TokenType.EQ and token.text == "==":
            second = Token(TokenType.EQ, "=", token.line, token.col, token.start + 1, token.end)
            raise syntax_error(None, sql, second)
        if token.token_type is TokenType.DCOLON:
            first = Token(TokenType.COLON, ":", token.line, token.col - 1, token.start, token.start)
            raise syntax_error(None, sql, first)


def refuse_trees(trees: Sequence[exp.Expr], tokens: Sequence[Token], sql: str) -> None:
    """Refuse WITHIN GROUP, FILTER, QUALIFY, CREATE OR REPLACE TABLE, and CREATE TABLE ... SELECT.

    Raises:
        SqlError: 1064, or TiDB's error for CREATE TABLE ... SELECT.
    """
    for tree in trees:
        kinds = {type(node) for node in tree.walk()}
        if exp.WithinGroup in kinds:
            raise syntax_error(None, sql, _word(tokens, "WITHIN"))
        if exp.Filter in kinds:
            raise syntax_error(None, sql, _word(tokens, "FILTER", 1))
        if exp.Qualify in kinds:
            raise syntax_error(None, sql, _word(tokens, "QUALIFY", 1))
        if isinstance(tree, exp.Create) and tree.text("kind").upper() == "TABLE":
            if tree.args.get("replace"):
                raise syntax_error(None, sql, _word(tokens, "TABLE"))
            if isinstance(tree.expression, exp.Query):
                raise SqlError(UNKNOWN_ERROR, "'CREATE TABLE ... SELECT' is not implemented yet")


def _word(tokens: Sequence[Token], word: str, behind: int = 0) -> Token | None:
    """Return the token of a word, or one behind it."""
    places = (place for place, token in enumerate(tokens) if token.text.upper() == word)
    place = next(places, None)
    return None if place is None or place + behind >= len(tokens) else tokens[place + behind]
