"""The clock of both emulated clouds, which can go ahead of this machine's or behind it."""

from __future__ import annotations

import time


class CloudClock:
    """Seconds since 1970, as the clouds have them.

    Attributes:
        ahead: seconds by which they are ahead of this machine.
    """

    def __init__(self) -> None:
        """Agree with this machine."""
        self.ahead = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return time.time() + self.ahead
