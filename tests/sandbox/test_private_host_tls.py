"""The gate offers TLS at the private host, with the sandbox's own authority."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.faults import Fault, Kind
from tidb_pe_magic.sandbox.network.certificates import server_tls
from tidb_pe_magic.sandbox.network.gate import Gate
from tidb_pe_magic.sandbox.network.impostors import Impostor, other_protocol, refuse_with, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROWS = 2000
_SECONDS = 30


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Provide a sandbox with a connected endpoint."""
    with Sandbox(flights=_ROWS) as sandbox:
        sandbox.world.create_endpoint(
            service=sandbox.world.services[0],
            vpc_id="vpc-t4nanalytics0k3m7x",
            zones=[("ap-southeast-1a", "vsw-t4na1")],
            security_groups=("sg-t4nanalytics",),
            name="tls",
            create_time="2026-11-20T08:00:00Z",
        )
        yield sandbox


@pytest.fixture
def connect(sandbox: Sandbox) -> Iterator[Callable[..., Any]]:
    """Return a function that logs in to the cluster demo over the endpoint."""
    host, port = next(iter(sandbox.route.gate.open_addresses))
    cluster = next(c for c in sandbox.clusters.clusters.values() if c.display_name == "demo")
    with contextlib.ExitStack() as stack:

        def log_in(**options: Any) -> Any:
            return stack.enter_context(
                pymysql.connect(
                    host=host,
                    port=port,
                    user=f"{cluster.user_prefix}.root",
                    password=sandbox.environment()["TIDB_PASSWORD"],
                    database="nycflights13",
                    read_timeout=_SECONDS,
                    **options,
                )
            )

        yield log_in


def _trusting(sandbox: Sandbox, name: str) -> ssl.SSLContext:
    class Named(ssl.SSLContext):
        def wrap_socket(self, sock: socket.socket, *_: Any, **__: Any) -> ssl.SSLSocket:
            return super().wrap_socket(sock, server_hostname=name)

    context = Named(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(sandbox.environment()["TIDB_CA"])
    return context


def _all(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_every_gateway_of_a_cluster_is_verified(sandbox: Sandbox, connect: Callable[..., Any]) -> None:
    """The authority of TIDB_CA verifies the server by the gateways' names, and the session is encrypted."""
    for name in sandbox.clusters.gateways:
        connection = connect(ssl=_trusting(sandbox, name))
        assert _all(connection, "SHOW STATUS LIKE 'Ssl_cipher'")[0][1].startswith("TLS_")
        assert _all(connection, "SHOW STATUS LIKE 'Ssl_version'") == (("Ssl_version", "TLSv1.3"),)
        assert len(_all(connection, "SELECT * FROM nycflights13.flights")) == _ROWS
    with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"):
        connect(ssl=_trusting(sandbox, "gateway.example.net"))


def test_tls_is_optional(connect: Callable[..., Any]) -> None:
    """An unencrypted login works, and the server reports it."""
    assert _all(connect(ssl_disabled=True), "SHOW STATUS LIKE 'Ssl_cipher'") == (("Ssl_cipher", ""),)


def test_a_wrong_password_is_refused_over_tls(sandbox: Sandbox, connect: Callable[..., Any]) -> None:
    """The refusal of a wrong password arrives over TLS with its code."""
    host, port = next(iter(sandbox.route.gate.open_addresses))
    with pytest.raises(pymysql.err.OperationalError) as failure:
        pymysql.connect(
            host=host,
            port=port,
            user="nobody",
            password="no",
            ssl=_trusting(sandbox, sandbox.clusters.gateways[0]),
        )
    assert "Access denied" in str(failure.value) or "user name prefix" in str(failure.value)
    assert _all(connect(ssl=_trusting(sandbox, sandbox.clusters.gateways[0])), "SELECT 1") == ((1,),)


def test_many_clients_at_once_shake_hands(sandbox: Sandbox, connect: Callable[..., Any]) -> None:
    """Bytes that a client sends right after its request for TLS are never lost."""
    context = _trusting(sandbox, sandbox.clusters.gateways[0])
    connections: list[Any] = []
    threads = [threading.Thread(target=lambda: connections.append(connect(ssl=context))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SECONDS)
    assert [_all(connection, "SELECT 1") for connection in connections] == [((1,),)] * 20


def test_a_statement_over_tls_can_be_cut(sandbox: Sandbox, connect: Callable[..., Any]) -> None:
    """The gate terminates TLS, so that it can read, count and cut statements."""
    connection = connect(ssl=_trusting(sandbox, sandbox.clusters.gateways[0]))
    sandbox.faults.add(Fault(kind=Kind.CUT, operation="DELETE"))
    with pytest.raises(pymysql.err.OperationalError) as failure:
        _all(connection, "DELETE FROM airlines")
    assert failure.value.args[0] in {2006, 2013}
    assert sandbox.requests[-1].operation == "DELETE"
    connection = connect(ssl=_trusting(sandbox, sandbox.clusters.gateways[0]))
    assert _all(connection, "SELECT COUNT(*) FROM nycflights13.airlines") == ((16,),)


@pytest.fixture
def tls_gate() -> Iterator[Callable[[Impostor], tuple[str, int]]]:
    """Return a function that puts a gate with TLS before a server, and returns its address."""
    with contextlib.ExitStack() as stack:

        def start(impostor: Impostor) -> tuple[str, int]:
            gate = stack.enter_context(Gate(stack.enter_context(impostor).address))
            gate.tls = server_tls("localhost").context
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                address: tuple[str, int] = probe.getsockname()
            gate.open([address])
            return address

        yield start


def test_other_protocols_pass_unchanged(tls_gate: Callable[[Impostor], tuple[str, int]]) -> None:
    """Another protocol, and an error in place of a greeting, reach the client unchanged."""
    with socket.create_connection(tls_gate(Impostor(other_protocol)), timeout=_SECONDS) as client:
        assert client.recv(8) == b"SSH-2.0-"
    with socket.create_connection(
        tls_gate(Impostor(refuse_with(1040, "Too many"))), timeout=_SECONDS
    ) as client:
        assert client.recv(64)[4:] == b"\xff\x10\x04Too many"


def test_a_client_may_leave_a_silent_server(tls_gate: Callable[[Impostor], tuple[str, int]]) -> None:
    """A client that leaves, or speaks first, ends the wait for a greeting."""
    left = threading.Event()

    def behave(connection: socket.socket) -> None:
        silent(connection)
        left.set()

    with socket.create_connection(tls_gate(Impostor(behave)), timeout=_SECONDS):
        pass
    assert left.wait(_SECONDS)


def test_rubbish_in_the_place_of_tls_ends_the_connection(
    sandbox: Sandbox, connect: Callable[..., Any]
) -> None:
    """A client that requests TLS without a handshake is disconnected, without an effect on others."""
    with socket.create_connection(next(iter(sandbox.route.gate.open_addresses)), timeout=_SECONDS) as client:
        client.recv(4096)
        client.sendall(b"\x20\0\0\x01" + (0x0800).to_bytes(4, "little") + bytes(28) + b"no TLS record at all")
        with contextlib.suppress(ConnectionError):
            while client.recv(4096):
                pass
    assert _all(connect(ssl_disabled=True), "SELECT 1") == ((1,),)
