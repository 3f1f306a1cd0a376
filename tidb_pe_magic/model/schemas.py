"""Databases, tables and their columns, as information_schema describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model.base import Result

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class TableSummary:
    """A table or a view, and its approximate size.

    Attributes:
        kind: BASE TABLE, VIEW, SYSTEM VIEW or SEQUENCE (information_schema.TABLES.TABLE_TYPE).
        rows: estimated number of rows, from the server's statistics; None for a view.
        bytes: estimated size of rows and indexes; None for a view.
    """

    database: str
    name: str
    kind: str
    rows: int | None
    bytes: int | None
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class TableColumn:
    """A column of a table.

    Attributes:
        type: in the server's format, such as `varchar(20)` or `bigint unsigned`.
        key: PRI, UNI, MUL or empty.
        default: as in information_schema; None if it is NULL or not set.
        extra: such as `auto_increment`.
    """

    name: str
    type: str
    nullable: bool
    key: str
    default: str | None
    extra: str = ""
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class TableIndex:
    """An index of a table, with its columns in order; an expression is shown as `(expression)`."""

    name: str
    unique: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tables(Result):
    """The databases of a server, and their tables.

    Attributes:
        alias: of the connection.
        database: the connection's current database; empty for none.
        databases: all names, including databases without tables.
        items: the tables, sorted by database and name.
        shown: the requested database or pattern; empty for everything.
        connection: what was typed after the @; empty for nothing.
        notes: further remarks, such as why names cannot be completed.
    """

    alias: str
    database: str
    databases: tuple[str, ...]
    items: tuple[TableSummary, ...]
    shown: str = ""
    connection: str = ""
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[TableSummary]:
        """Iterate over the tables."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the tables."""
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class TableDetails(Result):
    """One table: its columns, indexes and first rows.

    Attributes:
        alias: of the connection.
        sample: a DataFrame of its first rows, at most five; None if they cannot be read.
        rows: the same rows as text; None is NULL.
        select: a query to start from.
        notes: further remarks, such as why rows cannot be read.
    """

    alias: str
    table: TableSummary
    columns: tuple[TableColumn, ...]
    indexes: tuple[TableIndex, ...]
    select: str
    sample: Any = field(default=None, repr=False, compare=False, metadata={"plain": False})
    rows: tuple[tuple[str | None, ...], ...] = ()
    notes: tuple[str, ...] = ()
