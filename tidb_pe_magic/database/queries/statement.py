"""A statement to read, and what has been read of it so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database.queries.failures import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from tidb_pe_magic.database.queries.inflight import InFlight

    Sink = Callable[[pa.RecordBatch], bool]


@dataclass(frozen=True, kw_only=True)
class Query:
    """A statement with its parameters, bound by position."""

    sql: str
    params: tuple[object, ...] = ()


@dataclass
class Tally:
    """What has been read so far, by one thread or by several."""

    rows: int = 0
    bytes: int = 0
    zero_dates: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def received(self, count: int) -> None:
        """Count bytes."""
        with self._lock:
            self.bytes += count

    def decoded(self, rows: int) -> None:
        """Count rows."""
        with self._lock:
            self.rows += rows

    def found(self, zero_dates: Iterable[tuple[str, int]]) -> None:
        """Count dates that no calendar has."""
        with self._lock:
            for column, count in zero_dates:
                self.zero_dates[column] = self.zero_dates.get(column, 0) + count


def read(
    flight: InFlight, session: Any, query: Query, tally: Tally, begin: Callable[[pa.Schema], Sink]
) -> None:
    """Read a statement's rows, batch by batch.

    Args:
        flight: whose session it is.
        session: idle, and used by nobody else.
        query: the statement.
        tally: is kept up to date.
        begin: is given the schema, and returns what takes each batch, and False where it wants no more.

    Raises:
        QueryFailed: the server refused the statement, or ended it.
        ConnectionFailed: the connection was lost.
    """
    from tidb_pe_magic.database.frames import open_reading  # noqa: PLC0415 - needs pyarrow

    with translated(), open_reading(session, query.sql, query.params, on_bytes=tally.received) as reading:
        take = begin(reading.schema)
        for batch in reading:
            tally.decoded(batch.num_rows)
            if not take(batch):
                flight.kill(session)
                break
        tally.found(reading.zero_dates.items())
