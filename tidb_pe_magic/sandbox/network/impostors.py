"""Misbehaving servers between the gate and the database, or instead of the database."""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.network.addresses import Address

Behaviour = Callable[[socket.socket], None]

_HEADER = 4
_CHUNK = 64 * 1024
# Capability flags of greetings and clients' answers (MySQL client/server protocol).
_CLIENT_SSL = 0x800
_GREETING_FLAGS = 0xF7FF
_OK, _ERROR = 0x00, 0xFF


class Impostor:
    """Runs a behavior for each connection, in a separate thread; a context manager.

    When the behavior returns, its connection is closed.
    """

    def __init__(self, behave: Behaviour) -> None:
        """Set the behavior."""
        self._behave = behave
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._stopped = False

    def __enter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()
        self._acceptor = threading.Thread(target=self._accept, name="sandbox-impostor", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end every connection and join the threads."""
        self._stopped = True
        # Closing the socket would not wake the thread that accepts on it.
        with contextlib.suppress(OSError), socket.create_connection(self.address):
            pass
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            left = dict(self._open)
        for connection, thread in left.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopped:
                connection.close()
                return
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="sandbox-impostor", daemon=True
            )
            with self._lock:
                # A connection stays listed until its thread has ended, so that `__exit__` joins it.
                alive = {each: serving for each, serving in self._open.items() if serving.is_alive()}
                thread.start()
                self._open = alive | {connection: thread}

    def _serve(self, connection: socket.socket) -> None:
        try:
            # Clients that disconnect or abort TLS are expected.
            with contextlib.suppress(OSError, EOFError):
                self._behave(connection)
        finally:
            connection.close()


def silent(connection: socket.socket) -> None:
    """Send nothing, and wait until the client disconnects."""
    while connection.recv(_CHUNK):
        pass


def other_protocol(connection: socket.socket) -> None:
    """Send another protocol's greeting, then wait until the client disconnects."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    silent(connection)


def reset(connection: socket.socket) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def refuse_with(code: int, message: str) -> Behaviour:
    """Return a behavior: send a MySQL error instead of a greeting."""

    def behave(connection: socket.socket) -> None:
        _send(connection, 0, bytes([_ERROR]) + struct.pack("<H", code) + message.encode())

    return behave


def refusing_login(code: int, message: str) -> Behaviour:
    """Return a behavior: send a greeting, and a MySQL error for every login."""
    state, version = b"#28000", b"8.0.11-TiDB-v8.5.3"

    def behave(connection: socket.socket) -> None:
        scramble = bytes(1 + secrets.randbelow(126) for _ in range(20))
        greeting = (
            *(b"\x0a", version, b"\0", struct.pack("<I", 1), scramble[:8], b"\0"),
            *(struct.pack("<HBHH", _GREETING_FLAGS, 45, 2, 0x8), bytes([21]), bytes(10)),
            *(scramble[8:], b"\0mysql_native_password\0"),
        )
        _send(connection, 0, b"".join(greeting))
        number, _ = _receive(connection)
        _send(connection, number + 1, bytes([_ERROR]) + struct.pack("<H", code) + state + message.encode())

    return behave


def tls_end(upstream: Address, context: ssl.SSLContext | None) -> Behaviour:
    """Return a behavior: offer and terminate TLS, and forward the plain session to `upstream`.

    Without a context, answer the handshake with invalid data.
    """

    def behave(connection: socket.socket) -> None:
        with socket.create_connection(upstream) as server:
            _, greeting = _receive(server)
            _send(connection, 0, _offering_tls(greeting))
            _, asked = _receive(connection)
            if not int.from_bytes(asked[:2], "little") & _CLIENT_SSL:
                # The client does not have to use TLS.
                _send(server, 1, asked)
                _relay(connection, server)
                return
            if context is None:
                connection.sendall(b"this is not a TLS record\r\n")
                silent(connection)
                return
            # TLS takes over the descriptor; with the duplicate, `Impostor` can still shut the connection
            # down.
            with context.wrap_socket(connection.dup(), server_side=True) as client:
                _log_in(client, server)
                _relay(client, server)

    return behave


def frozen_at_query(upstream: Address) -> Behaviour:
    """Return a behavior: forward everything to `upstream` until the first SELECT."""

    def behave(connection: socket.socket) -> None:
        with socket.create_connection(upstream) as server:
            _, greeting = _receive(server)
            _send(connection, 0, greeting)
            _log_in(connection, server, shift=0)
            _relay(connection, server, until=b"SELECT")
            silent(connection)

    return behave


def wake_slowly(upstream: Address, seconds: float) -> Behaviour:
    """Return a behavior: forward everything, but logins only some seconds after the first one."""
    lock = threading.Lock()
    awake: float | None = None

    def behave(connection: socket.socket) -> None:
        nonlocal awake
        with socket.create_connection(upstream) as server:
            _send(connection, *_receive(server))
            login = _receive(connection)
            with lock:
                awake = awake or time.monotonic() + seconds
            # A disconnecting client is readable.
            if not select.select([connection], [], [], max(0.0, awake - time.monotonic()))[0]:
                _send(server, *login)
                _relay(connection, server)

    return behave


def _offering_tls(greeting: bytes) -> bytes:
    # Protocol version, version string, thread id (4), scramble (8), filler, lower half of the flags.
    place = greeting.index(b"\0", 1) + 14
    (flags,) = struct.unpack_from("<H", greeting, place)
    return greeting[:place] + struct.pack("<H", flags | _CLIENT_SSL) + greeting[place + 2 :]


def _log_in(client: socket.socket, server: socket.socket, *, shift: int = 1) -> None:
    """Forward the login packet by packet with new numbers, because the server did not see the TLS request."""
    while True:
        number, answer = _receive(client)
        if number - shift == 1:
            (flags,) = struct.unpack_from("<I", answer)
            answer = struct.pack("<I", flags & ~_CLIENT_SSL) + answer[4:]
        _send(server, number - shift, answer)
        number, said = _receive(server)
        _send(client, number + shift, said)
        if said[0] in (_OK, _ERROR):
            return


def _relay(client: socket.socket, server: socket.socket, until: bytes | None = None) -> None:
    """Copy in both directions until one side ends, or the client sends `until`.

    In one thread, because two threads cannot use a TLS socket at once.
    """
    while True:
        pending = isinstance(client, ssl.SSLSocket) and client.pending()
        ready = [client] if pending else select.select([client, server], [], [])[0]
        for source in ready:
            data = source.recv(_CHUNK)
            if not data or (until is not None and source is client and until in data):
                return
            (server if source is client else client).sendall(data)


def _receive(sock: socket.socket) -> tuple[int, bytes]:
    """Return the number and the content of one MySQL packet."""
    header = _exactly(sock, _HEADER)
    return header[3], _exactly(sock, int.from_bytes(header[:3], "little"))


def _send(sock: socket.socket, number: int, content: bytes) -> None:
    sock.sendall(len(content).to_bytes(3, "little") + bytes([number]) + content)


def _exactly(sock: socket.socket, size: int) -> bytes:
    # Read exactly this packet, because the bytes after a TLS request belong to TLS.
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
