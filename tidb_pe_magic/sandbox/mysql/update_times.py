"""UPDATE and DELETE in a time zone other than UTC: TIMESTAMP columns store UTC."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.time_zones import local_of, unsupported, utc_of

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.insert_targets import Target
    from tidb_pe_magic.sandbox.mysql.parser import Statement


def change_in_zone(statement: Statement, target: Target, zone: str) -> Statement:
    """Return an UPDATE or DELETE that reads the table's TIMESTAMP columns in a zone, and stores UTC.

    Args:
        statement: of one table.
        target: the table.
        zone: DuckDB's name of the session's time zone.

    Raises:
        SqlError: it is a join with such columns.
    """
    assert statement.tree is not None  # noqa: S101 - an UPDATE or DELETE
    tree = statement.tree.copy()
    if not target.stamps:
        return statement
    if tree.args.get("from_") or _reads_itself(tree):
        raise unsupported(f"Changing {target.table} by a query of itself is not supported", zone)
    assigned = [each for each in tree.expressions if isinstance(each, exp.EQ)]
    own = {id(each.this) for each in assigned}
    for column in list(tree.find_all(exp.Column)):
        if id(column) not in own and column.name.lower() in target.stamps and _is_of_table(column, tree):
            column.replace(local_of(column.copy(), zone))
    for each in assigned:
        if each.this.name.lower() in target.stamps and not isinstance(each.expression, exp.Var):
            each.set("expression", utc_of(each.expression.copy(), zone))
    return replace(statement, tree=tree)


def _is_of_table(column: exp.Column, tree: exp.Expr) -> bool:
    """Return whether it is a column of the changed table; in a subquery, only if it names that table."""
    if not column.table:
        return column.find_ancestor(exp.Select) is None
    changed: exp.Expr = tree.this
    return column.table.lower() == str(changed.alias_or_name).lower()


def _reads_itself(tree: exp.Expr) -> bool:
    """Return whether a subquery reads the table that the statement changes."""
    return any(
        table is not tree.this and table.name.lower() == tree.this.name.lower()
        for table in tree.find_all(exp.Table)
    )
