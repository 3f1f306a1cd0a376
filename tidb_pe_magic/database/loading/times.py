"""Dates, times and time spans in the form for a table's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import SourceColumn, SourceKind, remainder
from tidb_pe_magic.database.loading.literals import LiteralColumn, LiteralForm, literal_column, refuse_where

if TYPE_CHECKING:
    from tidb_pe_magic.database.loading.tables import TargetColumn

_DAY = 86_400_000_000  # microseconds
_FIRST, _LAST = -30_610_224_000 * 10**6, 253_402_300_800 * 10**6  # the years 1000 to 9999
_LONGEST = (838 * 3600 + 59 * 60 + 59) * 10**6
# Range of TIMESTAMP in seconds since 1970; the session's zone is within 14 hours of UTC.
_EPOCHS, _ZONES = (1, 2**31 - 1), 14 * 3600


def date_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a DATE column; None if there is none."""
    return {SourceKind.DATE: _dates, SourceKind.DATETIME: _midnights}.get(kind)


def _dates(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    days = column.values.cast(pa.int32()).cast(pa.int64())
    _refuse_years(column, pc.multiply(days, _DAY))
    values: Any = column.values
    if target.base != "date":
        values = values.cast(pa.timestamp("us"))
        _refuse_epochs(column, values, target)
    return literal_column(target, values, LiteralForm.PLAIN)


def _midnights(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    left = remainder(column.values.cast(pa.int64()), _DAY)
    refuse_where(column, pc.not_equal(left, 0), "has a time of day, and the table's column is DATE.")
    _refuse_years(column, column.values.cast(pa.int64()))
    return literal_column(target, column.values.cast(pa.date32()), LiteralForm.PLAIN)


def datetime_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a DATETIME or TIMESTAMP column; None if there is none."""
    return {SourceKind.DATE: _dates, SourceKind.DATETIME: _datetimes, SourceKind.MOMENT: _datetimes}.get(kind)


def _datetimes(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    micros = column.values.cast(pa.int64())
    _refuse_years(column, micros)
    _refuse_fractions(column, micros, target)
    _refuse_epochs(column, column.values, target)
    return literal_column(target, column.values, LiteralForm.PLAIN)


def _refuse_years(column: SourceColumn, micros: Any) -> None:
    outside = pc.or_(pc.less(micros, _FIRST), pc.greater_equal(micros, _LAST))
    refuse_where(column, outside, "is outside the years 1000 to 9999.")


def _refuse_epochs(column: SourceColumn, values: Any, target: TargetColumn) -> None:
    if target.base != "timestamp":
        return
    margin = 0 if column.kind is SourceKind.MOMENT else _ZONES
    seconds = pc.floor(pc.divide(values.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6))
    low, high = _EPOCHS[0] - margin, _EPOCHS[1] + margin
    outside = pc.or_(pc.less(seconds, float(low)), pc.greater(seconds, float(high)))
    refuse_where(column, outside, "is outside the range of TIMESTAMP, 1970 to 2038.")


def _refuse_fractions(column: SourceColumn, micros: Any, target: TargetColumn) -> None:
    places = (target.arguments or (0,))[0]
    left = remainder(micros, 10 ** (6 - places))
    refuse_where(column, pc.not_equal(left, 0), f"has more places than {target.type.upper()}.")


def time_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a TIME column; None if there is none."""
    return _spans if kind is SourceKind.TIME else None


def _spans(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    refuse_where(
        column,
        pc.greater(pc.abs(column.values), _LONGEST),
        "is longer than the maximum of TIME (838:59:59).",
        f"Load its seconds: frame[{column.name!r}].dt.total_seconds()",
    )
    _refuse_fractions(column, column.values, target)
    return literal_column(target, _clock(column.values), LiteralForm.PLAIN)


def _clock(micros: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return time spans in MySQL's notation: -12:34:56.000001."""
    size = pc.abs(micros)
    seconds = pc.divide(size, 10**6)
    minutes = pc.divide(seconds, 60)

    def pad(values: Any, width: int) -> Any:
        return pc.utf8_lpad(values.cast(pa.string()), width, "0")

    return pc.binary_join_element_wise(
        pc.if_else(pc.less(micros, 0), "-", ""),
        pad(pc.divide(minutes, 60), 2),
        ":",
        pad(remainder(minutes, 60), 2),
        ":",
        pad(remainder(seconds, 60), 2),
        ".",
        pad(remainder(size, 10**6), 6),
        "",
    )
