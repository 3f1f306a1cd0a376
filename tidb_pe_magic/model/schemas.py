"""Databases, tables and their columns, as information_schema describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model.base import Result

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class TableSummary:
    """A table or a view, and how large it is about.

    Attributes:
        kind: BASE TABLE, VIEW, SYSTEM VIEW or SEQUENCE (information_schema.TABLES.TABLE_TYPE).
        rows: an estimate from the server's statistics; None for a view.
        bytes: of rows and indexes, an estimate; None for a view.
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
        type: in the server's words, such as `varchar(20)` or `bigint unsigned`.
        key: PRI, UNI, MUL or empty.
        default: as information_schema has it; None where there is none, or where it is NULL.
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
    """An index of a table, with its columns in order; `(expression)` stands for one that is no column."""

    name: str
    unique: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tables(Result):
    """The databases of a server, and their tables.

    Attributes:
        alias: of the connection.
        database: that the connection is in; empty for none.
        databases: names, those without a table too.
        items: the tables by database and name.
        shown: what was asked for: a database or a pattern; empty for everything.
        notes: what else there is to know, such as why no names can be completed.
    """

    alias: str
    database: str
    databases: tuple[str, ...]
    items: tuple[TableSummary, ...]
    shown: str = ""
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[TableSummary]:
        """Iterate over the tables."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the tables."""
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class TableDetails(Result):
    """One table: its columns and indexes, and what is in it.

    Attributes:
        alias: of the connection.
        sample: a DataFrame of its first rows, at most five; None where they cannot be read.
        rows: the same rows as text; None is NULL.
        select: a query to start from.
        notes: what else there is to know, such as why no rows can be read.
    """

    alias: str
    table: TableSummary
    columns: tuple[TableColumn, ...]
    indexes: tuple[TableIndex, ...]
    select: str
    sample: Any = field(default=None, repr=False, compare=False, metadata={"plain": False})
    rows: tuple[tuple[str | None, ...], ...] = ()
    notes: tuple[str, ...] = ()
