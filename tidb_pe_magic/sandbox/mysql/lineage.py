"""The table's column behind each column of a result, for the column definitions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tidb_pe_magic.sandbox.mysql.columns import Source

    #: Returns a table's columns, given its database ("" for the current one) and name; empty if it does not
    # exist.
    Columns = Callable[[str, str], Sequence[tuple[str, Source | None]]]

Output = tuple[str, "Source | None"]


def outputs(tree: exp.Expr, columns: Columns) -> list[Output]:
    """Return the name of each column of a query, with its source; empty if the source is not clear."""
    return _query(tree, _Scope(columns))


@dataclass
class _Scope:
    """The names inside a query: the tables of FROM, and the common table expressions."""

    columns: Columns
    shared: Mapping[str, Sequence[Output]] = field(default_factory=dict)
    tables: dict[str, Sequence[Output]] = field(default_factory=dict)

    def found(self, table: str, name: str) -> Source | None:
        """Return the source of a column's name; None if several tables have it, or no table."""
        chosen = self.tables if not table else {table: self.tables.get(table, ())}
        found = [
            source
            for outputs in chosen.values()
            for known, source in outputs
            if known.lower() == name.lower()
        ]
        return found[0] if len(found) == 1 else None


def _query(tree: exp.Expr, outer: _Scope) -> list[Output]:
    tree = tree.unnest() if isinstance(tree, exp.Subquery) else tree
    shared = dict(outer.shared)
    with_ = tree.args.get("with_")
    recursive = with_ is not None and with_.args.get("recursive")
    for each in with_.expressions if with_ is not None else ():
        # A recursive one refers to itself, so its columns are expressions.
        inner = _Scope(outer.columns, shared)
        outputs_of = [] if recursive else _query(each.this, inner)
        names = [column.name for column in each.args["alias"].args.get("columns") or ()]
        shared[each.alias.lower()] = _rename(outputs_of, names)
    scope = _Scope(outer.columns, shared)
    if isinstance(tree, exp.SetOperation):
        return [(name, None) for name, _ in _query(tree.left, scope)]
    if not isinstance(tree, exp.Select):
        return []
    for alias, known in _tables(tree, scope):
        scope.tables[alias.lower()] = known
    found: list[Output] = []
    for projection in tree.expressions:
        found += _projection(projection, scope)
    return found


def _tables(tree: exp.Select, scope: _Scope) -> Iterator[tuple[str, Sequence[Output]]]:
    from_ = tree.args.get("from_")
    joined = tree.args.get("joins") or ()
    for item in [*([from_.this] if from_ is not None else []), *(join.this for join in joined)]:
        if isinstance(item, exp.Table):
            shared = scope.shared.get(item.name.lower()) if not item.db else None
            outputs_of = scope.columns(item.db, item.name) if shared is None else shared
            yield item.alias_or_name, [(name, _under(source, item.alias)) for name, source in outputs_of]
            for join in item.args.get("joins") or ():
                yield from _tables(exp.Select(from_=exp.From(this=join.this)), scope)
        elif isinstance(item, exp.Subquery):
            yield item.alias_or_name, [(n, _under(s, item.alias)) for n, s in _query(item.this, scope)]


def _under(source: Source | None, alias: str) -> Source | None:
    return replace(source, table=alias) if source is not None and alias else source


def _rename(outputs_of: Sequence[Output], names: Sequence[str]) -> Sequence[Output]:
    if not names:
        return outputs_of
    return [(name, source) for name, (_, source) in zip(names, outputs_of, strict=False)]


def _projection(node: exp.Expr, scope: _Scope) -> list[Output]:
    if isinstance(node, exp.Star):
        return [output for outputs_of in scope.tables.values() for output in outputs_of]
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        return list(scope.tables.get(node.table.lower(), ()))
    inner = node.this if isinstance(node, exp.Alias) else node
    inner = inner.unnest() if isinstance(inner, exp.Paren) else inner
    source = scope.found(inner.table.lower(), inner.name) if isinstance(inner, exp.Column) else None
    return [(node.alias_or_name, source)]


def shared_names(node: exp.Expr) -> frozenset[str]:
    """Return the lower-case names of all common table expressions of the statement that has the node."""
    return frozenset(each.alias.lower() for each in node.root().find_all(exp.CTE))


def source_of(column: exp.Column, columns: Columns, shared: frozenset[str] | None = None) -> Source | None:
    """Return the table's column that a column of a statement means; None if it is not certain.

    Args:
        column: the column.
        columns: looks up the columns of a table.
        shared: the statement's `shared_names`, if they are known.
    """
    shared = shared_names(column) if shared is None else shared

    def known(schema: str, table: str) -> Sequence[Output]:
        return () if not schema and table.lower() in shared else columns(schema, table)

    node = column.find_ancestor(exp.Select, exp.Update, exp.Delete)
    while node is not None:
        scope = _Scope(known)
        if isinstance(node, exp.Select):
            tables = list(_tables(node, scope))
        else:
            tables = [(node.this.alias_or_name, known(node.this.db, node.this.name))]
        scope.tables.update({alias.lower(): outputs_of for alias, outputs_of in tables})
        if column.table.lower() in scope.tables if column.table else any(scope.tables.values()):
            # An outer query is only asked if no inner one may have the column.
            names = {name.lower() for outputs_of in scope.tables.values() for name, _ in outputs_of}
            if column.table or column.name.lower() in names or not all(scope.tables.values()):
                certain = bool(column.table) or all(scope.tables.values())
                return scope.found(column.table.lower(), column.name) if certain else None
        node = node.find_ancestor(exp.Select, exp.Update, exp.Delete)
    return None
