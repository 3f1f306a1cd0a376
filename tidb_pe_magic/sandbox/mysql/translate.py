"""Translation of MySQL statements to DuckDB's SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlglot import ErrorLevel, exp, parse_one

from tidb_pe_magic.sandbox.mysql.by_class import ByClass
from tidb_pe_magic.sandbox.mysql.conversions import convert
from tidb_pe_magic.sandbox.mysql.create_table import rewrite_create_table
from tidb_pe_magic.sandbox.mysql.date_arithmetic import add_interval, is_interval_sum
from tidb_pe_magic.sandbox.mysql.decimal_scale import SCALED, fix_scales
from tidb_pe_magic.sandbox.mysql.dependent_columns import choose_dependent
from tidb_pe_magic.sandbox.mysql.errors import (
    UNKNOWN_FUNCTION,
    SqlError,
    invalid_characters,
    no_database,
)
from tidb_pe_magic.sandbox.mysql.functions import is_replaceable, make_operands_numbers, replace_function
from tidb_pe_magic.sandbox.mysql.grouping import rewrite_grouping
from tidb_pe_magic.sandbox.mysql.joined_changes import without_join
from tidb_pe_magic.sandbox.mysql.parser import STUB
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA
from tidb_pe_magic.sandbox.mysql.time_functions import time_function
from tidb_pe_magic.sandbox.mysql.time_zones import epoch_in_zone, read_in_zone
from tidb_pe_magic.sandbox.mysql.updates import select_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidb_pe_magic.sandbox.mysql.lineage import Columns
    from tidb_pe_magic.sandbox.mysql.parser import Statement

_NAME_LENGTH: Final = 256
#: MySQL functions that DuckDB lacks, or defines differently; our macros of these names replace them.
_MACROS: Final[Mapping[type[exp.Expr], str]] = {
    exp.DayOfWeek: "mysql_dayofweek",
    exp.Dayname: "mysql_dayname",
    exp.LastDay: "mysql_last_day",
}
#: DuckDB chooses a macro by its arguments' types before it knows these types.
_UNTYPED: Final = (exp.AggFunc, exp.Window, exp.Query)
_MEAN: Final = "mysql_avg"
#: Functions whose value is one of their arguments.
_CHOICES: Final = (exp.Case, exp.If, exp.Coalesce, exp.Nullif)
_NAMED_MACROS: Final = frozenset(
    {
        "field", "find_in_set", "from_days",
        "isnull", "json_unquote", "makedate", "mid", "sec_to_time", "strcmp", "substring_index",
        "time_to_sec", "timediff", "unix_timestamp", "weekday", "yearweek",
    }
)  # fmt: skip

#: The functions of the current time, and the types that they return.
_CLOCKS: Final = frozenset({"NOW", "SYSDATE"})
_CLOCK_TYPES: Final[Mapping[type[exp.Expr], str]] = {
    **dict.fromkeys((exp.CurrentTimestamp, exp.UtcTimestamp, exp.Localtime, exp.Localtimestamp), "timestamp"),
    **dict.fromkeys((exp.CurrentDate, exp.UtcDate), "date"),
    **dict.fromkeys((exp.CurrentTime, exp.UtcTime), "time"),
}

#: What is replaced besides functions and what date_arithmetic and functions replace.
_REPLACED: Final = (exp.SessionParameter, exp.Parameter, exp.Introducer, exp.Table, exp.Div)
_UTC_CLOCKS: Final = (exp.UtcTimestamp, exp.UtcDate, exp.UtcTime)

#: Percentiles of DuckDB; TiDB has only APPROX_PERCENTILE (TiDB documentation, "Aggregate Functions").
_ONLY_DUCKDB: Final = frozenset(
    {"MEDIAN", "MODE", "PERCENTILE_CONT", "PERCENTILE_DISC", "QUANTILE", "QUANTILE_CONT", "QUANTILE_DISC"}
)


@dataclass(slots=True)
class TranslationContext:
    """The session's data for a translation."""

    functions: Mapping[str, Callable[[], Any]]
    variable: Callable[[str], Any]
    user_variables: Mapping[str, Any]
    #: The time of the statement in the session's time zone, with microseconds.
    now: str
    #: The same in UTC.
    utc: str
    #: DuckDB's name of the session's time zone.
    zone: str
    columns: Columns
    #: DuckDB queries of the session-dependent tables of information_schema, by name.
    tables: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    #: Whether means and quotients of exact numbers become DECIMAL, if DuckDB can determine their type.
    exact: bool = True
    sleep: float = 0.0
    follow_up: list[str] = field(default_factory=list)


def to_duckdb(statement: Statement, context: TranslationContext) -> str:
    """Return the statement in DuckDB's SQL; plain rows are its parameters."""
    if statement.tree is None:
        return ""
    tree = statement.tree.copy()
    if isinstance(tree, exp.Select):
        _name_columns(tree, statement.names)
    if isinstance(tree, exp.Create | exp.Drop) and tree.args.get("kind") == "DATABASE":
        tree.set("kind", "SCHEMA")
    if isinstance(tree, exp.Drop) and tree.args.get("kind") == "SCHEMA":
        tree.args["cascade"] = True
    if isinstance(tree, exp.Create) and tree.args.get("kind") == "TABLE":
        context.follow_up.extend(rewrite_create_table(tree))
    elif isinstance(tree, exp.Insert):
        _rewrite_insert(tree)
    elif isinstance(tree, exp.Update | exp.Delete):
        tree = without_join(tree)
        select_rows(tree)
    _rewrite_parts(tree, context.columns)
    tree = _translate(tree, context)
    sql = tree.sql("duckdb", copy=False, unsupported_level=ErrorLevel.IGNORE)
    if statement.rows is not None and statement.rows.kinds:
        sql = sql.replace(f"VALUES {STUB}", statement.rows.source[0], 1)
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise invalid_characters() from None
    return sql


def _rewrite_parts(tree: exp.Expr, columns: Columns) -> None:
    """Rewrite what depends on several nodes; each step walks through the tree, so it needs a reason."""
    kinds = {type(node) for node in tree.walk()}
    if exp.Group in kinds or exp.Having in kinds:
        rewrite_grouping(tree)
        choose_dependent(tree, columns)
    if not kinds.isdisjoint(SCALED):
        fix_scales(tree, columns)
    convert(tree, columns)
    if exp.Like in kinds:
        _escape_patterns(tree)


def _escape_patterns(tree: exp.Expr) -> None:
    """Give each LIKE MySQL's default escape character: DuckDB has none."""
    for like in list(tree.find_all(exp.Like)):
        if not isinstance(like.parent, exp.Escape):
            escaped = exp.Escape(this=like.copy(), expression=exp.Literal.string("\\"))
            like.replace(escaped)


def _name_columns(tree: exp.Select, names: Sequence[str] | None) -> None:
    named: list[exp.Expr] = []
    for index, expression in enumerate(tree.expressions):
        if isinstance(expression, exp.Alias | exp.Column | exp.Star) or expression.is_star:
            named.append(expression)
            continue
        name = names[index] if names else expression.sql("mysql")
        if isinstance(expression, exp.Literal):
            name = expression.name or name
        # Text with a binary literal is not valid UTF-8.
        name = name[:_NAME_LENGTH].encode("utf-8", "replace").decode()
        named.append(exp.alias_(expression, name, quoted=True, copy=False))
    tree.set("expressions", named)


def _rewrite_insert(tree: exp.Insert) -> None:
    if tree.args.get("ignore"):
        tree.args["ignore"] = False
        tree.set("alternative", "IGNORE")
    conflict = tree.args.get("conflict")
    if conflict is None:
        return
    for call in list(conflict.find_all(exp.Anonymous)):
        if call.name.upper() == "VALUES":
            name = call.expressions[0].name
            call.replace(exp.column(exp.to_identifier(name, quoted=True), table="excluded"))
    conflict.args["duplicate"] = False
    conflict.set("action", exp.var("DO UPDATE"))


def _literal(value: Any) -> exp.Expr:
    return exp.convert(value)


def _translate(tree: exp.Expr, context: TranslationContext) -> exp.Expr:
    """Replace the nodes of a tree, arguments before the functions that they are passed to."""
    for node in reversed(list(tree.dfs())):
        parent, key, index = node.parent, node.arg_key, node.index
        replaced = _replace(node, context) if _MAY_DIFFER[type(node)] else node
        if replaced is node:
            continue
        if node is tree:
            tree = replaced
        elif parent is not None and key is not None:
            parent.set(key, replaced, index)
    return tree


#: Whether nodes of a class may differ in DuckDB.
_MAY_DIFFER: Final = ByClass(
    lambda kind: issubclass(kind, (exp.Func, *_REPLACED)) or is_interval_sum(kind) or is_replaceable(kind)
)


def _replace(node: exp.Expr, context: TranslationContext) -> exp.Expr:
    if isinstance(node, exp.TimestampDiff):
        return _timestamp_difference(node)
    if (moved := add_interval(node) or epoch_in_zone(node, context.zone) or time_function(node)) is not None:
        return moved
    if isinstance(node, exp.Func):
        return _replace_function(node, context)
    if isinstance(node, exp.SessionParameter | exp.Parameter):
        system = isinstance(node, exp.SessionParameter)
        return _literal(
            context.variable(node.name) if system else context.user_variables.get(node.name.lower())
        )
    if isinstance(node, exp.Introducer):
        raw = node.expression.name.encode("utf-8", "surrogateescape")
        return exp.func("unhex", exp.Literal.string(raw.hex())) if node.name == "_binary" else node.expression
    if isinstance(node, exp.Table):
        return _replace_table(node, context)
    if isinstance(node, exp.Div) and context.exact and not _has_unknown_type(node):
        # A quotient within an expression has more digits than a result.
        make_operands_numbers(node)
        macro = "mysql_part_div" if _is_part(node) else "mysql_div"
        return exp.Anonymous(this=macro, expressions=[node.left, node.right])
    return replace_function(node)


def _replace_table(node: exp.Table, context: TranslationContext) -> exp.Expr:
    if node.name.upper() == "DUAL" and not node.db:
        return exp.select("1").subquery(node.name)
    if node.db.lower() in {"information_schema", "performance_schema"}:
        if query := context.tables.get(node.name.lower()):
            return exp.Subquery(
                this=parse_one(query(), read="duckdb"),
                alias=exp.TableAlias(this=exp.to_identifier(node.alias_or_name)),
                joins=node.args.get("joins"),
            )
        node.set("db", exp.to_identifier(HIDDEN_SCHEMA))
        return node
    return node if context.zone == "UTC" else read_in_zone(node, context.zone, context.columns)


def _typed_macro(node: exp.Func) -> str:
    """Return the name of the macro whose result has MySQL's type; empty for other functions."""
    if not isinstance(node, exp.Avg | exp.Round) or _has_unknown_type(node.this):
        return ""
    if isinstance(node, exp.Round):
        return "mysql_round"
    return "" if node.this.find(exp.Distinct) else _MEAN


def _has_unknown_type(node: exp.Expr) -> bool:
    return node.find(*_UNTYPED) is not None or any(
        call.name.lower() == _MEAN for call in node.find_all(exp.Anonymous)
    )


def _is_part(node: exp.Expr) -> bool:
    """Return whether another expression calculates with the node's value."""
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.Binary | exp.Func) and not isinstance(parent, _CHOICES)


def _arguments(node: exp.Func) -> list[exp.Expr]:
    if isinstance(node, exp.Anonymous):
        return node.expressions
    return [node.args[key] for key in node.arg_types if isinstance(node.args.get(key), exp.Expr)]


def _timestamp_difference(node: exp.TimestampDiff) -> exp.Expr:
    unit = exp.Literal.string(node.text("unit").upper())
    return exp.Anonymous(this="mysql_timestampdiff", expressions=[unit, node.expression, node.this])


def _now(node: exp.Func, context: TranslationContext) -> str:
    """Return the current time in whole seconds, or with as many decimals as the function's argument says."""
    places = next(iter(_arguments(node)), None)
    now = context.utc if isinstance(node, _UTC_CLOCKS) else context.now
    return now[: len("2013-01-01 00:00:00.") + int(places.name)] if places else now[:19]


def _replace_function(node: exp.Func, context: TranslationContext) -> exp.Expr:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
    if name == "SLEEP" and node.expressions:
        context.sleep += float(node.expressions[0].name)
        return exp.Literal.number(0)
    if known := context.functions.get(name):
        return _literal(known())
    if name in _ONLY_DUCKDB:
        if not (database := context.functions["DATABASE"]()):
            raise no_database()
        raise SqlError(UNKNOWN_FUNCTION, f"FUNCTION {database}.{name.lower()} does not exist")
    clock = "timestamp" if name in _CLOCKS else _CLOCK_TYPES.get(type(node))
    if clock and not node.find_ancestor(exp.ColumnDef):
        moment = exp.cast(exp.Literal.string(_now(node, context)), "timestamp")
        return moment if clock == "timestamp" else exp.cast(moment, clock)
    if name == "UNIX_TIMESTAMP" and not node.expressions:
        return exp.func("mysql_unix_timestamp", exp.cast(exp.Literal.string(context.utc[:19]), "timestamp"))
    if context.exact and (typed := _typed_macro(node)):
        return exp.Anonymous(this=typed, expressions=_arguments(node))
    in_bytes = isinstance(node, exp.Length) and node.args.get("binary")
    if macro := "mysql_length" if in_bytes else _MACROS.get(type(node)):
        return exp.Anonymous(this=macro, expressions=[node.this])
    if name.lower() in _NAMED_MACROS:
        return exp.Anonymous(this=f"mysql_{name.lower()}", expressions=_arguments(node))
    return replace_function(node)
