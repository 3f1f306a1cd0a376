"""Rows as received, with the operations that both protocols need: loads, lengths and strings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.frames.failures import protocol_error
from tidb_pe_magic.database.frames.packets import HEADER

if TYPE_CHECKING:
    from tidb_pe_magic.database.frames.packets import Offsets

Flags: TypeAlias = npt.NDArray[np.bool_]
Bytes: TypeAlias = npt.NDArray[np.uint8]

# Arrow's default pool uses pages of 2 MB, which cost another half of the values' memory, and the time to
# clear them.
POOL = pa.jemalloc_memory_pool() if "jemalloc" in pa.supported_memory_backends() else pa.system_memory_pool()

# First byte of a length-encoded integer: below _LONG it is the value; NULL is a value of length 0.
NULL, _LONG = 0xFB, 0xFB
_HEAD = np.ones(256, np.int64)
_HEAD[0xFC:0xFF] = 3, 4, 9
_MASK = np.zeros(256, np.uint64)
_MASK[0xFC:0xFF] = 0xFFFF, 0xFFFFFF, 0xFFFFFFFFFFFFFFFF
_SMALL = np.arange(256, dtype=np.uint64)
_SMALL[_LONG:] = 0
# Larger than every length; adding a length to it does not overflow.
_LIMIT = np.uint64(1 << 40)


class Batch:
    """Complete rows, whose bytes are not copied.

    Attributes:
        data: the bytes of these rows and around them.
        rows: the number of rows.
        starts: where each row's payload begins.
        ends: where each row's payload ends.
    """

    def __init__(self, data: bytearray, heads: Offsets) -> None:
        """Take the result of `PacketBuffer.take`."""
        self.data = data
        self.rows = len(heads) - 1
        self.starts = heads[:-1] + HEADER
        self.ends = heads[1:]
        self.bytes: Bytes = np.frombuffer(data, np.uint8)
        self._buffer = pa.py_buffer(data)

    def load(self, dtype: str, positions: Offsets) -> npt.NDArray[Any]:
        """Return the value of this type at each position; positions need not be aligned."""
        kind = np.dtype(dtype)
        everywhere: npt.NDArray[Any] = np.ndarray(
            (len(self.data) - kind.itemsize + 1,), kind, self.data, strides=(1,)
        )
        try:
            return everywhere[positions]
        except IndexError:
            raise protocol_error("a value reaches beyond its row") from None

    def lengths(self, positions: Offsets) -> tuple[Offsets, Offsets]:
        """Read a length-encoded integer at each position; return where its value starts, and its length."""
        first = self.load("u1", positions)
        if int(first.max()) < _LONG:
            return positions + 1, first.astype(np.int64)
        following = self.load("<u8", positions + 1)
        lengths = np.minimum(_SMALL[first] + (following & _MASK[first]), _LIMIT)
        return positions + _HEAD[first], lengths.view(np.int64)

    def values(self, starts: Offsets, lengths: Offsets, present: Flags | None) -> pa.Array:
        """Copy the bytes of one value in each row into a binary array.

        Rows that are not `present` are null, and their length is 0.
        """
        stops = starts + lengths
        self.check(stops)
        # The buffer as an array of alternating values and gaps; every second item is taken.
        offsets = np.empty(2 * self.rows + 1, np.int32)
        offsets[:-1:2], offsets[1::2], offsets[-1] = starts, stops, stops[-1]
        whole = pa.Array.from_buffers(
            pa.binary(), 2 * self.rows, [None, pa.py_buffer(offsets), self._buffer], null_count=0
        )
        taken = pc.take(whole, self._even, boundscheck=False, memory_pool=POOL)
        if present is None:
            return taken
        _, positions, content = taken.buffers()
        return pa.Array.from_buffers(taken.type, self.rows, [validity(present), positions, content])

    def check(self, stops: Offsets) -> None:
        """Reject values that end beyond their row.

        Raises:
            InternalError: a value does.
        """
        if (stops > self.ends).any():
            raise protocol_error("a value reaches beyond its row")

    def finish(self, positions: Offsets) -> None:
        """Check that all values have been read.

        Raises:
            InternalError: the rows do not match the columns' definitions.
        """
        if not np.array_equal(positions, self.ends):
            raise protocol_error("a row does not end with its last value")

    @cached_property
    def _even(self) -> pa.Array:
        return pa.array(np.arange(0, 2 * self.rows, 2, dtype=np.int32))


def validity(present: Flags) -> pa.Buffer:
    """Return Arrow's bitmap of the values that are not null."""
    return pa.py_buffer(np.packbits(present, bitorder="little"))


def array(values: npt.NDArray[Any], kind: pa.DataType, present: Flags | None) -> pa.Array:
    """Return an Arrow array over these values, which are already in the type's own format."""
    bitmap = None if present is None else validity(present)
    return pa.Array.from_buffers(kind, len(values), [bitmap, pa.py_buffer(np.ascontiguousarray(values))])
