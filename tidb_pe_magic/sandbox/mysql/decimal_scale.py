"""The decimals of a result that MySQL calculates exactly, such as a quotient of integers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.kinds import choices
from tidb_pe_magic.sandbox.mysql.lineage import source_of

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.lineage import Columns

#: A quotient and a mean have this many decimals more (div_precision_increment).
_MORE: Final = 4
_MOST: Final = 30
_DIGITS: Final = 38
#: Decimals of a quotient before it is rounded; DuckDB's macros calculate as many.
_CALCULATED: Final = 12
_DECIMAL: Final = re.compile(r"decimal\(\d+,(\d+)\)")
_INTEGER: Final = re.compile(r"(?:tiny|small|medium|big)?int\b")
_SAME: Final = (exp.Paren, exp.Neg, exp.Max, exp.Min, exp.Sum, exp.Abs, exp.Window, exp.Alias)
#: A statement without these has no number whose scale must be fixed.
SCALED: Final = frozenset({exp.Round, exp.Div, exp.Avg})
_ARITHMETIC: Final = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Avg, exp.Round)


def fix_scales(tree: exp.Expr, columns: Columns) -> None:
    """Give the quotients and means that a query returns MySQL's decimals, in place."""
    for rounded in list(tree.find_all(exp.Round)):
        inner = rounded.this
        if inner is not None and inner.find(exp.Div) and scale_of(inner, columns) is not None:
            inner.replace(_cast(inner, _CALCULATED))
    for select in tree.find_all(exp.Select):
        for projection in select.expressions:
            value = projection.this if isinstance(projection, exp.Alias) else projection
            inner = value.unnest()
            if not isinstance(inner, _ARITHMETIC) or not inner.find(exp.Div, exp.Avg):
                continue
            scale = scale_of(inner, columns)
            if scale is not None:
                value.replace(_cast(value, scale))


def _cast(node: exp.Expr, scale: int) -> exp.Expr:
    return exp.cast(node.copy(), f"DECIMAL({_DIGITS}, {min(scale, _MOST)})")


def scale_of(node: exp.Expr | None, columns: Columns) -> int | None:
    """Return the number of decimals of an exact number; None for other values."""
    if isinstance(node, _SAME):
        return scale_of(node.this, columns)
    if isinstance(node, exp.Literal):
        exact = not node.is_string and "e" not in node.name.lower()
        return len(node.name.partition(".")[2]) if exact else None
    if isinstance(node, exp.Count | exp.Boolean | exp.Predicate):
        return 0
    if isinstance(node, exp.Column):
        source = source_of(node, columns)
        return None if source is None else _of_type(source.kind)
    if isinstance(node, exp.Cast):
        return _of_type(node.to.sql("mysql").lower().replace(" ", ""))
    if isinstance(node, exp.Subquery):
        query = node.this
        single = isinstance(query, exp.Select) and len(query.expressions) == 1
        return scale_of(query.expressions[0], columns) if single else None
    return _of_operation(node, columns)


def _of_type(kind: str) -> int | None:
    if found := _DECIMAL.match(kind):
        return int(found[1])
    return 0 if _INTEGER.match(kind) else None


def _of_operation(node: exp.Expr | None, columns: Columns) -> int | None:
    if isinstance(node, exp.Avg):
        scale = scale_of(node.this, columns)
        return None if scale is None else scale + _MORE
    if isinstance(node, exp.Round):
        places = node.args.get("decimals")
        if not isinstance(places, exp.Literal) or not places.name.isdigit():
            return None
        return None if scale_of(node.this, columns) is None else int(places.name)
    if isinstance(node, exp.If | exp.Case | exp.Coalesce):
        values = [each for each in choices(node) if not isinstance(each, exp.Null)]
        scales = [scale_of(each, columns) for each in values]
        return (
            max((each for each in scales if each is not None), default=None) if None not in scales else None
        )
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        left, right = scale_of(node.this, columns), scale_of(node.expression, columns)
        if left is None or right is None:
            return None
        if isinstance(node, exp.Div):
            return left + _MORE
        return left + right if isinstance(node, exp.Mul) else max(left, right)
    return None
