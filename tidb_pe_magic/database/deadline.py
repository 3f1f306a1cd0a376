"""One time limit for a whole exchange, however many packets, handshakes and addresses it takes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Deadline:
    """A time limit; when it is reached, every socket passed to `guard` is shut down.

    A socket's own timeout starts again with each packet, so a server that occasionally sends a byte would
    never time out. Shutting down a socket ends every wait on it.
    """

    def __init__(
        self, seconds: float, *, login: float | None = None, on_login: Callable[[], None] | None = None
    ) -> None:
        """Start the clock.

        Args:
            seconds: the limit.
            login: another limit, also from the start, which applies once the login is reached.
            on_login: called at that moment.
        """
        self._login, self._on_login = login, on_login
        self._before_login = seconds
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._guarded: list[socket.socket] = []
        self._timer = self._new_timer(seconds)

    @property
    def remaining(self) -> float:
        """Seconds left; zero after the end."""
        return max(0.0, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.remaining <= 0

    def reach_login(self) -> None:
        """Extend the limit to the login's limit: a paused cluster needs time to wake."""
        if self._login is None:
            return
        self._renew(self._login, self.remaining + self._login - self._before_login)
        if self._on_login is not None:
            self._on_login()

    def pass_login(self) -> None:
        """Give the steps after the login the same time as the steps before it."""
        if self._login is not None:
            self._renew(self._before_login, self._before_login)

    def _renew(self, seconds: float, left: float) -> None:
        with self._lock:
            self._timer.cancel()
            self.seconds, self._end = seconds, time.monotonic() + left
            self._timer = self._new_timer(max(0.0, left))
            self._timer.start()

    def _new_timer(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._shut_down)
        timer.daemon = True
        return timer

    def guard(self, sock: socket.socket) -> None:
        """Shut down the socket when the limit is reached.

        The socket is duplicated, because wrapping it for TLS takes over its file descriptor.
        """
        duplicate = sock.dup()
        with self._lock:
            self._guarded.append(duplicate)
        if self.is_over:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            for sock in self._guarded:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        """Wait for the limit."""
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching the sockets."""
        self._timer.cancel()
        with self._lock:
            for sock in self._guarded:
                sock.close()
            self._guarded.clear()
