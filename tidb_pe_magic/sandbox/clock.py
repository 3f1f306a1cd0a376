"""The clock of both emulated clouds, which can be ahead of this machine's clock or behind it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class CloudClock:
    """The clouds' time, in seconds since 1970.

    Attributes:
        ahead: seconds by which they are ahead of this machine.
    """

    def __init__(self) -> None:
        """Start without a difference."""
        self.ahead = 0.0
        self._own = threading.local()

    def __call__(self) -> float:
        """Return the time."""
        shift: float = getattr(self._own, "shift", 0.0)
        return time.time() + self.ahead + shift

    @contextlib.contextmanager
    def set_ahead(self, seconds: float) -> Iterator[None]:
        """Set the clock ahead for this thread in the block, for one call's answer."""
        self._own.shift = seconds
        try:
            yield
        finally:
            self._own.shift = 0.0
