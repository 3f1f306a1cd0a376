"""A column in the form in which it is sent, and the error for a value that would be changed."""

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
    """How the values of a column are written in SQL."""

    DIGITS = auto()
    PLAIN = auto()  # in quotes, with nothing to escape
    TEXT = auto()
    HEXADECIMAL = auto()


@dataclass(frozen=True, kw_only=True)
class LiteralColumn:
    """A column in the form in which it is sent: numbers, text, bytes or times, and their SQL notation."""

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
