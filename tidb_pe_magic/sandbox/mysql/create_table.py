"""CREATE TABLE for DuckDB, with MySQL's types and keys stored in comments."""

from __future__ import annotations

import json
import secrets
from typing import Any, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql import collations
from tidb_pe_magic.sandbox.mysql.errors import TOO_MANY_COLUMNS, SqlError
from tidb_pe_magic.sandbox.mysql.touched_columns import STORED, touched_columns

#: The separator in DuckDB's comment on a column between the MySQL type and the column's own comment.
COMMENT_MARK: Final = "\n"
#: The separator between a MySQL type and its collation.
COLLATION_MARK: Final = " collate "
#: The beginning of the names of AUTO_INCREMENT columns' sequences.
AUTO_INCREMENT: Final = "auto_increment_"
#: TiDB's default of table-column-count-limit (TiDB documentation, "TiDB Configuration File").
_MOST_COLUMNS: Final = 1017
#: A FLOAT(p) of at most this many bits has single precision.
_SINGLE_BITS: Final = 24
_D: Final = exp.DataType.Type
_INTEGERS: Final = {_D.TINYINT, _D.SMALLINT, _D.MEDIUMINT, _D.INT, _D.BIGINT}
_UNSIGNED: Final = {_D.UTINYINT, _D.USMALLINT, _D.UMEDIUMINT, _D.UINT, _D.UBIGINT}
_SUBSTITUTES: Final = {
    # MySQL's BOOLEAN is TINYINT(1), which stores 2 as 2.
    _D.BOOLEAN: _D.TINYINT,
    _D.TIMESTAMPTZ: _D.TIMESTAMP,
    _D.TIMESTAMPLTZ: _D.TIMESTAMP,
    _D.DATETIME: _D.TIMESTAMP,
    _D.YEAR: _D.SMALLINT,
    _D.SET: _D.VARCHAR,
    _D.BIT: _D.BLOB,
    _D.MEDIUMINT: _D.INT,
    _D.UMEDIUMINT: _D.UINT,
}
_BOOLEAN: Final = "tinyint(1)"
_YEAR: Final = "year(4)"
#: The macro that checks the length of a value.
_LENGTHS: Final = {
    _D.VARCHAR: "mysql_fits",
    _D.CHAR: "mysql_fits",
    _D.VARBINARY: "mysql_fits_bytes",
    _D.BINARY: "mysql_fits_bytes",
}
_KEPT: Final = (
    exp.NotNullColumnConstraint,
    exp.DefaultColumnConstraint,
    exp.PrimaryKeyColumnConstraint,
    exp.UniqueColumnConstraint,
    exp.GeneratedAsIdentityColumnConstraint,
    exp.ComputedColumnConstraint,
)


def sql_string(text: str) -> str:
    """Return a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def sql_name(text: str) -> str:
    """Return a DuckDB quoted identifier."""
    return '"' + text.replace('"', '""') + '"'


def refuse_many_columns(tree: exp.Create | exp.Alter, present: int) -> None:
    """Refuse a table of more columns than TiDB's default limit.

    Args:
        tree: CREATE TABLE or ALTER TABLE.
        present: number of columns of the existing table.

    Raises:
        SqlError: 1117.
    """
    parts = tree.this.expressions if isinstance(tree, exp.Create) else tree.args.get("actions") or ()
    if present + sum(isinstance(part, exp.ColumnDef) for part in parts) > _MOST_COLUMNS:
        raise SqlError(TOO_MANY_COLUMNS, "Too many columns")


def rewrite_create_table(tree: exp.Create) -> list[str]:
    """Rewrite the tree in place; return the DuckDB statements to run afterwards.

    A column's MySQL type is stored in its comment, before its own comment, for SHOW and information_schema,
    because DuckDB does not store the length of a VARCHAR, and does not have MEDIUMTEXT or YEAR. The table's
    comment and keys are stored in the table's comment, because DuckDB supports only some keys.
    """
    remark, first_id = _remark(tree), _first_id(tree)
    collation, own_collations = collations.of_table(tree), collations.of_columns(tree)
    tree.set("properties", _temporary_only(tree))
    schema = tree.this
    if not isinstance(schema, exp.Schema):
        return []
    touched = touched_columns(tree)
    table = schema.this.sql("duckdb")
    follow_up: list[str] = []
    kept: list[exp.Expr] = []
    keys: list[dict[str, Any]] = []
    own_keys: list[dict[str, Any]] = []
    for item in schema.expressions:
        if key := _key(item, keys + own_keys):
            # TiDB lists the keys of columns after the others.
            (own_keys if isinstance(item, exp.ColumnDef) else keys).append(key)
        if isinstance(item, exp.IndexColumnConstraint) or _is_check(item):
            continue
        if isinstance(item, exp.ColumnDef) and item.kind is not None:
            _widen(item.kind)
            own_collation = own_collations.get(item.name.lower(), collations.DEFAULT)
            kind = _mysql_kind(item.kind, own_collation)
            comment = (
                f"COMMENT ON COLUMN {table}.{sql_name(item.name)} IS {sql_string(kind + _own_remark(item))}"
            )
            _rewrite_column(item, table, follow_up, first_id, own_collation)
            follow_up.append(comment)
        elif isinstance(item, exp.UniqueColumnConstraint) and isinstance(item.this, exp.Schema):
            # DuckDB's UNIQUE does not have a name here.
            kept.append(
                exp.UniqueColumnConstraint(this=exp.Schema(expressions=_plain(item.this.expressions)))
            )
            continue
        elif isinstance(item, exp.PrimaryKey):
            item.set("expressions", _plain(item.expressions))
        kept.append(item)
    schema.set("expressions", kept)
    keys += own_keys
    others = {"collation": "" if collation == collations.DEFAULT else collation, STORED: touched}
    stored: dict[str, Any] = {name: value for name, value in others.items() if value}
    if keys or remark or stored:
        stored = {"comment": remark, "keys": keys, **stored}
        text = json.dumps(stored, ensure_ascii=False)
        follow_up.append(f"COMMENT ON TABLE {table} IS {sql_string(text)}")
    return follow_up


def _is_check(item: exp.Expr) -> bool:
    """Return whether it is a CHECK, which TiDB ignores by default (tidb_enable_check_constraint)."""
    if isinstance(item, exp.Constraint):
        return bool(item.expressions) and isinstance(item.expressions[0], exp.CheckColumnConstraint)
    return isinstance(item, exp.CheckColumnConstraint)


def _mysql_kind(kind: exp.DataType, collation: str) -> str:
    """Return a type in MySQL's words, with its collation if it is not the default one."""
    if kind.this is _D.BOOLEAN:
        return _BOOLEAN
    if kind.this is _D.YEAR:
        return _YEAR
    text = kind.sql("mysql")
    name = text.partition("(")[0]
    # The values of an ENUM keep their case.
    text = (name.lower() + text[len(name) :]) if kind.this in {_D.ENUM, _D.SET} else text.lower()
    text = text.replace("', '", "','") if kind.this in {_D.ENUM, _D.SET} else text.replace(", ", ",")
    return text if collation == collations.DEFAULT else f"{text}{COLLATION_MARK}{collation}"


def _key(item: exp.Expr, keys: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return a key other than the primary one; by default MySQL names it after its first column."""
    unique, named, note = False, item, ""
    if isinstance(item, exp.Constraint):
        named = item.expressions[0] if item.expressions else item
    if isinstance(item, exp.ColumnDef):
        if not any(isinstance(each.kind, exp.UniqueColumnConstraint) for each in item.constraints):
            return None
        return {"name": _free(item.name, keys), "unique": True, "columns": [item.name], "comment": ""}
    if isinstance(named, exp.UniqueColumnConstraint) and isinstance(named.this, exp.Schema):
        unique, named = True, named.this
    elif not isinstance(named, exp.IndexColumnConstraint):
        return None
    for option in named.args.get("options") or ():
        note = option.text("comment") or note
    columns = [column.name for part in named.expressions if (column := part.find(exp.Identifier))]
    name = named.name or (item.name if isinstance(item, exp.Constraint) else "")
    return {
        "name": name or _free(columns[0] if columns else "", keys),
        "unique": unique,
        "columns": columns,
        "comment": note,
    }


def _free(name: str, keys: list[dict[str, Any]]) -> str:
    """Return the name, with the next number appended if another key of the table has it."""
    taken = {key["name"].lower() for key in keys}
    numbers = (f"{name}_{number}" for number in range(2, len(taken) + 2))
    return name if name.lower() not in taken else next(each for each in numbers if each.lower() not in taken)


def _remark(tree: exp.Create) -> str:
    properties = tree.args.get("properties")
    found = properties.find(exp.SchemaCommentProperty) if properties else None
    return found.name if found is not None else ""


def _own_remark(column: exp.ColumnDef) -> str:
    found = next(
        (c.kind for c in column.constraints if isinstance(c.kind, exp.CommentColumnConstraint)), None
    )
    return f"{COMMENT_MARK}{found.name}" if found is not None and found.name else ""


def _widen(kind: exp.DataType) -> None:
    """Convert FLOAT(53) to DOUBLE, like MySQL, drop widths such as DOUBLE(8,2), and complete a DECIMAL's."""
    if kind.this is _D.DECIMAL and len(kind.expressions) < 2:  # noqa: PLR2004 - digits and decimals
        digits = kind.expressions[0].name if kind.expressions else "10"
        sizes = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in (digits, 0)]
        kind.set("expressions", sizes)
    if kind.this in {_D.FLOAT, _D.DOUBLE} and kind.expressions:
        if len(kind.expressions) == 1 and int(kind.expressions[0].name) > _SINGLE_BITS:
            kind.set("this", _D.DOUBLE)
        kind.set("expressions", None)


def _plain(columns: list[exp.Expr]) -> list[exp.Expr]:
    return [exp.to_identifier(column.name, quoted=True) for column in columns]


def _temporary_only(tree: exp.Create) -> exp.Properties | None:
    properties = tree.args.get("properties")
    kept = [p for p in properties.expressions if isinstance(p, exp.TemporaryProperty)] if properties else []
    return exp.Properties(expressions=kept) if kept else None


def _first_id(tree: exp.Create) -> int:
    """Return the first id of AUTO_INCREMENT."""
    option = tree.args["properties"].find(exp.AutoIncrementProperty) if tree.args.get("properties") else None
    return 1 if option is None else max(1, int(option.name))


def _rewrite_column(
    column: exp.ColumnDef, table: str, before: list[str], first_id: int, collation: str
) -> None:
    kind = column.kind
    if kind is None:
        return
    ignoring = collations.ignores_case(collation) and kind.this is not _D.ENUM
    fits = _length_check(column.name, kind)
    if kind.this in _INTEGERS | _UNSIGNED | {_D.YEAR, _D.SET, _D.BIT, _D.BINARY, _D.VARBINARY}:
        kind.set("expressions", None)
    if substitute := _SUBSTITUTES.get(kind.this):
        kind.set("this", substitute)
    constraints = [collations.constraint()] if ignoring else []
    constraints += [] if fits is None else [fits]
    for constraint in column.constraints:
        if isinstance(constraint.kind, exp.AutoIncrementColumnConstraint):
            sequence = _new_sequence(table, column.name)
            constraints.append(
                exp.ColumnConstraint(
                    kind=exp.DefaultColumnConstraint(this=exp.func("nextval", exp.Literal.string(sequence)))
                )
            )
            before.append(f"CREATE SEQUENCE {sequence} START {first_id}")
        elif isinstance(constraint.kind, _KEPT):
            if isinstance(constraint.kind.this, exp.Boolean):
                constraint.kind.set("this", exp.Literal.number(int(constraint.kind.this.this)))
            constraints.append(constraint)
    column.set("constraints", constraints)


def _length_check(column: str, kind: exp.DataType) -> exp.ColumnConstraint | None:
    """Return the check of a type's length, which DuckDB ignores; None for a type without one."""
    macro = _LENGTHS.get(kind.this)
    if macro is None or not kind.expressions:
        return None
    name = exp.column(exp.to_identifier(column, quoted=True))
    most = exp.Literal.number(kind.expressions[0].name)
    call = exp.Anonymous(this=macro, expressions=[name, most])
    return exp.ColumnConstraint(kind=exp.CheckColumnConstraint(this=call))


def _new_sequence(table: str, column: str) -> str:
    """Return the name of a new AUTO_INCREMENT column's sequence.

    It is unique, because a renamed table keeps its sequence, and databases may have tables of the same name.
    """
    plain = "_".join(part.strip('"') for part in table.split("."))
    return f"main.{sql_name(f'{AUTO_INCREMENT}{plain}_{column}_{secrets.token_hex(4)}')}"


def sequence_name(sequence: str) -> str:
    """Return the name in the catalog of a quoted sequence."""
    return sequence.removeprefix('main."').removesuffix('"').replace('""', '"')
