"""SQL that sqlglot's MySQL parser accepts, but TiDB refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]  # re-exported without saying so

from tidb_pe_magic.sandbox.mysql.errors import UNKNOWN_ERROR, SqlError, syntax_error

if TYPE_CHECKING:
    from collections.abc import Sequence


def refuse_tokens(tokens: Sequence[Token], sql: str) -> None:
    """Refuse `==`, which is not an operator in MySQL.

    Raises:
        SqlError: 1064, at the second character.
    """
    for token in tokens:
        if token.token_type is TokenType.EQ and token.text == "==":
            second = Token(TokenType.EQ, "=", token.line, token.col, token.start + 1, token.end)
            raise syntax_error(None, sql, second)


def refuse_trees(trees: Sequence[exp.Expr], tokens: Sequence[Token], sql: str) -> None:
    """Refuse WITHIN GROUP, CREATE OR REPLACE TABLE, and tables that are created from a query.

    Raises:
        SqlError: 1064, or TiDB's error for CREATE TABLE ... SELECT.
    """
    for tree in trees:
        if tree.find(exp.WithinGroup):
            raise syntax_error(None, sql, _word(tokens, "WITHIN"))
        if isinstance(tree, exp.Create) and tree.text("kind").upper() == "TABLE":
            if tree.args.get("replace"):
                raise syntax_error(None, sql, _word(tokens, "TABLE"))
            if isinstance(tree.expression, exp.Query):
                raise SqlError(UNKNOWN_ERROR, "'CREATE TABLE ... SELECT' is not implemented yet")


def _word(tokens: Sequence[Token], word: str) -> Token | None:
    return next((token for token in tokens if token.text.upper() == word), None)
