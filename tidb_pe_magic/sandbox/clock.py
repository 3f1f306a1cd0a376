"""The clock of both emulated clouds, which can go ahead of this machine's or behind it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class CloudClock:
    """Seconds since 1970, as the clouds have them.

    Attributes:
        ahead: seconds by which they are ahead of this machine.
    """

    def __init__(self) -> None:
        """Agree with this machine."""
        self.ahead = 0.0
        self._own = threading.local()

    def __call__(self) -> float:
        """Return the time."""
        shift: float = getattr(self._own, "shift", 0.0)
        return time.time() + self.ahead + shift

    @contextlib.contextmanager
    def shifted(self, seconds: float) -> Iterator[None]:
        """Let the clock go ahead for what this thread does meanwhile: one call's answer."""
        self._own.shift = seconds
        try:
            yield
        finally:
            self._own.shift = 0.0
