"""The stages of a failing connection: which one, why, and what to do."""

from __future__ import annotations

import itertools
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from database.relay import Listener
from support.secrets_in_traceback import holders

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.engine import Target, open_engine
from tidb_pe_magic.errors import ConnectionFailed
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.mariadb import MariaDb

    from tidb_pe_magic.database.engine import TestedEngine

PASSWORD = "correct-horse-battery"


def failure(target: Target, *, timeout: float = 10.0) -> ConnectionFailed:
    """Return the connection's failure, after checking that its traceback does not contain the password."""
    with pytest.raises(ConnectionFailed) as failed:
        open_engine(target, timeout=timeout)
    error = failed.value
    assert holders(error, target.password.reveal()) == []
    assert "\n" not in str(error)
    return error


def target(port: int, host: str = "127.0.0.1") -> Target:
    """Return a target for a server that is not a database."""
    return Target(host=host, port=port, user="prefix.root", database="", password=Secret(PASSWORD))


def packet(payload: bytes, sequence: int = 0) -> bytes:
    """Frame a payload as the MySQL protocol does."""
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def plain_greeting(server: MariaDb) -> bytes:
    """Return the greeting of a real server without TLS."""
    with socket.create_connection((server.host, server.port)) as real:
        return real.recv(4096)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 300])
def test_a_name_that_does_not_resolve_fails_at_dns(host: str) -> None:
    """The error names an unknown or impossible host name."""
    error = failure(target(4000, host))
    assert error.stage == "dns"
    assert host in error.message


def test_a_refused_connection_fails_at_tcp() -> None:
    """A port without a listener is reported as refused, with the host's address."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = failure(target(port))
    assert error.stage == "tcp"
    assert f"127.0.0.1 port {port}: connection refused" in error.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops connections of a full backlog")
def test_a_connection_that_is_not_answered_fails_at_tcp_and_names_the_security_group() -> None:
    """If a packet filter drops packets, the advice is the security group and the VPC."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            error = failure(target(port), timeout=0.5)
    assert error.stage == "tcp"
    assert "timed out" in error.message
    assert "security group" in error.advice
    assert "VPC" in error.advice


def test_a_server_of_another_protocol_fails_at_the_handshake() -> None:
    """The error shows the server's text in place of a MySQL greeting."""
    with Listener(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as listener:
        error = failure(target(listener.port))
    assert error.stage == "handshake"
    assert "not a MySQL server" in error.message
    assert "SSH-2.0" in error.message


def test_a_closed_connection_fails_at_the_handshake() -> None:
    """A gate that accepts and closes the connection is distinguished from a refused one."""
    with Listener(lambda _: None) as listener:
        error = failure(target(listener.port))
    assert error.stage == "handshake"
    assert "closed it before the login" in error.message


def test_a_silent_server_fails_at_the_handshake() -> None:
    """A silent server fails at the deadline."""
    with Listener(lambda connection: connection.recv(1)) as listener:
        error = failure(target(listener.port), timeout=0.3)
    assert error.stage == "handshake"
    assert "no greeting in 0.3 s" in error.message


def test_one_deadline_holds_for_a_server_that_trickles(plain_server: MariaDb) -> None:
    """Trickling bytes do not extend the time for the whole probe."""
    greeting = plain_greeting(plain_server)
    given_up = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(greeting)
        connection.recv(4096)
        # The announced packet length is never reached, one byte at a time.
        connection.sendall((200_000).to_bytes(3, "little") + b"\x02")
        try:
            while not given_up.wait(0.05):
                connection.sendall(b".")
        except OSError:
            given_up.set()

    with Listener(trickle) as listener:
        error = failure(target(listener.port), timeout=0.5)
        assert given_up.wait(5), "the client left its connection open"
    assert error.stage == "login"
    assert "no answer in 0.5 s" in error.message


def test_a_greeting_in_pieces_is_read_to_its_end(
    plain_server: MariaDb, opened: Callable[..., TestedEngine]
) -> None:
    """A greeting that arrives byte by byte is the same greeting."""

    def serve(client: socket.socket) -> None:
        with socket.create_connection((plain_server.host, plain_server.port)) as server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in server.recv(4096):
                client.sendall(bytes([byte]))
                time.sleep(0)  # Let the client see the bytes.
            for source, sink in itertools.cycle(((client, server), (server, client))):
                data = source.recv(65536)
                if not data:
                    return
                sink.sendall(data)

    with Listener(serve) as listener:
        result = opened(plain_server.target(port=listener.port))
        assert "MariaDB" in result.server_version
        result.engine.dispose()


def test_too_many_connections_fail_at_the_handshake() -> None:
    """The server's error in place of a greeting is shown with its number."""
    message = packet(b"\xff" + (1040).to_bytes(2, "little") + b"#08004Too many connections")
    with Listener(lambda connection: connection.sendall(message)) as listener:
        error = failure(target(listener.port))
    assert error.stage == "handshake"
    assert "1040 Too many connections." in error.message


def test_a_hostile_message_stays_on_one_line() -> None:
    """Line breaks and escape sequences of a server's message become visible."""
    message = packet(b"\xff" + (1040).to_bytes(2, "little") + b"#08004a\nb\x1b[31mc")
    with Listener(lambda connection: connection.sendall(message)) as listener:
        shown = str(failure(target(listener.port)))
    assert "a b\\u001b[31mc" in shown


def test_a_wrong_password_fails_at_login(plain_server: MariaDb) -> None:
    """A refused login shows the server's words and other possible reasons."""
    before = plain_server.connections()
    error = failure(plain_server.target(password=Secret(PASSWORD)))
    assert error.stage == "login"
    assert "1045 Access denied for user 'prefix.root'" in error.message
    for part in ("password", "prefix", "Authorized Networks"):
        assert part in error.advice
    plain_server.await_only_own(before)


def test_an_unknown_database_fails_at_query(plain_server: MariaDb) -> None:
    """A missing database is distinguished from a refused login."""
    error = failure(plain_server.target(database="nowhere"))
    assert error.stage == "query"
    assert "1049 Unknown database 'nowhere'" in error.message
    assert "--database" in error.advice


def test_a_database_without_grant_fails_at_query(plain_server: MariaDb) -> None:
    """The error for a database without a grant has its name and the server's words."""
    plain_server.execute(f"CREATE OR REPLACE USER 'prefix.guest'@'%' IDENTIFIED BY '{PASSWORD}'")
    error = failure(plain_server.target(user="prefix.guest", database="mysql", password=Secret(PASSWORD)))
    assert error.stage == "query"
    assert "1044 Access denied" in error.message


def test_a_user_at_its_limit_fails_at_the_handshake(
    plain_server: MariaDb, opened: Callable[..., TestedEngine]
) -> None:
    """A limit on the user's connections is not reported as a wrong password."""
    plain_server.execute(
        f"CREATE OR REPLACE USER 'prefix.one'@'%' IDENTIFIED BY '{PASSWORD}' WITH MAX_USER_CONNECTIONS 1"
    )
    only = plain_server.target(user="prefix.one", database="", password=Secret(PASSWORD))
    opened(only)
    error = failure(only)
    assert error.stage == "handshake"
    assert "1226" in error.message


def test_an_unencrypted_login_that_is_refused_names_tls(tls_server: MariaDb) -> None:
    """MariaDB refuses an unencrypted login as if the password were wrong; the advice names the flag."""
    tls_server.execute("SET GLOBAL require_secure_transport = ON")
    try:
        error = failure(tls_server.target(tls=TlsMode.OFF))
    finally:
        tls_server.execute("SET GLOBAL require_secure_transport = OFF")
    assert error.stage == "login"
    assert "--tls auto" in error.advice


def test_a_required_encryption_fails_at_tls(plain_server: MariaDb) -> None:
    """A server that requires encryption is distinguished from a wrong password."""
    greeting = plain_greeting(plain_server)
    message = b"\xff" + (3159).to_bytes(2, "little") + b"#HY000insecure transport is prohibited"

    def refuse(connection: socket.socket) -> None:
        connection.sendall(greeting)
        connection.recv(4096)
        connection.sendall(packet(message, 2))

    with Listener(refuse) as listener:
        error = failure(target(listener.port))
    assert error.stage == "tls"
    assert "--tls auto" in error.advice


@pytest.mark.parametrize("method", [b"mysql_clear_password", b"dialog", b"mysql_old_password"])
def test_the_password_is_never_sent_in_clear_text(plain_server: MariaDb, method: bytes) -> None:
    """A server that requests the password over an unencrypted connection does not get it."""
    greeting = plain_greeting(plain_server)
    received: list[bytes] = []

    def ask(connection: socket.socket) -> None:
        connection.sendall(greeting)
        received.append(connection.recv(4096))
        # An authentication switch request; `dialog` includes its first question.
        connection.sendall(packet(b"\xfe" + method + b"\0" + b"\x04Password: ", 2))
        while data := connection.recv(4096):
            received.append(data)

    with Listener(ask) as listener:
        error = failure(target(listener.port))
    assert error.stage == "login"
    assert "clear text" in error.message
    assert received, "the client sent no login at all"
    assert PASSWORD.encode() not in b"".join(received)


def test_a_server_that_asks_for_a_local_file_gets_nothing(plain_server: MariaDb) -> None:
    """A LOAD DATA LOCAL that the server initiates is refused, and the connection is closed immediately."""
    greeting = plain_greeting(plain_server)
    ok = b"\0\0\0\2\0\0\0"
    after: list[bytes] = []

    def ask(connection: socket.socket) -> None:
        connection.sendall(greeting)
        connection.recv(4096)
        connection.sendall(packet(ok, 2))
        while data := connection.recv(4096):
            if b"SELECT" in data:
                connection.sendall(packet(b"\xfb/etc/passwd", 1))
                after.append(connection.recv(4096))
                return
            connection.sendall(packet(ok, 1))

    with Listener(ask) as listener:
        error = failure(target(listener.port))
    assert error.stage == "query"
    assert "asked for a file of this machine; nothing was sent" in error.message
    assert after == [b""]


def test_a_password_beyond_latin_1_is_compared_as_utf_8(
    plain_server: MariaDb, opened: Callable[..., TestedEngine]
) -> None:
    """A password with any character of Unicode logs in."""
    password = "pässwörd-密码-🔑"
    plain_server.execute("SET NAMES utf8mb4")
    plain_server.execute(f"CREATE OR REPLACE USER 'prefix.unicode'@'%' IDENTIFIED BY '{password}'")
    secret = Secret(password)
    assert opened(plain_server.target(user="prefix.unicode", database="", password=secret)).server_version


def test_a_failed_query_leaves_no_connection(
    plain_server: MariaDb, opened: Callable[..., TestedEngine]
) -> None:
    """If a query after the login fails, the probe closes its connection."""
    failures: list[ConnectionFailed] = []
    for limit in range(1, 50):
        user = f"prefix.limit{limit}"
        plain_server.execute(
            f"CREATE OR REPLACE USER '{user}'@'%' IDENTIFIED BY "
            f"'{PASSWORD}' WITH MAX_QUERIES_PER_HOUR {limit}"
        )
        try:
            opened(plain_server.target(user=user, database="", password=Secret(PASSWORD)))
        except ConnectionFailed as error:
            failures.append(error)
            plain_server.await_only_own((), user=user)
        else:
            break
    assert all("max_queries_per_hour" in error.message for error in failures)
    assert failures[-1].stage == "query"


def test_a_failed_probe_leaves_no_connection(tls_server: MariaDb) -> None:
    """After a failure at any stage, the server has no connection of this user."""
    before = tls_server.connections()
    for changes in ({"database": "nowhere"}, {"password": Secret(PASSWORD)}, {"tls_name": "x.example"}):
        failure(tls_server.target(**changes))
    tls_server.await_only_own(before)
    assert set(tls_server.connections()) <= set(before)
