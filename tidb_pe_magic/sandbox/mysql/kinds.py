"""The kind of value of an expression, as far as the text and the tables' columns show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.by_class import ByClass
from tidb_pe_magic.sandbox.mysql.lineage import shared_names, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidb_pe_magic.sandbox.mysql.columns import Source
    from tidb_pe_magic.sandbox.mysql.lineage import Columns

INTEGER, DECIMAL, DOUBLE = "integer", "decimal", "double"
TEXT, DATE, DATETIME, TIME, JSON = "text", "date", "datetime", "time", "json"
NUMBERS: Final = frozenset({INTEGER, DECIMAL, DOUBLE})
MOMENTS: Final = frozenset({DATE, DATETIME, TIME})

#: The first word of a column's type.
_COLUMNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint"), INTEGER),
    **dict.fromkeys(("decimal", "numeric"), DECIMAL),
    **dict.fromkeys(("float", "double"), DOUBLE),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), TEXT),
    "date": DATE,
    **dict.fromkeys(("datetime", "timestamp"), DATETIME),
    "time": TIME,
    "json": JSON,
}
_D: Final = exp.DataType.Type
_TYPES: Final[Mapping[object, str]] = {
    **dict.fromkeys((_D.INT, _D.BIGINT, _D.UBIGINT, _D.UINT), INTEGER),
    _D.DECIMAL: DECIMAL,
    **dict.fromkeys((_D.DOUBLE, _D.FLOAT), DOUBLE),
    **dict.fromkeys((_D.CHAR, _D.VARCHAR, _D.TEXT), TEXT),
    _D.DATE: DATE,
    **dict.fromkeys((_D.DATETIME, _D.TIMESTAMP, _D.TIMESTAMPTZ), DATETIME),
    _D.TIME: TIME,
    _D.JSON: JSON,
}
_FRACTION: Final = re.compile(r"(?:datetime|timestamp|time)\((\d)\)")
#: Their value is of their argument's kind.
_SAME: Final = (exp.Paren, exp.Alias, exp.Max, exp.Min, exp.AnyValue)
_SAME_DIGITS: Final = (*_SAME, exp.DateAdd, exp.DateSub, exp.TimestampAdd, exp.TimestampSub)
_FUNCTIONS: Final[Sequence[tuple[tuple[type[exp.Expr], ...], str]]] = (
    ((exp.Predicate, exp.Not, exp.Connector, exp.Boolean, exp.Count), INTEGER),
    ((exp.Length, exp.Year, exp.Month, exp.Day, exp.DayOfWeek, exp.DateDiff), INTEGER),
    (
        (exp.Concat, exp.ConcatWs, exp.Upper, exp.Lower, exp.Substring, exp.Trim, exp.TimeToStr, exp.Left),
        TEXT,
    ),
    ((exp.Right, exp.Replace, exp.Dayname, exp.GroupConcat, exp.JSONExtractScalar), TEXT),
    ((exp.TsOrDsToDate, exp.CurrentDate, exp.LastDay, exp.UtcDate), DATE),
    ((exp.CurrentTimestamp, exp.UtcTimestamp), DATETIME),
)


_FUNCTION_KIND: Final = ByClass(
    lambda kind: next((returned for kinds, returned in _FUNCTIONS if issubclass(kind, kinds)), "")
)

#: The macros that conversions insert.
MACROS: Final[Mapping[str, str]] = {
    "mysql_prefix": DOUBLE,
    "mysql_moment_number": INTEGER,
    "mysql_text": TEXT,
    "mysql_fraction": TEXT,
    "mysql_to_date": DATE,
    "mysql_to_datetime": DATETIME,
    "mysql_to_time": TIME,
    "mysql_to_integer": INTEGER,
}


class Kinds:
    """Finds the kinds of one statement's expressions."""

    def __init__(self, columns: Columns) -> None:
        """Set the function that returns a table's columns."""
        self._columns = columns
        self._sources: dict[int, Source | None] = {}
        self._shared: frozenset[str] | None = None

    def of(self, node: exp.Expr | None) -> str:
        """Return an expression's kind; "" if it is not known."""
        if isinstance(node, _SAME):
            return self.of(node.this)
        if isinstance(node, exp.Literal):
            return TEXT if node.is_string else _number_kind(node.name.lower())
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Cast | exp.Anonymous):
            return MACROS.get(node.name.lower(), "") if isinstance(node, exp.Anonymous) else self._cast(node)
        if isinstance(node, exp.Neg):
            return self._number(self.of(node.this))
        if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Mod):
            return self._sum(node)
        if isinstance(node, exp.If | exp.Case | exp.Coalesce):
            kinds = {self.of(each) for each in choices(node) if not isinstance(each, exp.Null)}
            return kinds.pop() if len(kinds) == 1 else ""
        return _FUNCTION_KIND[type(node)]

    def digits(self, node: exp.Expr | None) -> int:
        """Return how many digits the text of a time or a date with a time has behind the seconds."""
        if isinstance(node, exp.Add | exp.Sub):
            return self.digits(node.this) if isinstance(node.expression, exp.Interval) else 0
        if isinstance(node, _SAME_DIGITS):
            return self.digits(node.this)
        if isinstance(node, exp.Column):
            source = self._source(node)
            found = _FRACTION.match(source.kind) if source is not None else None
            return int(found[1]) if found else 0
        if isinstance(node, exp.Cast):
            return _size(node.to.expressions) if self._cast(node) in MOMENTS else 0
        if isinstance(node, exp.CurrentTimestamp | exp.UtcTimestamp):
            return _size([node.this])
        if isinstance(node, exp.Anonymous) and node.name.lower() == "mysql_to_datetime":
            return _size(node.expressions[1:])
        return 0

    def is_float(self, node: exp.Expr | None) -> bool:
        """Return whether it is a FLOAT column: MySQL calculates with all its digits as a DOUBLE."""
        source = self._source(node) if isinstance(node, exp.Column) else None
        return source is not None and source.kind.startswith("float")

    def _column(self, node: exp.Column) -> str:
        source = self._source(node)
        return "" if source is None else _COLUMNS.get(source.kind.split("(")[0].split(" ")[0], "")

    @staticmethod
    def _cast(node: exp.Cast) -> str:
        return _TYPES.get(node.to.this, "")

    def _sum(self, node: exp.Expr) -> str:
        sides = (node.args.get("this"), node.args.get("expression"))
        if any(isinstance(each, exp.Interval) for each in sides):
            return ""
        kinds = {self._number(self.of(each)) for each in sides}
        if "" in kinds:
            return ""
        return next(kind for kind in (DOUBLE, DECIMAL, INTEGER) if kind in kinds)

    @staticmethod
    def _number(kind: str) -> str:
        return DOUBLE if kind == TEXT else kind if kind in NUMBERS else ""

    def _source(self, column: exp.Column) -> Source | None:
        if id(column) not in self._sources:
            if self._shared is None:
                self._shared = shared_names(column)
            self._sources[id(column)] = source_of(column, self._columns, self._shared)
        return self._sources[id(column)]


def _size(arguments: Sequence[exp.Expr | None]) -> int:
    """Return the first argument, a number; 0 without one."""
    name = arguments[0].name if arguments and arguments[0] is not None else ""
    return int(name) if name.isdigit() else 0


def _number_kind(digits: str) -> str:
    return DOUBLE if "e" in digits else DECIMAL if "." in digits else INTEGER


def choices(node: exp.Expr) -> list[exp.Expr]:
    """Return the possible values of IF, CASE, COALESCE, GREATEST and LEAST."""
    if isinstance(node, exp.If):
        found = [node.args.get("true"), node.args.get("false")]
    elif isinstance(node, exp.Case):
        found = [*(each.args.get("true") for each in node.args["ifs"]), node.args.get("default")]
    else:
        found = [node.this, *node.expressions]
    return [each for each in found if each is not None]
