"""Rows as packets, encoded column by column: no Python object is made for a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.sandbox.mysql import calendar
from tidb_pe_magic.sandbox.mysql.protocol import MAX_PACKET, integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tidb_pe_magic.sandbox.mysql.columns import Column

    Numbers = npt.NDArray[Any]

#: Bytes of a batch that are joined at once: an Arrow array of bytes holds 2 GiB.
_PIECE_BYTES: Final = 1 << 26
_ONE_BYTE: Final = 0xFB
_NULL_TEXT: Final = b"\xfb"
#: The first two bits of a binary row's bitmap are not used.
_UNUSED_BITS: Final = 2


class RowEncoder:
    """Encodes the batches of one result, as text or in the binary form of prepared statements."""

    def __init__(self, columns: Sequence[Column], *, binary: bool) -> None:
        """Take the columns."""
        self._columns = columns
        self._binary = binary

    def encode(self, batch: pa.RecordBatch, sequence: int) -> Iterator[tuple[bytes | memoryview, int]]:
        """Yield packets with their headers, the first of which has this number, and how many there are."""
        rows = max(1, batch.num_rows * _PIECE_BYTES // max(batch.nbytes, _PIECE_BYTES))
        for start in range(0, batch.num_rows, rows):
            payloads = self.payloads(batch.slice(start, rows))
            data, count = framed(payloads, sequence)
            sequence = (sequence + count) & 0xFF
            yield data, count

    def payloads(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """Return the payload of each row's packet."""
        if not self._binary:
            parts = [_text(array, column) for array, column in zip(batch.columns, self._columns, strict=True)]
            return _joined(parts, null=_NULL_TEXT)
        parts = [_bitmaps(batch)]
        parts += [_binary(array, column) for array, column in zip(batch.columns, self._columns, strict=True)]
        return _joined(parts, null=b"")


def framed(payloads: pa.BinaryArray, sequence: int) -> tuple[bytes | memoryview, int]:
    """Return the packets of these payloads, and how many they are."""
    lengths = pc.binary_length(payloads).to_numpy().astype(np.uint32)
    if lengths.max(initial=0) >= MAX_PACKET:
        return _framed_in_parts(payloads, sequence)
    count = len(payloads)
    headers = np.empty((count, 4), np.uint8)
    headers[:, :3] = lengths.view(np.uint8).reshape(count, 4)[:, :3]
    headers[:, 3] = np.arange(sequence, sequence + count) & 0xFF
    return memoryview(_bytes_of(_joined([_fixed(headers), payloads], null=b""))), count


def _framed_in_parts(payloads: pa.BinaryArray, sequence: int) -> tuple[bytes, int]:
    parts, count = [], 0
    for payload in payloads.to_pylist():
        for start in range(0, len(payload) + 1, MAX_PACKET):
            part = payload[start : start + MAX_PACKET]
            parts.append(len(part).to_bytes(3, "little") + bytes(((sequence + count) & 0xFF,)) + part)
            count += 1
    return b"".join(parts), count


def _text(array: pa.Array, column: Column) -> pa.BinaryArray:
    """Return length-encoded texts; NULL where there is none."""
    return _with_lengths(column.texts(array))


def _binary(array: pa.Array, column: Column) -> pa.BinaryArray:
    """Return values in binary form; NULL where there is none, for the bitmap has it already."""
    if column.number:
        values = _filled(array).astype(column.number)
        return _fixed(values.view(np.uint8).reshape(len(array), values.itemsize), array)
    if pa.types.is_null(array.type):
        return array.cast(pa.binary())
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return _ragged(*calendar.datetimes(_filled(array), date=pa.types.is_date(array.type)), array)
    if pa.types.is_integer(array.type):
        return _ragged(*calendar.times(_filled(array)), array)
    return _with_lengths(column.texts(array))


def _bitmaps(batch: pa.RecordBatch) -> pa.BinaryArray:
    """Return what begins a binary row: a zero byte, and a bit for each NULL."""
    bits = np.zeros((batch.num_rows, _UNUSED_BITS + batch.num_columns), np.uint8)
    for number, array in enumerate(batch.columns, _UNUSED_BITS):
        if array.null_count:
            bits[:, number] = array.is_null().to_numpy(zero_copy_only=False)
    packed = np.packbits(bits, axis=1, bitorder="little")
    return _fixed(np.hstack([np.zeros((batch.num_rows, 1), np.uint8), packed]))


def _with_lengths(texts: pa.Array) -> pa.BinaryArray:
    """Return length-encoded strings."""
    texts = texts.cast(pa.binary())
    lengths = _filled(pc.binary_length(texts)).astype(np.int64)
    longest = int(lengths.max(initial=0))
    if longest < _ONE_BYTE:
        heads = _fixed(lengths.astype(np.uint8).reshape(-1, 1))
    else:
        # Few are long in most columns, and each length is encoded once.
        distinct, places = np.unique(lengths, return_inverse=True)
        encoded = pa.array([integer(int(length)) for length in distinct], pa.binary())
        heads = encoded.take(pa.array(places))
    # Where a text is NULL, so is what it is joined with.
    return pc.binary_join_element_wise(heads, texts, b"", null_handling="emit_null")


def _joined(parts: Sequence[pa.Array], *, null: bytes) -> pa.BinaryArray:
    return pc.binary_join_element_wise(*parts, b"", null_handling="replace", null_replacement=null)


def _filled(array: pa.Array) -> Numbers:
    """Return the numbers behind an array; anything where there is NULL."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    elif pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    elif pa.types.is_date(array.type):
        array = array.cast(pa.int32())
    if array.null_count:
        array = array.fill_null(0)
    numbers: Numbers = array.to_numpy(zero_copy_only=False)
    return numbers


def _fixed(values: Numbers, nulls: pa.Array | None = None) -> pa.BinaryArray:
    """Return the rows of a matrix of bytes; NULL where `nulls` is."""
    rows, width = values.shape
    offsets = np.arange(0, (rows + 1) * width, width or 1, dtype=np.int32)[: rows + 1]
    return _array(np.ascontiguousarray(values), offsets, nulls)


def _ragged(values: Numbers, lengths: Numbers, nulls: pa.Array) -> pa.BinaryArray:
    """Return the first so many bytes of each row of a matrix; NULL where `nulls` is."""
    if (lengths == values.shape[1]).all():
        return _fixed(values, nulls)
    kept = np.arange(values.shape[1]) < lengths[:, None]
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return _array(values[kept], offsets, nulls)


def _array(data: Numbers, offsets: Numbers, nulls: pa.Array | None) -> pa.BinaryArray:
    validity = None
    if nulls is not None and nulls.null_count:
        valid = nulls.is_valid().to_numpy(zero_copy_only=False)
        validity = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def _bytes_of(array: pa.BinaryArray) -> pa.Buffer:
    """Return the bytes of all values, one after the other."""
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32)
    first, last = int(bounds[array.offset]), int(bounds[array.offset + len(array)])
    return data.slice(first, last - first) if data is not None else pa.py_buffer(b"")
