"""A statement to read, and what has been read of it so far."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql.err
from pymysql.constants import ER

from tidb_pe_magic.database.queries.failures import driver_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from tidb_pe_magic.database.frames.result_stream import ResultStream
    from tidb_pe_magic.database.queries.inflight import InFlight

    Sink = Callable[[pa.RecordBatch], bool]


@dataclass(frozen=True, kw_only=True)
class BoundStatement:
    """A statement with its parameters, bound by position."""

    sql: str
    params: tuple[object, ...] = ()


@dataclass
class Tally:
    """The amounts read so far, by one thread or by several.

    Attributes:
        changed: rows that a statement without a result changed.
        warnings: number of the server's warnings about the statement; None if unknown.
        warning_texts: what they say, if it was read.
        cut: the result was not read to its end.
        request_units: cost of the statement; None if unknown.
    """

    rows: int = 0
    bytes: int = 0
    changed: int | None = None
    warnings: int | None = 0
    warning_texts: tuple[str, ...] = ()
    cut: bool = False
    request_units: float | None = None
    zero_dates: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add_bytes(self, count: int) -> None:
        """Count bytes."""
        with self._lock:
            self.bytes += count

    def add_rows(self, rows: int) -> None:
        """Count rows."""
        with self._lock:
            self.rows += rows

    def add_zero_dates(self, zero_dates: Iterable[tuple[str, int]]) -> None:
        """Count invalid dates."""
        with self._lock:
            for column, count in zero_dates:
                self.zero_dates[column] = self.zero_dates.get(column, 0) + count


def read(
    flight: InFlight, session: Any, query: BoundStatement, tally: Tally, begin: Callable[[pa.Schema], Sink]
) -> None:
    """Read a statement's rows, batch by batch.

    Args:
        flight: owner of the session.
        session: idle, and not used elsewhere.
        query: the statement.
        tally: updated while reading.
        begin: receives the schema; returns the function that takes each batch and returns False to stop.

    Raises:
        QueryFailed: the server refused the statement or ended it.
        ConnectionFailed: the connection was lost.
    """
    from tidb_pe_magic.database.frames import open_stream  # noqa: PLC0415 - needs pyarrow

    with driver_errors(), open_stream(session, query.sql, query.params, on_bytes=tally.add_bytes) as reading:
        with _keep_session(flight, session, reading):
            take = begin(reading.schema)
        for batch in reading:
            tally.add_rows(batch.num_rows)
            with _keep_session(flight, session, reading):
                wanted = take(batch)
            if not wanted:
                tally.cut = True
                _end(flight, session, reading)
                break
        tally.add_zero_dates(reading.zero_dates.items())
        tally.warnings = reading.warnings
        if not reading.schema.names:
            tally.changed = reading.affected_rows


@contextmanager
def _keep_session(flight: InFlight, session: Any, reading: ResultStream) -> Iterator[None]:
    """Keep a pinned session usable if the consumer of its rows fails."""
    try:
        yield
    except BaseException:
        if session.pinned:
            _end(flight, session, reading)
        raise


def _end(flight: InFlight, session: Any, reading: ResultStream) -> None:
    """Make the server end an unneeded result; a session that must survive is read to the end."""
    if not session.pinned:
        if not session.holds_transaction:
            flight.kill(session)
        return
    try:
        with flight.unneeded(session):
            reading.skip()
    except pymysql.err.MySQLError as error:
        if error.args[0] != ER.QUERY_INTERRUPTED:
            raise
