"""The rows of an INSERT: values, plain rows, or a query."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import WRONG_VALUE_COUNT, SqlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.sandbox.mysql.parser import Statement
    from tidb_pe_magic.sandbox.mysql.plain_rows import Value


def rows_of(statement: Statement) -> Iterator[Sequence[Value]]:
    """Yield the values of each row, plain or as text."""
    if statement.rows is not None:
        yield from statement.rows.rows
    elif statement.tree is not None and isinstance(statement.tree.expression, exp.Values):
        for each in statement.tree.expression.expressions:
            yield [value.sql("duckdb") for value in each.expressions]


def parts(statement: Statement) -> Sequence[Any]:
    """Return the rows, plain or as trees."""
    if statement.rows is not None:
        return statement.rows.rows
    assert statement.tree is not None  # noqa: S101 - an INSERT
    return list(statement.tree.expression.expressions)


def with_parts(statement: Statement, rows: Sequence[Any]) -> Statement:
    """Return the statement with only some of its parts."""
    if statement.rows is not None:
        return replace(statement, rows=replace(statement.rows, rows=rows))
    assert statement.tree is not None  # noqa: S101 - an INSERT
    tree = statement.tree.copy()
    tree.set("expression", exp.Values(expressions=[row.copy() for row in rows]))
    return replace(statement, tree=tree)


def fill_empty_rows(tree: exp.Expr, column: str) -> None:
    """Give each row of `VALUES ()` the default of one column, in place; the others have theirs anyway.

    Raises:
        SqlError: only some rows are empty, or the INSERT names columns.
    """
    rows: list[exp.Expr] = tree.expression.expressions if isinstance(tree.expression, exp.Values) else []
    empty = [row for row in rows if not row.expressions]
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    named = schema is not None and bool(schema.expressions)
    if schema is not None and not named:
        tree.set("this", schema.this)
    if not empty:
        if schema is not None and not named:
            raise _wrong_count(1)
        return
    if named or len(empty) < len(rows):
        width = len(rows[0].expressions)
        raise _wrong_count(1 + next((n for n, row in enumerate(rows) if len(row.expressions) != width), 0))
    identifier = exp.to_identifier(column, quoted=True)
    tree.set("this", exp.Schema(this=tree.this, expressions=[identifier]))
    for row in empty:
        row.set("expressions", [exp.var("DEFAULT")])


def _wrong_count(row: int) -> SqlError:
    return SqlError(WRONG_VALUE_COUNT, f"Column count doesn't match value count at row {row}")


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
