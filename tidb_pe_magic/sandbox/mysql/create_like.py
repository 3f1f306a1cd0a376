"""CREATE TABLE ... LIKE as the CREATE TABLE of the other table, under the new name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable


def model_of(tree: exp.Expr) -> exp.Table | None:
    """Return the table that a new one is created like; None for other statements."""
    if not isinstance(tree, exp.Create) or tree.text("kind").upper() != "TABLE":
        return None
    like = next(tree.find_all(exp.LikeProperty), None)
    return like.this if like is not None and isinstance(like.this, exp.Table) else None


def like(tree: exp.Expr, show: Callable[[exp.Table], str]) -> exp.Expr:
    """Return the CREATE TABLE with all columns and keys; the tree itself if it is another statement.

    Args:
        tree: the statement.
        show: returns the text of a table's SHOW CREATE TABLE.

    Raises:
        SqlError: the other table does not exist.
    """
    model = model_of(tree)
    if model is None:
        return tree
    (created,) = parse(show(model))
    assert isinstance(created.tree, exp.Create)  # noqa: S101 - SHOW CREATE TABLE
    table = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    created.tree.this.set("this", table.copy())
    created.tree.set("exists", tree.args.get("exists"))
    temporary = next(tree.find_all(exp.TemporaryProperty), None)
    if temporary is not None:
        created.tree.args["properties"].append("expressions", temporary.copy())
    return created.tree
