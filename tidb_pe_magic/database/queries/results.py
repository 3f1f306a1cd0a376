"""Results as Arrow tables, frames and Parquet files, from one connection or from several."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from tidb_pe_magic.database.effects import effect_of
from tidb_pe_magic.database.frames import FrameOptions, narrow_decimals
from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.queries import csv_file, parquet, ranges
from tidb_pe_magic.database.queries.error_position import with_position
from tidb_pe_magic.database.queries.inflight import InFlight, run_interruptibly
from tidb_pe_magic.database.queries.memory import Cap
from tidb_pe_magic.database.queries.paths import output_path
from tidb_pe_magic.database.queries.request_units import SLOW, request_units, server_counts
from tidb_pe_magic.database.queries.server_warnings import server_warnings
from tidb_pe_magic.database.queries.statement import BoundStatement, Tally, read
from tidb_pe_magic.errors import QueryFailed
from tidb_pe_magic.files import replacement

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd
    from sqlalchemy import Engine

    from tidb_pe_magic.database.alias import AliasSession
    from tidb_pe_magic.database.queries.statement import Sink
    from tidb_pe_magic.database.schema.cache import SchemaCache

__all__ = ["CSV_FILE", "Partitions", "ReadOptions", "frame", "parquet_file", "read_table", "write_file"]


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """How a result is read in ranges: the integer column, and the number of ranges."""

    column: str
    count: int


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read, independent of the use of the rows.

    Attributes:
        engine: of the connection.
        query: the statement.
        cells: the session of the cell that runs it; None for a separate connection.
        schema: the names of the server's tables, which the statement may change.
        partitions: None for one connection.
        cancel: set it to stop.
        on_progress: receives what has been read, several times a second.
        on_note: receives, before reading, what makes reading in ranges slow.
        clock: in seconds; None if the cost of slow statements is not needed.
        tally: what has been read.
    """

    engine: Engine
    query: BoundStatement
    cells: AliasSession | None = None
    schema: SchemaCache | None = None
    partitions: Partitions | None = None
    cancel: threading.Event
    on_progress: Callable[[Tally], None] = lambda _: None
    on_note: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] | None = None
    tally: Tally = field(default_factory=Tally)

    def backslash_escapes(self) -> bool:
        """Whether a backslash in strings is an escape character, according to the session's sql_mode.

        Raises:
            ConnectionFailed: the session cannot be opened.
        """
        if self.cells is not None:
            with self.cells.borrow("") as connection:
                return Driver(connection.dbapi_connection).backslash_escapes
        with self.in_flight().from_pool() as session:
            return Driver(session).backslash_escapes

    @property
    def database(self) -> str:
        """The database in which the statement runs; empty for none."""
        return self.cells.database if self.cells is not None else (self.engine.url.database or "")

    def in_flight(self) -> InFlight:
        """Return what watches its statements; further sessions use the same database."""
        database = self.cells.database if self.cells is not None else None
        return InFlight(self.engine, database=database, statement=self.query.sql)


class _Rows:
    """Collects the batches of one range, up to a number of rows and the memory limit."""

    def __init__(self, schema: pa.Schema, cap: Cap, most: int | None) -> None:
        self._schema = schema
        self._cap = cap
        self._left = most
        self._batches: list[pa.RecordBatch] = []
        self.cut = False

    def take(self, batch: pa.RecordBatch) -> bool:
        """Add a batch; return False if there are more rows than needed."""
        if self._left is not None:
            self.cut = batch.num_rows > self._left
            batch = batch.slice(0, self._left)
            self._left -= batch.num_rows
        self._cap.hold(batch.nbytes)
        self._batches.append(batch)
        return not self.cut

    def table(self) -> pa.Table:
        """Return the collected rows."""
        return pa.Table.from_batches(self._batches, schema=self._schema)


def read_table(
    reading: ReadOptions, *, max_rows: int | None = None, max_memory: int | None = None
) -> tuple[pa.Table, bool]:
    """Return a statement's rows, ranges in their order, and whether there were more than `max_rows`.

    Raises:
        QueryError: the query was refused, stopped or too large; the connection can be used again.
        ConnectionFailed: the connection was lost.
        InvalidRequest: the statement cannot be read in ranges.
    """
    cap = Cap(max_memory)
    made: dict[int, _Rows] = {}

    def begin(number: int, schema: pa.Schema) -> Sink:
        rows = made[number] = _Rows(schema, cap, max_rows)
        return rows.take

    _read(reading, begin)
    tables = [made[number].table() for number in sorted(made)]
    return narrow_decimals(pa.concat_tables(tables)), any(rows.cut for rows in made.values())


class FileWriter(Protocol):
    """Writes the rows of one file.

    Attributes:
        exact: after closing, the DECIMAL columns that stay exact because float64 would lose digits.
    """

    exact: tuple[str, ...]

    def take(self, batch: pa.RecordBatch) -> bool:
        """Write a batch; return False if no more are needed."""
        ...

    def close(self) -> None:
        """Write the remaining rows and the end of the file."""
        ...

    def abandon(self) -> None:
        """Close the incomplete file, which will be removed."""
        ...


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of file that a result can be written to.

    Attributes:
        field: the option that names the file.
        suffix: of the files in a directory, one for each range.
        open: opens a file for rows of a schema; `several` if it is one of many with the same columns.
    """

    field: str
    suffix: str
    open: Callable[[Path, pa.Schema, bool], FileWriter]


def parquet_file(options: FrameOptions | None = None) -> FileKind:
    """Return the kind whose columns are those of a frame."""

    def begin(path: Path, schema: pa.Schema, several: bool) -> FileWriter:  # noqa: FBT001 - the kind's signature
        return parquet.ParquetWriter(path, schema, options or FrameOptions(), several=several)

    return FileKind(field=parquet.FIELD, suffix="parquet", open=begin)


CSV_FILE = FileKind(
    field=csv_file.FIELD, suffix="csv", open=lambda path, schema, _: csv_file.CsvWriter(path, schema)
)


def write_file(reading: ReadOptions, path: str, kind: FileKind | None = None) -> tuple[Path, tuple[str, ...]]:
    """Write a statement's rows to a file, or one for each range to a new directory.

    The memory use does not grow with the result.

    Args:
        reading: what to read.
        path: of the file or the directory.
        kind: of file; default: Parquet with pandas' usual dtypes.

    Returns:
        The path, and the names of the DECIMAL columns that stay exact although others become numbers.

    Raises:
        QueryError: the query was refused or stopped; the path does not exist, or is unchanged.
        ConnectionFailed: the connection was lost.
        InvalidRequest: the path cannot be written, or the statement cannot be read in ranges.
    """
    kind = kind or parquet_file()
    several = reading.partitions is not None
    place = output_path(path, kind.field, directory=several)
    made: list[FileWriter] = []
    with replacement(place, kind.field, directory=several) as temporary:

        def begin(number: int, schema: pa.Schema) -> Sink:
            file = temporary / f"part-{number:05}.{kind.suffix}" if several else temporary
            writer = kind.open(file, schema, several)
            made.append(writer)
            return writer.take

        try:
            _read(reading, begin)
            for writer in made:
                writer.close()
        except BaseException:
            for writer in made:
                writer.abandon()
            raise
    return place, made[0].exact if made else ()


def plan_ranges(reading: ReadOptions) -> tuple[ranges.ReadTimestamp, list[BoundStatement], pa.Schema]:
    """Return a snapshot, the statement's ranges in it, and the result's columns.

    The snapshot is not protected: the server keeps it until its garbage collection removes it.

    Raises:
        QueryError: the query was refused or stopped.
        ConnectionFailed: the connection was lost.
        InvalidRequest: the statement cannot be read in ranges.
    """
    flight = reading.in_flight()
    schemas: list[pa.Schema] = []

    def begin(schema: pa.Schema) -> Sink:
        schemas.append(schema)
        return lambda _: False

    def read_columns(moment: ranges.ReadTimestamp, query: BoundStatement) -> None:
        with flight.own_session() as session:
            moment.enter(session)
            read(flight, session, query, reading.tally, begin)

    with _error_explanation(reading), ExitStack() as stack:
        attend = partial(run_interruptibly, flight=flight, cancel=reading.cancel)
        moment, split = attend([partial(_prepare, reading, flight, stack)])[0]
        if split.note:
            reading.on_note(split.note)
        attend([partial(read_columns, moment, split.empty)])
    return moment, split.queries, schemas[0]


def frame(
    table: pa.Table, options: FrameOptions | None = None, *, declared: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table as a pandas frame, and the names of the DECIMAL columns that stay exact.

    Args:
        table: the rows.
        options: the dtypes of the frame's columns; default: pandas' own.
        declared: use the declared types of DECIMALs, independent of the values.
    """
    chosen = options or FrameOptions()
    layout = chosen.of(table)
    if declared:
        layout = layout.with_decimals_of(chosen.of_schema(table.schema))
    return layout.frame(table), layout.exact


def _read(reading: ReadOptions, begin: Callable[[int, pa.Schema], Sink]) -> None:
    """Read the statement, or its ranges in parallel, into the result of `begin` for each."""
    with _error_explanation(reading):
        _read_whole(reading, begin)
    if reading.schema is not None:
        reading.schema.note_statement(reading.query.sql)


@contextmanager
def _error_explanation(reading: ReadOptions) -> Iterator[None]:
    """Add the position of an error in the statement, and a suggestion."""
    try:
        yield
    except QueryFailed as error:
        refused = error
    else:
        return
    # Outside the handler, so that the original error is not chained.
    raise with_position(refused, reading.query.sql, schema=reading.schema, current=reading.database) from None


def _read_whole(reading: ReadOptions, begin: Callable[[int, pa.Schema], Sink]) -> None:
    flight = reading.in_flight()
    attend = partial(run_interruptibly, flight=flight, cancel=reading.cancel)

    def one() -> None:
        sql = reading.query.sql
        if reading.cells is not None:
            lending = flight.of_cells(reading.cells, sql)
        else:
            # The next query in this session must not see its changes.
            lending = flight.from_pool(keep=effect_of(sql).leaves_nothing)
        with lending as session:
            started = reading.clock() if reading.clock else 0.0
            read(flight, session, reading.query, reading.tally, partial(begin, 0))
            if reading.clock is None:
                return
            slow = reading.clock() - started >= SLOW
            if reading.tally.warnings:
                _ask_warnings(reading, session)
            elif slow:
                _ask_cost(reading, session)

    if reading.partitions is None:
        attend([one], on_progress=lambda: reading.on_progress(reading.tally))
        return
    with ExitStack() as stack:
        moment, split = attend([partial(_prepare, reading, flight, stack)])[0]
        if split.note:
            reading.on_note(split.note)

        def part(number: int) -> None:
            with flight.own_session() as session:
                moment.enter(session)
                read(flight, session, split.queries[number], reading.tally, partial(begin, number))

        works = [partial(part, number) for number in range(len(split.queries))]
        attend(works, on_progress=lambda: reading.on_progress(reading.tally))


def _ask_cost(reading: ReadOptions, session: Any) -> None:
    """Read the cost of the statement, if that does not affect the session's next statement.

    A lost connection would end an open transaction, and warnings would be lost.
    """
    tally, cells = reading.tally, reading.cells
    if tally.cut or not server_counts(session, reading.query.sql):
        return
    if cells is not None:
        if tally.warnings is None or session.in_transaction:
            return
        cells.overtaken = True
    tally.request_units = request_units(session)


def _ask_warnings(reading: ReadOptions, session: Any) -> None:
    """Read what the server's warnings say, if the statement does not ask for them itself.

    As for the cost, a lost connection would end an open transaction. There, the warnings of a change are
    only counted; those of a SELECT may be about how it was prepared.
    """
    tally, cells = reading.tally, reading.cells
    if tally.cut or effect_of(reading.query.sql).about_past:
        return
    if cells is not None:
        if session.in_transaction:
            if tally.changed is not None:
                count = "1 warning" if tally.warnings == 1 else f"{tally.warnings} warnings"
                tally.warning_texts = (f"{count} (run SHOW WARNINGS to list them)",)
            return
        cells.overtaken = True
    tally.warning_texts = server_warnings(session) or ()


def _prepare(
    reading: ReadOptions, flight: InFlight, stack: ExitStack
) -> tuple[ranges.ReadTimestamp, ranges.RangeSplit]:
    """Create a snapshot, which `stack` protects, and split the statement for it."""
    assert reading.partitions is not None  # noqa: S101 - it is why this is called
    moment = stack.enter_context(ranges.snapshot(flight))
    with flight.own_session() as session:
        moment.enter(session)
        wanted = reading.partitions
        return moment, ranges.split(session, reading.query, wanted.column, wanted.count)
