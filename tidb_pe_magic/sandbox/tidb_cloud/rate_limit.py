"""TiDB Cloud's limit of requests per API key and minute.

Windows are fixed and start with the minute of the clock, as at the real API's gateway.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUESTS_PER_MINUTE = 100
_WINDOW = 60
_SUPPORT = "https://support.pingcap.com/hc/en-us/requests/new?ticket_form_id=7800003722519"


@dataclass(frozen=True, slots=True)
class Quota:
    """A key's remaining requests in the current minute."""

    limit: int
    remaining: int
    reset: int
    exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """Return the headers of every answer."""
        return {
            "X-Ratelimit-Limit-Minute": str(self.limit),
            "X-Ratelimit-Remaining-Minute": str(self.remaining),
            "X-Ratelimit-Reset": str(self.reset),
        }

    def error(self) -> dict[str, Any]:
        """Return the body of the answer with status 429."""
        message = (
            f"The request exceeded the limit of {self.limit} times per apikey per minute. "
            f"For more quota, please contact us: {_SUPPORT}"
        )
        return {"details": [], "code": 49900007, "message": message}


class RateLimiter:
    """Counts the requests of each key in the current minute."""

    def __init__(self, *, limit: int = REQUESTS_PER_MINUTE, clock: Callable[[], float] = time.time) -> None:
        """Start without requests."""
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[int, int]] = {}

    def state(self) -> dict[str, tuple[int, int]]:
        """Return the last minute (since 1970) of each key, and its number of requests."""
        with self._lock:
            return dict(self._spent)

    def restore(self, state: Mapping[str, tuple[int, int]]) -> None:
        """Restore the counts."""
        with self._lock:
            self._spent = dict(state)

    def spend(self, key: str | None, requests: int = 1) -> Quota:
        """Count requests in a key's minute; without a key, count nothing.

        A refused request is not counted, so that a client that continues to call is not refused for longer
        than the minute.
        """
        now = self._clock()
        minute = int(now // _WINDOW)
        reset = max(1, math.ceil((minute + 1) * _WINDOW - now))
        if key is None:
            return Quota(self._limit, self._limit, reset)
        with self._lock:
            counted, spent = self._spent.get(key, (minute, 0))
            if counted != minute:
                spent = 0
            exceeded = spent + requests > self._limit
            spent = min(self._limit, spent + requests)
            self._spent[key] = (minute, spent)
        return Quota(self._limit, self._limit - spent, reset, exceeded)
