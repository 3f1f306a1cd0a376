"""TLS for MySQL clients in front of a server without TLS, like TiDB Cloud's gateway."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final, Protocol

from tidb_pe_magic.sandbox.network.tls_session import TlsSession

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_HEADER: Final = 4
_CHUNK: Final = 256 * 1024
_CLIENT_SSL: Final = 0x800
_SSL_REQUEST_SIZE: Final = 32
_MOST_BYTES: Final = 1 << 16
_PROTOCOL_10: Final = 10
_OK, _ERROR = 0x00, 0xFF


class TlsReader(Protocol):
    """A source of bytes."""

    async def read(self, size: int = ...) -> bytes:
        """Return the available bytes; empty at the end."""

    async def readexactly(self, size: int) -> bytes:
        """Return exactly this number of bytes."""


class Writer(Protocol):
    """A destination of bytes."""

    def write(self, data: bytes) -> None:
        """Write bytes to the buffer."""

    async def drain(self) -> None:
        """Wait until the buffer has space."""

    def can_write_eof(self) -> bool:
        """Return whether `write_eof` is supported."""

    def write_eof(self) -> None:
        """Signal the end of the stream."""


class TlsTap(Protocol):
    """An observer of the bytes, which may end the connection."""

    def sent(self, data: bytes) -> bytes:
        """Process the client's bytes, and return the bytes for the server."""

    def answered(self, data: bytes) -> bytes:
        """Process the server's bytes, and return them."""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def begin(
    client: Streams,
    server: Streams,
    context: ssl.SSLContext,
    tap: TlsTap,
    on_cipher: Callable[[tuple[str, str]], None],
) -> tuple[TlsReader, Writer]:
    """Forward the start of a connection, up to the end of the login if it is encrypted.

    Args:
        client: its streams.
        server: its streams.
        context: the server's TLS context.
        tap: observes the decrypted bytes.
        on_cipher: receives the negotiated cipher, before the server gets the login.

    Returns:
        The source and the destination of the client's bytes.

    Raises:
        OSError, EOFError: a side disconnected, or the handshake failed.
    """
    reader, writer = client
    greeting = await _greeting(client, server, tap)
    if greeting is None:
        return reader, writer
    writer.write(_offering_tls(greeting))
    await writer.drain()
    tap.answered(greeting)
    header = await reader.readexactly(_HEADER)
    size = int.from_bytes(header[:3], "little")
    asked = await reader.readexactly(min(size, _SSL_REQUEST_SIZE))
    flags = int.from_bytes(asked[:4], "little")
    if size != _SSL_REQUEST_SIZE or not flags & _CLIENT_SSL:
        # The client does not have to use TLS.
        server[1].write(tap.sent(header + asked))
        return reader, writer
    session = TlsSession(reader, writer, context)
    await session.shake_hands()
    on_cipher(session.cipher)
    await _log_in(session, server, tap)
    return session, session


async def _greeting(client: Streams, server: Streams, tap: TlsTap) -> bytes | None:
    """Return the server's first packet; None if it is not one, and was forwarded unchanged.

    If the client sends first or disconnects, the wait for a silent server ends.
    """
    spoken = asyncio.ensure_future(client[0].read(_CHUNK))
    greeted = asyncio.ensure_future(_first_packet(server[0]))
    try:
        await asyncio.wait((spoken, greeted), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (spoken, greeted):
            task.cancel()
        await asyncio.wait((spoken, greeted))
    data = b"" if greeted.cancelled() else greeted.result()
    if not spoken.cancelled():
        server[1].write(tap.sent(spoken.result()))
        if not spoken.result():
            server[1].write_eof()
    elif _is_greeting(data):
        return data
    if data:
        client[1].write(tap.answered(data))
    return None


async def _first_packet(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(_CHUNK)
    while data and len(data) < _MOST_BYTES and _HEADER + int.from_bytes(data[:3], "little") > len(data):
        if len(data) > _HEADER and data[_HEADER] != _PROTOCOL_10:
            break
        more = await reader.read(_CHUNK)
        if not more:
            break
        data += more
    return data


def _is_greeting(data: bytes) -> bool:
    size = int.from_bytes(data[:3], "little")
    return len(data) == _HEADER + size and data[_HEADER : _HEADER + 1] == bytes((_PROTOCOL_10,))


def _offering_tls(greeting: bytes) -> bytes:
    # Protocol version, version string, thread id (4), scramble (8), filler, lower half of the flags.
    place = greeting.index(b"\0", _HEADER + 1) + 14
    (flags,) = struct.unpack_from("<H", greeting, place)
    return greeting[:place] + struct.pack("<H", flags | _CLIENT_SSL) + greeting[place + 2 :]


async def _log_in(session: TlsSession, server: Streams, tap: TlsTap) -> None:
    """Forward the login packet by packet with new numbers: the server does not get the TLS request."""
    first = True
    while True:
        header = await session.readexactly(_HEADER)
        payload = await session.readexactly(int.from_bytes(header[:3], "little"))
        if first:
            (flags,) = struct.unpack_from("<I", payload)
            payload = struct.pack("<I", flags & ~_CLIENT_SSL) + payload[4:]
            first = False
        server[1].write(tap.sent(_shift_count(header, -1) + payload))
        header = await server[0].readexactly(_HEADER)
        payload = await server[0].readexactly(int.from_bytes(header[:3], "little"))
        session.write(tap.answered(_shift_count(header, 1) + payload))
        await session.drain()
        if payload[:1] in {bytes((_OK,)), bytes((_ERROR,))}:
            return


def _shift_count(header: bytes, shift: int) -> bytes:
    return header[:3] + bytes(((header[3] + shift) & 0xFF,))
