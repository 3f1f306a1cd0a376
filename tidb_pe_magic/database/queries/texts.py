"""A result's values as exact text, in the server's own notation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECOND, _MINUTE, _HOUR = 1_000_000, 60, 3600  # in microseconds, then in seconds
_WHOLE_SECONDS = r"\.0{6}$"


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of this type are numbers, exact or not."""
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def texts(column: pa.Array) -> pa.Array:
    """Return the column's values as strings; NULL stays NULL.

    No digit is lost: a DECIMAL has its declared decimals, a floating-point number the fewest digits that give
    the same number. Dates and times are in SQL notation (`2013-01-31 23:59:59`, `-01:30:00`), and bytes are
    `0x00FF`.
    """
    kind = column.type
    if pt.is_string(kind):
        return column
    if pt.is_decimal(kind):
        return _decimals(column)
    if pt.is_timestamp(kind):
        return pc.replace_substring_regex(column.cast(pa.string()), _WHOLE_SECONDS, "")
    if pt.is_duration(kind):
        return _times(column)
    if pt.is_binary(kind):
        return pa.array([value if value is None else _hex(value) for value in _values(column)], pa.string())
    return column.cast(pa.string())


def _hex(value: bytes) -> str:
    return f"0x{value.hex().upper()}" if value else ""


def _decimals(column: pa.Array) -> pa.Array:
    plain = column.cast(pa.string())
    if not pc.any(pc.match_substring(plain, "E")).as_py():
        return plain
    # Arrow writes 1E-7 for the server's 0.0000001.
    return pa.array([None if value is None else f"{value:f}" for value in _values(column)], pa.string())


def _times(column: pa.Array) -> pa.Array:
    """Return TIME values as text; the longest is 838 hours."""
    count = column.cast(pa.int64())
    sign = pc.if_else(pc.less(count, 0), "-", "")
    count = pc.abs(count)
    seconds = pc.divide(count, _SECOND)
    minutes = pc.divide(seconds, _MINUTE)
    places = (pc.divide(seconds, _HOUR), _rest(minutes, _MINUTE), _rest(seconds, _MINUTE))
    clock = pc.binary_join_element_wise(*(_pad(place, 2) for place in places), ":")
    fraction = pc.binary_join_element_wise("", _pad(_rest(count, _SECOND), 6), ".")
    whole = pc.binary_join_element_wise(sign, clock, fraction, "")
    return pc.replace_substring_regex(whole, _WHOLE_SECONDS, "")


def _rest(number: pa.Array, divisor: int) -> pa.Array:
    return pc.subtract(number, pc.multiply(pc.divide(number, divisor), divisor))


def _pad(number: pa.Array, width: int) -> pa.Array:
    return pc.utf8_lpad(number.cast(pa.string()), width, "0")


def _values(column: pa.Array) -> Iterator[Any]:
    return (value.as_py() for value in column)
