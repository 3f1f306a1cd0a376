"""Columns of Python objects, which may contain anything: only columns of one kind are accepted."""

from __future__ import annotations

import numbers
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa

from tidb_pe_magic.database.loading.columns import SourceKind, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_DIGITS, _MOST_PLACES = 65, 30  # of a DECIMAL
_CONTEXT = Context(prec=_MOST_DIGITS + 1)
_INT64, _UINT64 = range(-(2**63), 2**63), range(2**64)
_EXACT_FLOAT = 2**53
# In this order: a bool is an int, and a datetime is a date.
_KINDS: tuple[tuple[tuple[type, ...], SourceKind], ...] = (
    ((bool, np.bool_), SourceKind.BOOLEAN),
    ((int, np.integer), SourceKind.INTEGER),
    ((float, np.floating), SourceKind.FLOAT),
    ((Decimal,), SourceKind.DECIMAL),
    ((str,), SourceKind.TEXT),
    ((bytes, bytearray, memoryview), SourceKind.BYTES),
    ((datetime, np.datetime64), SourceKind.DATETIME),
    ((date,), SourceKind.DATE),
    ((timedelta, np.timedelta64, time), SourceKind.TIME),
)
# If a column mixes two of these kinds, all its values become the wider kind.
_WIDER = {
    frozenset({SourceKind.INTEGER, SourceKind.FLOAT}): SourceKind.FLOAT,
    frozenset({SourceKind.INTEGER, SourceKind.DECIMAL}): SourceKind.DECIMAL,
}


def object_array(name: str, series: pd.Series[Any]) -> pa.Array:
    """Return a column of Python objects as an Arrow array.

    Raises:
        InvalidRequest: the values are of several kinds, or of one without an SQL type.
    """
    missing = series.isna().to_numpy()
    values: list[Any] = [
        None if gone else value for value, gone in zip(series.tolist(), missing, strict=True)
    ]
    types = {type(value) for value in values if value is not None}
    kinds = {each: _source_kind(each) for each in types}
    found = set(kinds.values())
    if not found:
        return pa.nulls(len(values))
    if None in found:
        row = next(row for row, each in enumerate(values) if each is not None and kinds[type(each)] is None)
        refuse(
            name,
            f"a value of type {type(values[row]).__name__} cannot be loaded.",
            row=row,
            advice=f"Convert the column first: frame[{name!r}]{_conversion(values[row])}",
        )
    kind = next(iter(found)) if len(found) == 1 else _WIDER.get(frozenset(filter(None, found)))
    if kind is None:
        _refuse_mixed(name, values, kinds)
    return _ARRAYS[kind](name, values)


def _source_kind(of: type) -> SourceKind | None:
    return next((kind for classes, kind in _KINDS if issubclass(of, classes)), None)


def _conversion(value: object) -> str:
    return ".map(json.dumps) or .astype(str)" if isinstance(value, list | dict) else ".astype(str)"


def _refuse_mixed(name: str, values: Sequence[Any], kinds: dict[type, SourceKind | None]) -> NoReturn:
    first = next(row for row, each in enumerate(values) if each is not None)
    expected = kinds[type(values[first])]
    row = next(row for row, each in enumerate(values) if each is not None and kinds[type(each)] != expected)
    refuse(
        name,
        f"the value is of type {type(values[row]).__name__}, and that of row {first} of type "
        f"{type(values[first]).__name__}.",
        row=row,
        advice=f"A column of a table has one type. Convert it first, as with frame[{name!r}].astype(str)",
    )


def _booleans(_name: str, values: list[Any]) -> pa.Array:
    return pa.array([None if each is None else bool(each) for each in values], pa.bool_())


def _integers(name: str, values: list[Any]) -> pa.Array:
    whole = [None if each is None else int(each) for each in values]
    present = [each for each in whole if each is not None]
    for bounds, kind in ((_INT64, pa.int64()), (_UINT64, pa.uint64())):
        if min(present) in bounds and max(present) in bounds:
            return pa.array(whole, kind)
    return _decimals(name, whole)


def _floats(name: str, values: list[Any]) -> pa.Array:
    for row, each in enumerate(values):
        if (
            isinstance(each, numbers.Integral)
            and abs(int(each)) > _EXACT_FLOAT
            and int(float(each)) != int(each)
        ):
            refuse(name, f"{each} would lose digits among floating-point numbers.", row=row)
        if isinstance(each, np.floating) and float(each) != each:
            refuse(name, f"{each!r} has more digits than a DOUBLE.", row=row)
    return pa.array([None if each is None else float(each) for each in values], pa.float64())


def _decimals(name: str, values: list[Any]) -> pa.Array:
    exact = [None if each is None else Decimal(each) for each in values]
    whole, scale = 1, 0
    for row, each in enumerate(exact):
        if each is None:
            continue
        _sign, digits, exponent = each.as_tuple()
        if not isinstance(exponent, int):
            refuse(name, "SQL has no infinite numbers.", row=row)
        zeros = len(digits) - len("".join(map(str, digits)).rstrip("0")) if each else -exponent
        places = max(0, -exponent - zeros)
        whole, scale = max(whole, each.adjusted() + 1), max(scale, places)
        if whole + scale > _MOST_DIGITS or scale > _MOST_PLACES:
            refuse(
                name,
                f"{each} has more than a DECIMAL's {_MOST_DIGITS} digits or {_MOST_PLACES} places.",
                row=row,
            )
    # Arrow rejects a value with more places than its type, even if they are zeros.
    unit = Decimal(1).scaleb(-scale)
    rescaled = [None if each is None else each.quantize(unit, context=_CONTEXT) for each in exact]
    return pa.array(rescaled, pa.decimal256(whole + scale, scale))


def _texts(name: str, values: list[Any]) -> pa.Array:
    for row, each in enumerate(values):
        if each is not None and not _is_sendable(each):
            refuse(name, "the text contains half of a surrogate pair.", row=row)
    return pa.array([None if each is None else str(each) for each in values], pa.large_string())


def _is_sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bytes(_name: str, values: list[Any]) -> pa.Array:
    return pa.array([None if each is None else bytes(each) for each in values], pa.large_binary())


def _datetimes(name: str, values: list[Any]) -> pa.Array:
    moments = [pd.Timestamp(each) if isinstance(each, np.datetime64) else each for each in values]
    first = next(each for each in moments if each is not None)
    for row, each in enumerate(moments):
        if each is None:
            continue
        if (each.tzinfo is None) != (first.tzinfo is None):
            refuse(
                name,
                "times with a time zone are mixed with times without one.",
                row=row,
                advice=f"Make them alike first: pd.to_datetime(frame[{name!r}], utc=True)",
            )
        _refuse_nanoseconds(name, each, row)
    # By their fields: a pandas year may be outside the range of its nanoseconds.
    plain = [None if each is None else _plain(each) for each in moments]
    return pa.array(plain, pa.timestamp("us", None if first.tzinfo is None else "UTC"))


def _plain(moment: datetime) -> datetime:
    return moment.to_pydatetime(warn=False) if isinstance(moment, pd.Timestamp) else moment


def _dates(_name: str, values: list[Any]) -> pa.Array:
    return pa.array(values, pa.date32())


def _spans(name: str, values: list[Any]) -> pa.Array:
    whole: list[int | None] = []
    for row, each in enumerate(values):
        if each is None:
            whole.append(None)
            continue
        span = pd.Timedelta(each) if isinstance(each, np.timedelta64) else each
        if isinstance(span, time):
            if span.tzinfo is not None:
                refuse(name, "a time of day with a zone cannot be loaded.", row=row)
            span = timedelta(
                hours=span.hour, minutes=span.minute, seconds=span.second, microseconds=span.microsecond
            )
        _refuse_nanoseconds(name, span, row)
        whole.append(span // timedelta(microseconds=1))
    return pa.array(whole, pa.int64()).cast(pa.duration("us"))


def _refuse_nanoseconds(name: str, value: Any, row: int) -> None:
    left = getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0)
    if left:
        refuse(name, "the time has nanoseconds, and MySQL's types end with microseconds.", row=row)


_ARRAYS: dict[SourceKind, Callable[[str, list[Any]], pa.Array]] = {
    SourceKind.BOOLEAN: _booleans,
    SourceKind.INTEGER: _integers,
    SourceKind.FLOAT: _floats,
    SourceKind.DECIMAL: _decimals,
    SourceKind.TEXT: _texts,
    SourceKind.BYTES: _bytes,
    SourceKind.DATETIME: _datetimes,
    SourceKind.DATE: _dates,
    SourceKind.TIME: _spans,
}
