"""Faults of SQL connections: the gate cuts a connection at a point of its protocol."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.faults.fault import Point
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.faults.registry import Faults
    from tidb_pe_magic.sandbox.request_log import Request

_HEADER = 4
_JUDGED = 256
_CLIENT_SSL = 0x0800
_SSL_REQUEST_SIZE = 32
_QUIT, _INIT_DB, _QUERY, _PING = 0x01, 0x02, 0x03, 0x0E
_COMMANDS = {_INIT_DB: "USE", _PING: "PING"}
#: The server's first answer to LOAD DATA LOCAL INFILE; its last one follows the file.
_FILE_REQUEST = b"\xfb"
_VERB = re.compile(rb"(?:\s|/\*.*?\*/|(?:--|#)[^\n]*\n)*([A-Za-z]+)", re.DOTALL)


class ConnectionCut(OSError):  # noqa: N818 - an action of the gate, not an error in it
    """The connection ends here.

    Attributes:
        last: the last bytes for the client.
    """

    def __init__(self, last: bytes = b"") -> None:
        """Set the last bytes."""
        super().__init__("the connection is cut")
        self.last = last


class Tap:
    """Reads one connection of the MySQL protocol, and cuts it when a fault strikes.

    On an encrypted connection, only the start of the login is readable.
    """

    def __init__(self, faults: Faults) -> None:
        """Set the sandbox's faults."""
        self._faults = faults
        self._buffer = b""
        self._left = 0
        self._opaque = False
        self._greeted = False
        self._call: Request | None = None
        self._logging_in = False

    def sent(self, data: bytes) -> bytes:
        """Process the client's bytes, and return the bytes for the server.

        Raises:
            Cut: the statement must not reach the server.
        """
        if self._opaque or not self._greeted:
            # In the MySQL protocol the server sends first, so this is another protocol.
            self._opaque = True
            return data
        self._buffer += data
        passed = b""
        while True:
            piece, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(piece)
            passed += piece
            if self._left or len(self._buffer) < _HEADER:
                return passed
            size = int.from_bytes(self._buffer[:3], "little")
            # Hold it until its type is known.
            if len(self._buffer) < _HEADER + min(size, _JUDGED):
                return passed
            self._judge(self._buffer[3], self._buffer[_HEADER : _HEADER + min(size, _JUDGED)], size)
            if self._opaque:
                return passed + self._buffer
            self._left = _HEADER + size

    def answered(self, data: bytes) -> bytes:
        """Process the server's bytes, and return them.

        Raises:
            Cut: the client must not get the complete answer.
        """
        self._greeted = True
        asks = data[_HEADER : _HEADER + 1] == _FILE_REQUEST
        if asks and self._call is not None and self._call.operation == "LOAD":
            return data
        call, self._call = self._call, None
        if call is None:
            return data
        fault = call.fault
        self._faults.requests.ended(call.number, carried_out=True, answered=fault is None)
        if fault is not None:
            raise ConnectionCut(data[: len(data) // 2] if fault.point is Point.DURING else b"")
        return data

    def _judge(self, sequence: int, payload: bytes, size: int) -> None:
        # In the login the server sends first, so the client's first packet has another number.
        if sequence == 0:
            operation = _operation(payload)
        elif not self._logging_in:
            self._logging_in, operation = True, "LOGIN"
            wants_tls = int.from_bytes(payload[:4], "little") & _CLIENT_SSL
            self._opaque = bool(wants_tls) and size == _SSL_REQUEST_SIZE
        else:
            return
        if not operation:
            return
        self._call, _ = self._faults.arrived(Service.SQL, operation)
        if self._call.fault is not None and self._call.fault.point is Point.BEFORE:
            raise ConnectionCut


def _operation(payload: bytes) -> str:
    command = payload[:1]
    if command == bytes([_QUERY]):
        verb = _VERB.match(payload, 1)
        return verb[1].decode().upper() if verb else "OTHER"
    if not command or command[0] == _QUIT:
        return ""  # it has no answer
    return _COMMANDS.get(command[0], "OTHER")
