"""GROUP BY and HAVING: what MySQL allows in addition to DuckDB, and the errors of ONLY_FULL_GROUP_BY."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import UNKNOWN_COLUMN, UNKNOWN_ERROR, SqlError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_GROUPED: Final = 1055
_NOT_AGGREGATED: Final = 8123
_MODE: Final = "this is incompatible with sql_mode=only_full_group_by"
_UNGROUPED: Final = re.compile(r'column "([^"]+)" must appear in the GROUP BY clause or (must|be)')


def rewrite_grouping(tree: exp.Expr) -> None:
    """Write WITH ROLLUP, and HAVING without groups, in DuckDB's way, in place."""
    for group in tree.find_all(exp.Group):
        rollup = next(iter(group.args.get("rollup") or ()), None)
        if isinstance(rollup, exp.Rollup) and not rollup.expressions:
            group.set("rollup", [exp.Rollup(expressions=group.expressions)])
            group.set("expressions", None)
    for having in list(tree.find_all(exp.Having)):
        select = having.parent
        if isinstance(select, exp.Select) and not select.args.get("group") and not _aggregates(select):
            _filter_rows(select, having)


def _filter_rows(select: exp.Select, having: exp.Having) -> None:
    """Let HAVING filter the rows: without groups it is a WHERE that knows the columns' names."""
    named = {each.alias.lower(): each.this for each in select.expressions if isinstance(each, exp.Alias)}
    condition = having.this.copy()
    for column in list(condition.find_all(exp.Column)):
        if not column.table and (meant := named.get(column.name.lower())) is not None:
            new = exp.paren(meant.copy())
            if column is condition:
                condition = new
            else:
                column.replace(new)
    select.set("having", None)
    select.where(condition, copy=False)


def _aggregates(select: exp.Select) -> bool:
    return any(
        each.find_ancestor(exp.Select) is select and not isinstance(each.parent, exp.Window)
        for part in (*select.expressions, select.args.get("having"))
        if part is not None
        for each in part.find_all(exp.AggFunc)
    )


def group_error(error: SqlError, tree: exp.Expr, database: str) -> SqlError:
    """Return TiDB's error about a column that is neither grouped nor aggregated; other errors unchanged.

    Args:
        error: with DuckDB's words.
        tree: the statement.
        database: the session's; empty without one.
    """
    found = _UNGROUPED.match(error.msg) if error.code == UNKNOWN_ERROR else None
    if found is None:
        return error
    name = found[1]
    for select in tree.find_all(exp.Select):
        having = select.args.get("having")
        for column in _plain_columns(having) if having is not None else ():
            if found[2] == "be" and column.name.lower() == name.lower():
                return SqlError(UNKNOWN_COLUMN, f"Unknown column '{_written(column)}' in 'having clause'")
        for place, projection in enumerate(select.expressions, 1):
            for column in _plain_columns(projection):
                if column.name.lower() == name.lower():
                    return _not_grouped(select, place, column, database)
        if select.args.get("order") and any(
            column.name.lower() == name.lower() for column in _plain_columns(select.args["order"])
        ):
            words = "Expression #1 of ORDER BY is not in GROUP BY clause and contains nonaggregated column ''"
            return SqlError(_NOT_GROUPED, f"{words} {_DEPENDENT}")
    return error


_DEPENDENT: Final = f"which is not functionally dependent on columns in GROUP BY clause; {_MODE}"


def _not_grouped(select: exp.Select, place: int, column: exp.Column, database: str) -> SqlError:
    expression = f"xpression #{place} of SELECT list"
    if not select.args.get("group"):
        text = f"contains nonaggregated column '{_written(column)}'; {_MODE}"
        return SqlError(_NOT_AGGREGATED, f"In aggregated query without GROUP BY, e{expression} {text}")
    tables = [each for each in select.find_all(exp.Table) if each.find_ancestor(exp.Select) is select]
    table = next((each for each in tables if column.table in {"", each.alias_or_name}), None)
    parts = [] if table is None else [table.db or database, table.alias_or_name]
    full = ".".join([*parts, column.name])
    text = f"is not in GROUP BY clause and contains nonaggregated column '{full}' {_DEPENDENT}"
    return SqlError(_NOT_GROUPED, f"E{expression} {text}")


def _written(column: exp.Column) -> str:
    return ".".join(part.name for part in column.parts)


def _plain_columns(node: exp.Expr) -> Iterator[exp.Column]:
    """Yield the columns outside of aggregate functions."""
    for column in node.find_all(exp.Column):
        if column.find_ancestor(exp.AggFunc) is None:
            yield column
