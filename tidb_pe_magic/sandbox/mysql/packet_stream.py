"""Packets over a pair of asyncio streams: lengths, sequence numbers, payloads of more than 16 MiB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tidb_pe_magic.sandbox.mysql.protocol import MAX_PACKET

if TYPE_CHECKING:
    import asyncio

_HEADER: Final = 4
#: A login is short; TiDB's `max_allowed_packet` is 64 MiB.
_LOGIN_BYTES: Final = 1 << 20
MAX_ALLOWED_PACKET: Final = 1 << 26


class PacketStream:
    """One connection's packets.

    Attributes:
        sequence: number of the next sent packet.
        limit: maximum bytes of a received payload.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start a connection."""
        self._reader = reader
        self.writer = writer
        self.sequence = 0
        self.limit = _LOGIN_BYTES

    async def read(self) -> bytes:
        """Return the next payload.

        Raises:
            asyncio.IncompleteReadError: the client disconnected.
            ConnectionError: the payload is too long; TiDB then disconnects without a message.
        """
        payload = b""
        while True:
            header = await self._reader.readexactly(_HEADER)
            size = int.from_bytes(header[:3], "little")
            if len(payload) + size > self.limit:
                raise ConnectionError
            self.sequence = (header[3] + 1) & 0xFF
            part = await self._reader.readexactly(size)
            payload = payload + part if payload else part
            if size < MAX_PACKET:
                return payload

    def write(self, *payloads: bytes) -> None:
        """Write packets to the buffer."""
        self.writer.write(b"".join(map(self._add_headers, payloads)))

    def write_packets(self, data: bytes | memoryview, packets: int) -> None:
        """Write this number of packets, which already have headers, to the buffer."""
        self.sequence = (self.sequence + packets) & 0xFF
        self.writer.write(data)

    async def send(self, *payloads: bytes) -> None:
        """Write packets and wait until the client receives them."""
        self.write(*payloads)
        await self.drain()

    async def drain(self) -> None:
        """Wait until the client receives the buffer (backpressure)."""
        await self.writer.drain()

    def _add_headers(self, payload: bytes) -> bytes:
        parts = []
        for start in range(0, len(payload) + 1, MAX_PACKET):
            part = payload[start : start + MAX_PACKET]
            parts.append(len(part).to_bytes(3, "little") + bytes((self.sequence,)) + part)
            self.sequence = (self.sequence + 1) & 0xFF
        return b"".join(parts)
