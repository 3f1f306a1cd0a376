"""Columns with ON UPDATE CURRENT_TIMESTAMP: a changed row gets the time of its change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The key of their names in the JSON of the table's comment.
STORED: Final = "on_update"


def touched_columns(tree: exp.Create) -> list[str]:
    """Return the columns of a new table that an update touches."""
    return [
        column.name
        for column in tree.this.expressions
        if isinstance(column, exp.ColumnDef)
        and any(isinstance(each.kind, exp.OnUpdateColumnConstraint) for each in column.constraints)
    ]


def stored_columns(comment: str | None) -> frozenset[str]:
    """Return the names in a table's comment, in lower case."""
    if not comment or not comment.startswith("{"):
        return frozenset()
    return frozenset(name.lower() for name in json.loads(comment).get(STORED, ()))


def touches(
    assignments: Sequence[exp.Expr],
    touched: frozenset[str],
    stamps: frozenset[str],
    condition: exp.Expr | None = None,
) -> list[exp.Expr]:
    """Return the assignments of the current time that an UPDATE or an upsert needs in addition.

    Args:
        assignments: its own; a column that it assigns is not touched.
        touched: the table's columns with ON UPDATE CURRENT_TIMESTAMP, in lower case.
        stamps: its TIMESTAMP columns.
        condition: whether a row changes; None if only changed rows are updated.
    """
    assigned = {each.this.name.lower() for each in assignments}
    found: list[exp.Expr] = []
    for name in sorted(touched - assigned):
        # A TIMESTAMP stores UTC.
        now: exp.Expr = exp.UtcTimestamp() if name in stamps else exp.CurrentTimestamp()
        column = exp.column(exp.to_identifier(name, quoted=True))
        if condition is not None:
            changed = exp.If(this=condition.copy(), true=now)
            now = exp.Case(ifs=[changed], default=column.copy())
        found.append(exp.EQ(this=column, expression=now))
    return found
