"""One time limit for a whole exchange, however many packets, handshakes and addresses it takes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Deadline:
    """A time limit: at its end, every socket given to `guard` is shut down.

    A socket's own timeout starts anew with each packet, so a server that sends a byte now and then would
    never be given up. A shut-down socket ends whatever waits for it.
    """

    def __init__(self, seconds: float) -> None:
        """Start the clock."""
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._guarded: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True

    @property
    def remaining(self) -> float:
        """Seconds left; zero after the end."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """The time is over."""
        return self.remaining <= 0

    def guard(self, sock: socket.socket) -> None:
        """End the socket's connection at the end of the time.

        The socket is duplicated, because wrapping it for TLS takes its file descriptor away.
        """
        duplicate = sock.dup()
        with self._lock:
            self._guarded.append(duplicate)
        if self.expired:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for sock in self._guarded:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        """Watch the time."""
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the sockets alone from now on."""
        self._timer.cancel()
        with self._lock:
            for sock in self._guarded:
                sock.close()
            self._guarded.clear()
