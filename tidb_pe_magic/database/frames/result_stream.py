"""Reading of one result: sends a statement and yields record batches."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pymysql.err
from pymysql.constants import COMMAND

from tidb_pe_magic.database.frames import prepared_statement, statement
from tidb_pe_magic.database.frames.answer import Answer
from tidb_pe_magic.database.frames.binary import BinaryDecoder
from tidb_pe_magic.database.frames.calendar import ZeroDates
from tidb_pe_magic.database.frames.decimals import narrow_decimals
from tidb_pe_magic.database.frames.definitions import Declarations
from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.frames.failures import protocol_error
from tidb_pe_magic.database.frames.parameters import literals
from tidb_pe_magic.database.frames.rows import CursorAnswer
from tidb_pe_magic.database.frames.scalars import plain
from tidb_pe_magic.database.frames.statement import Statement
from tidb_pe_magic.database.frames.text import TextDecoder
from tidb_pe_magic.database.frames.types import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pymysql.connections import Connection

    from tidb_pe_magic.database.frames.types import Column

_BATCH_BYTES = 1 << 20
_INTERVAL = 0.5
# The server describes each parameter marker in a packet, which takes longer than to parse a literal.
_MOST_MARKERS = 200


class ResultStream:
    """A result that is being read; a context manager.

    Attributes:
        schema: the columns; empty for a statement without rows.
        affected_rows: number of rows that a statement without a result changed.
        rows: number of rows returned so far.
        bytes: number of bytes received so far.
    """

    def __init__(self, connection: Any, on_bytes: Callable[[int], None] | None) -> None:
        """Use `open_stream`."""
        self._driver = Driver(connection)
        self._on_bytes = on_bytes
        self._zero_dates = ZeroDates()
        self._answer: Answer | CursorAnswer | None = None
        self._prepared: prepared_statement.PreparedStatement | None = None
        self._arrays: Iterator[list[pa.Array]] = iter(())
        self._begun = self._closed = False
        self.schema = pa.schema([])
        self.affected_rows = self.rows = self.bytes = 0

    @property
    def zero_dates(self) -> Mapping[str, int]:
        """Column -> number of invalid dates (such as 0000-00-00) that became NaT so far."""
        return MappingProxyType(self._zero_dates)

    @property
    def warnings(self) -> int | None:
        """Number of warnings for SHOW WARNINGS after the rows have been read; None if unknown."""
        return self._answer.warnings if self._answer is not None else 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they arrive, in batches of 1 to 16 MB, or half a second's worth.

        Leaving the iteration early closes the reading.

        Raises:
            MySQLError: the server ended the result, or the connection is lost.
        """
        if self._begun:
            raise RuntimeError("a result can be iterated only once")
        self._begun = True
        try:
            for arrays in self._arrays:
                batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
                self.rows += batch.num_rows
                yield batch
        finally:
            self.close()

    def skip(self) -> None:
        """Read and drop the remaining rows, without converting them.

        Raises:
            MySQLError: as while iterating.
        """
        if isinstance(self._answer, Answer):
            while self._answer.batch() is not None:
                pass
        elif self._answer is not None:
            while self._answer.arrays() is not None:
                pass

    def close(self) -> None:
        """End the reading; closing an incomplete result closes its connection."""
        if self._closed:
            return
        self._closed = True
        if self._answer is not None:
            if not self._answer.ended:
                self._driver.discard()
            self._answer.release()
        if self._prepared is not None and self._driver.open:
            # If the connection is closed, so is the statement.
            with contextlib.suppress(pymysql.err.OperationalError):
                prepared_statement.close(self._driver, self._prepared)

    def __enter__(self) -> Self:
        """Return the reading."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _count(self, count: int) -> None:
        self.bytes += count
        if self._on_bytes is not None:
            self._on_bytes(count)

    def _run(self, text: str, params: Sequence[object], *, capacity: int, interval: float) -> None:
        """Send the statement and read its columns, using the best protocol that the server supports."""
        driver = self._driver
        parsed = statement.parse(text, backslash_escapes=driver.backslash_escapes)
        declarations = Declarations.of(
            parsed.sql if parsed.selects else "",
            backslash_escapes=driver.backslash_escapes,
            counts_sign=driver.counts_sign,
        )
        if not driver.utf8:
            self._run_with_cursor(self._fill(parsed, params), declarations)
            return
        if params or parsed.selects:
            parsed, params = self._prepare(parsed, params, declarations)
        decoder: type[BinaryDecoder | TextDecoder]
        if self._prepared is not None and self._binary(self._prepared):
            command, decoder = COMMAND.COM_STMT_EXECUTE, BinaryDecoder
            payload = self._prepared.execution(params, driver.encoding)
        else:
            command, decoder = COMMAND.COM_QUERY, TextDecoder
            payload = self._fill(parsed, params).encode(driver.encoding)
        answer = Answer(
            driver, on_bytes=self._count, capacity=capacity, interval=interval, declarations=declarations
        )
        driver.check_length(payload)
        self._answer = answer
        driver.send(command, payload)
        answer.begin()
        if decoder is BinaryDecoder and self._prepared is not None:
            _check(self._prepared.columns, answer.columns)
        self._learn(answer)
        self._arrays = map(decoder(answer.columns, self._zero_dates).decode, iter(answer.batch, None))

    def _prepare(
        self, parsed: Statement, params: Sequence[object], declarations: Declarations
    ) -> tuple[Statement, Sequence[object]]:
        """Prepare the statement; return it, and the parameters that remain to be bound.

        The type of an expression with a parameter depends on the value, and is known only after the protocol
        was chosen. Such a statement is prepared again, with its values as literals. So is one with a long
        list of parameters, which is prepared only once.
        """
        driver = self._driver
        if len(params) <= _MOST_MARKERS:
            self._prepared = prepared_statement.prepare(driver, parsed.sql, declarations)
            if self._prepared is None or self._prepared.settled:
                return parsed, params
            self._prepared.check(params)
            prepared_statement.close(driver, self._prepared)
            self._prepared = None
        filled = Statement(self._fill(parsed, params), parsed.selects, ())
        self._prepared = prepared_statement.prepare(driver, filled.sql, declarations)
        return filled, ()

    def _fill(self, parsed: Statement, params: Sequence[object]) -> str:
        return parsed.fill(literals(params, self._driver.literal))

    def _binary(self, statement: prepared_statement.PreparedStatement) -> bool:
        """Choose the protocol that truncates no value of the result.

        The binary form truncates an integer whose expression was declared too narrow; text has all its
        digits. Text omits digits of a FLOAT on MySQL or MariaDB, which declare integers correctly.
        """
        if not statement.readable:
            return False
        if not any(column.narrow for column in statement.columns):
            return True
        if all(column.exact_as_text for column in statement.columns):
            return False
        return not self._driver.exact_float_text()

    def _run_with_cursor(self, text: str, declarations: Declarations) -> None:
        answer = CursorAnswer(
            self._driver, on_bytes=self._count, zero_dates=self._zero_dates, declarations=declarations
        )
        self._answer = answer
        answer.begin(text)
        self._learn(answer)
        self._arrays = iter(answer.arrays, None)

    def _learn(self, answer: Answer | CursorAnswer) -> None:
        self.schema, self.affected_rows = schema(answer.columns), answer.affected_rows


def read_rows(connection: Connection[Any], sql: str, params: Sequence[object] = ()) -> pa.Table:
    """Run one statement, and return all its rows; arguments and errors as in `open_stream`."""
    with open_stream(connection, sql, params) as reading:
        return narrow_decimals(pa.Table.from_batches(list(reading), reading.schema))


def _check(prepared: Sequence[Column], executed: Sequence[Column]) -> None:
    """Reject a result that differs from the one for which the protocol was chosen.

    Raises:
        InternalError: a table or a view was changed in between.
    """
    if any(column.narrow for column in executed) and not any(column.narrow for column in prepared):
        raise protocol_error("the columns changed while the statement was being prepared; run it again")


def open_stream(  # noqa: PLR0913 - the arguments after the parameters have defaults
    connection: Connection[Any],
    sql: str,
    params: Sequence[object] = (),
    *,
    on_bytes: Callable[[int], None] | None = None,
    batch_bytes: int = _BATCH_BYTES,
    interval: float = _INTERVAL,
) -> ResultStream:
    """Run one statement, and return its result for reading.

    SELECT, WITH, TABLE and VALUES, and statements with parameters, run as prepared statements, whose values
    arrive in binary form. Other statements arrive as text, and so does a result in which the binary form
    could truncate a number. The connection cannot be used for anything else until the reading is closed.

    Args:
        connection: PyMySQL's, open, with no result unread.
        sql: one statement; its parameters are question marks.
        params: numbers, strings, bytes, Decimals, dates and times, including those of numpy and pandas, or
            None; they are bound, or written as literals if the result's types depend on them.
        on_bytes: called with the number of newly received bytes, and with 0 every 0.1 s while none arrive; an
            exception ends the reading.
        batch_bytes: approximate bytes of rows per batch; up to 16 MB if the result is long.
        interval: seconds after which a smaller batch is returned.

    Raises:
        InvalidRequest: no statement, more than one, or parameters that do not match it.
        MySQLError: the server refuses the statement, or the connection is lost.
    """
    values = [plain(param, "params", f"number {number}") for number, param in enumerate(params, 1)]
    reading = ResultStream(connection, on_bytes)
    try:
        reading._run(sql, values, capacity=batch_bytes, interval=interval)  # noqa: SLF001 - its own class
    except BaseException:
        reading.close()
        raise
    return reading
