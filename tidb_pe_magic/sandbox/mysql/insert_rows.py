"""The rows of an INSERT: values, text that was not parsed, or a query."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.sandbox.mysql.parser import Statement

#: A value among the rows that were not parsed: bytes, a text, or a number or NULL.
_VALUE: Final = r"\s*(?:(?:unhex|nextval)\('(?:[^']++|'')*+'\)|'(?:[^']++|'')*+'|[^,'()]++)\s*"
ROW: Final = re.compile(rf"\({_VALUE}(?:,{_VALUE})*\)")
VALUES: Final = re.compile(rf"({_VALUE})(?:,|\)\Z)")


def rows_of(statement: Statement) -> Iterator[Sequence[str]]:
    """Yield the values of each row as text."""
    if statement.rows is not None:
        for row in ROW.findall(statement.rows):
            yield [value.strip() for value in VALUES.findall(row, 1)]
    elif statement.tree is not None and isinstance(statement.tree.expression, exp.Values):
        for each in statement.tree.expression.expressions:
            yield [value.sql("duckdb") for value in each.expressions]


def parts(statement: Statement) -> Sequence[Any]:
    """Return the rows as trees, or as text if they were not parsed."""
    if statement.rows is not None:
        return ROW.findall(statement.rows)
    assert statement.tree is not None  # noqa: S101 - an INSERT
    return list(statement.tree.expression.expressions)


def with_parts(statement: Statement, rows: Sequence[Any]) -> Statement:
    """Return the statement with only some of its parts."""
    if statement.rows is not None:
        return replace(statement, rows=", ".join(rows))
    assert statement.tree is not None  # noqa: S101 - an INSERT
    tree = statement.tree.copy()
    tree.set("expression", exp.Values(expressions=[row.copy() for row in rows]))
    return replace(statement, tree=tree)


def from_query(tree: exp.Expr, width: int) -> list[exp.Expr]:
    """Wrap the query of an INSERT; return the columns that the new one selects, to be changed."""
    names = [f"_{number}" for number in range(width)]
    columns: list[exp.Expr] = [exp.column(name) for name in names]
    alias = exp.TableAlias(
        this=exp.to_identifier("source"), columns=[exp.to_identifier(name) for name in names]
    )
    source = exp.Subquery(this=tree.expression.copy(), alias=alias)
    tree.set("expression", exp.select(*columns).from_(source))
    return columns
