"""The private host: a TCP gate that refuses until it is opened and forwards while it is open."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Literal, Self

from tidb_pe_magic.sandbox.faults import Faults
from tidb_pe_magic.sandbox.faults.sql import ConnectionCut, Tap
from tidb_pe_magic.sandbox.loop_thread import LoopThread
from tidb_pe_magic.sandbox.network.black_hole import BlackHole
from tidb_pe_magic.sandbox.network.tls_offer import begin
from tidb_pe_magic.sandbox.startable import Startable
from tidb_pe_magic.sandbox.stream_servers import serve_client, stop_accepting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterable

    from tidb_pe_magic.sandbox.network.addresses import Address
    from tidb_pe_magic.sandbox.network.tls_offer import TlsReader, Writer

Manner = Literal["forward", "refuse", "swallow"]

_CHUNK = 256 * 1024


class Gate(Startable):
    """Forwards TCP connections from the opened addresses to one upstream server.

    Nothing listens on an address that is not open, so clients are refused, as by an endpoint that is not
    connected. Every method is thread-safe, and returns when its effect is visible.

    Attributes:
        upstream: the target of new connections; may be changed at any time.
        tls: context with which the gate offers and terminates TLS, for an upstream without TLS; None for no
            TLS.
        manner: behavior of newly opened addresses: forward, refuse as if closed, or ignore every attempt.
    """

    def __init__(self, upstream: Address, faults: Faults | None = None) -> None:
        """Set the upstream, and the faults of connections."""
        self._faults = faults or Faults()
        self.reset(upstream)
        self._silent: dict[Address, BlackHole | None] = {}
        self._thread = LoopThread("sandbox-gate")
        self._servers: dict[Address, asyncio.Server] = {}
        self._connections: dict[asyncio.Task[None], Address] = {}
        self._origins: dict[Address, Address] = {}
        self._ciphers: dict[Address, tuple[str, str]] = {}

    def reset(self, upstream: Address, tls: ssl.SSLContext | None = None) -> None:
        """Forward new connections to this upstream."""
        self.upstream, self.tls = upstream, tls
        self.manner: Callable[[Address], Manner] = lambda _address: "forward"

    @property
    def open_addresses(self) -> frozenset[Address]:
        """The open addresses; they accept connections, unless their manner is different."""
        return frozenset((*self._servers, *self._silent))

    def cipher(self, address: Address) -> tuple[str, str]:
        """Return the TLS version and cipher between a client and the gate; empty without TLS.

        Args:
            address: the gate's address of the client's connection to the upstream.
        """
        return self._ciphers.get(address, ("", ""))

    @property
    def live_connections(self) -> int:
        """Number of forwarded connections."""
        return len(self._connections)

    def origin(self, client: Address) -> Address | None:
        """Return the opened address that a client of the upstream used; None if it did not use the gate.

        Args:
            client: the client's address that the upstream sees.
        """
        return self._origins.get(client)

    def start(self) -> Self:
        """Start the gate's thread without open addresses; opening an address also starts it."""
        if not self._thread.running:
            self._thread.start()
        return self

    def open(self, addresses: Iterable[Address], *, filtered: Collection[Address] = frozenset()) -> None:
        """Listen on these addresses; open ones are not changed.

        Args:
            addresses: addresses to listen on.
            filtered: addresses that ignore every attempt, regardless of their manner.
        """
        self.start()
        self._thread.call(self._open(dict.fromkeys(addresses), filtered))

    def close(self, addresses: Iterable[Address]) -> None:
        """Stop listening on these addresses and drop their connections."""
        if self._thread.running:
            self._thread.call(self._close(frozenset(addresses)))

    def drop_connections(self) -> None:
        """Drop every connection, like an idle limit; the addresses stay open."""
        if self._thread.running:
            self._thread.call(self._drop(self.open_addresses))

    def stop(self) -> None:
        """Close everything and join the thread; may be called twice."""
        if self._thread.running:
            self._thread.call(self._close(self.open_addresses))
            self._thread.stop()

    async def _open(self, addresses: Iterable[Address], filtered: Collection[Address]) -> None:
        opened: list[Address] = []
        try:
            for address in addresses:
                if address in self._servers or address in self._silent:
                    continue
                manner = "swallow" if address in filtered else self.manner(address)
                if manner == "forward":
                    self._servers[address] = await self._listen(address)
                else:
                    self._silent[address] = BlackHole(address) if manner == "swallow" else None
                opened.append(address)
        except OSError:
            # All of an endpoint's addresses or none: an endpoint that is half open would look like a
            # client's error.
            await self._close(frozenset(opened))
            raise

    async def _listen(self, address: Address) -> asyncio.Server:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = serve_client(self._forward(reader, writer, address), writer)
            self._connections[task] = address
            task.add_done_callback(self._connections.pop)

        host, port = address
        return await asyncio.start_server(accept, host, port, limit=_CHUNK)

    async def _close(self, addresses: frozenset[Address]) -> None:
        for address in addresses & self._silent.keys():
            hole = self._silent.pop(address)
            if hole is not None:
                hole.close()
        servers = [self._servers.pop(address) for address in addresses if address in self._servers]
        await stop_accepting(servers)
        for server in servers:
            server.close()
        await self._drop(addresses)
        for server in servers:
            await server.wait_closed()

    async def _drop(self, addresses: frozenset[Address]) -> None:
        tasks = [task for task, address in self._connections.items() if address in addresses]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: Address
    ) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self.upstream, limit=_CHUNK)
        except (OSError, asyncio.CancelledError):
            # A TCP load balancer without a healthy backend also resets the client.
            writer.transport.abort()
            return
        own: Address = upstream_writer.get_extra_info("sockname")[:2]
        self._origins[own] = address
        try:
            tap = Tap(self._faults)
            client: tuple[TlsReader, Writer] = reader, writer
            if self.tls is not None:
                try:
                    client = await begin(
                        (reader, writer),
                        (upstream_reader, upstream_writer),
                        self.tls,
                        tap,
                        functools.partial(self._ciphers.__setitem__, own),
                    )
                except ConnectionCut as cut:
                    writer.write(cut.last)
                    raise
            await asyncio.gather(
                _pump(client[0], upstream_writer, tap.sent), _pump(upstream_reader, client[1], tap.answered)
            )
            for end in (writer, upstream_writer):
                end.close()
        except (OSError, EOFError, asyncio.CancelledError):
            # Dropped or broken: neither side may assume that buffered data arrived. Only this class cancels
            # this task, and waits for it, so the cancellation ends here.
            for end in (writer, upstream_writer):
                end.transport.abort()
        finally:
            del self._origins[own]
            self._ciphers.pop(own, None)
        for end in (writer, upstream_writer):
            with contextlib.suppress(OSError):
                await end.wait_closed()


async def _pump(reader: TlsReader, writer: Writer, tap: Callable[[bytes], bytes]) -> None:
    """Copy until the sender has finished, then forward the half-close; `drain` is the backpressure."""
    while data := await reader.read(_CHUNK):
        try:
            passed = tap(data)
        except ConnectionCut as cut:
            writer.write(cut.last)
            raise
        writer.write(passed)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
