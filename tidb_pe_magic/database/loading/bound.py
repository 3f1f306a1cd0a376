"""A column as it is sent, and the refusal of a value that would not arrive as it is."""

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
    PLAIN = auto()  # in quotes, with nothing in it that has to be escaped
    TEXT = auto()
    HEXADECIMAL = auto()


@dataclass(frozen=True, kw_only=True)
class BoundColumn:
    """A column as it is sent: numbers, text, bytes or times, and how they are written."""

    name: str
    values: pa.ChunkedArray
    form: LiteralForm


def bound(target: TargetColumn, values: Any, form: LiteralForm) -> BoundColumn:
    """Return values as they are sent to a column of the table."""
    return BoundColumn(name=target.name, values=values, form=form)


def refuse_where(column: SourceColumn, bad: Any, reason: str, advice: str = "") -> None:
    """Refuse the first row in which the Arrow mask is true, with its value."""
    if pc.any(bad).as_py():
        row = first_true(bad)
        refuse(column.name, f"{_shown(column, row)} {reason}", row=row, advice=advice)


def _shown(column: SourceColumn, row: int) -> str:
    value = column.values[row].as_py()
    if column.kind is SourceKind.TIME:
        return f"{value / 1e6:g} seconds"
    text = str(value) if isinstance(value, (int, float, str)) else f"{value}"
    return repr(text[:40]) if column.kind is SourceKind.TEXT else text[:60]
