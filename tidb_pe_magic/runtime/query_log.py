"""What was asked in this process, for a while: nothing of it is written to a file."""

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
        """Begin with none."""
        self._lock = threading.Lock()
        self._queries: deque[PastQuery] = deque(maxlen=_MOST)
        self._total = 0

    def add(self, query: PastQuery) -> None:
        """Take a query that has ended."""
        with self._lock:
            self._queries.append(query)
            self._total += 1

    def latest(self, count: int) -> tuple[tuple[PastQuery, ...], int]:
        """Return the latest queries, the latest first, and how many there were in all."""
        with self._lock:
            return tuple(self._queries)[-count:][::-1], self._total
