"""Assignments to user variables within a SELECT, such as `SELECT @n := @n + 1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping


async def assign_within(
    tree: exp.Expr, variables: MutableMapping[str, Any], compute: Callable[[exp.Expr], Awaitable[Any]]
) -> exp.Expr:
    """Carry out the assignments from left to right; return the tree with the values instead.

    Args:
        tree: the statement; it is returned unchanged if it assigns nothing.
        variables: the session's user variables.
        compute: returns the value of an expression.

    Raises:
        SqlError: the statement reads tables, whose rows would each need their own assignment.
    """
    if not _assigns(tree):
        return tree
    if not isinstance(tree, exp.Select) or tree.find(exp.Table, exp.Subquery):
        reason = "Assigning a user variable in a query of tables is not supported by the sandbox"
        raise SqlError(NOT_SUPPORTED, reason)
    tree = tree.copy()
    for node in [each for projection in tree.expressions for each in reversed(list(projection.dfs()))]:
        if isinstance(node, exp.PropertyEQ):
            name = node.this.name.lower()
            variables[name] = await compute(node.expression.copy())
            node.replace(exp.convert(variables[name]))
        elif isinstance(node, exp.Parameter) and not _is_target(node):
            node.replace(exp.convert(variables.get(node.name.lower())))
    return tree


def _assigns(tree: exp.Expr) -> bool:
    return any(isinstance(node.this, exp.Parameter) for node in tree.find_all(exp.PropertyEQ))


def _is_target(node: exp.Parameter) -> bool:
    return isinstance(node.parent, exp.PropertyEQ) and node.arg_key == "this"
