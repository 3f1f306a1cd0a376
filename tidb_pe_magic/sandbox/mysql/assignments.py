"""SET statements: assignments to a session's system and user variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tidb_pe_magic.sandbox.mysql.variables import Variables


def assign(tree: exp.Set, variables: Variables, user_variables: MutableMapping[str, Any]) -> None:
    """Execute a SET statement."""
    for item in tree.expressions:
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
            left, value = item.this.this, _value(item.this.expression, variables, user_variables)
            if isinstance(left, exp.Parameter):
                user_variables[left.name.lower()] = value
            else:
                variables.set(left.name, value)


def _value(node: exp.Expr, variables: Variables, user_variables: MutableMapping[str, Any]) -> Any:
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
    if isinstance(node, exp.Column | exp.Var | exp.Identifier):
        return None if node.name.upper() == "DEFAULT" else node.name
    raise SqlError(NOT_SUPPORTED, "Only plain values can be SET in the sandbox")
