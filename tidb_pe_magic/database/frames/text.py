"""Rows of the text protocol, in which every value is a string, decoded column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.frames import calendar
from tidb_pe_magic.database.frames.batch import NULL, Flags, array
from tidb_pe_magic.database.frames.failures import unfit
from tidb_pe_magic.database.frames.types import ColumnKind
from tidb_pe_magic.database.frames.values import bits, convert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.database.frames.batch import Batch
    from tidb_pe_magic.database.frames.packets import Offsets
    from tidb_pe_magic.database.frames.types import Column

Digits: TypeAlias = npt.NDArray[np.uint8]
Times: TypeAlias = tuple[npt.NDArray[Any], Flags]

# 2024-02-29, 2024-02-29 12:34:56, 2024-02-29 12:34:56.123456.
_DATE, _DATETIME, _LONGEST_DATETIME = 10, 19, 26
_TIME = r"^(?P<sign>-?)(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6}))?$"
_FRACTION = 6
_TEN = np.uint8(10)


class TextDecoder:
    """Decodes the batches of one result."""

    def __init__(self, columns: Sequence[Column], zero_dates: calendar.ZeroDates) -> None:
        """Take the columns, and the counter of zero dates."""
        self._columns = columns
        self._zero_dates = zero_dates

    def decode(self, batch: Batch) -> list[pa.Array]:
        """Return one array per column.

        Raises:
            DataError: a value does not match its column's definition.
            InternalError: the bytes are not rows of these columns.
        """
        position, arrays = batch.starts, []
        for column in self._columns:
            null = batch.load("u1", position) == NULL
            present = ~null if null.any() else None
            start, length = batch.lengths(position)
            arrays.append(self._values(batch, column, start, length, present))
            position = start + length
        batch.finish(position)
        return arrays

    def _values(
        self, batch: Batch, column: Column, start: Offsets, length: Offsets, present: Flags | None
    ) -> pa.Array:
        if column.kind is ColumnKind.NULL:
            return pa.nulls(batch.rows)
        batch.check(start + length)
        if column.kind is ColumnKind.BIT:
            return array(bits(batch, start, length), column.type, present)
        if column.kind is ColumnKind.TIME:
            return _times(batch.values(start, length, present).cast(pa.string()), column)
        decode = _DECODERS.get(column.kind)
        if decode is None:
            return convert(batch.values(start, length, present), column)
        some = length if present is None else length[present]
        if len(some) and not _DATE <= int(some.min()) <= int(some.max()) <= _LONGEST_DATETIME:
            raise unfit(column.name, "a date in an unknown format")
        values, real = decode(batch, start, length)
        return array(values, column.type, self._zero_dates.add(column.name, real, present))


def _number(digits: Digits, first: int, stop: int) -> npt.NDArray[np.int64]:
    total = digits[:, first].astype(np.int64)
    for place in range(first + 1, stop):
        total = total * 10 + digits[:, place]
    return total


def _digits(batch: Batch, start: Offsets, length: Offsets, width: int) -> Digits:
    """Return the first `width` characters of each value as digits; 0 for a missing or non-digit one."""
    characters = batch.load(f"({width},)u1", start)
    digits = characters - np.uint8(ord("0"))
    return np.where((digits < _TEN) & (np.arange(width) < length[:, None]), digits, np.uint8(0))


def _day(digits: Digits) -> tuple[npt.NDArray[np.int32], Flags]:
    return calendar.days(_number(digits, 0, 4), _number(digits, 5, 7), _number(digits, 8, 10))


def _date(batch: Batch, start: Offsets, length: Offsets) -> Times:
    return _day(_digits(batch, start, length, _DATE))


def _datetime(batch: Batch, start: Offsets, length: Offsets) -> Times:
    digits = _digits(batch, start, length, _LONGEST_DATETIME)
    since, real = _day(digits)
    clock = calendar.clock(
        _number(digits, 11, 13),
        _number(digits, 14, 16),
        _number(digits, 17, _DATETIME),
        _number(digits, _DATETIME + 1, _LONGEST_DATETIME),
    )
    return calendar.instants(since, clock), real


_DECODERS: dict[ColumnKind, Callable[[Batch, Offsets, Offsets], Times]] = {
    ColumnKind.DATE: _date,
    ColumnKind.DATETIME: _datetime,
}


def _times(strings: pa.Array, column: Column) -> pa.Array:
    parts = pc.extract_regex(strings, _TIME)
    if parts.null_count != strings.null_count:
        raise unfit(column.name, "a time in an unknown format")

    def part(name: str) -> pa.Array:
        return pc.struct_field(parts, name)

    fraction = pc.utf8_rpad(part("fraction"), _FRACTION, "0")
    numbers = [
        pc.fill_null(each.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        for each in (part("hours"), part("minutes"), part("seconds"), fraction)
    ]
    total = calendar.clock(*numbers)
    negative = pc.fill_null(pc.equal(part("sign"), "-"), fill_value=False).to_numpy(zero_copy_only=False)
    null = strings.is_null().to_numpy(zero_copy_only=False)
    return array(np.where(negative, -total, total), column.type, ~null if null.any() else None)
