"""MySQL functions and operators that DuckDB defines differently, as macros with MySQL's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.by_class import ByClass
from tidb_pe_magic.sandbox.mysql.collations import collate
from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

if TYPE_CHECKING:
    from collections.abc import Callable

#: The macros, and what DuckDB does instead.
MACROS: Final = """
-- NULL where a logarithm or a root does not exist; DuckDB returns infinity or NaN.
CREATE MACRO mysql_finite(x) AS CASE WHEN isfinite(CAST(x AS DOUBLE)) THEN x END;
-- An empty string for positions outside of the text; DuckDB counts from there.
CREATE MACRO mysql_substring(s, p) AS
    CASE WHEN s IS NOT NULL AND (p = 0 OR p < -length(CAST(s AS VARCHAR))) THEN ''
      ELSE substring(CAST(s AS VARCHAR), p) END,
  (s, p, n) AS
    CASE WHEN s IS NOT NULL AND (p = 0 OR n <= 0 OR p < -length(CAST(s AS VARCHAR))) THEN ''
      ELSE substring(CAST(s AS VARCHAR), p, n) END;
CREATE MACRO mysql_mid(s, p, n) AS mysql_substring(s, p, n);
CREATE MACRO mysql_left(s, n) AS
  CASE WHEN s IS NOT NULL AND n <= 0 THEN '' ELSE left(CAST(s AS VARCHAR), n) END;
CREATE MACRO mysql_right(s, n) AS
  CASE WHEN s IS NOT NULL AND n <= 0 THEN '' ELSE right(CAST(s AS VARCHAR), n) END;
-- A DOUBLE in the middle is rounded to the even number.
CREATE MACRO mysql_round(x DOUBLE) AS round_even(x, 0),
  (x BIGINT) AS x,
  (x HUGEINT) AS x,
  (x DECIMAL(38, 12)) AS round(x, 0),
  (x DOUBLE, n) AS round_even(x, n),
  (x BIGINT, n) AS CASE WHEN n >= 0 THEN x ELSE CAST(round_even(CAST(x AS DOUBLE), n) AS BIGINT) END,
  (x HUGEINT, n) AS round(x, n),
  (x DECIMAL(38, 12), n) AS round(x, n);
-- Without the fraction; DuckDB divides decimals.
CREATE MACRO mysql_intdiv(a, b) AS CAST(trunc(a // b) AS BIGINT);
-- As an unsigned integer.
CREATE MACRO mysql_bitnot(x) AS CASE WHEN x >= 0
  THEN CAST(18446744073709551615 - CAST(x AS HUGEINT) AS UBIGINT)
  ELSE CAST(-1 - CAST(x AS HUGEINT) AS UBIGINT) END;
-- Weeks that begin on Sunday (modes 0, 2, 4) or on Monday (1, 3, 5, 7); DuckDB has only the ISO week, mode 3.
CREATE MACRO mysql_last_week(x, f) AS CASE CAST(strftime(x, f) AS BIGINT) WHEN 0
  THEN CAST(strftime(date_trunc('year', x) - INTERVAL 1 DAY, f) AS BIGINT)
  ELSE CAST(strftime(x, f) AS BIGINT) END;
CREATE MACRO mysql_long_week(x, first) AS
  (dayofyear(x) - 1 + first) // 7 + CASE WHEN first <= 3 THEN 1 ELSE 0 END;
CREATE MACRO mysql_week_of(x, mode) AS CASE mode
  WHEN 0 THEN CAST(strftime(x, '%U') AS BIGINT)
  WHEN 1 THEN mysql_long_week(x, isodow(date_trunc('year', x)) - 1)
  WHEN 2 THEN mysql_last_week(x, '%U')
  WHEN 3 THEN weekofyear(x)
  WHEN 4 THEN mysql_long_week(x, dayofweek(date_trunc('year', x)))
  WHEN 5 THEN CAST(strftime(x, '%W') AS BIGINT)
  WHEN 7 THEN mysql_last_week(x, '%W')
  ELSE error('this mode of WEEK is not supported by the sandbox') END;
-- DuckDB replaces each parameter of a macro by the whole argument, but binds a lambda's argument once.
CREATE MACRO mysql_week(x) AS list_transform([CAST(x AS TIMESTAMP)], lambda m: mysql_week_of(m, 0))[1],
  (x, mode) AS list_transform([CAST(x AS TIMESTAMP)], lambda m: mysql_week_of(m, mode))[1];
CREATE MACRO mysql_sunday_week(x) AS mysql_week_of(x, 2) + 100 *
  (year(x) - CASE WHEN strftime(x, '%U') = '00' THEN 1 ELSE 0 END);
CREATE MACRO mysql_yearweek_of(x, mode) AS CASE mode WHEN 0 THEN mysql_sunday_week(x)
  WHEN 1 THEN isoyear(x) * 100 + weekofyear(x)
  WHEN 3 THEN isoyear(x) * 100 + weekofyear(x)
  ELSE error('this mode of YEARWEEK is not supported by the sandbox') END;
CREATE MACRO mysql_yearweek(x) AS
    list_transform([CAST(x AS TIMESTAMP)], lambda m: mysql_yearweek_of(m, 0))[1],
  (x, mode) AS list_transform([CAST(x AS TIMESTAMP)], lambda m: mysql_yearweek_of(m, mode))[1];
CREATE MACRO mysql_microsecond(x) AS microsecond(CAST(x AS TIMESTAMP)) % 1000000;
CREATE MACRO mysql_year_month(x) AS year(CAST(x AS TIMESTAMP)) * 100 + month(CAST(x AS TIMESTAMP));
"""

#: The most digits of DuckDB's DECIMAL and of MySQL's.
_DIGITS, _ALL_DIGITS = 38, 65

_EXTRACTS: Final = {
    "WEEK": "mysql_week",
    "MICROSECOND": "mysql_microsecond",
    "YEAR_MONTH": "mysql_year_month",
}
_ARITHMETIC: Final = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
_TRUTHS: Final = (exp.Predicate, exp.Boolean, exp.Not, exp.Connector)


def _call(name: str, *arguments: exp.Expr | None) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[each for each in arguments if each is not None])


def _finite(node: exp.Expr) -> exp.Expr:
    return _call("mysql_finite", node.copy())


def _substring(node: exp.Expr) -> exp.Expr:
    return _call("mysql_substring", node.this, node.args.get("start"), node.args.get("length"))


def _week(node: exp.Expr) -> exp.Expr:
    return _call("mysql_week", node.this, node.args.get("mode"))


def _extract(node: exp.Expr) -> exp.Expr:
    macro = _EXTRACTS.get(node.name.upper())
    return node if macro is None else _call(macro, node.expression)


def _format(node: exp.Expr) -> exp.Expr:
    """Round to the nearest number before formatting: DuckDB's `format` rounds to the even digit."""
    rounded = exp.Round(this=node.this.copy(), decimals=node.args["format"].copy())
    node.set("this", exp.cast(rounded, "double"))
    return node


def _from_unix_time(node: exp.Expr) -> exp.Expr:
    """Return FROM_UNIXTIME with a format as DATE_FORMAT."""
    written = node.args.get("format")
    if isinstance(node.this, exp.Neg) and isinstance(node.this.this, exp.Literal):
        return exp.cast(exp.null(), "timestamp")
    return node if written is None else exp.TimeToStr(this=exp.UnixToTime(this=node.this), format=written)


def make_operands_numbers(node: exp.Expr) -> None:
    """Convert the truth values among the operands of arithmetic, which DuckDB refuses."""
    for operand in (node.this, node.args.get("expression")):
        if isinstance(operand, exp.Expr) and isinstance(operand.unnest(), _TRUTHS):
            operand.replace(exp.cast(operand.copy(), "int"))


def _numbers(node: exp.Expr) -> exp.Expr:
    make_operands_numbers(node)
    if isinstance(node, exp.IntDiv):
        return _call("mysql_intdiv", node.this, node.expression)
    if isinstance(node, exp.Mod):
        # DuckDB's remainder of a DOUBLE is NaN.
        node.set("expression", exp.Nullif(this=node.expression.copy(), expression=exp.Literal.number(0)))
    return node


def _column_type(node: exp.Expr) -> exp.Expr:
    """Return TINYINT for the BOOLEAN of a new column of an existing table, and a DECIMAL with its digits.

    Raises:
        SqlError: a DECIMAL has more digits than DuckDB's.
    """
    if node.this is exp.DataType.Type.DECIMAL:
        return _decimal(node)
    return exp.DataType.build("tinyint") if node.is_type("boolean") else node


def _decimal(node: exp.Expr) -> exp.Expr:
    sizes = [int(each.name) for each in node.expressions]
    digits, scale = (*sizes, 10, 0)[:2] if len(sizes) != 1 else (sizes[0], 0)
    if _ALL_DIGITS >= digits > _DIGITS:
        most = f"its DECIMALs have at most {_DIGITS} digits"
        raise SqlError(NOT_SUPPORTED, f"DECIMAL({digits},{scale}) is not supported by the sandbox: {most}")
    return node if sizes else exp.DataType.build(f"DECIMAL({digits}, {scale})")


def _json_group(macro: str, *arguments: exp.Expr) -> exp.Expr:
    """Return JSON_ARRAYAGG or JSON_OBJECTAGG, which are NULL without rows."""
    own = exp.Anonymous(this=macro, expressions=list(arguments))
    counted = exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))
    return exp.Case(ifs=[exp.If(this=counted, true=own)])


def _json_object(node: exp.Expr) -> exp.Expr:
    pair = node.expressions[0]
    return _json_group("json_group_object", pair.this.copy(), pair.expression.copy())


def _named(node: exp.Expr) -> exp.Expr:
    if node.name.upper() == "JSON_ARRAYAGG" and len(node.expressions) == 1:
        return _json_group("json_group_array", node.expressions[0].copy())
    if node.name.upper() == "OCTET_LENGTH" and len(node.expressions) == 1:
        return _call("mysql_length", node.expressions[0])
    return node


def _regexp_substr(node: exp.Expr) -> exp.Expr:
    found = _call("regexp_extract", node.this.copy(), node.expression.copy())
    return exp.Nullif(this=found, expression=exp.Literal.string(""))


def _elt(node: exp.Expr) -> exp.Expr:
    """Return ELT, whose numbers below 1 choose nothing; DuckDB's count from the end."""
    values = exp.Array(expressions=[each.copy() for each in node.expressions])
    chosen = _call("list_extract", values, node.this.copy())
    some = exp.GT(this=node.this.copy(), expression=exp.Literal.number(0))
    return exp.Case(ifs=[exp.If(this=some, true=chosen)])


_REPLACEMENTS: Final[
    tuple[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], Callable[[exp.Expr], exp.Expr]], ...]
] = (
    ((exp.Sqrt, exp.Ln, exp.Log, exp.Acos, exp.Asin), _finite),
    (exp.Substring, _substring),
    (exp.Left, lambda node: _call("mysql_left", node.this, node.expression)),
    (exp.Right, lambda node: _call("mysql_right", node.this, node.expression)),
    (exp.BitwiseNot, lambda node: _call("mysql_bitnot", node.this)),
    (exp.Week, _week),
    (exp.Extract, _extract),
    (exp.NumberToStr, _format),
    (exp.UnixToTime, _from_unix_time),
    (_ARITHMETIC, _numbers),
    (exp.DataType, _column_type),
    (exp.JSONObjectAgg, _json_object),
    (exp.Anonymous, _named),
    (exp.RegexpSubstr, _regexp_substr),
    (exp.Elt, _elt),
    (exp.Collate, lambda node: collate(node) if isinstance(node, exp.Collate) else node),
)


_REPLACEMENT_OF: Final = ByClass(
    lambda kind: next((replace for kinds, replace in _REPLACEMENTS if issubclass(kind, kinds)), None)
)


def is_replaceable(kind: type) -> bool:
    """Return whether `replace_function` can replace nodes of this class."""
    return _REPLACEMENT_OF[kind] is not None


def replace_function(node: exp.Expr) -> exp.Expr:
    """Return a node with MySQL's values in DuckDB; the node itself if DuckDB has the same.

    Its arguments must have been replaced already.
    """
    replace = _REPLACEMENT_OF[type(node)]
    return node if replace is None else replace(node)
