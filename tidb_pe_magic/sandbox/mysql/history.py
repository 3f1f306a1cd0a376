"""TiDB's history: timestamps, and the states between commits until garbage collection.

DuckDB's own transactions keep a state: before a commit changes anything, read transactions start, which
continue to see the old state. Oracle timestamps are milliseconds since 1970, shifted by 18
bits, which are a counter within the millisecond (TiDB documentation, "TimeStamp Oracle").
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import duckdb

from tidb_pe_magic.sandbox.mysql.errors import GC_TOO_EARLY, SNAPSHOT_TOO_OLD, UNKNOWN_ERROR, SqlError
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Rows = Iterator[Sequence[Any]]

_LOGICAL_BITS: Final = 18
#: Seconds: TiDB's default of tidb_gc_life_time.
_GC_LIFE: Final = 600.0
#: Maximum number of states, so that a busy writer does not fill the memory.
_MOST_STATES: Final = 1000
#: Read transactions of one state: an interrupted statement invalidates its transaction.
_READERS: Final = 4
# DuckDB starts a transaction on a database at its first access.
_TOUCH: Final = f'SELECT 1 FROM {HIDDEN_SCHEMA}."base nothing" LIMIT 0'  # noqa: S608 - of a constant


def from_datetime(moment: datetime) -> int:
    """Return the timestamp of a time in UTC."""
    milliseconds = moment.replace(tzinfo=UTC).timestamp() * 1000
    return max(0, round(milliseconds)) << _LOGICAL_BITS


def _format_timestamp(timestamp: int) -> str:
    moment = datetime.fromtimestamp((timestamp >> _LOGICAL_BITS) / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " +0000 UTC"


@dataclass(frozen=True)
class Reader:
    """A cursor that sees a state; `lock` is held for each call, because DuckDB refuses concurrent calls."""

    cursor: duckdb.DuckDBPyConnection
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def intact(self) -> bool:
        """Whether DuckDB has not aborted its transaction."""
        try:
            self.cursor.execute(_TOUCH)
        except duckdb.Error:
            return False
        return True


@dataclass
class _State:
    """The state between two commits; open until the second one."""

    readers: list[Reader]
    until: int | None = None
    lock: threading.Condition = field(default_factory=threading.Condition)
    lent: int = 0

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """Yield a reader for a query; a reader whose transaction DuckDB aborted is not used again."""
        with self.lock:
            self.lock.wait_for(lambda: self.readers or not self.lent)
            if not self.readers:
                raise SqlError(UNKNOWN_ERROR, "this snapshot cannot be used after interrupted statements")
            reader = self.readers.pop()
            self.lent += 1
        with reader.lock:
            try:
                yield reader
            finally:
                intact = reader.intact
                with self.lock:
                    self.lent -= 1
                    if intact:
                        self.readers.append(reader)
                    self.lock.notify_all()
                if not intact:
                    reader.cursor.close()

    def close(self) -> None:
        """Release the state in DuckDB."""
        with self.lock:
            while self.readers:
                reader = self.readers.pop()
                with reader.lock:
                    reader.cursor.close()


class History:
    """The states of one database; thread-safe.

    Attributes:
        definitions: number of changes of table definitions.
    """

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        *,
        clock: Callable[[], float] = time.time,
        life: float = _GC_LIFE,
        most: int = _MOST_STATES,
    ) -> None:
        """Start without states.

        Args:
            database: the database.
            clock: returns seconds since 1970.
            life: seconds until a state is collected, unless a transaction uses it.
            most: maximum number of states.
        """
        # A separate cursor, because DuckDB refuses concurrent calls over the same one.
        self._database = database.cursor()
        # Parsed once: each commit starts several transactions.
        self._begin_statements = self._database.extract_statements(f"BEGIN TRANSACTION; {_TOUCH}")
        self._clock = clock
        self._life = life
        self._most = most
        self._lock = threading.RLock()
        self._last = 0
        self._commits = 0
        self._dropped = 0
        self.definitions = 0
        self._past: list[_State] = []
        self._present: _State | None = None
        self._held: dict[object, int] = {}

    @property
    def commits(self) -> int:
        """Number of commits that changed something."""
        with self._lock:
            return self._commits

    @contextlib.contextmanager
    def present(self) -> Iterator[tuple[int, duckdb.DuckDBPyConnection]]:
        """Yield the number of commits, and a cursor whose transaction sees exactly these commits."""
        with self._lock:
            cursor, commits = self._database.cursor(), self._commits
            self._start(cursor)
        try:
            yield commits, cursor
        finally:
            cursor.close()

    def timestamp(self) -> int:
        """Return the next timestamp, later than all earlier ones."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock() * 1000) << _LOGICAL_BITS)
            return self._last

    def begin(self, holder: object, cursor: duckdb.DuckDBPyConnection) -> int:
        """Start a transaction; while `holder` has it, the states that it can see are not collected."""
        with self._lock:
            self._start(cursor)
            started = self._held[holder] = self.timestamp()
            return started

    def release(self, holder: object) -> None:
        """End the transaction."""
        with self._lock:
            self._held.pop(holder, None)

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Keep the old state while the statement that changes it runs."""
        with self._lock:
            self._collect()
            ended = self._kept_present()
            committed = self.timestamp()
            yield
            self._commits += 1
            ended.until = committed
            self._past.append(ended)
            self._present = None

    def check(self, timestamp: int) -> None:
        """Refuse an unreadable snapshot with TiDB's error."""
        with self._lock:
            self._collect()
            now = self.timestamp()
            if timestamp > now:
                reason = f"cannot set read timestamp to a future time, readTS: {timestamp}, currentTS: {now}"
                raise SqlError(UNKNOWN_ERROR, reason)
            if timestamp < self._safe_point():
                point = _format_timestamp(self._safe_point())
                raise SqlError(SNAPSHOT_TOO_OLD, f"snapshot is older than GC safe point {point}")

    @contextlib.contextmanager
    def reader(self, timestamp: int) -> Iterator[Reader]:
        """Yield a reader that sees the state at `timestamp`."""
        with self._lock:
            self._collect()
            if timestamp < self._safe_point():
                started, point = _format_timestamp(timestamp), _format_timestamp(self._safe_point())
                reason = f"transaction starts at {started}, GC safe point is {point}"
                raise SqlError(GC_TOO_EARLY, f"GC life time is shorter than transaction duration, {reason}")
            past = (state for state in self._past if state.until is not None and timestamp < state.until)
            state = next(past, None) or self._kept_present()
        with state.reader() as reader:
            yield reader

    def _start(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Start a transaction that sees the current state, not the state at its first statement."""
        for statement in self._begin_statements:
            cursor.execute(statement)

    def _kept_present(self) -> _State:
        if self._present is None:
            cursors = [self._database.cursor() for _ in range(_READERS)]
            for cursor in cursors:
                self._start(cursor)
            self._present = _State(list(map(Reader, cursors)))
        return self._present

    def _safe_point(self) -> int:
        """Return the time before which states cannot be read."""
        aged = int((self._clock() - self._life) * 1000) << _LOGICAL_BITS
        return max(self._dropped, min([aged, *self._held.values()]))

    def _collect(self) -> None:
        """Remove states that are too old, and the oldest ones if there are too many."""
        held = min(self._held.values(), default=None)
        while self._past:
            until = self._past[0].until or 0
            if until >= self._safe_point() and (
                len(self._past) <= self._most or (held is not None and until > held)
            ):
                return
            self._past.pop(0).close()
            self._dropped = max(self._dropped, until)
