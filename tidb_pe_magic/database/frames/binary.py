"""Rows of the binary protocol (of prepared statements), decoded column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidb_pe_magic.database.frames import calendar
from tidb_pe_magic.database.frames.batch import Flags, array
from tidb_pe_magic.database.frames.types import ColumnKind
from tidb_pe_magic.database.frames.values import bits, convert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.database.frames.batch import Batch
    from tidb_pe_magic.database.frames.packets import Offsets
    from tidb_pe_magic.database.frames.types import Column

Numbers: TypeAlias = npt.NDArray[Any]
Times: TypeAlias = tuple[Numbers, Flags | None]

# A row starts with a byte 0 and the NULL bits, of which the first two are unused.
_UNUSED_BITS = 2
# Values are truncated if only zeros would follow.
_DATETIME_WITH_CLOCK, _DATETIME_WITH_FRACTION, _TIME_WITH_FRACTION = 7, 11, 12


class BinaryDecoder:
    """Decodes the batches of one result."""

    def __init__(self, columns: Sequence[Column], zero_dates: calendar.ZeroDates) -> None:
        """Take the columns, and the counter of zero dates."""
        self._columns = columns
        self._zero_dates = zero_dates
        self._bitmap = (len(columns) + _UNUSED_BITS + 7) // 8

    def decode(self, batch: Batch) -> list[pa.Array]:
        """Return one array per column.

        Raises:
            DataError: a value does not match its column's definition.
            InternalError: the bytes are not rows of these columns.
        """
        nulls = batch.load(f"({self._bitmap},)u1", batch.starts + 1)
        some = np.bitwise_or.reduce(nulls, axis=0)
        position = batch.starts + 1 + self._bitmap
        arrays = []
        for number, column in enumerate(self._columns, _UNUSED_BITS):
            byte, bit = divmod(number, 8)
            present = None
            if some[byte] >> bit & 1:
                present = (nulls[:, byte] >> np.uint8(bit) & np.uint8(1)) == 0
            values, position = self._column(batch, column, position, present)
            arrays.append(values)
        batch.finish(position)
        return arrays

    def _column(
        self, batch: Batch, column: Column, position: Offsets, present: Flags | None
    ) -> tuple[pa.Array, Offsets]:
        """Return the values that start at `position`, and where the next ones start."""
        if column.kind is ColumnKind.NULL:
            return pa.nulls(batch.rows), position
        if column.number:
            values = batch.load(column.number, position)
            width = values.itemsize
            after = position + (width if present is None else width * present.astype(np.int64))
            if column.narrow:
                values = values.astype(np.int64)
            return array(values, column.type, present), after
        start, length = batch.lengths(position)
        if present is not None:
            start, length = np.where(present, start, position), np.where(present, length, 0)
        after = start + length
        decode = _DECODERS.get(column.kind)
        if decode is None:
            return convert(batch.values(start, length, present), column), after
        batch.check(after)
        values, real = decode(batch, start, length)
        if real is not None:
            present = self._zero_dates.add(column.name, real, present)
        return array(values, column.type, present), after


def _day(batch: Batch, start: Offsets, length: Offsets) -> tuple[npt.NDArray[np.int32], Flags]:
    word = batch.load("<u4", start)
    if not length.all():
        word = np.where(length == 0, np.uint32(0), word)
    return calendar.days(word & 0xFFFF, word >> 16 & 0xFF, word >> 24)


def _date(batch: Batch, start: Offsets, length: Offsets) -> Times:
    return _day(batch, start, length)


def _datetime(batch: Batch, start: Offsets, length: Offsets) -> Times:
    since, real = _day(batch, start, length)
    clock = batch.load("<u4", start + 4) & 0xFFFFFF
    fraction = batch.load("<u4", start + 7)
    shortest = int(length.min())
    if shortest < _DATETIME_WITH_FRACTION:
        fraction = np.where(length < _DATETIME_WITH_FRACTION, np.uint32(0), fraction)
    if shortest < _DATETIME_WITH_CLOCK:
        clock = np.where(length < _DATETIME_WITH_CLOCK, np.uint32(0), clock)
    microseconds = calendar.clock(clock & 0xFF, clock >> 8 & 0xFF, clock >> 16, fraction)
    return calendar.instants(since, microseconds), real


def _time(batch: Batch, start: Offsets, length: Offsets) -> Times:
    negative = batch.load("u1", start)
    days = batch.load("<u4", start + 1)
    clock = batch.load("<u4", start + 5) & 0xFFFFFF
    fraction = np.where(length < _TIME_WITH_FRACTION, np.uint32(0), batch.load("<u4", start + 8))
    hours = days.astype(np.int64) * 24 + (clock & 0xFF)
    total = calendar.clock(hours, clock >> 8 & 0xFF, clock >> 16, fraction)
    return np.where(length == 0, 0, np.where(negative == 1, -total, total)), None


def _bit(batch: Batch, start: Offsets, length: Offsets) -> Times:
    return bits(batch, start, length), None


_DECODERS: dict[ColumnKind, Callable[[Batch, Offsets, Offsets], Times]] = {
    ColumnKind.DATE: _date,
    ColumnKind.DATETIME: _datetime,
    ColumnKind.TIME: _time,
    ColumnKind.BIT: _bit,
}
