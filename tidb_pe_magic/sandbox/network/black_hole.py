"""An address at which a connection attempt gets no answer at all, without any privilege.

A listening socket whose queue is full makes the kernel drop what arrives, just as a security group does:
the client sees silence, not a refusal. Linux does so; other systems may refuse instead.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Self

# One more than fits into a queue of length 0 on Linux; the surplus is dropped like any client's attempt.
_FILLERS = 2
_SECONDS = 5.0


class BlackHole:
    """Swallows every connection attempt at one address until it is closed."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Take the address, and fill the queue."""
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(0)
            fillers = [stack.enter_context(socket.socket()) for _ in range(_FILLERS)]
            for filler in fillers:
                filler.setblocking(False)  # noqa: FBT003 - the standard library's signature
                filler.connect_ex(address)
            # The first one fits; once it is established the queue is full.
            select.select([], fillers, [], _SECONDS)
            self._sockets = stack.pop_all()

    def close(self) -> None:
        """Let the address go; may be called twice."""
        self._sockets.close()

    def __enter__(self) -> Self:
        """Return the black hole."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the address go."""
        self.close()
