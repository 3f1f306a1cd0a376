"""A scripted MySQL server, which declares and sends the exact bytes of the script.

It does as `DumpBinaryRow` and `DumpTextRow` in TiDB's `pkg/server/internal/column/column.go`: in binary form
an integer is cut to the declared width, as text all of it is written.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from database.relay import Listener
from pymysql.constants import COMMAND, FIELD_TYPE

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

WIDTHS = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.YEAR: 2,
    FIELD_TYPE.INT24: 4,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
}
TIDB, MYSQL = "8.0.11-TiDB-v8.5.2", "8.0.36"
_LONGEST = 0xFFFFFF
_BINARY, _UTF8 = 63, 46
_AUTOCOMMIT = 2
# Protocol 4.1, with databases, TLS left out, secure connections, plugins.
_CAPABILITIES = 0x000F_A2FF & ~0x0800 | 0x0008_0000


@dataclass(frozen=True)
class Declared:
    """A column as declared, whatever its values are; `alias` if the statement reads `table` under it."""

    name: str
    code: int
    table: str = ""
    length: int = 20
    decimals: int = 0
    flags: int = 0
    raw_name: bytes = b""
    alias: str = ""

    def packet(self) -> bytes:
        """Return the column definition."""
        name = self.raw_name or self.name.encode()
        text = (FIELD_TYPE.VAR_STRING, FIELD_TYPE.BLOB, FIELD_TYPE.JSON)
        charset = _UTF8 if self.code in text else _BINARY
        alias, table = (self.alias or self.table).encode(), self.table.encode()
        strings = (b"def", b"test", alias, table, name, name)
        rest = struct.pack("<BHIBHBxx", 12, charset, self.length, self.code, self.flags, self.decimals)
        return b"".join(string(each) for each in strings) + rest


@dataclass(frozen=True)
class Result:
    """A statement's answer; `prepared` is PREPARE's declaration if EXECUTE's will differ."""

    columns: tuple[Declared, ...]
    rows: tuple[tuple[Any, ...], ...]
    prepared: tuple[Declared, ...] = ()


def string(value: bytes) -> bytes:
    """Return a length-encoded string."""
    size = len(value)
    if size < 0xFB:
        return bytes([size]) + value
    head, width = next(form for form in ((0xFC, 2), (0xFD, 3), (0xFE, 8)) if size < 1 << 8 * form[1])
    return bytes([head]) + size.to_bytes(width, "little") + value


def binary_row(columns: tuple[Declared, ...], row: tuple[Any, ...]) -> bytes:
    """Return a row of the binary protocol, with integers cut to the declared width."""
    nulls, values = bytearray((len(columns) + 9) // 8), bytearray()
    for number, (column, value) in enumerate(zip(columns, row, strict=True), 2):
        if value is None:
            nulls[number // 8] |= 1 << number % 8
        elif width := WIDTHS.get(column.code):
            values += (value & (1 << 8 * width) - 1).to_bytes(width, "little")
        elif column.code == FIELD_TYPE.FLOAT:
            values += struct.pack("<f", value)
        elif column.code == FIELD_TYPE.DOUBLE:
            values += struct.pack("<d", value)
        else:
            values += string(value if isinstance(value, bytes) else str(value).encode())
    return b"\0" + bytes(nulls) + bytes(values)


def text_row(columns: tuple[Declared, ...], row: tuple[Any, ...], *, float_digits: int | None) -> bytes:
    """Return a row of the text protocol."""
    values = bytearray()
    for column, value in zip(columns, row, strict=True):
        if value is None:
            values += b"\xfb"
        elif isinstance(value, bytes):
            values += string(value)
        elif column.code == FIELD_TYPE.FLOAT:
            shortest = np.format_float_positional(np.float32(value), trim="-")
            values += string((shortest if float_digits is None else f"{value:.{float_digits}g}").encode())
        elif column.code == FIELD_TYPE.YEAR and value == 0:
            values += string(b"0000")
        else:
            values += string((repr(value) if isinstance(value, float) else str(value)).encode())
    return bytes(values)


@dataclass
class Client:
    """One connection: framing, with a sequence number over all packets of a command."""

    sock: socket.socket
    sequence: int = 0
    statements: dict[int, str] = field(default_factory=dict)

    def receive(self) -> bytes:
        """Return the next command, whatever its number of packets, or empty bytes at the end."""
        payload = bytearray()
        while True:
            head = self._exactly(4)
            size = int.from_bytes(head[:3], "little")
            payload += self._exactly(size)
            self.sequence = head[3] + 1 & 0xFF
            if size < _LONGEST:
                return bytes(payload)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.sock.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise ConnectionError
            data += piece
        return bytes(data)

    def receive_file(self, received: bytearray) -> None:
        """Append the packets of a file, until the empty one or the client's end."""
        while packet := self.receive():
            received += packet

    def send(self, *payloads: bytes) -> None:
        """Send short packets."""
        data = bytearray()
        for payload in payloads:
            data += len(payload).to_bytes(3, "little") + bytes([self.sequence]) + payload
            self.sequence = self.sequence + 1 & 0xFF
        self.sock.sendall(data)


_OK = b"\0\0\0" + struct.pack("<HH", _AUTOCOMMIT, 0)
_EOF = b"\xfe\0\0" + struct.pack("<H", _AUTOCOMMIT)


class WireServer(Listener):
    """Answers the statements with results; `SET` and the like are OK, anything else is a missing table.

    Attributes:
        commands: the requests: the command's number, and the statement.
        file_requests: the file that the server asks for, by the beginning of a statement.
        received: what the clients sent instead of the files, in order.
        capabilities: the flags of the clients' logins, in order.
        full: while it is set, further clients are refused with error 1040.
        hanging: a statement that ends only by KILL, or with its client.
        hung: is set when it runs.
    """

    def __init__(
        self,
        results: Mapping[str, Result],
        *,
        version: str = TIDB,
        float_digits: int | None = None,
        connection_id: int = 7,
    ) -> None:
        """Listen on a free loopback port.

        Args:
            results: by statement.
            version: of the greeting.
            float_digits: how many digits of a FLOAT are written as text; None for all, as TiDB does.
            connection_id: of every client; the greeting has room for 32 bits of it.
        """
        self.full = threading.Event()
        self.hanging = ""
        self.hung = threading.Event()
        self._ended = threading.Event()
        self._connection_id = connection_id
        self.results = dict(results)
        self.version = version
        self.float_digits = float_digits
        self.commands: list[tuple[int, str]] = []
        self.file_requests: dict[str, str] = {}
        self.received: list[bytearray] = []
        self.capabilities: list[int] = []
        super().__init__(self._serve_client)

    def close(self) -> None:
        """Stop listening, end every connection and wait for the threads."""
        self._ended.set()
        super().close()

    def protocols(self, sql: str) -> list[int]:
        """Return the commands that concern a statement."""
        return [command for command, statement in self.commands if statement == sql]

    def _serve_client(self, sock: socket.socket) -> None:
        client = Client(sock)
        if self.full.is_set():
            client.send(b"\xff" + struct.pack("<H", 1040) + b"Too many connections")
            return
        salt = b"x" * 8
        greeting = (
            b"\x0a"
            + self.version.encode()
            + b"\0"
            + struct.pack("<I", self._connection_id & 0xFFFF_FFFF)
            + salt
            + b"\0"
        )
        greeting += struct.pack("<HBHHB", _CAPABILITIES & 0xFFFF, _UTF8, _AUTOCOMMIT, _CAPABILITIES >> 16, 21)
        client.send(greeting + bytes(10) + b"y" * 12 + b"\0" + b"mysql_native_password\0")
        self.capabilities.append(int.from_bytes(client.receive()[:4], "little"))
        client.send(_OK)
        while (payload := client.receive())[0] != COMMAND.COM_QUIT:
            client_command, body = payload[0], payload[1:]
            _ANSWERS.get(client_command, WireServer._other)(self, client, body)

    def _query(self, client: Client, body: bytes) -> None:
        sql = body.decode()
        self.commands.append((COMMAND.COM_QUERY, sql))
        result = self.results.get(sql)
        asked = next((name for start, name in self.file_requests.items() if sql.startswith(start)), None)
        if asked is not None:
            self.received.append(bytearray())
            client.send(b"\xfb" + asked.encode())
            client.receive_file(self.received[-1])
            client.send(b"\0" + bytes([self.received[-1].count(b"\n")]) + _OK[2:])
        elif result is not None:
            rows = [text_row(result.columns, row, float_digits=self.float_digits) for row in result.rows]
            self._rows(client, result.columns, rows)
        elif sql == self.hanging:
            self.hung.set()
            self._ended.wait()
            client.send(b"\xff" + struct.pack("<H", 1317) + b"#70100Query execution was interrupted")
        elif sql == f"KILL QUERY {self._connection_id}":
            self._ended.set()
            client.send(_OK)
        elif sql.lstrip().upper().startswith(("SET", "INSERT", "ROLLBACK", "COMMIT", "KILL", "DO")):
            client.send(_OK)
        else:
            client.send(_error(sql))

    def _prepare(self, client: Client, body: bytes) -> None:
        sql = body.decode()
        self.commands.append((COMMAND.COM_STMT_PREPARE, sql))
        result = self.results.get(sql)
        if result is None:
            client.send(_error(sql))
            return
        number, markers = len(client.statements) + 1, sql.count("?")
        client.statements[number] = sql
        columns = result.prepared or result.columns
        parameter = Declared("?", FIELD_TYPE.VAR_STRING).packet()
        client.send(
            b"\0" + struct.pack("<IHHxH", number, len(columns), markers, 0),
            *([parameter] * markers + [_EOF] if markers else []),
            *([each.packet() for each in columns] + [_EOF] if columns else []),
        )

    def _execute(self, client: Client, body: bytes) -> None:
        sql = client.statements[struct.unpack_from("<I", body)[0]]
        self.commands.append((COMMAND.COM_STMT_EXECUTE, sql))
        result = self.results[sql]
        self._rows(client, result.columns, [binary_row(result.columns, row) for row in result.rows])

    def _close(self, client: Client, body: bytes) -> None:
        del client.statements[struct.unpack("<I", body)[0]]

    def _other(self, client: Client, _: bytes) -> None:
        client.send(_OK)

    @staticmethod
    def _rows(client: Client, columns: tuple[Declared, ...], rows: list[bytes]) -> None:
        if not columns:
            client.send(_OK)
            return
        head = bytes([len(columns)])
        client.send(head, *(each.packet() for each in columns), _EOF, *rows, _EOF)


def _error(sql: str) -> bytes:
    return b"\xff" + struct.pack("<H", 1146) + b"#42S02" + f"no such table: {sql[:80]}".encode()


_ANSWERS = {
    COMMAND.COM_QUERY: WireServer._query,
    COMMAND.COM_STMT_PREPARE: WireServer._prepare,
    COMMAND.COM_STMT_EXECUTE: WireServer._execute,
    COMMAND.COM_STMT_CLOSE: WireServer._close,
}
