"""The session of an alias on a real server: its lasting state, and the effect of a lost connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tidb_pe_magic.database.alias import AliasSession
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest, QueryCancelled, QueryFailed, ResultTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.mariadb import MariaDb


@pytest.fixture
def session(plain_server: MariaDb, opened: Callable[..., Any]) -> Iterator[AliasSession]:
    """Provide an alias's session on a server with an empty table `numbers`."""
    plain_server.execute("CREATE OR REPLACE TABLE test.numbers (n INT PRIMARY KEY)")
    session = AliasSession(opened(plain_server.target()).engine)
    yield session
    session.close()


def ask(
    session: AliasSession, sql: str, *, cancel: threading.Event | None = None, **options: Any
) -> list[Any]:
    """Return the first column of a cell's result."""
    reading = ReadOptions(
        engine=session.engine,
        query=BoundStatement(sql=sql),
        cells=session,
        cancel=cancel or threading.Event(),
    )
    table, _ = read_table(reading, **options)
    return list(table.column(0).to_pylist()) if table.num_columns else []


def kill(server: MariaDb, session: AliasSession) -> None:
    """Kill the session on the server, and wait until it is gone."""
    (number,) = ask(session, "SELECT CONNECTION_ID()")
    server.execute(f"KILL {number}")
    while number in server.connections():
        pass


def count(server: MariaDb) -> int:
    """Count the rows of `numbers` from another connection."""
    return int(server.value("SELECT COUNT(*) FROM test.numbers"))


def test_session_state_lasts_between_cells_of_either_kind(
    plain_server: MariaDb, session: AliasSession
) -> None:
    """SET, USE, @x, temporary tables and ROLLBACK carry over between the product's reader and SQLAlchemy."""
    plain_server.execute("CREATE DATABASE IF NOT EXISTS other")
    plain = session.connection.exec_driver_sql
    ask(session, "BEGIN")
    plain("INSERT INTO numbers VALUES (1)")
    assert ask(session, "SELECT COUNT(*) FROM numbers") == [1]
    assert session.in_transaction
    ask(session, "ROLLBACK")
    assert plain("SELECT COUNT(*) FROM numbers").scalar_one() == 0
    assert not session.in_transaction
    plain("SET @x = 5")
    ask(session, "SET time_zone = '+08:00'")
    plain("USE other")
    ask(session, "CREATE TEMPORARY TABLE mine AS SELECT 7 AS a")
    assert plain("SELECT CONCAT(@x, @@time_zone, DATABASE(), a) FROM mine").scalar_one() == "5+08:00other7"
    assert session.database == "other"
    assert [setting.split("=")[0] for setting in session.settings] == [
        "SET @x ",
        "SET time_zone ",
        "CREATE TEMPORARY TABLE mine AS SELECT 7 AS a",
    ]
    # Only this session has any of it.
    with session.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT DATABASE()").scalar_one() == "test"
        assert connection.exec_driver_sql("SELECT @x").scalar_one() is None


def test_a_dropped_session_continues_and_reports_its_loss(
    plain_server: MariaDb, session: AliasSession
) -> None:
    """After an idle drop the next statement runs once, in the database of USE, with one note of the loss."""
    plain_server.execute("CREATE OR REPLACE DATABASE other")
    plain_server.execute("CREATE TABLE other.numbers (n INT)")
    ask(session, "USE other")
    ask(session, "SET time_zone = '+08:00'")
    kill(plain_server, session)
    ask(session, "INSERT INTO numbers VALUES (1)")
    assert session.take_lost_statements() == ("SET time_zone = '+08:00'",)
    assert session.take_lost_statements() == ()
    assert (count(plain_server), plain_server.value("SELECT COUNT(*) FROM other.numbers")) == (0, 1)


def test_a_transaction_that_is_cut_says_so_and_nothing_is_repeated(
    plain_server: MariaDb, session: AliasSession
) -> None:
    """The cut statement fails with the transaction's outcome, and the next one runs in the same database."""
    plain_server.execute("CREATE OR REPLACE DATABASE other")
    plain_server.execute("CREATE TABLE other.numbers (n INT)")
    for sql in ("USE other", "SET @x = 1", "BEGIN", "INSERT INTO numbers VALUES (1)"):
        ask(session, sql)
    kill(plain_server, session)
    with pytest.raises(ConnectionFailed, match="rolls the open transaction back"):
        ask(session, "INSERT INTO numbers VALUES (2)")
    assert not session.in_transaction
    ask(session, "INSERT INTO numbers VALUES (3)")
    assert session.take_lost_statements() == ("SET @x = 1",)
    assert plain_server.execute("SELECT n FROM other.numbers") == ((3,),)


def test_a_cut_commit_is_not_claimed_to_be_undone(plain_server: MariaDb, session: AliasSession) -> None:
    """After a COMMIT without an answer, the error says that the outcome is unknown."""
    ask(session, "BEGIN")
    ask(session, "INSERT INTO numbers VALUES (1)")
    kill(plain_server, session)
    with pytest.raises(ConnectionFailed, match="unknown whether COMMIT was executed"):
        ask(session, "COMMIT")


def test_a_variable_of_a_lost_session_is_an_error_before_it_is_null(
    plain_server: MariaDb, session: AliasSession
) -> None:
    """A statement that needs the old session fails; afterwards the loss is reported."""
    ask(session, "SET @x = 5")
    kill(plain_server, session)
    with pytest.raises(ConnectionFailed):
        ask(session, "SELECT @x")
    assert ask(session, "SELECT @x") == [None]
    assert session.take_lost_statements() == ("SET @x = 5",)


@pytest.mark.parametrize("end", ["stop button", "rows", "memory", "mistake"])
def test_the_session_outlives_a_statement_that_is_ended(
    plain_server: MariaDb, session: AliasSession, end: str
) -> None:
    """A stopped, cut or refused statement leaves its session's transaction and variables intact."""
    for sql in ("SET @x = 5", "BEGIN", "INSERT INTO numbers VALUES (1)"):
        ask(session, sql)
    many = "SELECT seq, REPEAT('x', 200) FROM seq_1_to_200000"
    if end == "stop button":
        cancel = threading.Event()
        query = "SELECT SLEEP(1000)"

        def stop() -> None:
            while not plain_server.running(query):
                pass
            cancel.set()

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(QueryCancelled):
            ask(session, query, cancel=cancel)
        stopper.join()
        plain_server.await_end(query)
    elif end == "rows":
        assert ask(session, many, max_rows=3) == [1, 2, 3]
    elif end == "memory":
        with pytest.raises(ResultTooLarge):
            ask(session, many, max_memory=1_000_000)
    else:
        with pytest.raises(QueryFailed):
            ask(session, "SELECT nope FROM numbers")
    assert session.in_transaction
    assert ask(session, "SELECT @x + COUNT(*) FROM numbers") == [6]
    ask(session, "COMMIT")
    assert count(plain_server) == 1
    assert session.take_lost_statements() == ()


def test_ranges_are_refused_where_they_would_show_something_else(session: AliasSession) -> None:
    """Ranges are refused when further connections would miss an open transaction or session settings."""
    ask(session, "BEGIN")
    with pytest.raises(InvalidRequest, match=r"--partition-on.*open transaction.*COMMIT or ROLLBACK"):
        session.refuse_ranges("--partition-on")
    ask(session, "COMMIT")
    session.refuse_ranges("--partition-on")
    ask(session, "SET time_zone = '+08:00'")
    with pytest.raises(InvalidRequest, match="without the effect of: SET time_zone"):
        session.refuse_ranges("--partition-on")


def test_a_pooled_session_is_lent_without_another_ones_settings(
    plain_server: MariaDb, opened: Callable[..., Any]
) -> None:
    """A pooled connection starts without the settings and databases of its previous user."""
    engine = opened(plain_server.target()).engine
    for sql in ("SET time_zone = '+08:00'", "USE mysql", "CREATE TEMPORARY TABLE mine (a INT)"):
        with engine.connect() as connection:
            before = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            connection.exec_driver_sql(sql)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one() != before
    numbers = set()
    for _ in range(6):
        with engine.connect() as connection:
            numbers.add(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())
    assert len(numbers) <= 2, "a connection without settings is reused"
