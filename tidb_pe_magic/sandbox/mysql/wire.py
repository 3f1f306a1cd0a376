"""One client connection: mysql-mimic's packets, with MySQL's errors, status flags and row counts."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

from mysql_mimic import packets
from mysql_mimic.connection import Connection
from mysql_mimic.constants import DEFAULT_SERVER_CAPABILITIES, KillKind
from mysql_mimic.errors import MysqlError
from mysql_mimic.stream import ConnectionClosed
from mysql_mimic.types import Capabilities, Commands, ServerStatus

from tidb_pe_magic.sandbox.mysql.columns import definition_packet, result_column
from tidb_pe_magic.sandbox.mysql.errors import ACCESS_DENIED, EMPTY_QUERY, UNKNOWN_COMMAND, SqlError, sqlstate
from tidb_pe_magic.sandbox.mysql.login import Logins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mysql_mimic.control import Control
    from mysql_mimic.stream import MysqlStream

    from tidb_pe_magic.sandbox.mysql.session import Result, Session

#: Without query attributes a COM_QUERY packet holds the statement alone, whose bytes need not be text.
_CAPABILITIES = (
    DEFAULT_SERVER_CAPABILITIES & ~Capabilities.CLIENT_QUERY_ATTRIBUTES
) | Capabilities.CLIENT_TRANSACTIONS


#: What mysql-mimic's parsers raise over bytes that are no packet; a refused login is a MysqlError too.
_MALFORMED = (MysqlError, AssertionError, ValueError, struct.error)
_PADDING = bytes(16)


class PacketReader(asyncio.StreamReader):
    """A stream reader whose `read` gives all bytes asked for, or none at the end of the stream.

    mysql-mimic reads a packet's header with `read(4)`, which may be answered with fewer bytes.
    """

    async def read(self, n: int = -1) -> bytes:
        """Read exactly n bytes; nothing when the client has gone, also in the middle of a packet."""
        try:
            return await self.readexactly(n)
        except asyncio.IncompleteReadError:
            return b""


class _LoginStream:
    """A packet stream whose first packet, the login, ends in NULs.

    mysql-mimic reads a name up to its NUL, and for ever where there is none.
    """

    def __init__(self, stream: MysqlStream) -> None:
        self._stream = stream
        self._login = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self) -> bytes:
        """Read one packet."""
        data: bytes = await self._stream.read()
        padding, self._login = (_PADDING if self._login else b""), False
        return data + padding


class ClientConnection(Connection):  # type: ignore[misc]  # mysql-mimic carries no types
    """The server's side of one connection."""

    session: Session

    def __init__(
        self, stream: MysqlStream, session: Session, control: Control, users: Callable[[], Mapping[str, str]]
    ) -> None:
        """Join a stream and a session."""
        super().__init__(
            stream=_LoginStream(stream),
            session=session,
            control=control,
            identity_provider=Logins(users, session.check_database),
            server_capabilities=_CAPABILITIES,
        )
        self._commands: Mapping[int, Callable[[bytes], Awaitable[None]]] = {
            Commands.COM_QUERY: self.handle_query,
            Commands.COM_PING: self.handle_ping,
            Commands.COM_INIT_DB: self.handle_init_db,
            Commands.COM_CHANGE_USER: self.handle_change_user,
            Commands.COM_RESET_CONNECTION: self.handle_reset_connection,
        }

    @property
    def status_flags(self) -> ServerStatus:
        """Whether the session commits by itself and whether a transaction is open, as clients rely on."""
        return self.session.status

    @status_flags.setter
    def status_flags(self, value: ServerStatus) -> None:
        """Ignore what the base class sets: the session knows."""

    async def serve(self) -> None:
        """Talk to the client until it leaves, is refused or is killed."""
        self._task = asyncio.current_task()
        try:
            # A client that leaves in the middle, or sends what is no MySQL packet, is not our error.
            with contextlib.suppress(ConnectionClosed, ConnectionError, EOFError, *_MALFORMED):
                await self.connection_phase()
                await self.session.init(self)
                await self.command_phase()
        except asyncio.CancelledError:
            # The task ends here in any case; raising on would have asyncio report a killed connection.
            self.stream.writer.transport.abort()
        finally:
            self._task = None
            await self.session.close()

    def kill(self, kind: KillKind = KillKind.CONNECTION) -> None:
        """End the statement that runs, or the connection, as TiDB does: without a last word."""
        if kind is KillKind.QUERY:
            self.session.interrupt()
        elif self._task is not None:
            self._task.cancel()

    async def command_phase(self) -> None:
        """Answer commands one after the other."""
        while True:
            data = await self.stream.read()
            if data and data[0] == Commands.COM_QUIT:
                return
            try:
                await self._command(data)
            except SqlError as error:
                await self.stream.write(self.error(msg=error))
            self.stream.reset_seq()
            if self.session.username is None:
                return

    async def _command(self, data: bytes) -> None:
        if not data:
            raise SqlError(EMPTY_QUERY, "Query was empty")
        handle = self._commands.get(data[0])
        if handle is None:
            # Among them the binary prepared statements, which no Python driver uses unless told to.
            raise SqlError(UNKNOWN_COMMAND, f"Command {data[0]:#04x} is not supported")
        await handle(data[1:])

    async def handle_change_user(self, data: bytes) -> None:
        """Log in anew; a refused client loses what it had, and then the connection."""
        await self.session.forget_user()
        await super().handle_change_user(data + _PADDING)
        if self.session.username is not None:
            await self.session.use(self.session.database or "")

    async def handle_reset_connection(self, data: bytes) -> None:
        """Roll back and return to the defaults."""
        await self.session.reset()
        await super().handle_reset_connection(data)

    async def handle_query(self, data: bytes) -> None:
        """Run a statement and send its rows, or what it changed."""
        # Binary literals arrive as raw bytes amid the text; the session turns them into BLOBs.
        sql = data.decode(self.client_charset.codec, "surrogateescape")
        result = await self.session.run(sql)
        if result.columns:
            await self._send_rows(result)
        else:
            await self.stream.write(
                self.ok(affected_rows=result.affected_rows, last_insert_id=result.last_insert_id)
            )

    async def _send_rows(self, result: Result) -> None:
        columns = [result_column(name, kind) for name, kind in result.columns]
        head = [packets.make_column_count(capabilities=self.capabilities, column_count=len(columns))]
        head.extend(definition_packet(name, kind) for name, kind in result.columns)
        if not self.deprecate_eof():
            head.append(self.eof())
        self.stream.write_many(head)
        async for rows in result.chunks:
            # The compiled encoder does some 5,000 rows in 20 ms; draining in between is the backpressure.
            self.stream.write_text_rows(rows, columns)
            await self.stream.drain()
        await self.stream.write(self.ok_or_eof())

    def error(self, *, msg: Any, code: int = ACCESS_DENIED) -> bytes:
        """Return an error packet for any of MySQL's codes, not only those that mysql-mimic lists."""
        if isinstance(msg, SqlError):
            code, msg = msg.code, msg.msg
        text = str(msg).encode("utf-8", "replace")
        return b"\xff" + int(code).to_bytes(2, "little") + b"#" + sqlstate(code) + text
