"""One client connection: the login, and then commands, each with its answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from tidb_pe_magic.sandbox.mysql import load_data
from tidb_pe_magic.sandbox.mysql.charsets import CODECS
from tidb_pe_magic.sandbox.mysql.errors import (
    EMPTY_QUERY,
    MALFORMED_PACKET,
    NOT_ALLOWED_COMMAND,
    UNKNOWN_COMMAND,
    SqlError,
    sqlstate,
)
from tidb_pe_magic.sandbox.mysql.handshake import (
    NATIVE_PASSWORD,
    greeting,
    new_scramble,
    parse_change_user,
    parse_login,
    switch_request,
)
from tidb_pe_magic.sandbox.mysql.packet_stream import MAX_ALLOWED_PACKET
from tidb_pe_magic.sandbox.mysql.prepared_statements import PreparedStatements
from tidb_pe_magic.sandbox.mysql.protocol import Capability, Command, MalformedPacket, Status, integer, string
from tidb_pe_magic.sandbox.mysql.rows import RowEncoder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tidb_pe_magic.sandbox.mysql.handshake import Login
    from tidb_pe_magic.sandbox.mysql.login import Logins
    from tidb_pe_magic.sandbox.mysql.packet_stream import PacketStream
    from tidb_pe_magic.sandbox.mysql.result import Result
    from tidb_pe_magic.sandbox.mysql.session import Session

_NONE: Final = Status(0)
_OK, _EOF, _ERROR, _FILE_REQUEST = 0x00, 0xFE, 0xFF, 0xFB
_MOST_WARNINGS: Final = 0xFFFF
#: Rows of this size are encoded in less time than a thread needs to wake up.
_FEW_BYTES: Final = 16 * 1024
#: A client that disconnects, or sends an invalid MySQL packet, is not an error of the server.
_GONE: Final = (ConnectionError, EOFError, MalformedPacket)


class ClientConnection:
    """The server's side of one connection.

    Attributes:
        connection_id: the ID that CONNECTION_ID() returns and KILL accepts.
        state: the state of the connection's session.
    """

    def __init__(self, stream: PacketStream, session: Session, logins: Logins, connection_id: int) -> None:
        """Connect a stream with a session."""
        self.connection_id = connection_id
        self.state = session.state
        self._session = session
        self._stream = stream
        self._logins = logins
        self._capabilities = Capability(0)
        self._scramble = new_scramble()
        self._task: asyncio.Task[None] | None = None
        self._idle = False  # waiting for a command
        self._prepared = PreparedStatements(session)
        self._commands: Mapping[int, Callable[[bytes], Awaitable[None]]] = {
            Command.QUERY: self._query,
            Command.PING: self._ping,
            Command.INIT_DB: self._init_db,
            Command.CHANGE_USER: self._change_user,
            Command.RESET_CONNECTION: self._reset_connection,
            Command.SET_OPTION: self._set_option,
            Command.STATISTICS: self._statistics,
            Command.STMT_PREPARE: self._prepare,
            Command.STMT_EXECUTE: self._execute,
            Command.STMT_SEND_LONG_DATA: self._long_data,
            Command.STMT_RESET: self._reset_statement,
            Command.STMT_CLOSE: self._close_statement,
        }

    async def serve(self) -> None:
        """Serve the client until it disconnects, is refused or is killed."""
        self._task = asyncio.current_task()
        try:
            with contextlib.suppress(*_GONE):
                if await self._log_in():
                    await self._answer_commands()
        except asyncio.CancelledError:
            # The task ends here; re-raising would make asyncio report a killed connection.
            self._stream.writer.transport.abort()
        finally:
            self._task = None
            await self._session.close()

    def kill(self, *, query: bool) -> None:
        """End the current statement or the connection, like TiDB without a message.

        KILL QUERY also ends an idle connection: TiDB 8.5 lets its wait for a command time out
        (pingcap/tidb, issue 65447).
        """
        if query and not self._idle:
            self._session.interrupt()
        elif self._task is not None:
            self._task.cancel()

    # The login

    async def _log_in(self) -> bool:
        """Run the login; return True if it succeeds. Without a password it fails."""
        version = str(self.state.variables.get("version"))
        await self._stream.send(greeting(version, self.connection_id, self._scramble, self._session.status))
        login = parse_login(await self._stream.read())
        self._capabilities = login.capabilities
        if not await self._admit(login):
            return False
        self._stream.limit = MAX_ALLOWED_PACKET
        return True

    async def _admit(self, login: Login) -> bool:
        """Check a login and answer it."""
        if login.plugin not in {"", NATIVE_PASSWORD}:
            await self._stream.send(switch_request(self._scramble))
            login = login.answered(await self._stream.read())
        try:
            self._logins.check(login, self._scramble)
            self._session.begin(self.connection_id, login)
        except SqlError as error:
            await self._stream.send(_error(error))
            return False
        await self._stream.send(self._ok())
        return True

    # Commands

    async def _answer_commands(self) -> None:
        while True:
            self._idle = True
            payload = await self._stream.read()
            self._idle = False
            if payload[:1] == bytes((Command.QUIT,)):
                return
            try:
                await self._command(payload)
            except SqlError as error:
                await self._stream.send(_error(error))
            if self.state.username is None:
                return

    async def _command(self, payload: bytes) -> None:
        if not payload:
            raise SqlError(EMPTY_QUERY, "Query was empty")
        handle = self._commands.get(payload[0])
        if handle is None:
            raise SqlError(UNKNOWN_COMMAND, f"command {payload[0]} not supported now")
        try:
            await handle(payload[1:])
        except MalformedPacket:
            raise SqlError(MALFORMED_PACKET, "malform packet error") from None

    async def _ping(self, _payload: bytes) -> None:
        await self._stream.send(self._ok())

    async def _statistics(self, _payload: bytes) -> None:
        await self._stream.send(b"Uptime: 1  Threads: 1  Questions: 1  Slow queries: 0  Opens: 0")

    async def _init_db(self, payload: bytes) -> None:
        await self._session.use(self._text(payload))
        await self._stream.send(self._ok())

    async def _change_user(self, payload: bytes) -> None:
        """Log in again; a refused client loses its session and the connection."""
        await self._session.forget_user()
        self._prepared.forget()
        await self._admit(parse_change_user(payload, self._capabilities))

    async def _reset_connection(self, _payload: bytes) -> None:
        await self._session.reset()
        self._prepared.forget()
        await self._stream.send(self._ok())

    async def _set_option(self, payload: bytes) -> None:
        on = payload[:2] == b"\0\0"
        self._capabilities = (
            self._capabilities | Capability.MULTI_STATEMENTS
            if on
            else self._capabilities & ~Capability.MULTI_STATEMENTS
        )
        await self._stream.send(self._eof())

    async def _query(self, payload: bytes) -> None:
        # Binary literals arrive as raw bytes within the text; the session turns them into BLOBs.
        several = bool(self._capabilities & Capability.MULTI_STATEMENTS)
        text = self._text(payload)
        if (load := load_data.parse(text)) is not None:
            await self._answer(await self._session.load(load, lambda: self._file(load.file)))
            return
        statements = await self._session.parse(text, several=several)
        for number, statement in enumerate(statements, 1):
            more = Status.MORE_RESULTS if number < len(statements) else _NONE
            await self._answer(await self._session.run(statement), more=more)

    async def _file(self, name: str) -> bytes:
        """Return the content of a file of the client."""
        if not self._capabilities & Capability.LOCAL_FILES:
            raise SqlError(NOT_ALLOWED_COMMAND, "The used command is not allowed with this MySQL version")
        await self._stream.send(bytes((_FILE_REQUEST,)) + name.encode("utf-8", "surrogateescape"))
        content = bytearray()
        while packet := await self._stream.read():
            content += packet
        return bytes(content)

    # Prepared statements

    async def _prepare(self, payload: bytes) -> None:
        number, markers, columns = await self._prepared.prepare(self._text(payload))
        head = b"".join(
            (
                bytes((_OK,)),
                number.to_bytes(4, "little"),
                len(columns).to_bytes(2, "little"),
                len(markers).to_bytes(2, "little"),
                bytes(3),
            )
        )
        packets = [head]
        for definitions in (markers, columns):
            packets += [column.definition for column in definitions]
            if definitions and not self._capabilities & Capability.DEPRECATE_EOF:
                packets.append(self._eof())
        await self._stream.send(*packets)

    async def _execute(self, payload: bytes) -> None:
        result = await self._prepared.execute(payload)
        await self._answer(result, binary=True)

    async def _long_data(self, payload: bytes) -> None:
        # It has no answer; the execution reports errors.
        self._prepared.add_long_data(payload)

    async def _reset_statement(self, payload: bytes) -> None:
        self._prepared.reset(payload)
        await self._stream.send(self._ok())

    async def _close_statement(self, payload: bytes) -> None:
        self._prepared.close(payload)

    # Answers

    async def _answer(self, result: Result, *, binary: bool = False, more: Status = _NONE) -> None:
        """Send a statement's rows, or its number of changed rows."""
        if not result.columns:
            ok = self._ok(result.affected_rows, result.last_insert_id, more, warnings=result.warnings)
            await self._stream.send(ok + (string(result.info.encode()) if result.info else b""))
            return
        head = [integer(len(result.columns)), *(column.definition for column in result.columns)]
        if not self._capabilities & Capability.DEPRECATE_EOF:
            head.append(self._eof(more))
        self._stream.write(*head)
        encoder = RowEncoder(result.columns, binary=binary)
        async for batch in result.batches:
            encoded = encoder.encode(batch, self._stream.sequence)
            few = batch.nbytes <= _FEW_BYTES
            for data, count in list(encoded) if few else await asyncio.to_thread(list, encoded):
                self._stream.write_packets(data, count)
                await self._stream.drain()
        await self._stream.send(self._end(more))

    def _end(self, more: Status) -> bytes:
        if self._capabilities & Capability.DEPRECATE_EOF:
            return bytes((_EOF,)) + self._ok(0, 0, more)[1:]
        return self._eof(more)

    def _ok(self, affected: int = 0, last_id: int = 0, more: Status = _NONE, *, warnings: int = 0) -> bytes:
        status = int(self._session.status | more)
        return b"".join(
            (
                bytes((_OK,)),
                integer(affected),
                integer(last_id),
                status.to_bytes(2, "little"),
                min(warnings, _MOST_WARNINGS).to_bytes(2, "little"),
            )
        )

    def _eof(self, more: Status = _NONE) -> bytes:
        return bytes((_EOF, 0, 0)) + int(self._session.status | more).to_bytes(2, "little")

    def _text(self, payload: bytes) -> str:
        codec = CODECS[str(self.state.variables.get("character_set_client"))]
        return payload.decode(codec, "surrogateescape")


def _error(error: SqlError) -> bytes:
    text = error.msg.encode("utf-8", "replace")
    return bytes((_ERROR,)) + error.code.to_bytes(2, "little") + b"#" + sqlstate(error.code) + text
