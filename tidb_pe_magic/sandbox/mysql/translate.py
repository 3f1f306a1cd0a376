"""Translation of MySQL statements to DuckDB's SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from sqlglot import ErrorLevel, exp, parse_one
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # re-exported without saying so

from tidb_pe_magic.sandbox.mysql import bulk_insert
from tidb_pe_magic.sandbox.mysql.create_table import rewrite_create_table
from tidb_pe_magic.sandbox.mysql.date_arithmetic import add_interval
from tidb_pe_magic.sandbox.mysql.errors import (
    EMPTY_QUERY,
    INVALID_CHARACTERS,
    MULTI_STATEMENTS_DISABLED,
    NOT_SUPPORTED,
    UNKNOWN_FUNCTION,
    SqlError,
    syntax_error,
)
from tidb_pe_magic.sandbox.mysql.functions import make_operands_numbers, replace_function
from tidb_pe_magic.sandbox.mysql.information_schema import HIDDEN_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlglot.tokens import Token  # type: ignore[attr-defined]

_DIALECT: Final = MySQL()
_NAME_LENGTH: Final = 256
_STUB: Final = "(NULL)"
#: What may precede a statement. Comments with "!" and "+" have a meaning.
_BEFORE: Final = re.compile(r"(?:\s+|/\*(?![!+]).*?\*/|#[^\n]*|--(?:\s[^\n]*)?(?=\n|$))*", re.DOTALL)
#: Statements without an effect here, which dumps and tools send.
_IGNORED: Final = re.compile(r"(?:un)?lock\s+tables?\b|flush\s|analyze\s+table\b|do\s", re.IGNORECASE)
_UNSUPPORTED: Final = re.compile(
    r"(?:savepoint|release|grant|revoke|admin|load|call|prepare)\b", re.IGNORECASE
)
_RENAME: Final = re.compile(r"rename\s+table\s", re.IGNORECASE)
_RENAMED: Final = re.compile(r"\s*(.+?)\s+to\s+(.+?)\s*;?\s*", re.IGNORECASE | re.DOTALL)
_REPLACE: Final = re.compile(r"replace\s+(?:into\s+)?", re.IGNORECASE)
_KILL_TIDB: Final = re.compile(r"(kill\s+)tidb\s+", re.IGNORECASE)

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
        "field", "isnull", "json_unquote", "makedate", "mid", "sec_to_time", "strcmp", "substring_index",
        "time_to_sec", "timediff", "unix_timestamp", "weekday", "yearweek",
    }
)  # fmt: skip

#: The functions of the current time, which is UTC here, and the types that they return.
_CLOCKS: Final = frozenset({"NOW", "SYSDATE"})
_CLOCK_TYPES: Final[Mapping[type[exp.Expr], str]] = {
    **dict.fromkeys((exp.CurrentTimestamp, exp.UtcTimestamp, exp.Localtime, exp.Localtimestamp), "timestamp"),
    **dict.fromkeys((exp.CurrentDate, exp.UtcDate), "date"),
    **dict.fromkeys((exp.CurrentTime, exp.UtcTime), "time"),
}

#: Percentiles of DuckDB; TiDB has only APPROX_PERCENTILE (TiDB documentation, "Aggregate Functions").
_ONLY_DUCKDB: Final = frozenset(
    {"MEDIAN", "MODE", "PERCENTILE_CONT", "PERCENTILE_DISC", "QUANTILE", "QUANTILE_CONT", "QUANTILE_DISC"}
)


def _marker(parser: _MysqlParser) -> exp.Expr:
    marker = exp.Placeholder()
    marker.meta["start"] = parser._prev.start  # noqa: SLF001 - like sqlglot's own token parsers
    return marker


class _MysqlParser(MySQL.Parser):  # type: ignore[misc, valid-type]  # a variable in sqlglot's own types
    """sqlglot's parser, but with an error instead of a warning for unsupported statements.

    A marker ("?") stores its position in the text, because the tree has a different order.
    """

    PLACEHOLDER_PARSERS: Final = {**MySQL.Parser.PLACEHOLDER_PARSERS, TokenType.PLACEHOLDER: _marker}

    def _warn_unsupported(self) -> None:
        raise SqlError(NOT_SUPPORTED, "This statement is not supported by the sandbox")

    def _parse_set_item_assignment(self, kind: str | None = None) -> exp.Expr | None:
        """Parse `name = expression`: sqlglot's own method reads a comma after a subquery as a join."""
        index = self._index
        left = self._parse_primary() or self._parse_column()
        if left is None or not self._match_texts(self.SET_ASSIGNMENT_DELIMITERS):
            self._retreat(index)
            other: exp.Expr | None = super()._parse_set_item_assignment(kind)
            return other
        right = self._parse_disjunction() or self._parse_id_var()
        if isinstance(right, exp.Column | exp.Identifier):
            right = exp.var(right.name)
        return exp.SetItem(this=exp.EQ(this=left, expression=right), kind=kind)


class _ConcatenatingParser(_MysqlParser):
    """The parser for sql_mode PIPES_AS_CONCAT: `||` concatenates."""

    DISJUNCTION: Final = {
        token: kind for token, kind in _MysqlParser.DISJUNCTION.items() if token is not TokenType.DPIPE
    }

    def _parse_bitwise(self) -> exp.Expr | None:
        this: exp.Expr | None = super()._parse_bitwise()
        while this is not None and self._match(TokenType.DPIPE):
            this = exp.DPipe(this=this, expression=super()._parse_bitwise(), safe=False)
        return this


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement, with facts from its text.

    Attributes:
        tree: None if there is nothing to do: only a comment, or a statement without an effect here.
        sql: its text.
    """

    tree: exp.Expr | None
    sql: str = ""
    names: Sequence[str] | None = None
    #: Further DDL statements that run together with it, such as the other tables of RENAME TABLE.
    further: Sequence[exp.Expr] = ()
    #: The rows of an INSERT in DuckDB's SQL, which replace the single row in the tree.
    rows: str | None = None


@dataclass(slots=True)
class TranslationContext:
    """The session's data for a translation."""

    functions: Mapping[str, Callable[[], Any]]
    variable: Callable[[str], Any]
    user_variables: Mapping[str, Any]
    #: The time of the statement in UTC, with microseconds.
    now: str
    #: DuckDB queries of the session-dependent tables of information_schema, by name.
    tables: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    #: Whether means and quotients of exact numbers become DECIMAL, if DuckDB can determine their type.
    exact: bool = True
    sleep: float = 0.0
    follow_up: list[str] = field(default_factory=list)


def parse(
    sql: str, *, several: bool = False, markers: bool = False, pipes_concatenate: bool = False
) -> list[Statement]:
    """Parse a text of one statement, or of several if the client may send several.

    Only a prepared statement may have markers ("?"). The session's sql_mode tells what `||` means.

    Raises:
        SqlError: the text is invalid, or contains unsupported SQL.
    """
    start = _first_word(sql)
    if _IGNORED.match(sql, start):
        return [Statement(None, sql)]
    if unsupported := _UNSUPPORTED.match(sql, start):
        raise SqlError(NOT_SUPPORTED, f"{unsupported.group().upper()} is not supported by the sandbox")
    if bulk := bulk_insert.split(sql):
        return [with_rows(bulk[0], bulk[1], sql, bulk[2])]
    if kill := _KILL_TIDB.match(sql, start):
        sql = kill.group(1) + sql[kill.end() :]
    if rename := _RENAME.match(sql, start):
        return [_rename(sql, sql[rename.end() :])]
    written = _REPLACE.match(sql, start)
    text = sql if written is None else f"{sql[:start]}INSERT INTO {sql[written.end() :]}"
    try:
        tokens = _DIALECT.tokenize(text)
        parser = _ConcatenatingParser if pipes_concatenate else _MysqlParser
        parsed = parser(dialect=_DIALECT).parse(tokens, text)
    except SqlglotError as error:
        raise syntax_error(error, sql) from None
    marker = next((token for token in tokens if token.token_type is TokenType.PLACEHOLDER), None)
    if marker is not None and not markers:
        raise syntax_error(None, sql, marker)
    return _statements(parsed, tokens, text, sql, several=several)


def with_rows(head: str, rows: str, sql: str, tail: str = "") -> Statement:
    """Return an INSERT whose rows are not parsed.

    Args:
        head: MySQL's text before the rows.
        rows: in DuckDB's SQL.
        sql: the text of the statement.
        tail: MySQL's text after the rows.
    """
    (stub,) = parse(f"{head} {_STUB} {tail}")
    return replace(stub, sql=sql, rows=rows)


def _first_word(sql: str) -> int:
    """Return the position after the spaces and comments at the beginning."""
    before = _BEFORE.match(sql)
    return before.end() if before is not None else 0


def _rename(sql: str, named: str) -> Statement:
    """Return RENAME TABLE as an ALTER TABLE for each of its tables."""
    commas = [token.start for token in _DIALECT.tokenize(named) if token.token_type is TokenType.COMMA]
    trees: list[exp.Expr] = []
    for begin, end in pairwise([-1, *commas, len(named)]):
        renamed = _RENAMED.fullmatch(named[begin + 1 : end])
        if renamed is None:
            raise syntax_error(None, sql)
        (altered,) = parse(f"ALTER TABLE {renamed[1]} RENAME TO {renamed[2]}")
        if altered.tree is None:
            raise syntax_error(None, sql)
        trees.append(altered.tree)
    return Statement(trees[0], sql, further=trees[1:])


def _statements(
    parsed: Sequence[exp.Expr | None], tokens: Sequence[Token], text: str, sql: str, *, several: bool
) -> list[Statement]:
    trees = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    if not trees:
        if not tokens and not sql.strip(" \t\r\n;"):
            raise SqlError(EMPTY_QUERY, "Query was empty")
        return [Statement(None, sql)]
    if len(trees) > 1 and not several:
        raise SqlError(
            MULTI_STATEMENTS_DISABLED,
            "client has multi-statement capability disabled. Run SET GLOBAL tidb_multi_statement_mode='ON' "
            "after you understand the security risk",
        )
    if any(isinstance(tree, exp.Alias | exp.Column) for tree in trees):
        # Words that are not a statement are parsed as an expression.
        raise syntax_error(None, sql)
    if any(tree.find(exp.WithinGroup) for tree in trees):
        within = next((token for token in tokens if token.text.upper() == "WITHIN"), None)
        raise syntax_error(None, sql, within)
    for tree in trees:
        if text is not sql and isinstance(tree, exp.Insert):
            tree.set("alternative", "REPLACE")
    if len(trees) > 1:
        return [Statement(tree, tree.sql("mysql")) for tree in trees]
    return [Statement(trees[0], sql, _names(trees[0], tokens, text))]


def _names(tree: exp.Expr, tokens: Sequence[Token], sql: str) -> Sequence[str] | None:
    """Return the text of each column of the outermost SELECT, which MySQL uses as the column's name."""
    if not isinstance(tree, exp.Select):
        return None
    starts, depth, begun, end = [], 0, False, len(sql)
    for token in tokens:
        kind = token.token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if depth:
            continue
        if not begun:
            if kind is TokenType.SELECT:
                begun = True
                starts.append(token.end + 1)
        elif (
            kind in {TokenType.DISTINCT, TokenType.ALL}
            and len(starts) == 1
            and not sql[starts[0] : token.start].strip()
        ):
            starts[0] = token.end + 1
        elif kind is TokenType.COMMA:
            starts.append(token.end + 1)
        elif kind in {
            TokenType.FROM,
            TokenType.LIMIT,
            TokenType.WHERE,
            TokenType.SEMICOLON,
            TokenType.ORDER_BY,
        }:
            end = token.start
            break
    if not starts:
        return None
    ends = [start - 1 for start in starts[1:]] + [end]
    names = [sql[start:stop].strip() for start, stop in zip(starts, ends, strict=True)]
    return names if len(names) == len(tree.expressions) else None


def to_duckdb(statement: Statement, context: TranslationContext) -> str:
    """Return the statement in DuckDB's SQL."""
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
        _rewrite_limited(tree)
    _escape_patterns(tree)
    tree = _translate(tree, context)
    sql = tree.sql("duckdb", unsupported_level=ErrorLevel.IGNORE)
    if statement.rows is not None:
        before, values, behind = sql.partition(f"VALUES {_STUB}")
        sql = f"{before}{values.removesuffix(_STUB)}{statement.rows}{behind}"
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise SqlError(INVALID_CHARACTERS, "Invalid utf8mb4 character string") from None
    return sql


def _escape_patterns(tree: exp.Expr) -> None:
    """Give each LIKE MySQL's default escape character: DuckDB has none."""
    for like in list(tree.find_all(exp.Like)):
        if not isinstance(like.parent, exp.Escape):
            escaped = exp.Escape(this=like.copy(), expression=exp.Literal.string("\\"))
            like.replace(escaped)


def _name_columns(tree: exp.Select, names: Sequence[str] | None) -> None:
    for index, expression in enumerate(tree.expressions):
        if isinstance(expression, exp.Alias | exp.Column | exp.Star) or expression.is_star:
            continue
        name = names[index] if names else expression.sql("mysql")
        if isinstance(expression, exp.Literal):
            name = expression.name or name
        # Text with a binary literal is not valid UTF-8.
        name = name[:_NAME_LENGTH].encode("utf-8", "replace").decode()
        tree.expressions[index].replace(exp.alias_(expression.copy(), name, quoted=True))


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


def _rewrite_limited(tree: exp.Update | exp.Delete) -> None:
    """Rewrite UPDATE and DELETE with ORDER BY and LIMIT to row IDs; refuse several tables."""
    if tree.args.get("tables") or (isinstance(tree.this, exp.Table) and tree.this.args.get("joins")):
        raise SqlError(
            NOT_SUPPORTED, "Changing several tables in one statement is not supported by the sandbox"
        )
    limit, order, where = (tree.args.get(key) for key in ("limit", "order", "where"))
    if limit is None and order is None:
        return
    chosen = exp.select("rowid").from_(tree.this.copy())
    for key, part in (("where", where), ("order", order), ("limit", limit)):
        chosen.set(key, part)
        tree.set(key, None)
    tree.set("where", exp.Where(this=exp.In(this=exp.column("rowid"), query=chosen.subquery())))


def _literal(value: Any) -> exp.Expr:
    return exp.convert(value)


def _translate(tree: exp.Expr, context: TranslationContext) -> exp.Expr:
    """Replace the nodes of a tree, arguments before the functions that they are passed to."""
    for node in reversed(list(tree.dfs())):
        parent, key, index = node.parent, node.arg_key, node.index
        replaced = _replace(node, context)
        if replaced is node:
            continue
        if node is tree:
            tree = replaced
        elif parent is not None and key is not None:
            parent.set(key, replaced, index)
    return tree


def _replace(node: exp.Expr, context: TranslationContext) -> exp.Expr:
    if isinstance(node, exp.TimestampDiff):
        return _timestamp_difference(node)
    if (moved := add_interval(node)) is not None:
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
    return context.now[: len("2013-01-01 00:00:00.") + int(places.name)] if places else context.now[:19]


def _replace_function(node: exp.Func, context: TranslationContext) -> exp.Expr:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
    if name == "SLEEP" and node.expressions:
        context.sleep += float(node.expressions[0].name)
        return exp.Literal.number(0)
    if known := context.functions.get(name):
        return _literal(known())
    if name in _ONLY_DUCKDB:
        database = context.functions["DATABASE"]()
        raise SqlError(UNKNOWN_FUNCTION, f"FUNCTION {database}.{name.lower()} does not exist")
    clock = "timestamp" if name in _CLOCKS else _CLOCK_TYPES.get(type(node))
    if clock and not node.find_ancestor(exp.ColumnDef):
        moment = exp.cast(exp.Literal.string(_now(node, context)), "timestamp")
        return moment if clock == "timestamp" else exp.cast(moment, clock)
    if name == "UNIX_TIMESTAMP" and not node.expressions:
        return exp.func(
            "mysql_unix_timestamp", exp.cast(exp.Literal.string(_now(node, context)), "timestamp")
        )
    if context.exact and (typed := _typed_macro(node)):
        return exp.Anonymous(this=typed, expressions=_arguments(node))
    in_bytes = isinstance(node, exp.Length) and node.args.get("binary")
    if macro := "mysql_length" if in_bytes else _MACROS.get(type(node)):
        return exp.Anonymous(this=macro, expressions=[node.this])
    if name.lower() in _NAMED_MACROS:
        return exp.Anonymous(this=f"mysql_{name.lower()}", expressions=_arguments(node))
    return replace_function(node)
