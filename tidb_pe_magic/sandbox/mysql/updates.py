"""UPDATE: MySQL counts the rows that it changes, DuckDB those that it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.inserts import changes

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.insert_targets import Target
    from tidb_pe_magic.sandbox.mysql.parser import Statement


def only_changes(statement: Statement, target: Target) -> Statement:
    """Return an UPDATE that leaves out the rows that have the new values already.

    With LIMIT it would choose other rows, so it stays as it is and counts the rows that it finds.
    """
    assert statement.tree is not None  # noqa: S101 - an UPDATE
    tree = statement.tree.copy()
    if any(tree.args.get(key) for key in ("limit", "order", "tables")) or tree.this.args.get("joins"):
        return statement
    condition = changes(tree.expressions, tree, target)
    if (where := tree.args.get("where")) is not None:
        # The new values of other rows may not even be valid.
        guarded = exp.If(this=where.this.copy(), true=exp.paren(condition))
        condition = exp.Case(ifs=[guarded], default=exp.false())
    tree.set("where", exp.Where(this=condition))
    return replace(statement, tree=tree)
