"""The recent queries of this process, in memory only."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidb_pe_magic.model import PastQuery

_MOST = 1000


class QueryLog:
    """The queries of one process, the last thousand; safe to use from several threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._queries: deque[PastQuery] = deque(maxlen=_MOST)
        self._total = 0
        self._request_units = 0.0

    def add(self, query: PastQuery) -> None:
        """Add a finished query."""
        with self._lock:
            self._queries.append(query)
            self._total += 1
            self._request_units += query.request_units or 0.0

    def latest(self, count: int) -> tuple[tuple[PastQuery, ...], int, float]:
        """Return the most recent queries, newest first, and the number and the Request Units of all."""
        with self._lock:
            return tuple(self._queries)[-count:][::-1], self._total, self._request_units
