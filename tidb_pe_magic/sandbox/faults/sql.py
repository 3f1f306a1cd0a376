"""Faults of a SQL connection: the gate cuts it at a point of the conversation that it carries."""

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
_VERB = re.compile(rb"(?:\s|/\*.*?\*/|(?:--|#)[^\n]*\n)*([A-Za-z]+)", re.DOTALL)


class Cut(OSError):  # noqa: N818 - what the gate does, not what went wrong in it
    """The connection ends here.

    Attributes:
        last: what the client still gets.
    """

    def __init__(self, last: bytes = b"") -> None:
        """Take the last bytes."""
        super().__init__("the connection is cut")
        self.last = last


class Tap:
    """Reads along on one connection of MySQL's protocol, and cuts it where a fault says so.

    Of an encrypted connection nothing but the beginning of the login can be read.
    """

    def __init__(self, faults: Faults) -> None:
        """Take the faults of the sandbox."""
        self._faults = faults
        self._buffer = b""
        self._left = 0
        self._opaque = False
        self._greeted = False
        self._call: Request | None = None
        self._logging_in = False

    def sent(self, data: bytes) -> bytes:
        """Take what the client sent, and return what the server shall get now.

        Raises:
            Cut: the statement shall not reach the server.
        """
        if self._opaque or not self._greeted:
            # In MySQL's protocol the server speaks first: this is another one.
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
            # Held back until it is known what it is.
            if len(self._buffer) < _HEADER + min(size, _JUDGED):
                return passed
            self._judge(self._buffer[3], self._buffer[_HEADER : _HEADER + min(size, _JUDGED)], size)
            if self._opaque:
                return passed + self._buffer
            self._left = _HEADER + size

    def answered(self, data: bytes) -> bytes:
        """Take what the server answered, and return it.

        Raises:
            Cut: the client shall not get all of it.
        """
        self._greeted = True
        call, self._call = self._call, None
        if call is None:
            return data
        fault = call.fault
        self._faults.requests.ended(call.number, carried_out=True, answered=fault is None)
        if fault is not None:
            raise Cut(data[: len(data) // 2] if fault.point is Point.DURING else b"")
        return data

    def _judge(self, sequence: int, payload: bytes, size: int) -> None:
        # In the login the server speaks first, so that the client's first packet has another number.
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
            raise Cut


def _operation(payload: bytes) -> str:
    command = payload[:1]
    if command == bytes([_QUERY]):
        verb = _VERB.match(payload, 1)
        return verb[1].decode().upper() if verb else "OTHER"
    if not command or command[0] == _QUIT:
        return ""  # which has no answer
    return _COMMANDS.get(command[0], "OTHER")
