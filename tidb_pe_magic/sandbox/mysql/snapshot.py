"""One session's `tidb_snapshot`: from when on it reads, and its reads."""

from __future__ import annotations

import threading
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox.mysql.errors import UNKNOWN_ERROR, WRONG_VALUE, SqlError
from tidb_pe_magic.sandbox.mysql.history import from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from tidb_pe_magic.sandbox.mysql.history import History


class Snapshot:
    """What the session reads instead of the present; none while `timestamp` is 0."""

    def __init__(self, history: History) -> None:
        """Begin with the present."""
        self._history = history
        self._reading: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._rows: Iterator[Sequence[Any]] = iter(())
        self.timestamp = 0

    def set(self, value: str) -> None:
        """Read as of a datetime in UTC or an oracle timestamp from now on; empty: the present again."""
        timestamp = 0
        if value:
            timestamp = int(value) if value.isascii() and value.isdigit() else _moment(value)
            self._history.check(timestamp)
        self.timestamp = timestamp

    def refuse_writes(self) -> None:
        """Refuse a statement that writes, as TiDB does."""
        if self.timestamp:
            raise SqlError(UNKNOWN_ERROR, "can not execute write statement when 'tidb_snapshot' is set")

    def read(self, sql: str, search_path: str, chunk: int) -> Sequence[tuple[str, str]]:
        """Run a query to its end, and return its columns; `fetch` gives its rows."""
        self.close()
        with self._history.reader(self.timestamp) as reader:
            self._reading, self._lock = reader.cursor, reader.lock
            try:
                reader.cursor.execute(search_path)
                relation = reader.cursor.sql(sql)
                rows = relation.iter_rows(chunk)
                first = next(rows, None)
                columns = [(name, str(kind)) for name, kind, *_ in relation.description or ()]
                del relation
            finally:
                self._reading = None
        # The rows are in the engine's memory now: the state may be collected meanwhile.
        self._rows = iter(()) if first is None else _chained(first, rows)
        return columns

    def fetch(self, rows: int) -> Sequence[Sequence[Any]]:
        """Return the next rows; none at the end."""
        with self._lock:
            return list(islice(self._rows, rows))

    def close(self) -> None:
        """Drop what was not fetched; DuckDB notices, so it is a call too."""
        with self._lock:
            self._rows = iter(())

    def interrupt(self) -> None:
        """End the query that runs, if one does."""
        if (reading := self._reading) is not None:
            reading.interrupt()


def _chained(first: Sequence[Any], rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    yield first
    yield from rows


def _moment(value: str) -> int:
    try:
        return from_datetime(datetime.fromisoformat(value))
    except ValueError:
        raise SqlError(WRONG_VALUE, f"Incorrect datetime value: '{value}'") from None
