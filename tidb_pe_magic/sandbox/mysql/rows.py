"""Rows as packets, encoded column by column without a Python object for each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.sandbox.mysql import calendar
from tidb_pe_magic.sandbox.mysql.arrays import (
    content,
    fixed_width,
    lengths,
    numbers,
    strings,
    take_rows,
    valid,
    variable_width,
)
from tidb_pe_magic.sandbox.mysql.protocol import MAX_PACKET, FieldType, integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.sandbox.mysql.columns import Column

#: Maximum bytes of a batch that are joined at once: an Arrow array of bytes holds 2 GiB.
_PIECE_BYTES: Final = 1 << 26
#: The separator of a row's parts; a Python object would be converted through pandas.
_NOTHING: Final = strings([b""])[0]
_ONE_BYTE: Final = 0xFB
_NULL_TEXT: Final = b"\xfb"
#: The first two bits of a binary row's bitmap are not used.
_UNUSED_BITS: Final = 2


class RowEncoder:
    """Encodes the batches of one result, as text or in the binary form of prepared statements."""

    def __init__(self, columns: Sequence[Column], *, binary: bool) -> None:
        """Set the columns."""
        self._columns = columns
        self._binary = binary

    def encode(self, batch: pa.RecordBatch, sequence: int) -> Iterator[tuple[bytes | memoryview, int]]:
        """Yield packets with headers, numbered from `number`, and their count."""
        rows = max(1, batch.num_rows * _PIECE_BYTES // max(batch.nbytes, _PIECE_BYTES))
        for start in range(0, batch.num_rows, rows):
            payloads = self.payloads(batch.slice(start, rows))
            data, count = packets(payloads, sequence)
            sequence = (sequence + count) & 0xFF
            yield data, count

    def payloads(self, batch: pa.RecordBatch) -> pa.BinaryArray:
        """Return the payload of each row's packet."""
        if not self._binary:
            parts = [_text(array, column) for array, column in zip(batch.columns, self._columns, strict=True)]
            return _join(parts, null=_NULL_TEXT)
        parts = [_bitmaps(batch)]
        parts += [_binary(array, column) for array, column in zip(batch.columns, self._columns, strict=True)]
        return _join(parts, null=b"")


def packets(payloads: pa.BinaryArray, sequence: int) -> tuple[bytes | memoryview, int]:
    """Return the packets of these payloads, and their count."""
    sizes = lengths(payloads)
    if sizes.max(initial=0) >= MAX_PACKET:
        return _framed_in_parts(payloads, sequence)
    count = len(payloads)
    headers = np.empty((count, 4), np.uint8)
    headers[:, :3] = sizes.astype("<u4").view(np.uint8).reshape(count, 4)[:, :3]
    headers[:, 3] = np.arange(sequence, sequence + count) & 0xFF
    return memoryview(content(_join([fixed_width(headers), payloads], null=b""))), count


def _framed_in_parts(payloads: pa.BinaryArray, sequence: int) -> tuple[bytes, int]:
    parts, count = [], 0
    for payload in payloads.to_pylist():
        for start in range(0, len(payload) + 1, MAX_PACKET):
            part = payload[start : start + MAX_PACKET]
            parts.append(len(part).to_bytes(3, "little") + bytes(((sequence + count) & 0xFF,)) + part)
            count += 1
    return b"".join(parts), count


def _text(array: pa.Array, column: Column) -> pa.BinaryArray:
    """Return length-encoded texts; NULL stays NULL."""
    return _with_lengths(column.texts(array))


def _binary(array: pa.Array, column: Column) -> pa.BinaryArray:
    """Return values in binary form; NULL stays NULL, because the bitmap contains it."""
    kind = array.type
    if column.number:
        values = numbers(array).astype(column.number)
        return fixed_width(values.view(np.uint8).reshape(len(array), values.itemsize), valid(array))
    if pa.types.is_null(kind):
        return array.cast(pa.binary())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return variable_width(*calendar.datetimes(numbers(array), date=pa.types.is_date(kind)), valid(array))
    if pa.types.is_integer(kind) and column.declared.type is FieldType.TIME:
        return variable_width(*calendar.times(numbers(array)), valid(array))
    return _with_lengths(column.texts(array))


def _bitmaps(batch: pa.RecordBatch) -> pa.BinaryArray:
    """Return the start of a binary row: a zero byte, and a bit for each NULL."""
    bits = np.zeros((batch.num_rows, _UNUSED_BITS + batch.num_columns), np.uint8)
    for number, array in enumerate(batch.columns, _UNUSED_BITS):
        if pa.types.is_null(array.type):
            bits[:, number] = 1
        elif (there := valid(array)) is not None:
            bits[:, number] = ~there
    packed = np.packbits(bits, axis=1, bitorder="little")
    return fixed_width(np.hstack([np.zeros((batch.num_rows, 1), np.uint8), packed]))


def _with_lengths(texts: pa.Array) -> pa.BinaryArray:
    """Return length-encoded strings."""
    texts = texts.cast(pa.binary())
    sizes = lengths(texts)
    if sizes.max(initial=0) < _ONE_BYTE:
        heads = fixed_width(sizes.astype(np.uint8).reshape(-1, 1))
    else:
        # Each length is encoded once.
        distinct, places = np.unique(sizes, return_inverse=True)
        heads = take_rows(strings([integer(int(size)) for size in distinct]), places)
    # If a text is NULL, its joined value is NULL too.
    return pc.binary_join_element_wise(heads, texts, _NOTHING, null_handling="emit_null")


def _join(parts: Sequence[pa.Array], *, null: bytes) -> pa.BinaryArray:
    return pc.binary_join_element_wise(*parts, _NOTHING, null_handling="replace", null_replacement=null)
