"""The numbers and the primitive values of MySQL's client/server protocol."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final

#: After a packet of this many bytes, the payload continues in another packet.
MAX_PACKET: Final = 2**24 - 1
UTF8MB4_COLLATION: Final = 45
BINARY_COLLATION: Final = 63
NOT_FIXED_DECIMALS: Final = 31
_ONE_BYTE: Final = 0xFB


class Capability(IntFlag):
    """Capabilities of client and server (MySQL documentation, "Capabilities Flags")."""

    LONG_PASSWORD = 1
    FOUND_ROWS = 1 << 1
    LONG_FLAG = 1 << 2
    CONNECT_WITH_DB = 1 << 3
    LOCAL_FILES = 1 << 7
    IGNORE_SPACE = 1 << 8
    PROTOCOL_41 = 1 << 9
    INTERACTIVE = 1 << 10
    SSL = 1 << 11
    TRANSACTIONS = 1 << 13
    SECURE_CONNECTION = 1 << 15
    MULTI_STATEMENTS = 1 << 16
    MULTI_RESULTS = 1 << 17
    PS_MULTI_RESULTS = 1 << 18
    PLUGIN_AUTH = 1 << 19
    CONNECT_ATTRS = 1 << 20
    PLUGIN_AUTH_LENENC = 1 << 21
    DEPRECATE_EOF = 1 << 24


class Command(IntEnum):
    """The first byte of a client's command."""

    QUIT = 0x01
    INIT_DB = 0x02
    QUERY = 0x03
    FIELD_LIST = 0x04
    STATISTICS = 0x09
    PING = 0x0E
    CHANGE_USER = 0x11
    STMT_PREPARE = 0x16
    STMT_EXECUTE = 0x17
    STMT_SEND_LONG_DATA = 0x18
    STMT_CLOSE = 0x19
    STMT_RESET = 0x1A
    SET_OPTION = 0x1B
    STMT_FETCH = 0x1C
    RESET_CONNECTION = 0x1F


class Status(IntFlag):
    """The session's state, in every OK and EOF packet."""

    IN_TRANSACTION = 1
    AUTOCOMMIT = 1 << 1
    MORE_RESULTS = 1 << 3
    CURSOR_EXISTS = 1 << 6
    LAST_ROW_SENT = 1 << 7


class FieldType(IntEnum):
    """The type of a column or of a parameter."""

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254


class FieldFlag(IntFlag):
    """Flags of a column definition (MySQL documentation, "Column Definition Flags")."""

    NOT_NULL = 1
    PRIMARY_KEY = 1 << 1
    UNIQUE_KEY = 1 << 2
    MULTIPLE_KEY = 1 << 3
    BLOB = 1 << 4
    UNSIGNED = 1 << 5
    BINARY = 1 << 7
    ENUM = 1 << 8
    AUTO_INCREMENT = 1 << 9
    SET = 1 << 11
    NO_DEFAULT_VALUE = 1 << 12


class MalformedPacket(ValueError):  # noqa: N818 - describes the bytes
    """The bytes are not a packet of this kind."""


def integer(value: int) -> bytes:
    """Return a length-encoded integer."""
    if value < _ONE_BYTE:
        return bytes((value,))
    forms = ((0xFC, 2), (0xFD, 3), (0xFE, 8))
    head, width = next(form for form in forms if value < 1 << 8 * form[1])
    return bytes((head,)) + value.to_bytes(width, "little")


def string(value: bytes) -> bytes:
    """Return a length-encoded string."""
    return integer(len(value)) + value


class Cursor:
    """Reads a payload sequentially."""

    def __init__(self, payload: bytes) -> None:
        """Start before the first byte."""
        self._payload = payload
        self._position = 0

    @property
    def left(self) -> int:
        """Number of unread bytes."""
        return len(self._payload) - self._position

    def take(self, size: int) -> bytes:
        """Return this number of bytes.

        Raises:
            Malformed: the payload is too short.
        """
        if not 0 <= size <= self.left:
            raise MalformedPacket
        start, self._position = self._position, self._position + size
        return self._payload[start : self._position]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return an integer of this number of bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def integer(self) -> int:
        """Return a length-encoded integer."""
        head = self.number(1)
        if head < _ONE_BYTE:
            return head
        width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(head)
        if width is None:
            raise MalformedPacket
        return self.number(width)

    def string(self) -> bytes:
        """Return a length-encoded string."""
        return self.take(self.integer())

    def until_nul(self) -> bytes:
        """Return the bytes before the next NUL, or all remaining bytes without a NUL."""
        end = self._payload.find(b"\0", self._position)
        if end < 0:
            return self.rest()
        value = self.take(end - self._position)
        self._position += 1
        return value

    def rest(self) -> bytes:
        """Return all remaining bytes."""
        return self.take(self.left)
