"""A server that greets like TiDB and answers every login with an error."""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# Capabilities of TiDB's greeting without TLS (MySQL client/server protocol), including plugin authentication.
_LOWER, _UPPER, _TLS = 0xF7FF & ~0x800, 0x8, 0x800


def packet(payload: bytes, number: int) -> bytes:
    """Frame a payload as the MySQL protocol does."""
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def refuse_login(
    code: int, text: str, *, method: bytes = b"mysql_native_password", offers_tls: bool = False
) -> Callable[[socket.socket], None]:
    """Return a function that serves one connection: greeting, login, refusal.

    Args:
        code: errno of the refusal; 0 ends the exchange at the request for the method.
        text: its text.
        method: named in a switch request, if it is not mysql_native_password.
        offers_tls: whether the greeting offers TLS, which always fails here.
    """

    def serve(connection: socket.socket) -> None:
        scramble = bytes(1 + secrets.randbelow(126) for _ in range(20))
        flags = _LOWER | (_TLS if offers_tls else 0)
        greeting = (
            *(b"\x0a8.0.11-TiDB-v8.5.3-serverless\0", struct.pack("<I", 1), scramble[:8], b"\0"),
            *(struct.pack("<HBHH", flags, 45, 2, _UPPER), bytes([21]), bytes(10)),
            *(scramble[8:], b"\0mysql_native_password\0"),
        )
        connection.sendall(packet(b"".join(greeting), 0))
        number = _number(connection)
        if method != b"mysql_native_password":
            connection.sendall(packet(b"\xfe" + method + b"\0" + scramble + b"\0", number + 1))
            if not code:
                return
            number = _number(connection)
            if method == b"caching_sha2_password":
                # TiDB has no fast path, and treats what follows as the password itself.
                connection.sendall(packet(b"\x01\x04", number + 1))
                number = _number(connection)
        refusal = b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode()
        connection.sendall(packet(refusal, number + 1))

    return serve


def _number(connection: socket.socket) -> int:
    """Read one packet, and return its number."""
    header = _exactly(connection, 4)
    _exactly(connection, int.from_bytes(header[:3], "little"))
    return header[3]


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError("the client ended the connection")
        data += part
    return data
