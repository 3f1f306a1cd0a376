"""The columns of a frame as Arrow arrays of a few kinds, with unchanged values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELD = "FRAME"
_MICROSECOND = "us"


class SourceKind(StrEnum):
    """The kind of a column's values; each member's value is its name in errors."""

    NOTHING = "no values"
    BOOLEAN = "booleans"
    INTEGER = "integers"
    FLOAT = "floating-point numbers"
    DECIMAL = "decimal numbers"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "dates"
    DATETIME = "dates with times"
    MOMENT = "times with a time zone"
    TIME = "time spans"


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column of a frame.

    Attributes:
        name: in the frame.
        kind: what its values are.
        values: NULL for a missing value; times in microseconds, moments in UTC, time spans as int64.
        texts: the original text of the values if they come from a text file.
    """

    name: str
    kind: SourceKind
    values: pa.ChunkedArray
    texts: pa.ChunkedArray | None = None


def refuse(column: str, reason: str, *, row: int | None = None, advice: str = "") -> NoReturn:
    """Reject a frame because of one of its columns.

    Args:
        column: its name.
        reason: a sentence.
        row: the first affected row, counted from 0.
        advice: what to do.

    Raises:
        InvalidRequest: always.
    """
    where = f"column {column}" + ("" if row is None else f", row {row} (counted from 0)")
    raise InvalidRequest(FIELD, f"{where}: {reason}", advice=advice)


def first_true(mask: Any) -> int:
    """Return the index of the first True of an Arrow mask."""
    return int(pc.index(mask, True).as_py())


def source_column(name: str, values: pa.ChunkedArray) -> SourceColumn:
    """Return a column of Arrow values of any type.

    Raises:
        InvalidRequest: MySQL has no type for its values, or cannot store one of them unchanged.
    """
    values = _plain(name, values)
    kind = values.type
    if pa.types.is_null(kind):
        return SourceColumn(name=name, kind=SourceKind.NOTHING, values=values)
    for is_kind, convert in _CONVERSIONS:
        if is_kind(kind):
            found, values = convert(name, values)
            return SourceColumn(name=name, kind=found, values=values)
    refuse(
        name,
        f"values of type {kind} cannot be loaded.",
        advice=f"Convert the column to text first: frame[{name!r}].map(json.dumps) or .astype(str)",
    )


def _plain(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values without dictionary, extension or view types."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name not in {"arrow.json", "arrow.bool8"}:
            refuse(name, f"values of type {kind} cannot be loaded.", advice="Convert it with .astype(str).")
        values = (
            values.cast(kind.storage_type) if kind.extension_name == "arrow.json" else values.cast(pa.bool_())
        )
    elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        values = pa.chunked_array([_decoded(chunk) for chunk in values.chunks], _decoded_type(kind))
    return values


def _decoded(array: pa.Array) -> pa.Array:
    """Return the values without dictionary and run-end types.

    Arrow cannot decode views, which polars uses for the names of its categories.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        names = _decoded(array.dictionary)
        return pa.DictionaryArray.from_arrays(array.indices, names).dictionary_decode()
    if pa.types.is_run_end_encoded(kind):
        whole = pa.RunEndEncodedArray.from_arrays(array.run_ends, _decoded(array.values))
        return pc.run_end_decode(whole.slice(array.offset, len(array)))
    return array.cast(_decoded_type(kind))


def _decoded_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _decoded_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary_view(kind) else kind


def _booleans(_name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    return SourceKind.BOOLEAN, values


def _integers(_name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    return SourceKind.INTEGER, values


def _floats(name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    values = values.cast(pa.float64())
    infinite = pc.is_inf(values)
    if pc.any(infinite).as_py():
        refuse(
            name,
            "SQL has no infinite numbers.",
            row=first_true(infinite),
            advice=f"Replace it first: frame[{name!r}].replace([np.inf, -np.inf], np.nan)",
        )
    nan = pc.is_nan(values)
    if pc.any(nan).as_py():
        values = pc.if_else(nan, pa.scalar(None, pa.float64()), values)
    return SourceKind.FLOAT, values


def _decimals(name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    if values.type.scale < 0:
        values = recast(name, values, pa.decimal256(76, 0), "has more digits than a DECIMAL.")
    return SourceKind.DECIMAL, values


def _texts(_name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    return SourceKind.TEXT, values.cast(pa.large_string())


def _bytes(_name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    return SourceKind.BYTES, values.cast(pa.large_binary())


def _dates(_name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    return SourceKind.DATE, values.cast(pa.date32())


def _datetimes(name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    zone = values.type.tz
    values = _microseconds(name, values, pa.timestamp(_MICROSECOND, zone))
    # In Arrow, an instant is always UTC, whatever its zone is.
    kind = SourceKind.DATETIME if zone is None else SourceKind.MOMENT
    return kind, values.cast(pa.int64()).cast(pa.timestamp(_MICROSECOND))


def _spans(name: str, values: pa.ChunkedArray) -> tuple[SourceKind, pa.ChunkedArray]:
    duration = pa.types.is_duration(values.type)
    wanted = pa.duration(_MICROSECOND) if duration else pa.time64(_MICROSECOND)
    return SourceKind.TIME, _microseconds(name, values, wanted).cast(pa.int64())


def _microseconds(name: str, values: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid:
        pass
    row = None
    if values.type.unit == "ns":
        odd = pc.not_equal(remainder(values.cast(pa.int64()), 1000), 0)
        row = first_true(odd) if pc.any(odd).as_py() else None
    if row is None:
        refuse(name, "a time is outside the years 1000 to 9999.")
    refuse(
        name,
        "the time has nanoseconds, and MySQL's types end with microseconds.",
        row=row,
        advice=f"Cut them off first: frame[{name!r}].dt.floor('us')",
    )


def remainder(values: Any, divisor: int) -> Any:
    """Return the remainder of an integer division that rounds to zero."""
    return pc.subtract(values, pc.multiply(pc.divide(values, divisor), divisor))


def recast(name: str, values: pa.ChunkedArray, wanted: pa.DataType, reason: str) -> Any:
    """Return decimal values in another decimal type that holds each of them exactly.

    Raises:
        InvalidRequest: the error names the first value that does not fit.
    """
    try:
        return values.cast(wanted)
    except pa.ArrowInvalid:
        pass
    for row, value in enumerate(_each(values)):
        try:
            value.cast(wanted)
        except pa.ArrowInvalid:
            refuse(name, f"{value.as_py()} {reason}", row=row)
    refuse(name, reason)


def _each(values: pa.ChunkedArray) -> Iterator[Any]:
    for chunk in values.chunks:
        yield from chunk


_CONVERSIONS = (
    (pa.types.is_boolean, _booleans),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), _texts),
    (pa.types.is_string_view, _texts),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), _bytes),
    (lambda kind: pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind), _bytes),
    (pa.types.is_date, _dates),
    (pa.types.is_timestamp, _datetimes),
    (lambda kind: pa.types.is_duration(kind) or pa.types.is_time(kind), _spans),
)
