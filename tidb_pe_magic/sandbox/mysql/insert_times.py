"""INSERTs in a time zone other than UTC: TIMESTAMP columns store UTC."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.insert_rows import from_query
from tidb_pe_magic.sandbox.mysql.time_zones import unsupported, utc_of, utc_of_text

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.insert_targets import Target
    from tidb_pe_magic.sandbox.mysql.parser import Statement


def refuse_clocks(target: Target, tree: exp.Expr | None, zone: str) -> None:
    """Refuse to store the current time by default in a zone other than UTC, which is DuckDB's.

    Raises:
        SqlError: the INSERT omits such a column.
    """
    named = {name.lower() for name in target.names(tree)}
    omitted = [name for name in target.clocks if name not in named]
    if omitted and zone != "UTC":
        raise unsupported(f"The default of {omitted[0]} is not supported", zone)


def refuse_calculation(tree: exp.Expr | None, target: Target, zone: str) -> None:
    """Refuse to calculate with a TIMESTAMP column in ON DUPLICATE KEY UPDATE; VALUES(column) is in UTC.

    Raises:
        SqlError: the statement does so.
    """
    conflict = tree.args.get("conflict") if tree is not None else None
    for assignment in conflict.expressions if conflict is not None else ():
        name, value = assignment.this.name.lower(), assignment.expression
        plain = isinstance(value, exp.Anonymous | exp.Column) and name in {
            each.name.lower() for each in (value, *value.expressions)
        }
        used = {each.name.lower() for each in value.find_all(exp.Identifier)}
        if (name in target.stamps or used & target.stamps) and not plain:
            raise unsupported(f"calculating with the TIMESTAMP column {name} is not supported", zone)


def store_utc(statement: Statement, target: Target, zone: str) -> Statement:
    """Return the statement with the times of TIMESTAMP columns in UTC."""
    tree = statement.tree
    assert tree is not None  # noqa: S101 - an INSERT
    names = target.names(tree)
    places = [place for place, name in enumerate(names) if name.lower() in target.stamps]
    if (rows := statement.rows) is not None:
        changes = dict.fromkeys(places, partial(utc_of_text, zone=zone))
        return replace(statement, rows=replace(rows, changes={**rows.changes, **changes}))
    if isinstance(tree.expression, exp.Query):
        columns = from_query(tree, len(names))
        for place in places:
            columns[place] = utc_of(columns[place], zone)
        tree.expression.set("expressions", columns)
    elif isinstance(tree.expression, exp.Values):
        for row in tree.expression.expressions:
            for value in [row.expressions[place] for place in places if place < len(row.expressions)]:
                if not (isinstance(value, exp.Var) and value.name.upper() == "DEFAULT"):
                    value.replace(utc_of(value.copy(), zone))
    return statement
