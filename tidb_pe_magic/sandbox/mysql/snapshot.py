"""One session's `tidb_snapshot`: its time, and its reads."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.mysql.errors import UNKNOWN_ERROR, WRONG_VALUE, SqlError
from tidb_pe_magic.sandbox.mysql.history import from_datetime
from tidb_pe_magic.sandbox.mysql.result import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

    from tidb_pe_magic.sandbox.mysql.history import History


class SnapshotRead:
    """The snapshot that the session reads; none while `timestamp` is 0."""

    def __init__(self, history: History) -> None:
        """Start with the current data."""
        self._history = history
        self._reading: duckdb.DuckDBPyConnection | None = None
        self._rows: Iterator[pa.RecordBatch] = iter(())
        self.timestamp = 0

    def set(self, value: str) -> None:
        """Set the snapshot to a datetime in UTC or an oracle timestamp; empty: the current data."""
        timestamp = 0
        if value:
            timestamp = int(value) if value.isascii() and value.isdigit() else _moment(value)
            self._history.check(timestamp)
        self.timestamp = timestamp

    def refuse_writes(self) -> None:
        """Refuse a write, like TiDB."""
        if self.timestamp:
            raise SqlError(UNKNOWN_ERROR, "can not execute write statement when 'tidb_snapshot' is set")

    def read(self, sql: str, search_path: str) -> RowStream:
        """Run a query to its end, and return its columns; `fetch` returns its rows."""
        with self._history.reader(self.timestamp) as reader:
            self._reading = reader.cursor
            try:
                reader.cursor.execute(search_path)
                reading = RowStream.start(reader.cursor, sql)
                # Into memory, because the state may be collected in the meantime.
                self._rows = iter(reading.rest())
            finally:
                self._reading = None
        return reading

    def fetch(self) -> pa.RecordBatch | None:
        """Return the next rows; None at the end."""
        return next(self._rows, None)

    def close(self) -> None:
        """Discard unfetched rows."""
        self._rows = iter(())

    def interrupt(self) -> None:
        """Interrupt the running query, if there is one."""
        if (reading := self._reading) is not None:
            reading.interrupt()


def _moment(value: str) -> int:
    try:
        return from_datetime(datetime.fromisoformat(value))
    except ValueError:
        raise SqlError(WRONG_VALUE, f"Incorrect datetime value: '{value}'") from None
