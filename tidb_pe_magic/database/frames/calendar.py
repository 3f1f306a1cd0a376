"""Dates from their parts, without an object per date; invalid dates become null."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tidb_pe_magic.database.frames.batch import Flags

Parts: TypeAlias = npt.NDArray[Any]

_NONE = np.iinfo(np.int32).min
_YEARS = 10_000
_ALWAYS_THERE = 28
_SECOND = 1_000_000
_DAY = np.int64(86_400 * _SECOND)


class ZeroDates(dict[str, int]):
    """Column name -> number of invalid dates that became null: 0000-00-00, 2024-02-00, 2024-02-31."""

    def add(self, column: str, real: Flags, present: Flags | None) -> Flags | None:
        """Count the invalid dates among those present; return which are valid, or None if all are."""
        if real.all():
            return present
        if present is None:
            self[column] = self.get(column, 0) + int((~real).sum())
            return real
        if zeros := int((present & ~real).sum()):
            self[column] = self.get(column, 0) + zeros
        return present & real


@cache
def _months() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return, for `year * 16 + month`, the day before the first of the month and the number of its days.

    Years 0 and 10,000, month 0 and months above 12 have none.
    """
    before = np.full((_YEARS + 1) * 16, _NONE, np.int32)
    length = np.zeros((_YEARS + 1) * 16, np.uint8)
    months = np.arange("0001-01", "10000-02", dtype="datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int32)
    number = np.arange(len(first) - 1)
    place = (number // 12 + 1) * 16 + number % 12 + 1
    before[place], length[place] = first[:-1] - 1, np.diff(first)
    return before, length


def days(year: Parts, month: Parts, day: Parts) -> tuple[npt.NDArray[np.int32], Flags]:
    """Return days since 1970-01-01, and which of them are valid dates."""
    before, length = _months()
    place = np.minimum(year, _YEARS) * np.int64(16) + np.minimum(month, 15)
    start = before[place]
    real = (start != _NONE) & (day > 0)
    if int(day.max()) > _ALWAYS_THERE:
        real &= day <= length[place]
    number = start + day.astype(np.int32)
    return (number if real.all() else np.where(real, number, np.int32(0))), real


def instants(since: npt.NDArray[np.int32], microseconds: Parts) -> npt.NDArray[np.int64]:
    """Return microseconds since 1970-01-01, from days and microseconds of the day."""
    return since * _DAY + microseconds


def clock(hours: Parts, minutes: Parts, seconds: Parts, fraction: Parts) -> npt.NDArray[np.int64]:
    """Return microseconds from hours, minutes, seconds and microseconds."""
    return ((hours.astype(np.int64) * 60 + minutes) * 60 + seconds) * _SECOND + fraction
