"""TiDB's errors for unknown names, with the database or clause, and for names without a database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_NULL, UNKNOWN_COLUMN, SqlError, no_database

if TYPE_CHECKING:
    from collections.abc import Sequence

# TiDB's names of clauses in errors (planner/core, clauseMsg).
_CLAUSES: Final[Sequence[tuple[type[exp.Expr], str]]] = (
    (exp.Where, "where clause"),
    (exp.Join, "on clause"),
    (exp.Having, "having clause"),
    (exp.Group, "group statement"),
    (exp.Order, "order clause"),
)
_TABLE: Final = re.compile(r"Table '[^'.]*\.([^']+)' (doesn't exist|already exists)")
_OMITTED: Final = re.compile(r"Column '([^']+)' cannot be null")
_NO_DEFAULT: Final = 1364
_COLUMN: Final = re.compile(
    r"Unknown (?:column '(?:[^'.]*\.)?([^']+)' in 'field list'|table '([^']+)' in field list)"
)


def name_error(error: SqlError, tree: exp.Expr | None) -> SqlError:
    """Return TiDB's error about a name for this statement; return other errors unchanged."""
    if tree is None:
        return error
    if found := _TABLE.fullmatch(error.msg):
        named = (table for table in tree.find_all(exp.Table) if table.name.lower() == found[1].lower())
        database = next((table.db for table in named if table.db), "")
        return SqlError(error.code, f"Table '{database}.{found[1]}' {found[2]}") if database else error
    if error.code == NOT_NULL and (omitted := _OMITTED.fullmatch(error.msg)) and _omits(tree, omitted[1]):
        return SqlError(_NO_DEFAULT, f"Field '{omitted[1]}' doesn't have a default value")
    if error.code == UNKNOWN_COLUMN and (found := _COLUMN.fullmatch(error.msg)):
        name, table = found.groups()
        for column in tree.find_all(exp.Column):
            if (name or column.name).lower() == column.name.lower() and table in {None, column.table}:
                full = ".".join(part.name for part in column.parts)
                return SqlError(UNKNOWN_COLUMN, f"Unknown column '{full}' in '{_clause(column)}'")
    return error


def _omits(tree: exp.Expr, name: str) -> bool:
    """Return whether an INSERT leaves out a column."""
    if not isinstance(tree, exp.Insert):
        return False
    if not isinstance(tree.this, exp.Schema):
        rows = tree.expression.expressions if isinstance(tree.expression, exp.Values) else ()
        return any(not row.expressions for row in rows)
    return name.lower() not in {column.name.lower() for column in tree.this.expressions}


def refuse_without_database(tree: exp.Expr) -> None:
    """Refuse a statement with an unqualified table, in a session without a current database.

    TiDB does so before it looks for the table (planner/core/preprocess.go, handleTableName).

    Raises:
        SqlError: 1046.
    """
    if isinstance(tree, exp.Create | exp.Drop) and tree.args.get("kind") in {"DATABASE", "SCHEMA"}:
        return
    # The tables that a DELETE lists are aliases, or repeat the names of its joined tables.
    listed: Sequence[exp.Expr] = ()
    if isinstance(tree, exp.Delete):
        listed = [tree.this] if tree.args.get("using") else tree.args.get("tables") or ()
    for table in tree.find_all(exp.Table):
        if any(table is each for each in listed):
            continue
        # A table function such as JSON_TABLE has no name.
        if table.name and not table.db and table.name.upper() != "DUAL" and not is_cte(table):
            raise no_database()


def is_cte(table: exp.Table) -> bool:
    """Return whether a WITH around it defines the table."""
    name, node = table.name.lower(), table.parent
    while node is not None:
        defined = node.args.get("with_")
        if defined is not None and name in {cte.alias.lower() for cte in defined.expressions}:
            return True
        node = node.parent
    return False


def _clause(column: exp.Column) -> str:
    parent = column.parent
    while parent is not None and not isinstance(parent, exp.Query):
        for kind, words in _CLAUSES:
            if isinstance(parent, kind):
                return words
        parent = parent.parent
    return "field list"
