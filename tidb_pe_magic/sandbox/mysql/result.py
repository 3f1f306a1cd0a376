"""The result of a statement, and a running DuckDB query: its columns, and its rows as Arrow batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb
import pyarrow as pa

from tidb_pe_magic.sandbox.mysql.columns import conversions
from tidb_pe_magic.sandbox.mysql.errors import SqlError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tidb_pe_magic.sandbox.mysql.columns import Column

_T = TypeVar("_T")
#: Rows of a batch: enough for fast vector operations, few enough to send the first rows early.
_BATCH_ROWS: Final = 16_384


async def _no_rows() -> AsyncIterator[pa.RecordBatch]:
    nothing: tuple[pa.RecordBatch, ...] = ()
    for rows in nothing:
        yield rows


@dataclass(slots=True)
class Result:
    """A statement's result: columns with batches of rows, or counts."""

    columns: Sequence[Column] = ()
    batches: AsyncIterator[pa.RecordBatch] = field(default_factory=_no_rows)
    affected_rows: int = 0
    last_insert_id: int = 0
    warnings: int = 0
    info: str = ""


@dataclass(frozen=True)
class Fetched:
    """Batches that one call fetched: a full one, or the last one with the end that follows it.

    Attributes:
        error: DuckDB's error, or the server's, after these batches.
        ended: whether there are no more rows.
    """

    batches: Sequence[pa.RecordBatch] = ()
    error: duckdb.Error | SqlError | None = None
    ended: bool = False

    @classmethod
    def of(cls, fetch: Callable[[], pa.RecordBatch | None]) -> Fetched:
        """Fetch in a worker thread; a batch is full unless the rows end with it."""
        batches: list[pa.RecordBatch] = []
        try:
            while (batch := fetch()) is not None:
                batches.append(batch)
                if batch.num_rows >= _BATCH_ROWS:
                    return cls(batches)
        except (duckdb.Error, SqlError) as error:
            return cls(batches, error)
        return cls(batches, ended=True)


@dataclass
class RowStream:
    """A query's rows, as a stream.

    Attributes:
        names: the columns' names.
        types: DuckDB's types.
    """

    names: Sequence[str]
    types: Sequence[str]
    _reader: pa.RecordBatchReader

    @classmethod
    def start(cls, cursor: duckdb.DuckDBPyConnection, sql: str) -> RowStream:
        """Run a query.

        Raises:
            duckdb.Error: it fails.
        """
        relation = cursor.sql(sql)
        names, types = list(relation.columns), list(map(str, relation.types))
        if (converted := conversions(types)) is not None:
            relation = relation.project(converted)
        return cls(names, types, _translate(lambda: relation.to_arrow_reader(_BATCH_ROWS)))

    def fetch(self) -> pa.RecordBatch | None:
        """Return the next rows; None at the end.

        Raises:
            duckdb.Error: the query fails.
        """
        return _translate(lambda: next(self._reader, None))

    def close(self) -> None:
        """End the query, so that its cursor can run another one."""
        self._reader.close()

    def rest(self) -> list[pa.RecordBatch]:
        """Return all remaining rows.

        Raises:
            duckdb.Error: the query fails.
        """
        return _translate(lambda: list(self._reader))


def describe(cursor: duckdb.DuckDBPyConnection, sql: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names and types of a query's columns, without running it.

    Raises:
        duckdb.Error: the query is invalid.
    """
    relation = cursor.sql(sql)
    return list(relation.columns), list(map(str, relation.types))


def _translate(work: Callable[[], _T]) -> _T:
    """Convert an exception of an Arrow stream to DuckDB's exception."""
    try:
        return work()
    except (pa.ArrowException, OSError) as error:
        if "interrupted" in str(error).lower():
            raise duckdb.InterruptException("INTERRUPT Error: Interrupted!") from None
        raise duckdb.Error(str(error)) from None
