"""Ports on this machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

# Below the ports that a system chooses itself, for a connection or a listener without a port of its own: such
# a port could be taken before its server listens, or while a server restarts.
_FIRST, _LAST = 20_000, 32_000
# Processes of one test run have consecutive IDs, and each asks for fewer ports than this.
_PORTS_OF_A_PROCESS = 200
_numbers = itertools.count(os.getpid() * _PORTS_OF_A_PROCESS)


def free_port() -> int:
    """Return a TCP port without a listener, another one for each call."""
    while True:
        port = _FIRST + next(_numbers) % (_LAST - _FIRST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
