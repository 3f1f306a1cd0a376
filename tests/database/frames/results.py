"""Results that are read whole, recorded, and replayed in other pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pymysql.constants import COMMAND

from tidb_pe_magic.database.frames import open_stream, prepared_statement
from tidb_pe_magic.database.frames.answer import Answer
from tidb_pe_magic.database.frames.binary import BinaryDecoder
from tidb_pe_magic.database.frames.calendar import ZeroDates
from tidb_pe_magic.database.frames.definitions import Declarations
from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.frames.text import TextDecoder
from tidb_pe_magic.database.frames.types import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymysql.connections import Connection


def read(connection: Connection[Any], sql: str, params: Sequence[object] = (), **options: Any) -> pa.Table:
    """Return the whole result."""
    with open_stream(connection, sql, params, **options) as reading:
        return pa.Table.from_batches(list(reading), reading.schema)


def as_text(sql: str) -> str:
    """Return a statement with the same result that is not prepared, so that its rows come as text."""
    return "EXECUTE IMMEDIATE '" + sql.replace("\\", "\\\\").replace("'", "''") + "'"


class Recording:
    """The server's bytes; not a dataclass, which Hypothesis would print byte by byte."""

    def __init__(self, answer: bytes, *, binary: bool) -> None:
        """Store the bytes of the answer."""
        self.answer = answer
        self.binary = binary


class _Recorder(Driver):
    def __init__(self, connection: Connection[Any]) -> None:
        super().__init__(connection)
        self.recorded = b""

    def receive(self, memory: memoryview) -> int:
        count = super().receive(memory)
        self.recorded += memory[:count]
        return count


def record(connection: Connection[Any], sql: str, *, binary: bool) -> Recording:
    """Run a statement and return all of the server's bytes."""
    driver = _Recorder(connection)
    if binary:
        statement = prepared_statement.prepare(driver, sql, Declarations())
        assert statement is not None
        driver.send(COMMAND.COM_STMT_EXECUTE, statement.execution((), driver.encoding))
    else:
        driver.send(COMMAND.COM_QUERY, sql)
    answer = Answer(
        driver, on_bytes=lambda _count: None, capacity=1 << 20, interval=60, declarations=Declarations()
    )
    answer.begin()
    while answer.batch() is not None:
        pass
    answer.release()
    return Recording(driver.recorded, binary=binary)


class _Player(Driver):
    """Replays recorded bytes in pieces of `sizes`, and nothing at the end."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self.encoding = "utf-8"
        self._rest = memoryview(data)
        self._sizes = list(sizes)

    @property
    def read_timeout(self) -> float | None:
        return None

    @property
    def sequence(self) -> int:
        return 1

    @property
    def open(self) -> bool:
        return True

    def limit(self, seconds: float | None) -> float | None:
        return seconds

    def settle(self, status: int) -> None:
        pass

    def receive(self, memory: memoryview) -> int:
        size = min(self._sizes.pop(0) if self._sizes else len(self._rest), len(memory), len(self._rest))
        memory[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def play(
    recording: Recording, sizes: Sequence[int], *, capacity: int = 1 << 20, interval: float = 60.0
) -> pa.Table:
    """Return the recorded result, received in pieces of these sizes followed by the rest."""
    answer = Answer(
        _Player(recording.answer, sizes),
        on_bytes=lambda _count: None,
        capacity=capacity,
        interval=interval,
        declarations=Declarations(),
    )
    answer.begin()
    decoder = (BinaryDecoder if recording.binary else TextDecoder)(answer.columns, ZeroDates())
    batches = []
    while (batch := answer.batch()) is not None:
        batches.append(pa.RecordBatch.from_arrays(decoder.decode(batch), schema=schema(answer.columns)))
    return pa.Table.from_batches(batches, schema(answer.columns))
