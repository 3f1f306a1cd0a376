"""The TCP gate refuses when closed, forwards when open, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic.sandbox.network.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Address = tuple[str, int]
_TIMEOUT = 20.0


def _free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
        return host, port


def _read_all(connection: socket.socket) -> bytes:
    data = bytearray()
    while chunk := connection.recv(65536):
        data += chunk
    return bytes(data)


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@contextlib.contextmanager
def _server(serve: Callable[[socket.socket], None]) -> Iterator[Address]:
    """Serve each connection in a thread, and join all of them."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_TIMEOUT)
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def _echo(connection: socket.socket) -> None:
    while chunk := connection.recv(65536):
        connection.sendall(chunk)


@pytest.fixture
def echo() -> Iterator[Address]:
    """Provide an echo server."""
    with _server(_echo) as address:
        yield address


@pytest.fixture
def gate(echo: Address) -> Iterator[Gate]:
    """Provide a gate before the echo server."""
    with Gate(echo) as gate:
        yield gate


def _connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=_TIMEOUT)


def _is_open(address: Address) -> bool:
    try:
        with _connect(address) as client:
            client.sendall(b"x")
            return client.recv(1) == b"x"
    except ConnectionRefusedError:
        return False


def test_it_refuses_until_it_is_opened(gate: Gate) -> None:
    """An address has a listener only between its opening and its closing."""
    address = _free_address()
    assert not _is_open(address)
    gate.open([address])
    assert _is_open(address)
    gate.close([address])
    assert not _is_open(address)


def test_several_addresses_open_and_close_by_themselves(gate: Gate) -> None:
    """Closing one address leaves the others and their connections alone."""
    first, second = _free_address(), _free_address()
    gate.open([first, second, first])
    with _connect(second) as client:
        gate.close([first])
        assert not _is_open(first)
        client.sendall(b"still here")
        assert client.recv(10) == b"still here"
    assert gate.open_addresses == {second}


def test_opening_twice_keeps_live_connections(gate: Gate) -> None:
    """Opening an open address again does not affect live connections."""
    address = _free_address()
    gate.open([address])
    with _connect(address) as client:
        gate.open([address])
        client.sendall(b"a")
        assert client.recv(1) == b"a"


def test_closing_drops_live_connections(gate: Gate) -> None:
    """A client whose address is closed loses its connection immediately."""
    address = _free_address()
    gate.open([address])
    with _connect(address) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        gate.close([address])
        assert _ended(client)
        assert gate.live_connections == 0


def test_dropping_connections_keeps_the_address_open(gate: Gate) -> None:
    """An idle drop ends the existing connections, and a new one succeeds."""
    address = _free_address()
    gate.open([address])
    with _connect(address) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        gate.drop_connections()
        assert _ended(client)
    assert _is_open(address)


def test_a_half_close_is_passed_on() -> None:
    """A server that answers only after the client's end of stream can still answer."""
    with _server(lambda c: c.sendall(str(len(_read_all(c))).encode())) as upstream, Gate(upstream) as gate:
        address = _free_address()
        gate.open([address])
        with _connect(address) as client:
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            assert _read_all(client) == b"100000"


def test_a_large_stream_comes_through_unchanged(gate: Gate) -> None:
    """Twenty megabytes, sent while being read, arrive byte for byte."""
    address = _free_address()
    gate.open([address])
    block = bytes(range(256)) * 4096
    with _connect(address) as client:

        def send() -> None:
            for _ in range(20):
                client.sendall(block)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = _read_all(client)
        sender.join()
    assert received == block * 20


def test_a_slow_reader_holds_the_server_back() -> None:
    """Unread data of a slow client does not accumulate in the gate."""
    sent, total = [0], 256 * 1024 * 1024

    def pour(connection: socket.socket) -> None:
        # A server that cannot send anything for this long is blocked.
        connection.settimeout(1.0)
        block = bytes(1024 * 1024)
        with contextlib.suppress(TimeoutError):
            while sent[0] < total:
                connection.sendall(block)
                sent[0] += len(block)
        held_back.set()

    held_back = threading.Event()
    with _server(pour) as upstream, Gate(upstream) as gate:
        address = _free_address()
        gate.open([address])
        with _connect(address) as client:
            assert client.recv(1)
            assert held_back.wait(_TIMEOUT)
            assert sent[0] < total


def test_a_dead_upstream_ends_the_connection() -> None:
    """Without a server the gate accepts and hangs up, and keeps working."""
    upstream, address = _free_address(), _free_address()
    with Gate(upstream) as gate:
        gate.open([address])
        for _ in range(2):
            with _connect(address) as client:
                assert _ended(client)
        assert gate.open_addresses == {address}


def test_a_taken_address_opens_nothing(gate: Gate) -> None:
    """When one of the addresses is taken, none of them stays open."""
    free = _free_address()
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(OSError, match="address already in use"):
            gate.open([free, other.getsockname()])
        assert not _is_open(free)
        assert gate.open_addresses == frozenset()


def test_stopping_leaves_nothing(echo: Address) -> None:
    """A stop ends all threads, listeners and connections; a second stop does nothing."""
    before = set(threading.enumerate())
    gate = Gate(echo).start()
    address = _free_address()
    gate.open([address])
    with _connect(address) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        gate.stop()
        gate.stop()
        assert _ended(client)
    assert not _is_open(address)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "sandbox-gate"]


def test_a_connection_that_is_accepted_while_its_address_closes_is_not_lost() -> None:
    """When a client connects during the closing, every socket is closed explicitly."""
    with socket.create_server(("127.0.0.1", 0)) as upstream, Gate(upstream.getsockname()) as gate:
        address = "127.88.2.1", upstream.getsockname()[1]
        for _ in range(50):
            gate.open([address])
            socket.create_connection(address, timeout=5).close()
            gate.close([address])
        assert gate.live_connections == 0
    gc.collect()  # An unclosed socket warns here, and a warning is an error.
