"""Converts one parameter value of Python, numpy, pandas or Arrow to a type that SQL has."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

Plain: TypeAlias = (
    "bool | int | float | Decimal | str | bytes | dt.datetime | dt.date | dt.time | dt.timedelta | None"
)

# The digits of MySQL's DECIMAL, and how many of them can be decimals; a server would cut off the others.
_MOST_DIGITS, _MOST_PLACES = 65, 30
# The range of MySQL's TIME.
_LONGEST = dt.timedelta(hours=838, minutes=59, seconds=59)
_FINE = frozenset({"ns", "ps", "fs", "as"})  # numpy's units that SQL does not have
_BIND = "Bind numbers, strings, bytes, dates and times without a time zone, or None for NULL."


class _NoValueError(Exception):
    """SQL has no value for it; contains the reason and what to bind instead."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


def plain(value: object, field: str, subject: str = "") -> Plain:
    """Return the value as one of Python's own types, unchanged; None, NaN, NaT and NA are NULL.

    Args:
        value: of Python, numpy, pandas or Arrow.
        field: the argument that contains it, for errors.
        subject: which value of the argument it is.

    Raises:
        InvalidRequest: SQL has no value for it, or only a different one.
    """
    value = _unwrap(value)
    if value is None:
        return None
    try:
        for kinds, convert in _CONVERSIONS:
            if isinstance(value, kinds):
                return convert(value)
    except _NoValueError as error:
        raise InvalidRequest(field, f"{subject} {error.reason}".strip(), advice=error.advice) from None
    reason = f"{subject} is {value!r:.200} of type {type(value).__name__}, for which SQL has no value."
    raise InvalidRequest(field, reason.strip(), advice=_BIND)


def _unwrap(value: object) -> object:
    """Take the value out of a container of exactly one; a value that pandas calls missing is None."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (np.datetime64, np.timedelta64)) and np.isnat(value):
        return None
    if isinstance(value, (float, np.floating)) and math.isnan(value):
        return None
    if isinstance(value, Decimal) and value.is_nan():
        return None
    return value


def _integer(value: Integral) -> int:
    number = int(value)
    if abs(number) >= 10**_MOST_DIGITS:
        raise _too_long(f"{Decimal(number):.3e}")
    return number


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise _infinite(value)
    places = max(0, -_last_digit(value)) if value else 0
    if places > _MOST_PLACES or max(0, value.adjusted() + 1 if value else 0) + places > _MOST_DIGITS:
        raise _too_long(f"{value:.3e}")
    return Decimal(value)


def _last_digit(value: Decimal) -> int:
    """Return the power of ten of the last digit that is not a zero."""
    _sign, digits, exponent = value.as_tuple()
    written = "".join(map(str, digits))
    return int(exponent) + len(written) - len(written.rstrip("0"))


def _real(value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise _too_long(f"the number {value!r:.60}") from None
    if not math.isfinite(number):
        raise _infinite(number)
    if number != value:
        raise _NoValueError(
            f"is {value!r:.60}, which has more digits than SQL's DOUBLE.",
            "Bind a float or a Decimal of it.",
        )
    return number


def _infinite(value: object) -> _NoValueError:
    return _NoValueError(
        f"is {value}, for which SQL has no value.", "Bind a finite number, or None for NULL."
    )


def _too_long(number: str) -> _NoValueError:
    return _NoValueError(
        f"is {number}; SQL's numbers have up to {_MOST_DIGITS} digits, {_MOST_PLACES} of them decimals.",
        "Bind it as a float, or as text.",
    )


def _text(value: str) -> str:
    # The `str` of a subclass may differ from its text.
    text = str.__str__(value)
    # JSON can contain half of a UTF-16 surrogate pair.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _NoValueError("contains half of a surrogate pair, which cannot be sent.", "")
    return text


def _datetime(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is not None:
        raise _zone_error()
    if isinstance(value, pd.Timestamp):
        if value.nanosecond:
            raise _too_fine(value)
        return value.to_pydatetime()
    return value.replace(fold=0)


def _date(value: dt.date) -> dt.date:
    return dt.date(value.year, value.month, value.day)


def _time(value: dt.time) -> dt.time:
    if value.tzinfo is not None:
        raise _zone_error()
    return value.replace(fold=0)


def _duration(value: dt.timedelta) -> dt.timedelta:
    if isinstance(value, pd.Timedelta):
        if value.nanoseconds:
            raise _too_fine(value)
        value = value.to_pytimedelta()
    if abs(value) > _LONGEST:
        raise _NoValueError(
            f"is {value}; SQL's TIME ends at 838:59:59.", "Bind its seconds: total_seconds()."
        )
    return value


def _numpy_time(value: Any) -> dt.datetime | dt.date | dt.timedelta:
    """Return a datetime64 or timedelta64 of any unit."""
    kind = "M" if isinstance(value, np.datetime64) else "m"
    unit, _ = np.datetime_data(value.dtype)
    if unit in _FINE:
        whole = value.astype(f"{kind}8[us]")
        if whole != value:
            raise _too_fine(value)
        value = whole
    found = value.item()
    if isinstance(found, dt.timedelta):
        return _duration(found)
    if isinstance(found, dt.date):
        return found
    # Months have no fixed length, and Python's dates end with the year 9999, as SQL's do.
    raise _NoValueError(f"is {value!r}, for which SQL has no value.", _BIND)


def _zone_error() -> _NoValueError:
    return _NoValueError(
        "has a time zone, which SQL's dates and times do not have.",
        "Convert it to the session's time zone, and remove the time zone: "
        "value.tz_convert('UTC').tz_localize(None)",
    )


def _too_fine(value: object) -> _NoValueError:
    return _NoValueError(f"is {value!r}; SQL's times end at microseconds.", "Round it: value.round('us')")


# The first match decides: a bool is an integer, an integer a real number, a datetime a date.
_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Plain]], ...] = (
    ((bool, np.bool_), bool),
    ((np.datetime64, np.timedelta64), _numpy_time),
    (Integral, _integer),
    (Decimal, _decimal),
    (Real, _real),
    (str, _text),
    ((bytes, bytearray, memoryview), bytes),
    (dt.datetime, _datetime),
    (dt.date, _date),
    (dt.time, _time),
    (dt.timedelta, _duration),
)
