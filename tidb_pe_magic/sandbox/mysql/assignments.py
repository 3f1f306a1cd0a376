"""SET statements: assignments to a session's system and user variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tidb_pe_magic.sandbox.mysql.variables import Variables


#: The values that need no database: literals, variables, and words such as ON or DEFAULT.
_PLAIN = (
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.SessionParameter,
    exp.Parameter,
    exp.Column,
    exp.Var,
    exp.Identifier,
)


def expression_of(item: exp.Expr) -> exp.Expr | None:
    """Return the expression that an item of SET assigns, if the database must compute it."""
    if not isinstance(item.this, exp.EQ):
        return None
    value = item.this.expression
    while isinstance(value, exp.Paren):
        value = value.this
    negated = isinstance(value, exp.Neg) and isinstance(value.this, exp.Literal)
    return None if isinstance(value, _PLAIN) or negated else value


def assign(
    item: exp.Expr,
    variables: Variables,
    user_variables: MutableMapping[str, Any],
    computed: tuple[Any, ...] = (),
) -> None:
    """Carry out one item of a SET statement.

    Args:
        item: the assignment.
        variables: the session's system variables.
        user_variables: the session's own variables, without the @.
        computed: one value, if the database computed the item's expression.
    """
    kind = item.text("kind").upper()
    if kind == "NAMES":
        for part in ("client", "connection", "results"):
            variables.set(f"character_set_{part}", item.name)
    elif kind == "CHARACTER SET":
        variables.set("character_set_client", item.name)
    elif kind == "TRANSACTION":
        # DuckDB's transactions are snapshots, regardless of the requested level.
        for characteristic in item.expressions:
            name = characteristic.name.upper()
            if name.startswith("ISOLATION LEVEL "):
                level = name.removeprefix("ISOLATION LEVEL ").replace(" ", "-")
                variables.set("transaction_isolation", level)
    elif not isinstance(item.this, exp.EQ):
        raise SqlError(NOT_SUPPORTED, f"SET {kind} is not supported by the sandbox")
    else:
        left, right = item.this.this, item.this.expression
        value = computed[0] if computed else _value(right, variables, user_variables)
        if isinstance(left, exp.Parameter):
            user_variables[left.name.lower()] = value
        else:
            variables.set(left.name, value)


def _value(node: exp.Expr, variables: Variables, user_variables: MutableMapping[str, Any]) -> Any:
    if isinstance(node, exp.Paren):
        return _value(node.this, variables, user_variables)
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Boolean):
        return node.this
    if isinstance(node, exp.Literal | exp.Neg):
        return node.to_py()
    if isinstance(node, exp.SessionParameter):
        return variables.get(node.name)
    if isinstance(node, exp.Parameter):
        return user_variables.get(node.name.lower())
    return None if node.name.upper() == "DEFAULT" else node.name
