"""Dates and times plus and minus intervals, with MySQL's result types.

DuckDB adds an interval to a DATE or a text as to a TIMESTAMP. In MySQL a DATE plus days, weeks, months or
years is a DATE, and a text plus an interval is a text.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

#: The macros; `cast_to_type` lets a value have the type of the argument, which only DuckDB knows.
MACROS: Final = """
CREATE MACRO mysql_moment_text(m) AS CASE WHEN microsecond(m) % 1000000 = 0
  THEN strftime(m, '%Y-%m-%d %H:%M:%S') ELSE strftime(m, '%Y-%m-%d %H:%M:%S.%f') END;
CREATE MACRO mysql_text_plus_days(x, i) AS CASE WHEN length(CAST(x AS VARCHAR)) <= 10
  THEN strftime(TRY_CAST(x AS TIMESTAMP) + i, '%Y-%m-%d')
  ELSE mysql_moment_text(TRY_CAST(x AS TIMESTAMP) + i) END;
CREATE MACRO mysql_plus_days(x, i) AS CASE typeof(x)
  WHEN 'VARCHAR' THEN cast_to_type(mysql_text_plus_days(x, i), x)
  WHEN 'TIME' THEN error('days cannot be added to a TIME in the sandbox')
  ELSE cast_to_type(TRY_CAST(x AS TIMESTAMP) + i, x) END;
CREATE MACRO mysql_text_plus_time(x, i) AS mysql_moment_text(TRY_CAST(x AS TIMESTAMP) + i);
"""

_DAYS: Final = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
#: The units whose number may have a fraction; MySQL rounds the others.
_FRACTIONS: Final = frozenset({"SECOND"})
_CALLS: Final = (exp.DateAdd, exp.DateSub, exp.TimestampAdd)
_SUMS: Final = (*_CALLS, exp.Anonymous, exp.Add, exp.Sub)
#: Where a text stays a text; in a comparison or a function of times, DuckDB needs a time.
_TEXTS: Final = (exp.Alias, exp.Select, exp.Tuple, exp.Concat, exp.ConcatWs, exp.Like)
_DAYS_CALLS: Final = frozenset({"ADDDATE", "SUBDATE"})


def is_interval_sum(kind: type) -> bool:
    """Return whether `add_interval` can replace nodes of this class."""
    return issubclass(kind, _SUMS)


def add_interval(node: exp.Expr) -> exp.Expr | None:
    """Return a sum or difference of a time and an interval with MySQL's type; None for other nodes."""
    found = _parts(node)
    if found is None:
        return None
    moment, interval, negative = found
    unit, amount = interval.text("unit").upper(), interval.this
    if isinstance(amount, exp.Literal) and "." in amount.name and unit not in _FRACTIONS:
        raise SqlError(NOT_SUPPORTED, f"INTERVAL {amount.name} {unit} is not supported by the sandbox")
    added = exp.Neg(this=interval.copy()) if negative else interval.copy()
    if isinstance(moment, exp.Null):
        return exp.cast(moment.copy(), "timestamp")
    if isinstance(moment, exp.Literal) and moment.is_string:
        moment = exp.cast(moment.copy(), "varchar" if _stays_text(node) else "timestamp")
        if moment.is_type("varchar") and (unit not in _DAYS or isinstance(node, exp.TimestampAdd)):
            return exp.Anonymous(this="mysql_text_plus_time", expressions=[moment, added])
    if unit in _DAYS:
        return exp.Anonymous(this="mysql_plus_days", expressions=[moment.copy(), added])
    return exp.Add(this=moment.copy(), expression=added)


def _stays_text(node: exp.Expr) -> bool:
    """Return whether the sum is not part of a comparison or a function of times."""
    parent = node.parent
    while parent is not None and (_is_transparent(parent) or _parts(parent) is not None):
        parent = parent.parent
    return parent is None or isinstance(parent, _TEXTS)


def _is_transparent(node: exp.Expr) -> bool:
    return isinstance(node, exp.Paren) or (isinstance(node, exp.Anonymous) and node.name == "mysql_text")


def _parts(node: exp.Expr) -> tuple[exp.Expr, exp.Interval, bool] | None:
    """Return the time, the interval, and whether it is subtracted."""
    if isinstance(node, _CALLS):
        interval = exp.Interval(this=node.expression.copy(), unit=node.args.get("unit"))
        return node.this, interval, isinstance(node, exp.DateSub)
    if isinstance(node, exp.Anonymous) and node.name.upper() in _DAYS_CALLS:
        moment, amount = node.expressions
        if not isinstance(amount, exp.Interval):
            amount = exp.Interval(this=amount.copy(), unit=exp.var("DAY"))
        return moment, amount, node.name.upper() == "SUBDATE"
    if isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression, exp.Interval):
        return node.this, node.expression, isinstance(node, exp.Sub)
    if isinstance(node, exp.Add) and isinstance(node.this, exp.Interval):
        return node.expression, node.this, False
    return None
