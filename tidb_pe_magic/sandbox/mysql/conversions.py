"""MySQL's implicit conversions, and its casts, which take what a text begins with instead of failing.

DuckDB compares a text with a number by converting the text to the number's type, and fails if it cannot.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.by_class import ByClass
from tidb_pe_magic.sandbox.mysql.kinds import (
    DATE,
    DATETIME,
    DECIMAL,
    INTEGER,
    MOMENTS,
    NUMBERS,
    TEXT,
    TIME,
    Kinds,
    choices,
)
from tidb_pe_magic.sandbox.mysql.time_functions import is_clock, is_moment, to_days

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.sandbox.mysql.lineage import Columns

_D: Final = exp.DataType.Type
_COMPARISONS: Final = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between),
)
_ARITHMETIC: Final = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv, exp.Neg, exp.Round)
_TEXT_CALLS: Final = (
    *(exp.Upper, exp.Lower, exp.Replace, exp.Trim, exp.Substring, exp.Left, exp.Right),
    *(exp.Like, exp.RegexpLike, exp.StrPosition, exp.Pad),
)
_NUMBER: Final = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_INTEGER: Final = re.compile(r"[-+]?\d{1,18}")
#: Characters of a DATE; a longer text also has a time.
_DATE_LENGTH: Final = 10


def convert(tree: exp.Expr, columns: Columns) -> exp.Expr:
    """Return a statement of MySQL whose conversions are explicit; the tree is changed in place.

    Args:
        tree: the statement.
        columns: looks up the columns of a table.
    """
    kinds = Kinds(columns)
    for paren in list(tree.find_all(exp.Paren)):
        days = to_days(paren)
        if days is not None:
            paren.replace(days)
    for node in reversed(list(tree.dfs())):
        if (handle := _HANDLER_OF[type(node)]) is not None:
            handle(node, kinds)
    return tree


def _call(macro: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=macro, expressions=list(arguments))


def _wrap(node: exp.Expr, macro: str) -> None:
    node.replace(_call(macro, node.copy()))


def _date(value: exp.Expr) -> exp.Expr:
    if is_moment(value):
        return exp.cast(exp.Literal.string(value.name[:_DATE_LENGTH]), "date")
    return _call("mysql_to_date", value)


def _datetime(value: exp.Expr, digits: int) -> exp.Expr:
    if is_moment(value):
        return exp.cast(value.copy(), "timestamp")
    return _call("mysql_to_datetime", value, exp.Literal.number(digits))


def _to_date(node: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(node.this) not in {DATE, DATETIME}:
        node.replace(_date(node.this))


def _to_timestamp(node: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(node.this) not in MOMENTS:
        node.replace(_datetime(node.this, 6))


def _cast(node: exp.Expr, kinds: Kinds) -> None:
    """Replace a cast by one that does not fail, unless DuckDB's has the same values."""
    if isinstance(node, exp.Cast) and not node.find_ancestor(exp.ColumnDef):
        kind, target = kinds.of(node.this), node.to.this
        cast = _moment_cast(node, kind, target) or _plain_cast(node, kind, target)
        cast = cast or _text_cast(node, kinds, target)
        if cast is not None:
            node.replace(cast)


def _moment_cast(node: exp.Cast, kind: str, target: object) -> exp.Expr | None:
    value, sizes = node.this, node.to.expressions
    if target is _D.DATE and kind not in {DATE, DATETIME, ""}:
        return _date(value)
    if target is _D.DATETIME and kind not in {TIME, DATE, ""}:
        if sizes:
            return _call("mysql_to_datetime", value, exp.Literal.number(sizes[0].name))
        return _datetime(value, 0)
    if target is _D.TIME and kind in {TEXT, INTEGER} and not sizes:
        return _call("mysql_to_time", value)
    return None


def _plain_cast(node: exp.Cast, kind: str, target: object) -> exp.Expr | None:
    value = node.this
    if target is _D.BIGINT and kind in MOMENTS:
        return _call("mysql_moment_number", value)
    if target is _D.BIGINT and kind == TEXT:
        return _call("mysql_to_integer", value)
    if target is _D.UBIGINT and kind == TEXT:
        return exp.Cast(this=_call("mysql_to_integer", value), to=node.to)
    if target in {_D.DECIMAL, _D.DOUBLE, _D.FLOAT} and kind == TEXT:
        return exp.Cast(this=_call("mysql_prefix", value), to=node.to)
    return None


def _text_cast(node: exp.Cast, kinds: Kinds, target: object) -> exp.Expr | None:
    if target not in {_D.CHAR, _D.VARCHAR, _D.CHARACTER_SET}:
        return None
    text, sizes = _text_call(node.this, kinds), node.to.expressions
    return exp.Left(this=text, expression=sizes[0].this) if sizes else text


def _number_literal(node: exp.Expr) -> exp.Expr:
    """Return the number that a text literal begins with; a DOUBLE unless it is a plain integer."""
    found = _NUMBER.match(node.name)
    text = found[1] if found else "0"
    if _INTEGER.fullmatch(text):
        return exp.Literal.number(int(text))
    return exp.cast(exp.Literal.string(text), "double")


def _number_of(node: exp.Expr | None, kinds: Kinds) -> None:
    """Make a text, a date or a time a number, and a FLOAT a DOUBLE."""
    if node is None:
        return
    if kinds.is_float(node):
        node.replace(exp.cast(node.copy(), "double"))
        return
    kind = kinds.of(node)
    if kind == TEXT:
        if isinstance(node, exp.Literal):
            node.replace(exp.cast(_number_literal(node), "double"))
        else:
            _wrap(node, "mysql_prefix")
    elif kind in MOMENTS:
        _wrap(node, "mysql_moment_number")


def _calculate(node: exp.Expr, kinds: Kinds) -> None:
    sides = [node.this, node.args.get("expression")]
    if any(isinstance(each, exp.Interval) for each in sides):
        return
    for each in sides:
        _number_of(each, kinds)


def _sides(node: exp.Expr) -> list[exp.Expr]:
    """Return the compared values; none of a list that a query returns."""
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.In):
        return [] if node.args.get("query") is not None else [node.this, *node.expressions]
    return [node.this, node.expression]


def _compare_list(node: exp.Expr, kinds: Kinds) -> None:
    """Compare a text with the texts of a list as a text, and with its numbers as a number."""
    numbers = [each for each in node.expressions if kinds.of(each) in NUMBERS]
    texts = [each for each in node.expressions if kinds.of(each) not in NUMBERS]
    if kinds.of(node.this) != TEXT or not numbers or not texts:
        _compare(node, kinds)
        return
    number = _call("mysql_prefix", node.this.copy())
    as_number = exp.In(this=number, expressions=[each.copy() for each in numbers])
    as_text = exp.In(this=node.this.copy(), expressions=[each.copy() for each in texts])
    node.replace(exp.paren(exp.or_(as_text, as_number)))


def _compare(node: exp.Expr, kinds: Kinds) -> None:
    sides = _sides(node)
    if any(map(kinds.is_float, sides)):
        for side in sides:
            _compared_double(side, kinds)
        return
    pairs = [(side, kinds.of(side)) for side in sides]
    known = {kind for _, kind in pairs}
    if TEXT in known and known & NUMBERS:
        for side, kind in pairs:
            if kind == TEXT:
                _compared_number(side)
    elif known & NUMBERS and known & {DATE, DATETIME}:
        _compare_dates(pairs, with_time=DATETIME in known)
    elif DATE in known and any(_has_time(side) for side in sides):
        for side in sides:
            side.replace(exp.cast(side.copy(), "timestamp"))


def _compared_double(side: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(side) in NUMBERS:
        side.replace(exp.cast(side.copy(), "double"))
    elif kinds.of(side) == TEXT:
        _compared_number(side)


def _compared_number(side: exp.Expr) -> None:
    if isinstance(side, exp.Literal):
        side.replace(_number_literal(side))
    else:
        _wrap(side, "mysql_prefix")


def _compare_dates(pairs: Sequence[tuple[exp.Expr, str]], *, with_time: bool) -> None:
    """Compare dates with numbers as numbers; 20240101 is midnight."""
    for side, kind in pairs:
        if kind in {DATE, DATETIME}:
            _wrap(side, "mysql_moment_number")
        elif with_time and isinstance(side, exp.Literal) and len(side.name) == len("20240101"):
            side.replace(exp.Literal.number(f"{side.name}000000"))


def _has_time(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string and len(node.name.strip()) > _DATE_LENGTH


def _text_of(node: exp.Expr | None, kinds: Kinds, *, unknown: bool = False) -> None:
    if node is not None and not isinstance(node, exp.Null):
        kind = kinds.of(node)
        if kind not in {TEXT, ""} or (unknown and kind == ""):
            node.replace(_text_call(node, kinds))


def _text_call(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    digits = kinds.digits(node)
    if digits:
        return _call("mysql_fraction", node.copy(), exp.Literal.number(digits))
    return _call("mysql_text", node.copy())


def _choose(node: exp.Expr, kinds: Kinds) -> None:
    """Make all values texts if one is, and conditions truth values."""
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
        return  # a part of CASE
    conditions = [each.this for each in node.args["ifs"]] if isinstance(node, exp.Case) else []
    if isinstance(node, exp.If):
        conditions = [node.this]
    if not (isinstance(node, exp.Case) and node.this is not None):
        for each in conditions:
            _condition(each, kinds)
    values = [each for each in choices(node) if not isinstance(each, exp.Null)]
    found = {kinds.of(each) for each in values}
    if isinstance(node, exp.Greatest | exp.Least) and found & NUMBERS:
        return
    if TEXT in found and len(found) > 1 and "" not in found:
        for each in values:
            _text_of(each, kinds)


def _whole(node: exp.Expr, kinds: Kinds) -> None:
    """Let CEIL and FLOOR of exact numbers be integers."""
    kind = kinds.of(node.this)
    _number_of(node.this, kinds)
    if kind in {INTEGER, DECIMAL} and not isinstance(node.parent, exp.Cast):
        node.replace(exp.cast(node.copy(), "bigint"))


def _moment_of(node: exp.Expr, kinds: Kinds) -> None:
    """Make a text a time, or a date with a time."""
    if kinds.of(node) == TEXT:
        if is_clock(node):
            _wrap(node, "mysql_to_time")
        else:
            node.replace(_datetime(node.copy(), 6))


def _condition(node: exp.Expr | None, kinds: Kinds) -> None:
    if node is not None and kinds.of(node) == TEXT:
        _number_of(node, kinds)


def _numbers(node: exp.Expr, kinds: Kinds) -> None:
    kind = kinds.of(node.this)
    _number_of(node.this, kinds)
    if kind in MOMENTS:
        node.set("this", exp.cast(node.this.copy(), "double"))


def _text(node: exp.Expr, kinds: Kinds) -> None:
    _text_of(node.this, kinds)


def _fraction(node: exp.Expr, kinds: Kinds) -> None:
    """Let DuckDB's own text have the digits of a time's type."""
    value = node.this.this if isinstance(node.this, exp.Order | exp.Distinct) else node.this
    if kinds.digits(value):
        value.replace(_text_call(value, kinds))


def _texts(node: exp.Expr, kinds: Kinds) -> None:
    for each in list(node.expressions):
        _text_of(each, kinds, unknown=True)


def _conditions(node: exp.Expr, kinds: Kinds) -> None:
    for each in (node.this, node.args.get("expression")):
        _condition(each, kinds)


def _moment(node: exp.Expr, kinds: Kinds) -> None:
    _moment_of(node.expression if isinstance(node, exp.Extract) else node.this, kinds)


def _named(node: exp.Expr, kinds: Kinds) -> None:
    if node.name.upper() == "MICROSECOND" and node.expressions:
        _moment_of(node.expressions[0], kinds)
        number = exp.Anonymous(this="microsecond", expressions=[node.expressions[0].copy()])
        node.replace(exp.Mod(this=number, expression=exp.Literal.number(1_000_000)))


_HANDLERS: Final[Sequence[tuple[tuple[type[exp.Expr], ...], Callable[[exp.Expr, Kinds], None]]]] = (
    ((exp.TsOrDsToDate,), _to_date),
    ((exp.TsOrDsToTimestamp,), _to_timestamp),
    ((exp.Cast,), _cast),
    ((exp.In,), _compare_list),
    (_COMPARISONS, _compare),
    (_ARITHMETIC, _calculate),
    ((exp.Sum, exp.Avg), _numbers),
    (_TEXT_CALLS, _text),
    ((exp.Concat, exp.ConcatWs), _texts),
    ((exp.Length, exp.GroupConcat), _fraction),
    ((exp.Case, exp.If, exp.Coalesce, exp.Greatest, exp.Least), _choose),
    ((exp.Ceil, exp.Floor), _whole),
    ((exp.Hour, exp.Minute, exp.Second, exp.Quarter, exp.Extract), _moment),
    ((exp.Anonymous,), _named),
    ((exp.And, exp.Or, exp.Not, exp.Xor, exp.Where), _conditions),
)
_HANDLER_OF: Final = ByClass(
    lambda kind: next((handle for kinds, handle in _HANDLERS if issubclass(kind, kinds)), None)
)
