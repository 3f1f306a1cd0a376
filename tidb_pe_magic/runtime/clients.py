"""The API clients of one runbook: reused while their settings stay the same, closed when unused."""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator


class Clients:
    """Clients by name.

    Several threads use one runbook, so one call may replace a client that another call still uses. A replaced
    client is closed when the last current call ends.
    """

    def __init__(self) -> None:
        """Start without clients."""
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Hashable, Any]] = {}
        self._retired: list[Any] = []
        self._calls = 0
        # A runbook that is dropped without `close` leaves no open connection.
        weakref.finalize(self, _close_all, self._kept).atexit = False

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep all clients open during this block, in every thread."""
        with self._lock:
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
            self._close_unused()

    def get(self, name: str, settings: Hashable, make: Callable[[], Any]) -> Any:
        """Return the client of this name; create a new one if the settings have changed."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept[0] != settings:
                new = (settings, make())  # first, so that the old client remains if this fails
                if kept is not None:
                    self._retired.append(kept[1])
                self._kept[name] = kept = new
        self._close_unused()
        return kept[1]

    def close(self) -> None:
        """Close every client, now or when the last current call ends."""
        with self._lock:
            self._retired += [client for _, client in self._kept.values()]
            self._kept.clear()
        self._close_unused()

    def _close_unused(self) -> None:
        with self._lock:
            if self._calls:
                return
            retired, self._retired = self._retired, []
        for client in retired:
            client.close()


def _close_all(clients: dict[str, tuple[Hashable, Any]]) -> None:
    for _, client in clients.values():
        client.close()
