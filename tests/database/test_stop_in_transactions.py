"""KILL QUERY reaches no session that may be idle, because TiDB closes it, or crashes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from database.command_log import CommandLog

from tidb_pe_magic.database.alias import AliasSession
from tidb_pe_magic.database.queries.inflight import InFlight
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.errors import QueryCancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.mariadb import MariaDb

    from tidb_pe_magic.database.queries.statement import Tally

FEW = "SELECT seq, REPEAT('x', 200) FROM seq_1_to_1000"
ENDLESS = "SELECT a.seq, REPEAT('x', 200) FROM seq_1_to_1000000 a, seq_1_to_1000000 b"
STALLED = "SELECT seq, REPEAT('x', 100000), IF(seq > 4, SLEEP(1000), 0) FROM seq_1_to_100"
SILENT = "SELECT SLEEP(1000)"


@pytest.fixture
def log(plain_server: MariaDb) -> Iterator[CommandLog]:
    """Provide a relay that records the commands, before a server with an empty table `stops`."""
    plain_server.execute("CREATE OR REPLACE TABLE test.stops (n INT)")
    with CommandLog((plain_server.host, plain_server.port)) as log:
        yield log


@pytest.fixture
def engine(log: CommandLog, plain_server: MariaDb, opened: Callable[..., Any]) -> Any:
    """Provide an engine over the relay."""
    return opened(plain_server.target(host=log.host, port=log.port)).engine


@pytest.fixture
def cells(engine: Any) -> Iterator[AliasSession]:
    """Provide an alias's session with an uncommitted row."""
    cells = AliasSession(engine)
    for sql in ("BEGIN", "INSERT INTO stops VALUES (1)"):
        ask(cells, sql)
    yield cells
    cells.close()


def ask(
    cells: AliasSession, sql: str, *, on_progress: Callable[[Tally], None] | None = None, **options: Any
) -> list[Any]:
    """Return the first column of a cell's result; `on_progress` may raise KeyboardInterrupt."""
    reading = ReadOptions(
        engine=cells.engine,
        query=BoundStatement(sql=sql),
        cells=cells,
        cancel=threading.Event(),
        on_progress=on_progress or (lambda _: None),
    )
    table, _ = read_table(reading, **options)
    return list(table.column(0).to_pylist()) if table.num_columns else []


def kills(log: CommandLog) -> list[str]:
    """Return the KILL statements since the last call, of all connections."""
    return [command for commands in log.take() for command in commands if command.startswith("KILL")]


def stopped(cells: AliasSession, sql: str, ready: Callable[[Tally], bool]) -> str:
    """Stop a cell's statement once it is ready, and return the error."""

    def stop(tally: Tally) -> None:
        if ready(tally):
            raise KeyboardInterrupt

    with pytest.raises(QueryCancelled) as caught:
        ask(cells, sql, on_progress=stop)
    return str(caught.value)


def test_an_executing_statement_is_killed(
    plain_server: MariaDb, log: CommandLog, cells: AliasSession
) -> None:
    """A statement that has not begun to answer is killed once, and the transaction goes on."""
    log.take()
    error = stopped(cells, SILENT, lambda _: bool(plain_server.running(SILENT)))
    assert len(kills(log)) == 1
    assert error == "the query was stopped here, and the server was asked to stop it."
    assert ask(cells, "SELECT COUNT(*) FROM stops") == [1]


def test_a_statement_whose_rows_arrive_is_not_killed(
    plain_server: MariaDb, log: CommandLog, cells: AliasSession
) -> None:
    """The session of arriving rows is closed instead, and the error says that its transaction is lost."""
    log.take()
    error = stopped(cells, ENDLESS, lambda tally: tally.rows > 0)
    assert kills(log) == []
    assert error == (
        "the query was stopped here. Its session was closed, so the server rolls the open transaction back."
    )
    plain_server.await_end(ENDLESS)
    assert plain_server.value("SELECT COUNT(*) FROM test.stops") == 0


@pytest.mark.parametrize("transaction", [True, False])
def test_an_unneeded_rest_is_read_if_it_is_short(
    log: CommandLog, cells: AliasSession, *, transaction: bool
) -> None:
    """Beyond --max-rows, rows that come at once are read and dropped, so the session is not killed."""
    if not transaction:
        ask(cells, "COMMIT")
    log.take()
    assert ask(cells, FEW, max_rows=3) == [1, 2, 3]
    assert kills(log) == []
    assert ask(cells, "SELECT COUNT(*) FROM stops") == [1]


@pytest.mark.parametrize("transaction", [True, False])
def test_an_unneeded_rest_is_ended_if_it_is_late(
    plain_server: MariaDb, log: CommandLog, cells: AliasSession, *, transaction: bool
) -> None:
    """Beyond --max-rows, a statement that sends nothing for a while is killed, and its session goes on."""
    if not transaction:
        ask(cells, "COMMIT")
    log.take()
    assert ask(cells, STALLED, max_rows=3) == [1, 2, 3]
    assert len(kills(log)) == 1
    plain_server.await_end(STALLED)
    assert ask(cells, "SELECT COUNT(*) FROM stops") == [1]


def test_an_unneeded_rest_without_end_is_ended(
    plain_server: MariaDb, log: CommandLog, cells: AliasSession
) -> None:
    """Outside of a transaction, rows that keep arriving beyond --max-rows are ended on the server."""
    ask(cells, "COMMIT")
    log.take()
    assert ask(cells, ENDLESS, max_rows=3) == [1, 2, 3]
    assert len(kills(log)) == 1
    plain_server.await_end(ENDLESS)


def test_an_idle_session_is_not_killed(log: CommandLog, engine: Any) -> None:
    """Stopping does not kill a session with an open transaction between two statements."""
    flight, idle, over = InFlight(engine, statement="INSERT"), threading.Event(), threading.Event()

    def insert() -> None:
        with flight.own_session() as session:
            session.query("SET autocommit = 0")
            session.query("INSERT INTO stops VALUES (1)")
            idle.set()
            over.wait()

    with ThreadPoolExecutor(1) as pool:
        inserting = pool.submit(insert)
        idle.wait()
        flight.end()
        over.set()
        inserting.result()
    assert kills(log) == []
    assert str(flight.cancelled()) == "the query was stopped here."
