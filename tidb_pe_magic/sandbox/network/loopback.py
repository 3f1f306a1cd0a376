"""Loopback addresses for an endpoint's domain and network interfaces."""

from __future__ import annotations

import secrets
import socket
import sys

_ATTEMPTS = 64


class LoopbackAddresses:
    """Allocates usable addresses for one port; on Linux, each address only once."""

    def __init__(self, port: int) -> None:
        """Set the port of the addresses."""
        self._port = port
        self._taken: set[str] = set()

    def keep(self, *addresses: str) -> None:
        """Exclude these addresses; ignore names."""
        self._taken.update(addresses)

    def take(self) -> str:
        """Return a new address. The caller serialises its calls."""
        if not sys.platform.startswith("linux"):
            # On other systems the loopback interface has only this address.
            return "127.0.0.1"
        for _ in range(_ATTEMPTS):
            # Random, because another sandbox on this machine may use the same port.
            parts = (1 + secrets.randbelow(254), secrets.randbelow(256), 1 + secrets.randbelow(254))
            address = ".".join(map(str, (127, *parts)))
            if address not in self._taken and _can_listen(address, self._port):
                self._taken.add(address)
                return address
        msg = f"port {self._port} is taken on the loopback addresses"
        raise OSError(msg)


def _can_listen(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # Like a server, because a connection of an earlier listener may be in TIME_WAIT.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
