"""UPDATE and DELETE for DuckDB: row IDs instead of LIMIT, and MySQL's count of changed rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.inserts import changes
from tidb_pe_magic.sandbox.mysql.touched_columns import touches

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.insert_targets import Target
    from tidb_pe_magic.sandbox.mysql.parser import Statement


def only_changes(statement: Statement, target: Target) -> Statement:
    """Return an UPDATE that leaves out the rows that have the new values already.

    MySQL counts the rows that it changes, DuckDB those that it finds.
    """
    assert statement.tree is not None  # noqa: S101 - an UPDATE
    tree = statement.tree.copy()
    select_rows(tree)
    condition = changes(tree.expressions, tree, target)
    if (where := tree.args.get("where")) is not None:
        # The new values of other rows may not even be valid.
        guarded = exp.If(this=where.this.copy(), true=exp.paren(condition))
        condition = exp.Case(ifs=[guarded], default=exp.false())
    if tree.args.get("from_") is not None and where is not None:
        # DuckDB needs the equality of the row IDs outside of the CASE to join quickly.
        condition = exp.and_(where.this.copy(), exp.paren(condition))
    tree.set("where", exp.Where(this=condition))
    tree.set("expressions", [*tree.expressions, *touches(tree.expressions, target.touched, target.stamps)])
    return replace(statement, tree=tree)


def touch_changes(statement: Statement, target: Target) -> Statement:
    """Return an UPDATE of all rows that it finds; those that change get the time of the change."""
    assert statement.tree is not None  # noqa: S101 - an UPDATE
    if not target.touched:
        return statement
    tree = statement.tree.copy()
    select_rows(tree)
    condition = changes(tree.expressions, tree, target)
    touched = touches(tree.expressions, target.touched, target.stamps, condition)
    tree.set("expressions", [*tree.expressions, *touched])
    return replace(statement, tree=tree)


def select_rows(tree: exp.Expr) -> None:
    """Rewrite ORDER BY and LIMIT to row IDs, in place, and the assigned columns to their plain names."""
    for assignment in tree.expressions if isinstance(tree, exp.Update) else ():
        assignment.set("this", exp.column(assignment.this.this.copy()))
    limit, order, where = (tree.args.get(key) for key in ("limit", "order", "where"))
    if limit is None and order is None:
        return
    chosen = exp.select("rowid").from_(tree.this.copy())
    for key, part in (("where", where), ("order", order), ("limit", limit)):
        chosen.set(key, part)
        tree.set(key, None)
    tree.set("where", exp.Where(this=exp.In(this=exp.column("rowid"), query=chosen.subquery())))
