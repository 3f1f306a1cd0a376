"""A column in the form in which it is sent, its notation, and the error for a value that would be changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import SourceColumn, SourceKind, first_true, refuse

if TYPE_CHECKING:
    from tidb_pe_magic.database.loading.tables import TargetColumn


class LiteralForm(Enum):
    """How the values of a column are written."""

    DIGITS = auto()
    PLAIN = auto()  # in quotes, with nothing to escape
    TEXT = auto()
    HEXADECIMAL = auto()  # only in SQL


@dataclass(frozen=True, kw_only=True)
class Notation:
    """How the values of rows are written, one after the other.

    Attributes:
        null: stands for a missing value.
        quote: before and after a text or a time.
        between_values: separates the values of a row.
        between_rows: separates rows.
        escapes: what replaces characters of a text; the escape character comes first.
    """

    null: bytes
    quote: bytes
    between_values: bytes
    between_rows: bytes
    escapes: tuple[tuple[bytes, bytes], ...]


SQL = Notation(
    null=b"NULL",
    quote=b"'",
    between_values=b",",
    between_rows=b"),(",
    escapes=((b"\\", b"\\\\"), (b"'", b"\\'"), (b"\0", b"\\0")),
)
LINES = Notation(
    null=b"\\N",
    quote=b"",
    between_values=b"\t",
    between_rows=b"\n",
    escapes=(
        (b"\\", b"\\\\"),
        (b"\t", b"\\t"),
        (b"\n", b"\\n"),
        (b"\r", b"\\r"),
        (b"\0", b"\\0"),
    ),
)
"""Of LOAD DATA. MySQL and TiDB (`unescape` in pkg/lightning/mydump/parser.go) know these escapes."""


@dataclass(frozen=True, kw_only=True)
class LiteralColumn:
    """A column in the form in which it is sent: numbers, text, bytes or times, and how they are written."""

    name: str
    values: pa.ChunkedArray
    form: LiteralForm


def literal_column(target: TargetColumn, values: Any, form: LiteralForm) -> LiteralColumn:
    """Convert values to the form for a column of the table."""
    return LiteralColumn(name=target.name, values=values, form=form)


def refuse_where(column: SourceColumn, bad: Any, reason: str, advice: str = "") -> None:
    """Reject the first row in which the Arrow mask is true, with its value."""
    if pc.any(bad).as_py():
        row = first_true(bad)
        refuse(column.name, f"{_display(column, row)} {reason}", row=row, advice=advice)


def _display(column: SourceColumn, row: int) -> str:
    value = column.values[row].as_py()
    if column.kind is SourceKind.TIME:
        return f"{value / 1e6:g} seconds"
    text = str(value) if isinstance(value, (int, float, str)) else f"{value}"
    return repr(text[:40]) if column.kind is SourceKind.TEXT else text[:60]
