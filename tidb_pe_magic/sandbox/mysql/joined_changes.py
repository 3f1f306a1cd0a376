"""UPDATE and DELETE of one table in a join: DuckDB gets the row IDs from a query."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

_UNKNOWN_TABLE: Final = 1109
_NEW: Final = "new values"
_ROW: Final = "row"


def without_join(tree: exp.Expr) -> exp.Expr:
    """Return an UPDATE or DELETE without joined tables; the tree itself if it has none.

    Raises:
        SqlError: it changes several tables, or a table that is not in the join.
    """
    if isinstance(tree, exp.Delete) and (tree.args.get("tables") or tree.args.get("using")):
        return _delete(tree.copy())
    joined = isinstance(tree.this, exp.Table) and tree.this.args.get("joins")
    if isinstance(tree, exp.Update) and (joined or tree.args.get("tables")):
        return _update(tree.copy())
    return tree


def _delete(tree: exp.Delete) -> exp.Expr:
    using = tree.args.get("using")
    listed, sources = ([tree.this], using) if using else (tree.args["tables"], [tree.this])
    if len(listed) > 1:
        raise _several()
    table = _table(sources, listed[0].name)
    chosen = exp.select(exp.column("rowid", table=table.alias_or_name)).from_(sources[0].copy())
    for source in sources[1:]:
        chosen = chosen.join(source.copy(), join_type="cross")
    chosen.set("where", tree.args.get("where"))
    return exp.Delete(
        this=_plain(table), where=exp.Where(this=exp.In(this=exp.column("rowid"), query=chosen.subquery()))
    )


def _update(tree: exp.Update) -> exp.Expr:
    if tree.args.get("limit") or tree.args.get("order"):
        raise SqlError(1221, "Incorrect usage of UPDATE and LIMIT")
    changed = {each.this.table.lower() for each in tree.expressions}
    if len(changed) > 1:
        raise _several()
    (name,) = changed
    if not name:
        reason = "UPDATE of a join is only supported by the sandbox if the changed columns name their table"
        raise SqlError(NOT_SUPPORTED, reason)
    table = _table([tree.this], name)
    row = exp.column("rowid", table=table.alias_or_name)
    new = [exp.alias_(each.expression.copy(), f"_{place}") for place, each in enumerate(tree.expressions)]
    chosen = exp.select(exp.alias_(row.copy(), _ROW), *new).from_(tree.this.copy())
    chosen.set("where", tree.args.get("where"))
    # A row that the join contains several times is changed once.
    chosen.set("distinct", exp.Distinct(on=exp.Tuple(expressions=[row])))
    assignments = [
        exp.EQ(this=exp.column(each.this.this.copy()), expression=_new(f"_{place}"))
        for place, each in enumerate(tree.expressions)
    ]
    plain = _plain(table)
    own_row = exp.column("rowid", table=plain.name, db=plain.args.get("db"))
    alias = exp.TableAlias(this=exp.to_identifier(_NEW, quoted=True))
    return exp.Update(
        this=plain,
        expressions=assignments,
        from_=exp.From(this=exp.Subquery(this=chosen, alias=alias)),
        where=exp.Where(this=exp.EQ(this=own_row, expression=_new(_ROW))),
    )


def _new(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(_NEW, quoted=True))


def _table(sources: list[exp.Expr], name: str) -> exp.Table:
    """Return the joined table that a statement changes."""
    tables = [each for source in sources for each in source.find_all(exp.Table)]
    found = next((each for each in tables if each.alias_or_name.lower() == name.lower()), None)
    if found is None:
        raise SqlError(_UNKNOWN_TABLE, f"Unknown table '{name}' in MULTI DELETE")
    return found


def _plain(table: exp.Table) -> exp.Table:
    return exp.table_(table.this.copy(), db=table.args.get("db"))


def _several() -> SqlError:
    return SqlError(NOT_SUPPORTED, "Changing several tables in one statement is not supported by the sandbox")
