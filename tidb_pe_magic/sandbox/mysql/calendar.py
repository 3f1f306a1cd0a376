"""Dates and times in the format of MySQL's binary protocol, for whole columns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[Any]

_DAY_US: Final = 86_400_000_000
_SECOND_US: Final = 1_000_000
# Days from 0000-03-01 to 1970-01-01, and in 400, 100, 4 and 1 years of the Gregorian calendar.
_EPOCH, _ERA, _CENTURY, _FOUR, _YEAR = 719_468, 146_097, 36_524, 1_460, 365


def civil(days: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return year, month and day of days since 1970 (the usual algorithm with years that start in March)."""
    era, day = np.divmod(days.astype(np.int64) + _EPOCH, _ERA)
    year = (day - day // _FOUR + day // _CENTURY - day // (_ERA - 1)) // _YEAR
    of_year = day - (_YEAR * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = np.where(shifted < 10, shifted + 3, shifted - 9)  # noqa: PLR2004 - March is the first month
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1  # noqa: PLR2004


def datetimes(values: Numbers, *, date: bool) -> tuple[Numbers, Numbers]:
    """Return the bytes of each date or time, preceded by their length, and the number of used bytes.

    Args:
        values: days since 1970, or microseconds.
        date: the values are days.
    """
    if date:
        days, rest = values.astype(np.int64), np.zeros(len(values), np.int64)
    else:
        days, rest = np.divmod(values.astype(np.int64), _DAY_US)
    year, month, day = civil(days)
    seconds, fraction = np.divmod(rest, _SECOND_US)
    lengths = np.where(fraction != 0, 11, np.where(seconds != 0, 7, 4))
    out = np.zeros((len(values), 12), np.uint8)
    out[:, 0] = lengths
    out[:, 1:3] = year.astype("<u2").view(np.uint8).reshape(-1, 2)
    out[:, 3], out[:, 4] = month, day
    _clock(out[:, 5:8], seconds)
    out[:, 8:12] = fraction.astype("<u4").view(np.uint8).reshape(-1, 4)
    return out, lengths + 1


def times(values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the bytes of durations in microseconds, and the number of used bytes."""
    size = np.abs(values.astype(np.int64))
    days, rest = np.divmod(size, _DAY_US)
    seconds, fraction = np.divmod(rest, _SECOND_US)
    lengths = np.where(fraction != 0, 12, np.where(size != 0, 8, 0))
    out = np.zeros((len(values), 13), np.uint8)
    out[:, 0], out[:, 1] = lengths, values < 0
    out[:, 2:6] = days.astype("<u4").view(np.uint8).reshape(-1, 4)
    _clock(out[:, 6:9], seconds)
    out[:, 9:13] = fraction.astype("<u4").view(np.uint8).reshape(-1, 4)
    return out, lengths + 1


def _clock(out: Numbers, seconds: Numbers) -> None:
    out[:, 0] = seconds // 3600
    out[:, 1] = seconds // 60 % 60
    out[:, 2] = seconds % 60


def duration_text(value: int, digits: int | None) -> str:
    """Return MySQL's TIME text of microseconds; the hours can exceed a day.

    Args:
        value: the duration.
        digits: digits of the fraction; None: six, or none if the fraction is zero.
    """
    seconds, micros = divmod(abs(value), _SECOND_US)
    text = f"{'-' * (value < 0)}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if digits is None:
        return f"{text}.{micros:06}" if micros else text
    return f"{text}.{micros:06}"[: len(text) + 1 + digits] if digits else text
