"""Conversion between Arrow and numpy arrays, by their buffers.

Arrow's own conversions (`to_numpy`, `pa.array`) import pandas, which takes a second.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Numbers = npt.NDArray[Any]


def numbers(array: pa.Array) -> Numbers:
    """Return an array's numbers, including dates and times; the value of NULLs is undefined."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    width = array.type.bit_width // 8
    kind = "f" if pa.types.is_floating(array.type) else "u" if _is_unsigned(array.type) else "i"
    values = np.frombuffer(array.buffers()[1], np.dtype(f"<{kind}{width}"))
    return values[array.offset : array.offset + len(array)]


def valid(array: pa.Array) -> Numbers | None:
    """Return which values are not NULL; None if none is NULL."""
    if not array.null_count:
        return None
    bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(bool)


def lengths(array: pa.Array) -> Numbers:
    """Return the number of bytes of each string; 0 for NULL."""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    found = np.diff(offsets)
    there = valid(array)
    return found if there is None else np.where(there, found, 0)


def content(array: pa.Array) -> pa.Buffer:
    """Return the bytes of all strings, one after the other."""
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32)
    first, last = int(bounds[array.offset]), int(bounds[array.offset + len(array)])
    return data.slice(first, last - first) if data is not None else pa.py_buffer(b"")


def strings(values: Sequence[bytes | None]) -> pa.BinaryArray:
    """Return an array of these strings."""
    offsets = np.fromiter(accumulate((len(value or b"") for value in values), initial=0), np.int32)
    there = np.fromiter((value is not None for value in values), bool, len(values))
    return _array(np.frombuffer(b"".join(value or b"" for value in values), np.uint8), offsets, there)


def fixed_width(values: Numbers, there: Numbers | None = None) -> pa.BinaryArray:
    """Return the rows of a matrix of bytes as strings; NULL where `there` is False."""
    rows, width = values.shape
    return _array(np.ascontiguousarray(values), np.arange(rows + 1, dtype=np.int32) * width, there)


def variable_width(values: Numbers, counts: Numbers, there: Numbers | None = None) -> pa.BinaryArray:
    """Return the first bytes of each row of a matrix, with the given lengths; NULL where `there` is False."""
    if (counts == values.shape[1]).all():
        return fixed_width(values, there)
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return _array(values[np.arange(values.shape[1]) < counts[:, None]], offsets, there)


def take_rows(array: pa.Array, places: Numbers) -> pa.Array:
    """Return the values at these positions."""
    wanted = np.ascontiguousarray(places, np.int64)
    return array.take(pa.Array.from_buffers(pa.int64(), len(wanted), [None, pa.py_buffer(wanted)]))


def _is_unsigned(kind: pa.DataType) -> bool:
    return bool(pa.types.is_unsigned_integer(kind))


def _array(data: Numbers, offsets: Numbers, there: Numbers | None) -> pa.BinaryArray:
    validity = None
    if there is not None and not there.all():
        validity = pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
