"""MySQL's transactions over DuckDB, in which one failed statement ends the whole transaction."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb

from tidb_pe_magic.sandbox.mysql.create_table import AUTO_INCREMENT, sql_name
from tidb_pe_magic.sandbox.mysql.errors import DEADLOCK, SqlError
from tidb_pe_magic.sandbox.mysql.insert_targets import NEXT_VALUES
from tidb_pe_magic.sandbox.mysql.result import RowStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from tidb_pe_magic.sandbox.mysql.history import History
    from tidb_pe_magic.sandbox.mysql.plain_rows import Value

_LOST: Final = "The transaction was rolled back as a whole; try restarting transaction"
#: The sequences of dropped tables.
_UNUSED_SEQUENCES: Final = f"""
SELECT s.sequence_name, s.sequence_oid FROM duckdb_sequences() s
WHERE starts_with(s.sequence_name, '{AUTO_INCREMENT}') AND NOT EXISTS (
  SELECT 1 FROM duckdb_columns() c WHERE contains(c.column_default, replace(s.sequence_name, '"', '""')))"""  # noqa: S608 - of a constant


@dataclass(frozen=True)
class BoundSql:
    """DuckDB's SQL with its parameters; the markers of an INSERT are lists, one for each column."""

    sql: str
    parameters: Sequence[Sequence[Value]] = ()

    def run(self, cursor: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
        """Run it, and return its rows."""
        return cursor.execute(self.sql, [list(each) for each in self.parameters] or None).fetchall()


@dataclass(frozen=True)
class Written:
    """What an INSERT did.

    Attributes:
        changed: number of inserted and updated rows.
        growth: rows by which the table has grown, if that mattered.
        first_id: the first id that was drawn; 0 if none was.
    """

    changed: int
    growth: int
    first_id: int


class Transaction:
    """One session's transaction; every method runs in a worker thread and may raise DuckDB's errors."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, history: History) -> None:
        """Start without an open transaction: each statement commits itself."""
        self._cursor = cursor
        self._history = history
        self._writes: list[BoundSql] = []
        self._open = False
        self._started = 0
        self._reading: RowStream | None = None

    @property
    def open(self) -> bool:
        """Whether a transaction is open."""
        return self._open

    @property
    def started(self) -> int:
        """The timestamp of the open transaction's snapshot; 0 without one."""
        return self._started if self._open else 0

    def begin(self) -> None:
        """Start a transaction; commit an open one first, as in MySQL."""
        self.commit()
        self._started = self._history.begin(self, self._cursor)
        self._open = True

    def commit(self) -> None:
        """Commit, if one is open."""
        if self._open:
            self._end("COMMIT")

    def rollback(self) -> None:
        """Roll back, if one is open."""
        if self._open:
            self._end("ROLLBACK")

    def end(self) -> None:
        """Discard an open transaction silently."""
        self._open = False
        self.release()  # DuckDB refuses a ROLLBACK while a result is open
        self._abandon()
        self._history.release(self)

    def define(self, statements: Sequence[str]) -> None:
        """Run data definition statements as one unit: MySQL commits before and after each."""
        self.commit()
        self._cursor.execute("BEGIN TRANSACTION")
        try:
            for sql in statements:
                self._cursor.execute(sql)
            for name, _ in self._cursor.execute(_UNUSED_SEQUENCES).fetchall():
                self._cursor.execute(f"DROP SEQUENCE main.{sql_name(name)}")
            with self._history.commit():
                self._cursor.execute("COMMIT")
            self._history.definitions += 1
        except duckdb.Error:
            self._abandon()
            raise

    def write(self, sql: str, *, begin: bool) -> int:
        """Run an UPDATE or DELETE; return the number of rows."""
        return self.insert([BoundSql(sql)], begin=begin).changed

    def insert(
        self,
        statements: Sequence[BoundSql],
        *,
        begin: bool,
        table: str = "",
        sequence: str = "",
        check: Callable[[], None] | None = None,
    ) -> Written:
        """Run the statements of an INSERT as one unit.

        Args:
            statements: its parts.
            begin: begin a transaction that stays open.
            table: the table whose growth matters; empty if it does not.
            sequence: the name of the sequence whose first drawn id matters; empty if the table has none.
            check: runs before, and sees the same data.
        """
        self._begin_if(begin)
        first = self._next_id(sequence)
        try:
            # Outside a transaction it commits at its end; within one, COMMIT does.
            with contextlib.nullcontext() if self._open else self._history.commit():
                if check is not None:
                    check()
                size = self._size(table)
                changed = self._run_all(statements)
                growth = self._size(table) - size
        except duckdb.Error:
            self._recover()
            raise
        if self._open:
            self._writes += statements
        return Written(changed, growth, first if self._next_id(sequence) != first else 0)

    def _next_id(self, sequence: str) -> int:
        if not sequence:
            return 0
        found = self._cursor.execute(f"{NEXT_VALUES} WHERE sequence_name = ?", [sequence]).fetchall()
        # A transaction that began earlier does not see the sequence of a new table.
        return int(found[0][1]) if found else 0

    def _run_all(self, statements: Sequence[BoundSql]) -> int:
        alone = len(statements) > 1 and not self._open
        count = 0
        if alone:
            self._cursor.execute("BEGIN TRANSACTION")
        try:
            for statement in statements:
                rows = statement.run(self._cursor)
                # The queries between the parts of an INSERT only move its ids.
                count += int(rows[0][0]) if rows and not statement.sql.startswith("SELECT") else 0
            if alone:
                self._cursor.execute("COMMIT")
        except duckdb.Error:
            if alone:
                self._abandon()
            raise
        return count

    def _size(self, table: str) -> int:
        if not table:
            return 0
        ((rows,),) = self._cursor.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - quoted
        return int(rows)

    def read(self, sql: str, *, begin: bool) -> RowStream:
        """Start a query; `fetch` returns its rows."""
        self._begin_if(begin)
        try:
            self._reading = RowStream.start(self._cursor, sql)
        except duckdb.Error:
            self._recover()
            raise
        return self._reading

    def fetch(self) -> pa.RecordBatch | None:
        """Return the next rows; None at the end."""
        if self._reading is None:
            return None
        try:
            return self._reading.fetch()
        except duckdb.Error:
            self._recover()
            raise

    def release(self) -> None:
        """Discard unfetched rows."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    def _begin_if(self, wanted: bool) -> None:  # noqa: FBT001 - a plain condition
        if wanted and not self._open:
            self.begin()

    def _end(self, how: str) -> None:
        changes = how == "COMMIT" and bool(self._writes)
        self._open = False
        self._writes.clear()
        try:
            with self._history.commit() if changes else contextlib.nullcontext():
                self._cursor.execute(how)
        except duckdb.Error:
            self._abandon()
            raise
        finally:
            self._history.release(self)

    def _abandon(self) -> None:
        with contextlib.suppress(duckdb.TransactionException):
            self._cursor.execute("ROLLBACK")

    def _next_values(self) -> dict[str, int]:
        return dict(self._cursor.execute(NEXT_VALUES).fetchall())

    def _recover(self) -> None:
        """Undo only the failed statement: DuckDB aborts the whole transaction, and would answer OK to COMMIT.

        The transaction's earlier writes are repeated in a new one. Their text no longer contains clock
        functions, but generated IDs and random numbers would differ from the values that the client has seen.
        """
        if not self._open:
            return
        writes = self._writes
        self._abandon()
        self._writes, self._open = [], False
        self._history.release(self)
        if any(word in each.sql.lower() for each in writes for word in ("random(", "uuid(", "nextval(")):
            raise SqlError(DEADLOCK, _LOST)
        try:
            self._started = self._history.begin(self, self._cursor)
            before = self._next_values()
            for statement in writes:
                statement.run(self._cursor)
            again = self._next_values()
        except duckdb.Error:
            self.end()
            raise SqlError(DEADLOCK, _LOST) from None
        if before != again:
            self.end()
            raise SqlError(DEADLOCK, _LOST)
        self._writes, self._open = writes, True
