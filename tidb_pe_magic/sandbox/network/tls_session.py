"""The server's side of TLS over a pair of asyncio streams.

asyncio's own `start_tls` loses what a client has sent behind its request for TLS, which it does not wait for.
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
    """Reads and writes as an asyncio stream does."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        """Take the streams, over which the client's handshake comes next."""
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
        """Agree with the client.

        Raises:
            OSError: it does not agree, or has gone; `ssl.SSLError` is one.
        """
        while not await self._step(self._tls.do_handshake):
            pass

    async def read(self, size: int = _CHUNK) -> bytes:
        """Return what has come; nothing at the end.

        Raises:
            OSError: the records are broken.
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
        """Return so many bytes.

        Raises:
            EOFError: the client has gone before.
            OSError: the records are broken.
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
        """Wait until the client takes what was sent."""
        await self._writer.drain()

    def can_write_eof(self) -> bool:
        """Tell that the end can be said while the other direction goes on."""
        return self._writer.can_write_eof()

    def write_eof(self) -> None:
        """Say that nothing follows, in TLS and below it."""
        # The client's own end is still to come.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send()
        self._ended = True
        self._writer.write_eof()

    def _send(self) -> None:
        if (data := self._to_send.read()) and not self._ended:
            self._writer.write(data)

    async def _step(self, work: Callable[[], object]) -> bool:
        """Try; where more has to come from the client first, wait for it and return False."""
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
