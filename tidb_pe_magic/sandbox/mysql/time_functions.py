"""MySQL's functions of dates and times that DuckDB lacks, or that fail there for texts that are not dates."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError
from tidb_pe_magic.sandbox.mysql.time_zones import duckdb_zone, zone_of

MACROS: Final = """
CREATE MACRO mysql_two(n) AS lpad(CAST(n AS VARCHAR), 2, '0');
CREATE MACRO mysql_ordinal(n) AS CAST(n AS VARCHAR) || CASE WHEN n // 10 = 1 THEN 'th'
  WHEN n % 10 = 1 THEN 'st' WHEN n % 10 = 2 THEN 'nd' WHEN n % 10 = 3 THEN 'rd' ELSE 'th' END;
CREATE MACRO mysql_nth(n) AS list_transform([n], lambda number: mysql_ordinal(number))[1];
CREATE MACRO mysql_to_days(x) AS date_diff('day', DATE '0001-01-01', CAST(x AS DATE)) + 366;
CREATE MACRO mysql_from_days(n) AS CAST(DATE '0001-01-01' + CAST(n - 366 AS INTEGER) AS DATE);
"""

_SPECIFIER: Final = re.compile(r"%-?.", re.DOTALL)
#: Specifiers of DATE_FORMAT as sqlglot converts them (%u becomes %W), which strftime defines differently.
_OWN: Final = {
    "%D": "mysql_nth(day({0}))",
    "%W": "mysql_two(mysql_week({0}, 1))",
    "%V": "mysql_two(mysql_week({0}, 2))",
    "%v": "mysql_two(mysql_week({0}, 3))",
    "%X": "CAST(mysql_yearweek({0}) // 100 AS VARCHAR)",
}
#: Letters that both have; MySQL shows any other letter as it is.
_COMMON: Final = frozenset("aAbBdfGHIjmMpSUwyY%")
_OF_DATE: Final = re.compile(r"%-?[YyGmdjbBcUuWVaAwe]")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?", re.ASCII)
_CLOCK: Final = re.compile(r"\s*-?\d+:\d+(?::\d+(?:\.\d*)?)?\s*")


def time_function(node: exp.Expr) -> exp.Expr | None:
    """Return a function of dates or times with MySQL's values in DuckDB; None for other nodes.

    Its arguments must have been replaced already.

    Raises:
        SqlError: the sandbox does not support these arguments.
    """
    if isinstance(node, exp.TimeToStr) and isinstance(node.args.get("format"), exp.Literal):
        return _date_format(node)
    if isinstance(node, exp.StrToDate | exp.StrToTime) and isinstance(node.args.get("format"), exp.Literal):
        return _str_to_date(node)
    if isinstance(node, exp.Time) and node.args.get("zone") is None:
        return _call("mysql_to_time", node.this)
    if isinstance(node, exp.Timestamp):
        if node.args.get("zone") is not None:
            raise SqlError(NOT_SUPPORTED, "TIMESTAMP with two arguments is not supported by the sandbox")
        return _call("mysql_to_datetime", node.this, exp.Literal.number(6))
    if isinstance(node, exp.ConvertTimezone):
        return _convert_tz(node)
    return None


def _call(macro: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=macro, expressions=[each.copy() for each in arguments])


def _date_format(node: exp.TimeToStr) -> exp.Expr | None:
    """Return DATE_FORMAT with strftime for the parts that it has in common; None if it has all."""
    form = node.args["format"].name
    own = [found for found in _SPECIFIER.findall(form) if found in _OWN or found[-1] not in _COMMON]
    if not own:
        return None
    moment = node.this.sql("duckdb")
    parts: list[exp.Expr] = []
    place = 0
    for found in _SPECIFIER.finditer(form):
        if found.group() not in own:
            continue
        if before := form[place : found.start()]:
            parts.append(exp.TimeToStr(this=node.this.copy(), format=exp.Literal.string(before)))
        if found.group() in _OWN:
            parts.append(exp.maybe_parse(_OWN[found.group()].format(moment), dialect="duckdb"))
        else:
            parts.append(exp.Literal.string(found.group()[-1]))
        place = found.end()
    if form[place:]:
        parts.append(exp.TimeToStr(this=node.this.copy(), format=exp.Literal.string(form[place:])))
    text = parts[0]
    for part in parts[1:]:
        text = exp.DPipe(this=text, expression=part, safe=True)
    known = exp.not_(exp.Is(this=node.this.copy(), expression=exp.Null()))
    return exp.Case(ifs=[exp.If(this=known, true=text)])


def _str_to_date(node: exp.Expr) -> exp.Expr:
    """Return STR_TO_DATE, which is NULL for other texts, and a TIME without the parts of a date."""
    form = node.args["format"]
    moment = exp.Anonymous(this="try_strptime", expressions=[node.this.copy(), form.copy()])
    if not _OF_DATE.search(form.name):
        return exp.cast(moment, "time")
    clock = any(part in form.name for part in ("%H", "%I", "%M", "%S", "%T", "%r", "%f", "%-H", "%-I"))
    return exp.cast(moment, "timestamp" if clock else "date")


def _convert_tz(node: exp.ConvertTimezone) -> exp.Expr:
    """Return CONVERT_TZ, which is NULL for unknown zones."""
    zones = []
    for key in ("source_tz", "target_tz"):
        zone = node.args.get(key)
        if not isinstance(zone, exp.Literal):
            raise SqlError(NOT_SUPPORTED, "CONVERT_TZ is only supported by the sandbox with literal zones")
        try:
            zone_of(zone.name)
        except SqlError:
            return exp.cast(exp.null(), "timestamp")
        zones.append(exp.Literal.string(duckdb_zone(zone.name)))
    moment = _call("mysql_to_datetime", node.args["timestamp"], exp.Literal.number(6))
    source, target = zones
    instant = exp.Anonymous(this="timezone", expressions=[source, moment])
    return exp.Anonymous(this="timezone", expressions=[target, instant])


def to_days(node: exp.Expr) -> exp.Expr | None:
    """Return TO_DAYS, which sqlglot parses as a difference plus 1; None for other nodes."""
    added = node.this if isinstance(node, exp.Paren) else None
    if not isinstance(added, exp.Add) or not isinstance(added.this, exp.DateDiff):
        return None
    start = added.this.expression
    if isinstance(start, exp.TsOrDsToDate) and start.this.name == "0000-01-01":
        return _call("mysql_to_days", added.this.this)
    return None


def is_moment(node: exp.Expr) -> bool:
    """Return whether a node is a text of a valid date, or date and time, in the form that DuckDB casts too.

    DuckDB needs 10 ms for the macros that read the other forms.
    """
    if not isinstance(node, exp.Literal) or not node.is_string or _MOMENT.fullmatch(node.name) is None:
        return False
    try:
        datetime.fromisoformat(node.name)
    except ValueError:
        return False
    return True


def is_clock(node: exp.Expr) -> bool:
    """Return whether a literal is a time of a day."""
    return isinstance(node, exp.Literal) and _CLOCK.fullmatch(node.name) is not None
