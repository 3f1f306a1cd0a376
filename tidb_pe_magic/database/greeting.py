"""DNS, TCP and the server's greeting, in order, with the reason for each failure.

In the MySQL protocol the server sends first. So a connection that opens and stays silent, or sends something
else, can be distinguished from one that does not open, and both from a refused login.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from pymysql.constants import CLIENT, CR

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.database import refusals
from tidb_pe_magic.errors import ConnectionFailed
from tidb_pe_magic.threads import within

if TYPE_CHECKING:
    from tidb_pe_magic.database.deadline import Deadline

_HEADER = 4
_LARGEST_GREETING = 4096
_PROTOCOL_VERSION = 10
_ERROR = 0xFF
_KEEPALIVE_IDLE, _KEEPALIVE_INTERVAL, _KEEPALIVE_COUNT = 60, 10, 3
_UNACKNOWLEDGED = 10_000  # milliseconds; by default, Linux retransmits for 15 minutes
LOST = frozenset({CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 0})
"""The driver's codes for a lost connection."""

_NOT_REACHED = (
    "The endpoint's security group must allow inbound TCP on this port from this machine, and this machine "
    "must be in the endpoint's VPC or have a route to it."
)
_REFUSED = Advice("Check host and port, and that the endpoint is Connected.", Suggestion("status"))


class ServerConnection(NamedTuple):
    """A TCP connection to a MySQL server whose greeting has arrived."""

    sock: socket.socket
    tls_offered: bool


def reach(host: str, port: int, deadline: Deadline) -> ServerConnection:
    """Connect to a MySQL server, and read its greeting; the deadline guards the connection from now on.

    Raises:
        ConnectionFailed: at stage dns, tcp or handshake, with nothing left open.
    """
    return greet(_dial(host, port, deadline), deadline)


def greet(sock: socket.socket, deadline: Deadline) -> ServerConnection:
    """Read the greeting of the server at the other end; the deadline guards the connection from now on.

    Raises:
        ConnectionFailed: at stage handshake, with the socket closed.
    """
    try:
        offered = _peek_greeting(sock, deadline)
        deadline.guard(sock)
    except BaseException:
        sock.close()
        raise
    return ServerConnection(sock, offered)


def _dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """Open a TCP connection to the first address of `host` that accepts it."""
    addresses = resolve(host, port, deadline)
    failures = []
    timed_out = False
    for position, (family, address) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Each address gets a share of the time: an endpoint has one per zone, and one may not respond.
            sock.settimeout(max(0.01, deadline.remaining / (len(addresses) - position)))
            sock.connect(address)
            tune(sock)
        except OSError as error:
            sock.close()
            reason = (error.strerror or str(error)).lower()
            if isinstance(error, TimeoutError):
                timed_out, reason = True, "timed out"
            failures.append(f"{address[0]} port {port}: {reason}")
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise ConnectionFailed("tcp", "; ".join(failures) + ".", advice=_NOT_REACHED if timed_out else _REFUSED)


def resolve(host: str, port: int, deadline: Deadline) -> list[tuple[int, tuple[str, int]]]:
    """Return the families and addresses of a name, in the operating system's order.

    Raises:
        ConnectionFailed: at stage dns.
    """
    # The operating system's resolver has no timeout and cannot be interrupted.
    try:
        found = within(
            deadline.remaining,
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            name="tidb_pe-resolver",
        )
    except TimeoutError:
        reason = f"no answer in {deadline.seconds:.3g} s"
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    else:
        return [(int(family), address) for family, _, _, _, address in found]  # type: ignore[misc]
    raise ConnectionFailed(
        "dns",
        f"{host} does not resolve: {reason}.",
        advice=Advice(
            "Check the name. The endpoint's domain resolves once the endpoint is Active.",
            Suggestion("status"),
        ),
    )


def tune(sock: socket.socket) -> None:
    """Keep idle connections alive through load balancers, and detect a lost peer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE),
        ("TCP_KEEPALIVE", _KEEPALIVE_IDLE),  # macOS's name for it
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL),
        ("TCP_KEEPCNT", _KEEPALIVE_COUNT),
        ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _peek_greeting(sock: socket.socket, deadline: Deadline) -> bool:
    """Return whether the server offers TLS; its greeting stays in the socket for the driver."""
    data = b""
    while not _is_complete(data):
        if deadline.is_over:
            raise _silent(deadline)
        sock.settimeout(max(0.01, deadline.remaining))
        seen = len(data)
        try:
            data = sock.recv(_LARGEST_GREETING, socket.MSG_PEEK)
        except TimeoutError:
            raise _silent(deadline) from None
        except OSError as error:
            raise closed_early(error.strerror or str(error)) from None
        if not data:
            raise closed_early("it closed the connection")
        if len(data) == seen:
            # Peeked data stays readable, so the socket cannot signal the arrival of the rest.
            time.sleep(0.005)
    payload = data[_HEADER:]
    if payload[0] == _ERROR:
        code = int.from_bytes(payload[1:3], "little")
        raise server_error(code, payload[3:].decode("utf-8", "replace"), stage="handshake")
    _, _, rest = payload[1:].partition(b"\0")
    # Thread id (4 bytes), scramble (8), filler (1), then the lower half of the capabilities.
    return bool(int.from_bytes(rest[13:15], "little") & CLIENT.SSL)


def _is_complete(data: bytes) -> bool:
    if len(data) <= _HEADER:
        return False
    length = int.from_bytes(data[:3], "little")
    sane = data[3] == 0 and 0 < length <= _LARGEST_GREETING - _HEADER
    if not sane or data[_HEADER] not in (_PROTOCOL_VERSION, _ERROR):
        said = data[:40].decode("ascii", "backslashreplace")
        raise ConnectionFailed(
            "handshake",
            f"not a MySQL server: it sent {said!r}.",
            advice="Check the port (usually 4000).",
            kind="protocol",
        )
    return len(data) >= _HEADER + length


def _silent(deadline: Deadline) -> ConnectionFailed:
    return ConnectionFailed(
        "handshake",
        f"the server accepted the connection but sent no greeting in {deadline.seconds:.3g} s.",
        advice=Advice("Check the port, and that the cluster is ACTIVE.", Suggestion("status")),
        kind="silent",
    )


def closed_early(reason: str) -> ConnectionFailed:
    """Return the failure of a server that accepted the connection and then closed it."""
    return ConnectionFailed(
        "handshake",
        f"the server accepted the connection and closed it before the login: {reason}.",
        advice=Advice("Check that the endpoint is Connected and the cluster ACTIVE.", Suggestion("status")),
        kind="closed",
    )


def server_error(code: int, message: str, *, stage: str, plain: bool = False) -> ConnectionFailed:
    """Return the failure for a MySQL error.

    Args:
        code: the server's error number.
        message: the server's error message.
        stage: where it happened, unless the error number implies another stage.
        plain: the connection is unencrypted, though the server offers TLS.
    """
    if message.startswith("#"):
        message = message[6:]  # SQLSTATE
    if code in LOST:
        detail = f" ({code} {message})" if code else ""
        return ConnectionFailed(stage, f"the server ended the connection{detail}.")
    refusal = refusals.find(code, message)
    if refusal is None:
        kind = refusals.OTHER.kind if stage == "login" else ""
        return ConnectionFailed(stage, f"{code} {message.rstrip('.')}.", kind=kind)
    advice = refusal.advice
    # A query's error belongs to the query, whatever its number means at login.
    stage = stage if stage == "query" else refusal.stage
    if refusal.kind == "password" and plain:
        advice = f"{advice} Some servers refuse unencrypted logins with this error: use --tls auto."
    return ConnectionFailed(stage, f"{code} {message.rstrip('.')}.", advice=advice, kind=refusal.kind)
