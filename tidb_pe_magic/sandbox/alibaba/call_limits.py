"""Alibaba Cloud's limits of calls: 1,000 reads and 200 writes in 60 s, for each region and API."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from collections.abc import Callable

READS, WRITES = 1000, 200
_WINDOW = 60.0  # seconds


class CallLimits:
    """Counts the calls of each region and API, from the first one on for 60 s; safe from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with zero calls; `clock` returns seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def spend(self, region_id: str, operation: str, *, changes: bool) -> None:
        """Count one call, or refuse it."""
        now, limit = self._clock(), WRITES if changes else READS
        with self._lock:
            began, calls = self._windows.get((region_id, operation), (now, 0))
            if now - began >= _WINDOW:
                began, calls = now, 0
            if calls >= limit:
                raise errors.ApiError(errors.THROTTLED)
            self._windows[region_id, operation] = began, calls + 1
