"""The target table: as the server describes it, or as it will be created."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pymysql.err
from pymysql.constants import ER

from tidb_pe_magic.database.loading.columns import SourceColumn, SourceKind, refuse
from tidb_pe_magic.database.schema.identifiers import quote
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = re.compile(r"\s*(`(?:[^`]|``)+`|[^`.]+)\s*(?:\.\s*(`(?:[^`]|``)+`|[^`.]+)\s*)?")
_TYPE = re.compile(r"([a-z]+)\s*(?:\((.*)\))?(.*)", re.DOTALL)
_CHOICE = re.compile(r"'((?:[^']|'')*)'")
# Bytes: MySQL's limits, and those of TiDB's keys (documentation, "TiDB Limitations").
_SHORT, _LONGEST_KEY = 255, 768
_TEXT, _MEDIUM = 65_535, 16_777_215
# Characters of four bytes in a row of MySQL's or MariaDB's at most.
_MOST_SHORT = 40
# Between a table's name and the kind of a table beside it, which eight hexadecimal digits follow.
_MARK = "__"
UNFINISHED, REPLACED = "load_", "old_"


@dataclass(frozen=True)
class TableName:
    """A table's name, and its database if given."""

    table: str
    database: str = ""

    @classmethod
    def parse(cls, text: str, database: str) -> TableName:
        """Parse `table` or `database.table`; a name that contains a dot is in backquotes.

        Args:
            text: as typed.
            database: used if the text has none.

        Raises:
            InvalidRequest: it is not a name, or no database is known.
        """
        matched = _NAME.fullmatch(text)
        if matched is None:
            raise InvalidRequest("--table", "must be a table's name, or database.table.")
        first, second = (_unquote(part) for part in matched.groups())
        name = cls(second, first) if second else cls(first, database)
        if not name.database:
            raise InvalidRequest(
                "--table",
                "has no database, and the connection uses none.",
                advice=f"Write --table DATABASE.{name.table}, or connect with --database.",
            )
        return name

    def temporary(self, suffix: str) -> TableName:
        """Return the name of a temporary table in the same database."""
        return TableName(f"{self.table[:40]}{_MARK}{suffix}", self.database)

    def __str__(self) -> str:
        """Return the name for display."""
        return f"{self.database}.{self.table}"

    @property
    def sql(self) -> str:
        """The name quoted for SQL."""
        return f"{quote(self.database)}.{quote(self.table)}"


def _unquote(part: str | None) -> str:
    if part is None:
        return ""
    part = part.strip()
    return part[1:-1].replace("``", "`") if part.startswith("`") else part


@dataclass(frozen=True, kw_only=True)
class TargetColumn:
    """A column of a table.

    Attributes:
        base: the type's first word, in lower case.
        arguments: the text in the type's parentheses.
        filled: the server provides a value if none is given.
        generated: it is computed and cannot be set.
        automatic: the server generates its values: AUTO_INCREMENT or AUTO_RANDOM.
        charset: of text; empty for other types.
    """

    name: str
    type: str
    nullable: bool = True
    filled: bool = True
    generated: bool = False
    automatic: bool = False
    collation: str = "utf8mb4_bin"

    @property
    def base(self) -> str:
        """The type's first word."""
        return self._parts[0]

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers in the type's parentheses."""
        return tuple(int(each) for each in re.findall(r"\d+", self._parts[1]))

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an ENUM or a SET."""
        return tuple(each.replace("''", "'") for each in _CHOICE.findall(self._parts[1]))

    @property
    def unsigned(self) -> bool:
        """Whether it excludes negative numbers."""
        return "unsigned" in self._parts[2]

    @property
    def charset(self) -> str:
        """The character set of its text."""
        return self.collation.partition("_")[0]

    @property
    def _parts(self) -> tuple[str, str, str]:
        # The choices of an ENUM keep their case.
        matched = _TYPE.fullmatch(self.type[:1].lower() + self.type[1:])
        word, arguments, rest = matched.groups() if matched else (self.type, "", "")
        return word.lower(), arguments or "", rest.lower()


@dataclass(frozen=True, kw_only=True)
class TargetTable:
    """The target table of the rows.

    Attributes:
        columns: by name, in lower case.
        unique: the columns of each unique key, by its name; expressions and prefixes are excluded.
    """

    name: TableName
    columns: Mapping[str, TargetColumn]
    unique: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def describe(session: Any, name: TableName) -> TargetTable | None:
    """Return a table as the server describes it; None if it does not exist.

    Raises:
        MySQLError: the server refused to answer, or the connection is lost.
    """
    try:
        rows = _rows(session, f"SHOW FULL COLUMNS FROM {name.sql}")
    except pymysql.err.MySQLError as error:
        if error.args[0] == ER.NO_SUCH_TABLE:
            return None
        raise
    columns = {}
    for row in rows:
        extra = (row["Extra"] or "").lower()
        generated = "generated" in extra and "default_generated" not in extra
        automatic = "auto_increment" in extra or "auto_random" in extra
        nullable = row["Null"] == "YES"
        columns[row["Field"].casefold()] = TargetColumn(
            name=row["Field"],
            type=_text(row["Type"]),
            nullable=nullable,
            filled=nullable or automatic or generated or row["Default"] is not None,
            generated=generated,
            automatic=automatic,
            collation=row["Collation"] or "",
        )
    unique: dict[str, list[str]] = {}
    for row in _rows(session, f"SHOW INDEX FROM {name.sql}"):
        if not int(row["Non_unique"]):
            whole = row["Column_name"] is not None and row.get("Sub_part") is None
            unique.setdefault(row["Key_name"], []).append(row["Column_name"].casefold() if whole else "")
    return TargetTable(name=name, columns=columns, unique={key: tuple(each) for key, each in unique.items()})


def is_view(session: Any, name: TableName) -> bool:
    """Return whether the name belongs to a view."""
    with contextlib.closing(session.cursor()) as cursor:
        cursor.execute(
            "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            (name.database, name.table),
        )
        return any("VIEW" in _text(kind) for (kind,) in cursor.fetchall())


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """The tables beside a table that loads left when they ended, or that are in use now.

    Attributes:
        unfinished: tables that a load was filling.
        replaced: tables that a load had replaced, with all their rows.
    """

    unfinished: tuple[TableName, ...] = ()
    replaced: tuple[TableName, ...] = ()


def leftover_tables(session: Any, name: TableName) -> Leftovers:
    """Return the tables beside this one that loads left."""
    with contextlib.closing(session.cursor()) as cursor:
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES "
            "WHERE TABLE_SCHEMA = %s AND (TABLE_NAME LIKE %s OR TABLE_NAME LIKE %s)",
            (name.database, f"%{UNFINISHED}%", f"%{REPLACED}%"),
        )
        found = sorted(_text(table) for (table,) in cursor.fetchall())

    def of(kind: str) -> tuple[TableName, ...]:
        shape = re.compile(re.escape(name.temporary(kind).table) + "[0-9a-f]{8}", re.IGNORECASE)
        return tuple(TableName(table, name.database) for table in found if shape.fullmatch(table))

    return Leftovers(unfinished=of(UNFINISHED), replaced=of(REPLACED))


def referencing_table(session: Any, name: TableName) -> str:
    """Return the name of a table with a foreign key to this one; empty if there is none."""
    with contextlib.closing(session.cursor()) as cursor:
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE "
            "WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s",
            (name.database, name.table),
        )
        return next((_text(table) for (table,) in cursor.fetchall()), "")


def _rows(session: Any, sql: str) -> list[dict[str, Any]]:
    with contextlib.closing(session.cursor()) as cursor:
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# Created tables


def new_table(name: TableName, columns: Sequence[SourceColumn], keys: Sequence[str]) -> TargetTable:
    """Return the table to create for a frame; `keys` are its primary key.

    Raises:
        InvalidRequest: no type can hold a value.
    """
    short = sum(column.kind is SourceKind.TEXT for column in columns) <= _MOST_SHORT
    wanted = {key.casefold() for key in keys}
    made = {}
    for column in columns:
        is_key = column.name.casefold() in wanted
        made[column.name.casefold()] = TargetColumn(
            name=column.name,
            type=_type_of(column, key=is_key, short=short),
            nullable=not is_key,
            filled=not is_key,
        )
    unique = {"PRIMARY": tuple(key.casefold() for key in keys)} if keys else {}
    return TargetTable(name=name, columns=made, unique=unique)


def create_statement(table: TargetTable) -> str:
    """Return the statement that creates the table.

    The collation is TiDB's default, in which texts are equal only if their characters are.
    """
    lines = [
        f"  {quote(column.name)} {column.type.upper()}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns.values()
    ]
    for key in table.unique.values():
        named = ", ".join(quote(table.columns[name].name) for name in key)
        lines += [f"  PRIMARY KEY ({named})"]
    body = ",\n".join(lines)
    return f"CREATE TABLE {table.name.sql} (\n{body}\n) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


def _type_of(column: SourceColumn, *, key: bool, short: bool) -> str:
    match column.kind:
        case SourceKind.NOTHING:
            return "varchar(255)" if short else "text"
        case SourceKind.INTEGER:
            return _INTEGERS[str(column.values.type)]
        case SourceKind.DECIMAL:
            return _decimal(column)
        case SourceKind.TEXT:
            return _text_type(column, key=key, short=short)
        case SourceKind.BYTES:
            return _bytes_type(column, key=key)
        case kind:
            return _TYPES[kind]


_TYPES = {
    SourceKind.BOOLEAN: "boolean",
    SourceKind.FLOAT: "double",
    SourceKind.DATE: "date",
    SourceKind.DATETIME: "datetime(6)",
    SourceKind.MOMENT: "datetime(6)",
    SourceKind.TIME: "time(6)",
}
_INTEGERS = {
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "uint8": "tinyint unsigned",
    "uint16": "smallint unsigned",
    "uint32": "int unsigned",
    "uint64": "bigint unsigned",
}
_MOST_DIGITS, _MOST_PLACES = 65, 30


def _decimal(column: SourceColumn) -> str:
    kind = column.values.type
    places = min(kind.scale, _MOST_PLACES)
    return f"decimal({min(kind.precision - kind.scale + places, _MOST_DIGITS)},{places})"


def _text_type(column: SourceColumn, *, key: bool, short: bool) -> str:
    lengths = pc.utf8_length(column.values)
    longest = pc.max(lengths).as_py() or 0
    if key:
        if longest > _LONGEST_KEY:
            row = int(pc.index(lengths, longest).as_py())
            refuse(
                column.name, f"a key has at most {_LONGEST_KEY} characters, and this text {longest}.", row=row
            )
        return f"varchar({max(longest, _SHORT)})"
    if longest <= _SHORT and short:
        return f"varchar({_SHORT})"
    size = pc.max(pc.binary_length(column.values)).as_py() or 0
    return "text" if size <= _TEXT else "mediumtext" if size <= _MEDIUM else "longtext"


def _bytes_type(column: SourceColumn, *, key: bool) -> str:
    lengths = pc.binary_length(column.values)
    size = pc.max(lengths).as_py() or 0
    if key:
        if size > _LONGEST_KEY:
            row = int(pc.index(lengths, size).as_py())
            refuse(column.name, f"a key has at most {_LONGEST_KEY} bytes, and this value {size}.", row=row)
        return f"varbinary({max(size, _SHORT)})"
    return "blob" if size <= _TEXT else "mediumblob" if size <= _MEDIUM else "longblob"
