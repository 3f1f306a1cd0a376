"""INSERT and REPLACE: the next AUTO_INCREMENT ids, and the counts of inserted and changed rows.

DuckDB draws an id only for an omitted column, counts a changed row like an inserted one, and keeps the first
of several rows with the same key. MySQL also draws an id for NULL and 0, counts a changed row twice and an
unchanged one not at all, and lets each row replace the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.create_table import sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError
from tidb_pe_magic.sandbox.mysql.insert_rows import fill_empty_rows, from_query, parts, rows_of, with_parts
from tidb_pe_magic.sandbox.mysql.insert_times import refuse_calculation, store_utc
from tidb_pe_magic.sandbox.mysql.touched_columns import touches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.sandbox.mysql.insert_targets import Target
    from tidb_pe_magic.sandbox.mysql.parser import Statement
    from tidb_pe_magic.sandbox.mysql.plain_rows import PlainRows, Value

_UNSIGNED: Final = 2**64 - 1
#: A row's id: a number, "next" for the next one, None if only DuckDB knows it.
_Id = int | str | None
_NEXT: Final = "next"


@dataclass(frozen=True)
class Insertion:
    """An INSERT or REPLACE for DuckDB.

    Attributes:
        statements: MySQL's trees; several, if some rows have the same key.
        target: the table.
        rows: number of rows; 0 if a query returns them, or if it does not matter.
        query: the query of the rows, if duplicates among them would matter.
        counted: unchanged rows must be distinguished from changed ones.
        replaces: it is a REPLACE, which counts an unchanged row once.
        given: the ids that the client gave; None for one that only DuckDB knows.
        given_first: those before the first row that draws one.
    """

    statements: Sequence[Statement]
    target: Target
    rows: int = 0
    query: exp.Query | None = None
    counted: bool = False
    replaces: bool = False
    given: Sequence[int | None] = ()
    given_first: Sequence[int | None] = ()

    def first_id(self, drawn: int) -> int:
        """Return the id that the client learns.

        Args:
            drawn: the first next id before the statement, if it drew any.
        """
        if drawn:
            return max([drawn, *(each + 1 for each in self.given_first if each is not None)])
        return (self.given[-1] or 0) & _UNSIGNED if self.given else 0

    def duplicates(self, sql: str) -> str:
        """Return the query that counts the rows and different keys of a query in DuckDB's SQL."""
        names = self.target.names(self.statements[0].tree)
        listed = ", ".join(map(sql_name, names))
        keys = self.target.key_places(names) or [range(len(names))]
        distinct = ", ".join(
            f"count(DISTINCT ({', '.join(sql_name(names[place]) for place in key)},))" for key in keys
        )
        return f"SELECT count(*), least({distinct}) FROM ({sql}) AS source({listed})"  # noqa: S608 - quoted names

    def affected(self, rows: int, changed: int, inserted: int, *, found: bool) -> int:
        """Return the number of affected rows.

        Args:
            rows: of the statement.
            changed: inserted and changed rows.
            inserted: rows by which the table has grown.
            found: the client counts unchanged rows too.
        """
        unchanged = rows - changed if self.replaces or found else 0
        return inserted + 2 * (changed - inserted) + unchanged


def insertion(statement: Statement, target: Target, *, zero_is_id: bool, zone: str) -> Insertion:
    """Return an INSERT or REPLACE with the next ids, countable changes, and TIMESTAMP columns in UTC.

    Args:
        statement: the parsed statement.
        target: its table.
        zero_is_id: the session's sql_mode has NO_AUTO_VALUE_ON_ZERO.
        zone: DuckDB's name of the session's time zone.

    Raises:
        SqlError: a form that is not supported.
    """
    made = _with_ids(statement, target, zero_is_id=zero_is_id)
    if zone != "UTC" and target.stamps:
        refuse_calculation(made.statements[0].tree, target, zone)
        made = replace(made, statements=[store_utc(each, target, zone) for each in made.statements])
    if target.touched and not made.replaces:
        trees = {id(each.tree): each.tree for each in made.statements}
        for tree in trees.values():
            conflict = tree.args.get("conflict") if tree is not None else None
            if conflict is not None and conflict.expressions:
                added = touches(conflict.expressions, target.touched, target.stamps)
                conflict.set("expressions", [*conflict.expressions, *added])
    return made


def _with_ids(statement: Statement, target: Target, *, zero_is_id: bool) -> Insertion:
    assert statement.tree is not None  # noqa: S101 - an INSERT
    tree = statement.tree.copy()
    statement = replace(statement, tree=tree)
    fill_empty_rows(tree, target.generated or target.columns[0][0])
    names = target.names(tree)
    if statement.rows is not None:
        statement = replace(statement, rows=statement.rows.of_table(names, target.columns))
    place = next((n for n, name in enumerate(names) if name.lower() == target.generated.lower()), None)
    ids: list[_Id] = []
    if target.sequence and place is not None:
        statement, ids = _draw_ids(statement, target, place, len(names), zero_is_id=zero_is_id)
        tree = statement.tree or tree
    replaces = str(tree.args.get("alternative") or "").upper() == "REPLACE"
    if replaces:
        _replace_by_update(tree, target)
    conflict = tree.args.get("conflict")
    if conflict is not None and not replaces:
        _choose_key(conflict, target, names, ids)
    first = ids.index(_NEXT) if _NEXT in ids else len(ids)
    made = Insertion(_in_runs(statement, ids), target, given=_given(ids), given_first=_given(ids[:first]))
    if conflict is None and not replaces:
        return made
    if conflict is not None and conflict.expressions:
        conflict.set("where", exp.Where(this=changes(conflict.expressions, tree, target)))
    query = tree.expression if isinstance(tree.expression, exp.Query) else None
    rows = [] if query is not None else list(rows_of(statement))
    several = len(rows) > 1 and _repeats(rows, target.key_places(names))
    return replace(
        made,
        statements=_one_by_one(statement) if several else _in_runs(statement, ids),
        rows=len(rows),
        query=query,
        counted=True,
        replaces=replaces,
    )


def _choose_key(conflict: exp.Expr, target: Target, names: Sequence[str], ids: Sequence[_Id]) -> None:
    """Name the only key of several that the rows can repeat: DuckDB needs it to update the row."""
    named = {name.lower() for name in names}
    if ids and all(each is _NEXT for each in ids):
        named.discard(target.generated.lower())
    keys = [key for key in target.keys if {name.lower() for name in key} <= named]
    if len(target.keys) > 1 and len(keys) == 1:
        conflict.set("conflict_keys", [exp.to_identifier(name, quoted=True) for name in keys[0]])


def _given(ids: Sequence[_Id]) -> list[int | None]:
    return [each for each in ids if not isinstance(each, str)]


def _draw_ids(
    statement: Statement, target: Target, place: int, width: int, *, zero_is_id: bool
) -> tuple[Statement, list[_Id]]:
    """Return the statement that draws an id where the client gave none, and the ids of its rows."""
    tree = statement.tree
    assert tree is not None  # noqa: S101 - an INSERT
    if statement.rows is not None:
        return _draw_plain_ids(statement, statement.rows, target, place, zero_is_id=zero_is_id)
    next_id = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(target.sequence)])
    if isinstance(tree.expression, exp.Query):
        columns = from_query(tree, width)
        columns[place] = _or_next(columns[place], next_id, zero_is_id=zero_is_id)
        tree.expression.set("expressions", columns)
        return statement, [None]
    ids: list[_Id] = []
    for row in tree.expression.expressions if isinstance(tree.expression, exp.Values) else ():
        if len(row.expressions) != width:
            return statement, []  # the database refuses it
        value = row.expressions[place]
        if isinstance(value, exp.Var) and value.name.upper() == "DEFAULT":
            ids.append(_NEXT)
        elif _is_plain(value):
            ids.append(_id_of(value.sql("duckdb"), zero_is_id=zero_is_id))
            if ids[-1] is _NEXT:
                value.replace(next_id.copy())
        else:
            ids.append(None)
            value.replace(_or_next(value.copy(), next_id, zero_is_id=zero_is_id))
    return statement, ids


def _draw_plain_ids(
    statement: Statement, rows: PlainRows, target: Target, place: int, *, zero_is_id: bool
) -> tuple[Statement, list[_Id]]:
    if place >= len(rows.rows[0]):
        return statement, []  # the database refuses it
    ids = [
        _id_of("NULL" if row[place] is None else str(row[place]), zero_is_id=zero_is_id) for row in rows.rows
    ]
    drawn = [
        (*row[:place], None, *row[place + 1 :]) if number is _NEXT else row
        for row, number in zip(rows.rows, ids, strict=True)
    ]

    def or_next(value: str) -> str:
        number = f"CAST({value} AS {rows.kinds[place]})"
        return f"CASE WHEN {value} IS NULL THEN nextval({sql_string(target.sequence)}) ELSE {number} END"

    return replace(statement, rows=replace(rows, rows=drawn, changes={place: or_next})), ids


def _is_plain(value: exp.Expr) -> bool:
    if isinstance(value, exp.Neg):
        value = value.this
    return isinstance(value, exp.Literal | exp.Null | exp.Boolean)


def _id_of(value: str, *, zero_is_id: bool) -> _Id:
    """Return the id that a value in DuckDB's SQL stands for."""
    value = value.strip().strip("'").strip().upper()
    if value == "NULL":
        return _NEXT
    try:
        number = round(Decimal({"FALSE": "0", "TRUE": "1"}.get(value, value)))
    except (InvalidOperation, OverflowError, ValueError):
        return None
    return _NEXT if number == 0 and not zero_is_id else number


def _or_next(value: exp.Expr, next_id: exp.Expr, *, zero_is_id: bool) -> exp.Expr:
    """Return an expression's value, or the next id."""
    number = exp.cast(value, "int128")
    empty: exp.Expr = exp.Is(this=number.copy(), expression=exp.Null())
    if not zero_is_id:
        empty = exp.or_(empty, exp.EQ(this=number.copy(), expression=exp.Literal.number(0)))
    return exp.Case(ifs=[exp.If(this=empty, true=next_id.copy())], default=number)


def _replace_by_update(tree: exp.Expr, target: Target) -> None:
    """Write REPLACE as an INSERT that updates all columns, because omitted columns get their defaults."""
    keys = {name.lower() for key in target.keys for name in key}
    tree.set("alternative", None)
    if not keys:
        return
    updated = [name for name, _ in target.columns if name.lower() not in keys]
    if not updated:
        tree.set("alternative", "IGNORE")
        return
    assignments = [exp.EQ(this=_named(name), expression=_named(name, "excluded")) for name in updated]
    tree.set("conflict", exp.OnConflict(expressions=assignments, action=exp.var("DO UPDATE")))


def _named(name: str, table: str | None = None) -> exp.Column:
    identifier = exp.to_identifier(name, quoted=True)
    return exp.column(identifier, table=None if table is None else exp.to_identifier(table, quoted=True))


def changes(assignments: Sequence[exp.Expr], tree: exp.Expr, target: Target) -> exp.Expr:
    """Return the condition that the assignments of an INSERT or UPDATE change the row."""
    table = tree.find(exp.Table)
    assert table is not None  # noqa: S101 - an INSERT has a table
    types = {name.lower(): kind for name, kind in target.columns}
    conditions = []
    for assignment in assignments:
        name = assignment.this.name
        value = assignment.expression.copy()
        if kind := types.get(name.lower()):
            value = exp.Cast(this=exp.paren(value, copy=False), to=exp.DataType.build(kind, dialect="duckdb"))
        old: exp.Expr = _named(name, table.alias_or_name)
        if types.get(name.lower()) == "VARCHAR":
            # Its collation may ignore case.
            old, value = (exp.Anonymous(this="encode", expressions=[each]) for each in (old, value))
        conditions.append(exp.not_(exp.paren(exp.NullSafeEQ(this=old, expression=value))))
    return exp.or_(*conditions)


def _repeats(rows: Sequence[Sequence[Value]], keys: Sequence[Sequence[int]]) -> bool:
    """Return whether two rows may have the same key."""
    for key in keys:
        values = {tuple(_comparable(row[place]) for place in key if place < len(row)) for row in rows}
        if len(values) < len(rows):
            return True
    return False


def _comparable(value: Value) -> object:
    if value is None or isinstance(value, bytes):
        return object() if value is None else value
    if "nextval(" in value:
        return object()
    plain = value.strip().strip("'").strip()
    try:
        return Decimal(plain)
    except InvalidOperation:
        return plain


def _one_by_one(statement: Statement) -> Sequence[Statement]:
    """Return a statement for each row."""
    return [with_parts(statement, [row]) for row in parts(statement)]


def _in_runs(statement: Statement, ids: Sequence[_Id]) -> Sequence[Statement]:
    """Return statements of which none draws an id after a given one."""
    ends = [place for place in range(1, len(ids)) if ids[place] is _NEXT and ids[place - 1] is not _NEXT]
    if not ends:
        return [statement]
    rows = parts(statement)
    return [with_parts(statement, rows[start:end]) for start, end in pairwise([0, *ends, len(rows)])]


def refuse_duplicates(rows: int, different: int) -> None:
    """Refuse rows of a query with the same key.

    Raises:
        SqlError: there are some.
    """
    if different < rows:
        reason = "REPLACE and ON DUPLICATE KEY UPDATE with several rows of a query for the same key"
        raise SqlError(NOT_SUPPORTED, f"{reason} are not supported by the sandbox")
