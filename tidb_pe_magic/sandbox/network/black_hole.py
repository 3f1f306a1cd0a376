"""An address at which a connection attempt gets no answer, without special privileges.

If a listening socket's queue is full, the Linux kernel drops connection attempts, like a security group: the
client gets no answer and no refusal. Other systems may refuse instead.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Self

# One more than the capacity of a queue of length 0 on Linux; the kernel drops the surplus like any attempt.
_FILLERS = 2
_SECONDS = 5.0


class BlackHole:
    """Swallows every connection attempt at one address until it is closed."""

    def __init__(self, address: tuple[str, int]) -> None:
        """Listen on the address, and fill the queue."""
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(0)
            fillers = [stack.enter_context(socket.socket()) for _ in range(_FILLERS)]
            for filler in fillers:
                filler.setblocking(False)  # noqa: FBT003 - the standard library's signature
                filler.connect_ex(address)
            # The first connection fits; once it is established, the queue is full.
            select.select([], fillers, [], _SECONDS)
            self._sockets = stack.pop_all()

    def close(self) -> None:
        """Release the address; may be called twice."""
        self._sockets.close()

    def __enter__(self) -> Self:
        """Return the black hole."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the address."""
        self.close()
