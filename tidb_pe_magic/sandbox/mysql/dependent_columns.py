"""Columns that depend on the key of their table: GROUP BY a key lets a query select them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.protocol import FieldFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.sandbox.mysql.lineage import Columns


def choose_dependent(tree: exp.Expr, columns: Columns) -> None:
    """Select any value of the columns of a table whose primary key is grouped, in place.

    DuckDB refuses such columns; they have only one value in each group.
    """
    for select in tree.find_all(exp.Select):
        group = select.args.get("group")
        if group is None or group.args.get("rollup"):
            continue
        grouped = [each for each in group.expressions if isinstance(each, exp.Column)]
        from_ = select.args.get("from_")
        joined = [join.this for join in select.args.get("joins") or ()]
        tables = [from_.this, *joined] if from_ is not None else []
        for table in tables:
            if isinstance(table, exp.Table):
                _choose(select, table, grouped, columns, alone=len(tables) == 1)


def _choose(
    select: exp.Select, table: exp.Table, grouped: Sequence[exp.Column], columns: Columns, *, alone: bool
) -> None:
    alias = table.alias_or_name.lower()
    places = {alias, ""} if alone else {alias}
    known = columns(table.db, table.name)
    key = {name.lower() for name, source in known if source and source.flags & FieldFlag.PRIMARY_KEY}
    names = {each.name.lower() for each in grouped if each.table.lower() in places}
    if not key or not key <= names:
        return
    dependent = {name.lower() for name, _ in known} - names
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    for column in [each for part in parts if part is not None for each in part.find_all(exp.Column)]:
        if column.name.lower() not in dependent or column.table.lower() not in places:
            continue
        if column.find_ancestor(exp.AggFunc, exp.Select) is not select:
            continue
        chosen: exp.Expr = exp.AnyValue(this=column.copy())
        if column.parent is select:
            chosen = exp.alias_(chosen, column.name, quoted=True)
        column.replace(chosen)
