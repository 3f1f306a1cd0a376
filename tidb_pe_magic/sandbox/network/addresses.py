"""Hosts and ports of this machine."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from typing import Final

Address = tuple[str, int]

# Below the ports that systems use for outgoing connections.
_PORTS: Final = range(20000, 30000)
_PORT_ATTEMPTS: Final = 200


def is_address(host: str) -> bool:
    """Return whether a host is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_address(text: str) -> Address:
    """Return host and port of "HOST:PORT"; an IPv6 host is in brackets."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - TCP's
        msg = f"{text!r} is not HOST:PORT, as in 127.0.0.1:3306"
        raise ValueError(msg)
    return host, int(port)


def free_port() -> int:
    """Return a port that is free on all addresses of this machine; each endpoint has its own address."""
    for _ in range(_PORT_ATTEMPTS):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                # Bound to all addresses for a moment, but never listening.
                probe.bind(("0.0.0.0", port))  # noqa: S104 - see above
            except OSError:
                continue
            return port
    msg = "a free TCP port was not found"
    raise OSError(msg)
