"""Finds the complete packets in the received bytes, and where each starts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from tidb_pe_magic.database.frames.failures import connection_lost, protocol_error

if TYPE_CHECKING:
    from collections.abc import Callable

Offsets: TypeAlias = npt.NDArray[np.int64]

#: Readable bytes before the first and after the last packet: wide loads read beyond a value's ends.
PADDING = 32
HEADER = 4
#: A packet of this length is continued by the next one.
LONGEST = 0xFFFFFF
# The last packet of a result is an error, or looks like an EOF: as short, with the same first byte.
_ERROR, _EOF, _LONGEST_EOF = 0xFF, 0xFE, 8
# Arrow's offsets into a buffer have 32 bits.
_LARGEST = 2**31 - 1 - 2 * PADDING
_SMALLEST, _MOST = 1 << 16, 1 << 24
# A result of up to this many times the capacity is delivered in pieces of the capacity.
_PIECES = 32
# Packets of equal length are searched for if at least this many could be there.
_ALIKE = 16
_HEADER_WORD = struct.Struct("<I").unpack_from
# For packets below 64 kB.
_SHORT_LENGTH = struct.Struct("<H").unpack_from


class PacketBuffer:
    """Received bytes, cut into packets.

    Attributes:
        data: the bytes; the result of `take` is valid until the next `receive`.
        received: the number of bytes received so far.
    """

    def __init__(self, receive: Callable[[memoryview], int], *, capacity: int) -> None:
        """Start with an empty buffer.

        Args:
            receive: writes at least one byte to the given memory and returns how many; 0 at the end.
            capacity: initial buffer size in bytes: a long result uses fewer and larger pieces, and a longer
                packet gets more for as long as it is in the buffer.
        """
        self._receive = receive
        self._least = capacity
        self._size = min(capacity, _SMALLEST)
        self.data = bytearray(self._size + 2 * PADDING)
        self.received = 0
        # Everything before `first` was taken; packets before `position` are complete.
        self._first = self._position = self._filled = PADDING
        self._heads: list[Offsets] = []
        self._endings: list[int] = []
        self._sequence = 1

    def begin(self, sequence: int) -> None:
        """Expect an answer with this first sequence number: 1, or more after a command of several packets."""
        self._sequence = sequence

    @property
    def full(self) -> bool:
        """Whether to take the buffered packets before receiving more."""
        return bool(self._heads) and self._size >= self._capacity and self._is_almost_full

    @property
    def empty(self) -> bool:
        """Whether everything received has been taken."""
        return self._first == self._filled

    @property
    def has_end(self) -> bool:
        """Whether the complete packets include one that ends a result or a part of it."""
        return bool(self._endings)

    @property
    def _capacity(self) -> int:
        return max(self._least, min(self.received // _PIECES, _MOST))

    @property
    def _is_almost_full(self) -> bool:
        return PADDING + self._size - self._filled < min(self._size, self._capacity) // 4

    def receive(self) -> None:
        """Receive once, and find the packets that are now complete.

        Raises:
            OperationalError: the connection ended.
            InternalError: the bytes are not valid packets.
        """
        if self._is_almost_full:
            self._make_room()
        with memoryview(self.data) as whole, whole[self._filled : PADDING + self._size] as free:
            count = self._receive(free)
        if count <= 0:
            raise connection_lost("the connection was closed in the middle of a result")
        self.received += count
        self._filled += count
        self._scan()

    def take(self) -> Offsets | None:
        """Take the complete packets before an ending; return where each header starts, and the final end.

        Continued packets have been joined into one, whose header has the first part's length.
        """
        heads = self._take()
        if heads is not None and self._endings:
            number = int(np.searchsorted(heads, self._endings[0]))
            self._put_back(heads[number:])
            heads = heads[: number + 1] if number else None
        return heads

    def packet(self) -> bytes | None:
        """Take the payload of the first complete packet of any kind, if there is one."""
        heads = self._take()
        if heads is None:
            return None
        self._put_back(heads[1:])
        if self._endings and self._endings[0] == heads[0]:
            del self._endings[0]
        return bytes(self.data[heads[0] + HEADER : heads[1]])

    def _take(self) -> Offsets | None:
        if not self._heads:
            return None
        heads = np.concatenate([*self._heads, np.array([self._position], np.int64)])
        self._heads.clear()
        self._first = self._position
        return heads

    def _put_back(self, heads: Offsets) -> None:
        if len(heads) > 1:
            self._heads.append(heads[:-1])
        self._first = int(heads[0])

    def _make_room(self) -> None:
        used, size = self._filled - self._first, self._size
        if used * 2 > size:
            size = min(size * 4 if size * 4 <= self._capacity else max(size * 2, self._capacity), _LARGEST)
        elif size > 2 * self._capacity >= 4 * used:
            size = self._capacity  # after a very large row
        if used >= size:
            raise protocol_error("a row has more than 2 GB")
        shift, old = self._first - PADDING, self.data
        if size != self._size:
            self.data, self._size = bytearray(size + 2 * PADDING), size
        with memoryview(old) as source:
            self.data[PADDING : PADDING + used] = source[self._first : self._filled]
        self._first, self._position, self._filled = PADDING, self._position - shift, self._filled - shift
        self._heads = [heads - shift for heads in self._heads]
        self._endings = [ending - shift for ending in self._endings]

    def _scan(self) -> None:
        while self._filled - self._position >= HEADER:
            heads, end = self._complete()
            if not len(heads):
                return
            lengths = np.diff(heads, append=end) - HEADER
            self._check(heads)
            if int(lengths.max()) < LONGEST:
                self._accept(heads, lengths, end)
                continue
            alone = int((lengths == LONGEST).argmax())
            if alone:
                self._accept(heads[:alone], lengths[:alone], int(heads[alone]))
            if not self._join(heads[alone:], lengths[alone:]):
                return

    def _check(self, heads: Offsets) -> None:
        """Check the sequence numbers, which reveal lost or repeated bytes first."""
        numbers = np.frombuffer(self.data, np.uint8)[heads + 3]
        if not np.array_equal(numbers, (self._sequence + np.arange(len(heads))) & 0xFF):
            if numbers[0] == 0:
                # The server's last message before it closes the connection.
                raise connection_lost("the server is shutting down")
            raise protocol_error("a packet's sequence number is wrong")

    def _accept(self, heads: Offsets, lengths: Offsets, end: int) -> None:
        first = np.frombuffer(self.data, np.uint8)[heads + HEADER]
        if int(first.max()) >= _EOF:
            endings = (first == _ERROR) | ((first == _EOF) & (lengths <= _LONGEST_EOF))
            self._endings += heads[endings].tolist()
        self._sequence += len(heads)
        self._heads.append(heads)
        self._position = end

    def _join(self, heads: Offsets, lengths: Offsets) -> bool:
        """Join a continued packet into one, if all its parts have arrived."""
        parts = int((lengths != LONGEST).argmax()) + 1
        if lengths[parts - 1] == LONGEST:
            return False
        self._sequence += parts
        end = int(heads[0]) + HEADER + LONGEST
        with memoryview(self.data) as data:
            for head, length in zip(heads[1:parts].tolist(), lengths[1:parts].tolist(), strict=True):
                start = head + HEADER
                data[end : end + length] = data[start : start + length]
                end += length
            rest = int(heads[parts - 1] + HEADER + lengths[parts - 1])
            data[end : end + self._filled - rest] = data[rest : self._filled]
        self._filled -= rest - end
        self._heads.append(heads[:1])
        self._position = end
        return True

    def _complete(self) -> tuple[Offsets, int]:
        """Return where the complete packets after `position` start, and where the last one ends."""
        first = self._position
        stride = HEADER + (_HEADER_WORD(self.data, first)[0] & LONGEST)
        count = (self._filled - first) // stride
        if count >= _ALIKE:
            # All packets may have the same length, which is detected without following each header.
            headers: npt.NDArray[np.uint32] = np.ndarray((count,), "<u4", self.data, first, (stride,))
            alike = (headers & LONGEST) == stride - HEADER
            count = count if alike.all() else int(alike.argmin())
            if count >= _ALIKE:
                return first + stride * np.arange(count, dtype=np.int64), first + stride * count
        return self._follow()

    def _follow(self) -> tuple[Offsets, int]:
        """Follow each header; the only loop over rows, so it does as little as possible."""
        data, position, filled = self.data, self._position, self._filled
        last, short = filled - HEADER, _SHORT_LENGTH
        heads: list[int] = []
        append = heads.append
        while position <= last:
            append(position)
            (length,) = short(data, position)
            position += HEADER + length
        found = np.array(heads, np.int64)
        if np.frombuffer(data, np.uint8)[found + 2].any():
            return self._followed_far()
        return (found[:-1], heads[-1]) if position > filled else (found, position)

    def _followed_far(self) -> tuple[Offsets, int]:
        """Follow headers of packets of any length."""
        position, heads = self._position, []
        while position <= self._filled - HEADER:
            end = position + HEADER + (_HEADER_WORD(self.data, position)[0] & LONGEST)
            if end > self._filled:
                break
            heads.append(position)
            position = end
        return np.array(heads, np.int64), position
