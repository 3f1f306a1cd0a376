"""MySQL's collations in DuckDB: `_ci` ignores case and accents, the others compare bytes."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.errors import NOT_SUPPORTED, SqlError

DEFAULT: Final = "utf8mb4_bin"
#: TiDB's default collations that are not the character set's name and `_bin`.
_OF_CHARSET: Final = {"binary": "binary", "gbk": "gbk_chinese_ci", "gb18030": "gb18030_chinese_ci"}
_IGNORING: Final = "NOCASE.NOACCENT"
_D: Final = exp.DataType.Type
_TEXTS: Final = {
    *(_D.CHAR, _D.VARCHAR, _D.TEXT, _D.TINYTEXT, _D.MEDIUMTEXT, _D.LONGTEXT),
    *(_D.ENUM, _D.SET),
}


def ignores_case(collation: str) -> bool:
    """Return whether a collation ignores case, such as utf8mb4_general_ci."""
    return collation.lower().endswith("_ci")


def collate(node: exp.Collate) -> exp.Expr:
    """Return an expression with DuckDB's collation."""
    name = node.expression.name
    node.set("expression", exp.var(_IGNORING if ignores_case(name) else "BINARY"))
    return node


def of_table(tree: exp.Create) -> str:
    """Return the default collation of a new table."""
    properties = tree.args.get("properties")
    if properties is None:
        return DEFAULT
    charset = properties.find(exp.CharacterSetProperty)
    return _chosen(charset, properties.find(exp.CollateProperty)) or DEFAULT


def of_columns(tree: exp.Create) -> dict[str, str]:
    """Return the collations of a new table's text columns, by the columns' names in lower case.

    Raises:
        SqlError: a column that ignores case is unique, because DuckDB's keys compare bytes.
    """
    schema = tree.this
    if not isinstance(schema, exp.Schema):
        return {}
    default = of_table(tree)
    found: dict[str, str] = {}
    for column in schema.expressions:
        if not isinstance(column, exp.ColumnDef) or column.kind is None or column.kind.this not in _TEXTS:
            continue
        kinds = {type(constraint.kind): constraint.kind for constraint in column.constraints}
        charset, collation = (
            kinds.get(kind) for kind in (exp.CharacterSetColumnConstraint, exp.CollateColumnConstraint)
        )
        found[column.name.lower()] = _chosen(charset, collation) or default
    enums = {
        each.name.lower()
        for each in schema.find_all(exp.ColumnDef)
        if each.kind and each.kind.this is _D.ENUM
    }
    for name in _unique(schema):
        if ignores_case(found.get(name.lower(), "")) and name.lower() not in enums:
            reason = f"a unique column '{name}' with collation {found[name.lower()]}"
            raise SqlError(NOT_SUPPORTED, f"{reason} is not supported by the sandbox")
    return found


def charset_of(collation: str) -> str:
    """Return the character set of a collation."""
    return collation.partition("_")[0]


def of_charset(charset: str) -> str:
    """Return TiDB's default collation of a character set."""
    return _OF_CHARSET.get(charset, f"{charset}_bin")


def written(collation: str, default: str) -> str:
    """Return the clauses of a column in SHOW CREATE TABLE; `default` is the table's collation.

    TiDB leaves out what a column has by default (executor/show.go).
    """
    charset = charset_of(collation)
    clause = f" CHARACTER SET {charset}" if charset != charset_of(default) else ""
    plain = collation == default and of_charset(charset) == collation
    return clause if plain else f"{clause} COLLATE {collation}"


def constraint() -> exp.ColumnConstraint:
    """Return DuckDB's definition of a column that ignores case."""
    return exp.ColumnConstraint(kind=exp.CollateColumnConstraint(this=exp.var(_IGNORING)))


def _chosen(charset: exp.Expr | None, collation: exp.Expr | None) -> str:
    """Return the collation of its own clause, or the default one of the character set; "" without both."""
    if collation is not None:
        return str(collation.this.name).lower()
    return "" if charset is None else of_charset(str(charset.this.name).lower())


def _unique(schema: exp.Schema) -> list[str]:
    names: list[str] = []
    for item in schema.expressions:
        if isinstance(item, exp.ColumnDef):
            kinds = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint)
            names += [item.name] * any(isinstance(each.kind, kinds) for each in item.constraints)
        for key in item.find_all(exp.PrimaryKey, exp.UniqueColumnConstraint):
            names += [identifier.name for identifier in key.find_all(exp.Identifier)]
    return names
