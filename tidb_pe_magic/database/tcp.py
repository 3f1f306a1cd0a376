"""TCP connections to several addresses at once, within one time limit, in the calling thread.

It uses no threads, so that the stop button of a notebook ends it at once and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database import greeting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.database.deadline import Deadline

_SLICE = 0.2  # seconds: maximum delay of an interrupt on systems where it does not end a wait
_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)})
_NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)


@dataclass(frozen=True)
class Address:
    """One address to connect to, in the form for sockets, and its zone, if any."""

    family: int
    place: tuple[Any, ...]
    label: str

    @property
    def text(self) -> str:
        """The address without its zone."""
        return str(self.place[0])

    def __str__(self) -> str:
        """Return the address and its zone."""
        return f"{self.text} ({self.label})" if self.label else self.text


@dataclass
class Attempt:
    """The outcome of one connection attempt.

    Attributes:
        sock: the open connection, if successful.
        kind: refused, timeout, unreachable or error; empty if successful.
    """

    address: Address
    sock: socket.socket | None = None
    kind: str = ""
    reason: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return the outcome in a few words."""
        if self.sock is not None:
            return f"{self.address} answers in {1000 * self.seconds:.1f} ms"
        return f"{self.address}: {self.reason}"


def literal(ip: str, port: int, label: str) -> Address:
    """Return the parsed form of a literal IP address."""
    family = socket.AF_INET6 if ipaddress.ip_address(ip).version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
    return Address(family, (ip, port), label)


def source(address: Address) -> str:
    """Return this machine's source address for packets to `address`; empty if there is no route.

    Nothing is sent: connecting a datagram socket only consults the routing table.
    """
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as probe:
            probe.connect(address.place)
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def dial(addresses: Sequence[Address], deadline: Deadline) -> list[Attempt]:
    """Try all addresses at once; return when each has answered or the time is over."""
    attempts = [Attempt(address) for address in addresses]
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for attempt in attempts:
            _begin(attempt, selector, stack)
        while selector.get_map() and not deadline.is_over:
            for key, _ in selector.select(min(_SLICE, deadline.remaining)):
                selector.unregister(key.fileobj)
                sock, attempt = key.data
                attempt.seconds = time.monotonic() - started
                _finish(attempt, sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        for key in selector.get_map().values():
            _, attempt = key.data
            attempt.kind, attempt.reason = "timeout", f"no answer in {deadline.seconds:.1f} s"
        # The caller keeps the open connections, as duplicates.
        for attempt in attempts:
            if attempt.sock is not None:
                attempt.sock = attempt.sock.dup()
                greeting.tune(attempt.sock)
    return attempts


def faults(attempts: Sequence[Attempt]) -> set[str]:
    """Return the failed attempts, except those of an address family without a route on this machine.

    They count only if no other family answers: a machine without IPv6 reaches a dual-stack name over IPv4,
    which is not a problem.
    """
    answering = {attempt.address.family for attempt in attempts if attempt.sock is not None}
    return {
        attempt.kind
        for attempt in attempts
        if attempt.kind
        and not (attempt.kind == "unreachable" and answering and attempt.address.family not in answering)
    }


def _begin(attempt: Attempt, selector: selectors.BaseSelector, stack: contextlib.ExitStack) -> None:
    try:
        sock = stack.enter_context(socket.socket(attempt.address.family, socket.SOCK_STREAM))
        sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
        code = sock.connect_ex(attempt.address.place)
    except OSError as error:
        _finish(attempt, None, error.errno or 0, str(error))
        return
    if code in _UNDER_WAY:
        selector.register(sock, selectors.EVENT_WRITE, (sock, attempt))
    else:
        _finish(attempt, None, code)


def _finish(attempt: Attempt, sock: socket.socket | None, code: int, reason: str = "") -> None:
    if code == 0 and sock is not None:
        attempt.sock = sock
        return
    attempt.reason = (reason or os.strerror(code)).lower()
    if code == errno.ECONNREFUSED:
        attempt.kind = "refused"
    elif code == errno.ETIMEDOUT:
        attempt.kind = "timeout"
    else:
        attempt.kind = "unreachable" if code in _NO_ROUTE else "error"
