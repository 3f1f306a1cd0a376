"""MySQL's collations in DuckDB: `_ci` ignores case and accents, the others compare bytes."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

_IGNORING: Final = "NOCASE.NOACCENT"
_D: Final = exp.DataType.Type
_TEXTS: Final = {_D.CHAR, _D.VARCHAR, _D.TEXT, _D.TINYTEXT, _D.MEDIUMTEXT, _D.LONGTEXT}


def ignores_case(collation: str) -> bool:
    """Return whether a collation ignores case, such as utf8mb4_general_ci."""
    return collation.lower().endswith("_ci")


def collate(node: exp.Collate) -> exp.Expr:
    """Return an expression with DuckDB's collation."""
    name = node.expression.name
    node.set("expression", exp.var(_IGNORING if ignores_case(name) else "BINARY"))
    return node


def of_columns(tree: exp.Create) -> dict[str, str]:
    """Return the collations of a new table's text columns that ignore case, by the columns' names.

    Raises:
        SqlError: such a column is unique, because DuckDB's keys compare bytes.
    """
    schema, properties = tree.this, tree.args.get("properties")
    if not isinstance(schema, exp.Schema):
        return {}
    default = properties.find(exp.CollateProperty) if properties else None
    found: dict[str, str] = {}
    for column in schema.expressions:
        if not isinstance(column, exp.ColumnDef) or column.kind is None or column.kind.this not in _TEXTS:
            continue
        own = next(
            (c.kind for c in column.constraints if isinstance(c.kind, exp.CollateColumnConstraint)), None
        )
        name = _name(own if own is not None else default)
        if ignores_case(name):
            found[column.name.lower()] = name
    for name in _unique(schema):
        if name.lower() in found:
            reason = f"a unique column '{name}' with collation {found[name.lower()]}"
            raise SqlError(NOT_SUPPORTED, f"{reason} is not supported by the sandbox")
    return found


def constraint() -> exp.ColumnConstraint:
    """Return DuckDB's definition of a column that ignores case."""
    return exp.ColumnConstraint(kind=exp.CollateColumnConstraint(this=exp.var(_IGNORING)))


def _name(collation: exp.Expr | None) -> str:
    return "" if collation is None else str(collation.this.name)


def _unique(schema: exp.Schema) -> list[str]:
    names: list[str] = []
    for item in schema.expressions:
        if isinstance(item, exp.ColumnDef):
            kinds = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint)
            names += [item.name] * any(isinstance(each.kind, kinds) for each in item.constraints)
        for key in item.find_all(exp.PrimaryKey, exp.UniqueColumnConstraint):
            names += [identifier.name for identifier in key.find_all(exp.Identifier)]
    return names
