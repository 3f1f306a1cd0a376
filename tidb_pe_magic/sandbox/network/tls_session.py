"""The server's side of TLS over a pair of asyncio streams.

asyncio's own `start_tls` loses bytes that a client sends immediately after its TLS request.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_CHUNK: Final = 256 * 1024


class TlsSession:
    """Reads and writes like an asyncio stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        """Set the streams; the client's handshake comes next."""
        self._reader = reader
        self._writer = writer
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ended = False
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)

    @property
    def cipher(self) -> tuple[str, str]:
        """The protocol's version and the cipher."""
        cipher = self._tls.cipher()
        return self._tls.version() or "", "" if cipher is None else cipher[0]

    async def shake_hands(self) -> None:
        """Run the handshake.

        Raises:
            OSError: the handshake failed, or the client disconnected; `ssl.SSLError` is a subclass.
        """
        while not await self._step(self._tls.do_handshake):
            pass

    async def read(self, size: int = _CHUNK) -> bytes:
        """Return the available bytes; empty at the end.

        Raises:
            OSError: the records are invalid.
        """
        data = b""

        def read() -> None:
            nonlocal data
            data = self._tls.read(size)

        try:
            while not await self._step(read):
                pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        return data

    async def readexactly(self, size: int) -> bytes:
        """Return exactly this number of bytes.

        Raises:
            EOFError: the client disconnected before.
            OSError: the records are invalid.
        """
        data = b""
        while len(data) < size:
            part = await self.read(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if data:
            self._tls.write(data)
            self._send()

    async def drain(self) -> None:
        """Wait until the client receives the sent bytes."""
        await self._writer.drain()

    def can_write_eof(self) -> bool:
        """Return True: one direction can end before the other."""
        return self._writer.can_write_eof()

    def write_eof(self) -> None:
        """Signal the end of the stream, in TLS and below."""
        # The client has not ended its side yet.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send()
        self._ended = True
        self._writer.write_eof()

    def _send(self) -> None:
        if (data := self._to_send.read()) and not self._ended:
            self._writer.write(data)

    async def _step(self, work: Callable[[], object]) -> bool:
        """Try the operation; if it needs more bytes from the client, wait for them and return False."""
        try:
            work()
        except ssl.SSLWantReadError:
            self._send()
            await self._writer.drain()
            data = await self._reader.read(_CHUNK)
            if data:
                self._received.write(data)
            else:
                self._received.write_eof()
            return False
        finally:
            self._send()
        return True
