"""Parameters in the binary form of prepared statements, and as literals of the same types."""

from __future__ import annotations

import datetime as dt
import math
import struct
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, TypeAlias, cast

from pymysql.constants import FIELD_TYPE

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Type, its flag, and the value.
Bound: TypeAlias = tuple[int, int, bytes]

_UNSIGNED = 0x80
_TYPES_FOLLOW = 1
_ZERO = dt.timedelta(0)


def encode(params: Sequence[object], encoding: str) -> bytes:
    """Return the parameters' part of COM_STMT_EXECUTE: NULL bits, types and values.

    Raises:
        InvalidRequest: a value cannot be represented in SQL.
    """
    nulls = bytearray((len(params) + 7) // 8)
    types, values = bytearray(), bytearray()
    for index, param in enumerate(params):
        kind, flag, value = _bind(param, encoding, index)
        if kind == FIELD_TYPE.NULL:
            nulls[index // 8] |= 1 << index % 8
        types += bytes((kind, flag))
        values += value
    return bytes(nulls) + bytes((_TYPES_FOLLOW,)) + bytes(types) + bytes(values)


def literals(params: Sequence[object], quote: Callable[[str], str]) -> list[str]:
    """Return each parameter as an SQL literal of the type that `bind` uses.

    Args:
        params: as for `bind`.
        quote: writes a string as a literal, following the session's rules.

    Raises:
        InvalidRequest: a value cannot be represented in SQL.
    """
    return [_literal(param, index, quote) for index, param in enumerate(params)]


def _literal(param: object, index: int, quote: Callable[[str], str]) -> str:
    kind, _, _ = _bind(param, "utf-8", index)
    if param is None:
        return "NULL"
    if isinstance(param, str):
        return quote(str(param))
    if isinstance(param, (bytes, bytearray, memoryview)):
        # Without the cast it would be treated as a number next to numbers.
        return f"CAST(X'{bytes(param).hex()}' AS BINARY)"
    if kind == FIELD_TYPE.DOUBLE:
        return _with_sign(f"{float(cast('Real', param))!r}", exponent="e0")
    if isinstance(param, Decimal):
        # The decimal point makes a whole number a DECIMAL, too.
        text = f"{param:f}"
        return _with_sign(text if "." in text else f"{text}.")
    if isinstance(param, Integral):
        return _with_sign(str(int(param)))
    return _moment(param)


def _with_sign(number: str, *, exponent: str = "") -> str:
    text = number if "e" in number else number + exponent
    return f"({text})" if text.startswith("-") else text


def _moment(param: object) -> str:
    if isinstance(param, dt.datetime):
        return f"TIMESTAMP'{param.date().isoformat()} {param.time().isoformat('microseconds')}'"
    if isinstance(param, dt.date):
        return f"DATE'{param.isoformat()}'"
    span = param if isinstance(param, dt.timedelta) else _since_midnight(cast("dt.time", param))
    minutes, seconds = divmod(abs(span).seconds, 60)
    hours = abs(span).days * 24 + minutes // 60
    sign = "-" if span < _ZERO else ""
    return f"TIME'{sign}{hours:02}:{minutes % 60:02}:{seconds:02}.{abs(span).microseconds:06}'"


def _bind(param: object, encoding: str, index: int) -> Bound:
    if param is None:
        return FIELD_TYPE.NULL, 0, b""
    if isinstance(param, str):
        return FIELD_TYPE.VAR_STRING, 0, _string(param.encode(encoding))
    for kind, encode in _ENCODERS:
        if isinstance(param, kind):
            bound = encode(param)
            if bound is not None:
                return bound
            break
    raise InvalidRequest(
        "params",
        f"number {index + 1} is {param!r} of type {type(param).__name__}, for which SQL has no value.",
        advice="Bind numbers, strings, bytes, dates and times without a time zone, or None for NULL.",
    )


def _integer(value: Integral) -> Bound:
    number = int(value)
    if -(2**63) <= number < 2**63:
        return FIELD_TYPE.LONGLONG, 0, struct.pack("<q", number)
    if 0 <= number < 2**64:
        return FIELD_TYPE.LONGLONG, _UNSIGNED, struct.pack("<Q", number)
    return FIELD_TYPE.NEWDECIMAL, 0, _string(str(number).encode())


def _decimal(value: Decimal) -> Bound | None:
    return (FIELD_TYPE.NEWDECIMAL, 0, _string(f"{value:f}".encode())) if value.is_finite() else None


def _real(value: Real) -> Bound | None:
    number = float(value)
    return (FIELD_TYPE.DOUBLE, 0, struct.pack("<d", number)) if math.isfinite(number) else None


def _bytes(value: bytes | bytearray | memoryview) -> Bound:
    return FIELD_TYPE.BLOB, 0, _string(bytes(value))


def _datetime(value: dt.datetime) -> Bound | None:
    if value.tzinfo is not None:
        return None
    parts = value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
    return FIELD_TYPE.DATETIME, 0, struct.pack("<BHBBBBBI", 11, *parts)


def _date(value: dt.date) -> Bound:
    return FIELD_TYPE.DATE, 0, struct.pack("<BHBB", 4, value.year, value.month, value.day)


def _duration(value: dt.timedelta) -> Bound:
    length = abs(value)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = value < _ZERO, length.days, hours, minutes, seconds, length.microseconds
    return FIELD_TYPE.TIME, 0, struct.pack("<BBIBBBI", 12, *parts)


def _time(value: dt.time) -> Bound | None:
    if value.tzinfo is not None:
        return None
    return _duration(_since_midnight(value))


def _since_midnight(value: dt.time) -> dt.timedelta:
    return dt.timedelta(
        hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
    )


# The first match decides: a datetime is a date, an integer is a real number.
_ENCODERS: tuple[tuple[type | tuple[type, ...], Callable[..., Bound | None]], ...] = (
    (Integral, _integer),
    (Decimal, _decimal),
    (Real, _real),
    ((bytes, bytearray, memoryview), _bytes),
    (dt.datetime, _datetime),
    (dt.date, _date),
    (dt.timedelta, _duration),
    (dt.time, _time),
)


def _string(value: bytes) -> bytes:
    """Return a string with a length prefix, whose first byte encodes the size of the length."""
    size = len(value)
    if size < 0xFB:  # noqa: PLR2004
        return bytes((size,)) + value
    head, width = next(form for form in ((0xFC, 2), (0xFD, 3), (0xFE, 8)) if size < 1 << 8 * form[1])
    return bytes((head,)) + size.to_bytes(width, "little") + value
