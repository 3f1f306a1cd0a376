"""Connections that are killed, expire, or lose their server: what recovers, and what must fail."""

from __future__ import annotations

import logging
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pytest
import sqlalchemy.exc
from database.command_log import CommandLog
from database.relay import Relay
from pymysql.constants import COMMAND, SERVER_STATUS
from support.secrets_in_traceback import holders

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.session import SessionStateLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine
    from support.mariadb import MariaDb

    from tidb_pe_magic.database.engine import TestedEngine

    Open = Callable[..., TestedEngine]

WAIT = 10


@pytest.fixture
def engine(plain_server: MariaDb, opened: Open) -> Engine:
    """Provide an engine on a server with an empty table `numbers`."""
    plain_server.execute("CREATE OR REPLACE TABLE test.numbers (n INT PRIMARY KEY)")
    return opened(plain_server.target()).engine


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Provide a connection that is held open, as jupysql holds one."""
    with engine.connect() as held:
        yield held


def identity(connection: Connection) -> int:
    """Return the session's connection ID on the server."""
    return int(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())


def await_end(connection: Connection) -> None:
    """Wait until the server has closed its end of the session."""
    session: Any = connection.connection.dbapi_connection
    assert select.select([session._sock], [], [], WAIT)[0], "the server did not close the connection"


def kill(server: MariaDb, connection: Connection) -> None:
    """Kill the session on the server, and wait until it is gone."""
    session: Any = connection.connection.dbapi_connection
    server.execute(f"KILL {session.thread_id()}")
    await_end(connection)


def count(server: MariaDb) -> int:
    """Count the rows of `numbers` from another connection."""
    return int(server.value("SELECT COUNT(*) FROM test.numbers"))


def test_a_killed_connection_continues_and_loses_no_insert(
    plain_server: MariaDb, connection: Connection
) -> None:
    """The statement after a KILL succeeds, and every INSERT remains after the connection is closed."""
    first = identity(connection)
    for number in range(3):
        connection.exec_driver_sql("INSERT INTO numbers VALUES (%s)", (number,))
        kill(plain_server, connection)
    assert identity(connection) != first
    connection.close()
    assert count(plain_server) == 3


class TidbGreeting(Relay):
    """Says in its greeting that autocommit is on, as TiDB does whatever the server's default is."""

    def _pass_on(self, client: socket.socket) -> None:
        with self.track(socket.create_connection(self.upstream)) as server:
            greeting = bytearray(server.recv(65536))
            # After the version: the connection's ID, 8 bytes, a zero, 2 bytes and the character set.
            status = greeting.index(0, 5) + 1 + 4 + 8 + 1 + 2 + 1
            greeting[status] |= SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT
            client.sendall(greeting)
            back = threading.Thread(target=self._copy, args=(server, client, self._flowing))
            back.start()
            self._copy(client, server, self._flowing)
            back.join()


def test_the_greeting_is_not_believed_about_autocommit(plain_server: MariaDb, opened: Open) -> None:
    """If the server's default is off, an INSERT is stored, whatever the greeting says."""
    plain_server.execute("CREATE OR REPLACE TABLE test.numbers (n INT PRIMARY KEY)")
    plain_server.execute("SET GLOBAL autocommit = 0")
    try:
        with TidbGreeting((plain_server.host, plain_server.port)) as relay:
            engine = opened(plain_server.target(host=relay.host, port=relay.port)).engine
            with engine.connect() as connection:
                connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
            engine.dispose()
    finally:
        plain_server.execute("SET GLOBAL autocommit = 1")
    assert count(plain_server) == 1


def test_a_session_sends_no_needless_ping_and_no_needless_rollback(
    plain_server: MariaDb, opened: Open
) -> None:
    """The pool's ping is enough for a statement, unless the server hung up since; DO 0 needs no ROLLBACK."""
    plain_server.execute("CREATE OR REPLACE TABLE test.numbers (n INT PRIMARY KEY)")
    with CommandLog((plain_server.host, plain_server.port)) as log:
        engine = opened(plain_server.target(host=log.host, port=log.port)).engine
        log.take()
        for statement, limit, sent in (
            ("DO 0", 60.0, ["14", "DO 0"]),
            ("DO 0", 0.0, ["14", "14", "DO 0"]),
            ("SELECT 1", 60.0, ["14", "SELECT 1", "ROLLBACK"]),
            ("BEGIN", 60.0, ["14", "BEGIN", "ROLLBACK"]),
        ):
            with engine.connect() as connection:
                session: Any = connection.connection.dbapi_connection
                session.ping_limit = limit
                connection.exec_driver_sql(statement)
            assert log.take()[-1] == sent
        with engine.connect() as connection:
            session = connection.connection.dbapi_connection
            session.ping_limit = 60.0
            before = session.thread_id()
            connection.exec_driver_sql("DO 0")
            session.ping()
            kill(plain_server, connection)
            connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
            assert session.thread_id() != before
    assert count(plain_server) == 1


def fail_in(block: AbstractContextManager[object], connection: Connection | None = None) -> None:
    """Insert a row in a block, and leave it with an exception."""
    with block as begun:
        (connection or cast("Connection", begun)).exec_driver_sql("INSERT INTO numbers VALUES (1)")
        raise LookupError


def test_a_block_that_fails_leaves_nothing(plain_server: MariaDb, engine: Engine) -> None:
    """`engine.begin()`, `connection.begin()` and savepoints roll back; a single statement commits."""
    with pytest.raises(LookupError):
        fail_in(engine.begin())
    with engine.connect() as connection:
        with pytest.raises(LookupError):
            fail_in(connection.begin(), connection)
        connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")
        assert count(plain_server) == 1
    with engine.execution_options(logging_token="x").connect() as connection, pytest.raises(LookupError):
        fail_in(connection.begin(), connection)
    with engine.begin() as connection:
        with pytest.raises(LookupError):
            fail_in(connection.begin_nested(), connection)
        connection.exec_driver_sql("INSERT INTO numbers VALUES (3)")
        assert count(plain_server) == 1
    assert plain_server.execute("SELECT n FROM test.numbers ORDER BY n") == ((2,), (3,))


@pytest.mark.parametrize("if_exists", ["append", "replace"])
def test_a_failed_to_sql_leaves_no_rows(plain_server: MariaDb, engine: Engine, if_exists: Any) -> None:
    """The batches of `to_sql` are one transaction, even if it creates the table, which commits in between."""
    plain_server.execute("INSERT INTO test.numbers VALUES (5)")
    # The third batch refuses a text that is one byte too long for the column.
    frame = pd.DataFrame({"n": ["1", "2", "3", "4", "55"]})
    if if_exists == "append":
        plain_server.execute("ALTER TABLE test.numbers MODIFY n CHAR(1)")
    with pytest.raises(pd.errors.DatabaseError, match="1406"):
        frame.to_sql(
            "numbers",
            engine,
            index=False,
            if_exists=if_exists,
            chunksize=2,
            dtype={"n": sqlalchemy.CHAR(1)},
        )
    left = [row[0] for row in plain_server.execute("SELECT n FROM test.numbers")]
    assert left == (["5"] if if_exists == "append" else [])
    frame[:4].to_sql("fresh", engine, index=False, if_exists="replace")
    assert plain_server.value("SELECT COUNT(*) FROM test.fresh") == 4


@pytest.mark.parametrize("more", [(), (3,)])
def test_a_block_whose_connection_is_killed_is_an_error(
    plain_server: MariaDb, engine: Engine, more: tuple[int, ...]
) -> None:
    """A killed connection fails its block without a commit, even if only the COMMIT was left."""

    def work() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")
            kill(plain_server, connection)
            for number in more:
                connection.exec_driver_sql("INSERT INTO numbers VALUES (%s)", (number,))

    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"2006|2013"):
        work()
    assert count(plain_server) == 0


def test_pandas_reads_after_a_kill(plain_server: MariaDb, engine: Engine) -> None:
    """`pandas.read_sql` over an engine whose pooled connection was killed succeeds."""
    assert pd.read_sql("SELECT 1 AS one", engine)["one"].tolist() == [1]
    (pooled,) = plain_server.connections()
    plain_server.execute(f"KILL {pooled}")
    assert pd.read_sql("SELECT 2 AS two", engine)["two"].tolist() == [2]


def test_an_expired_connection_continues(plain_server: MariaDb, opened: Open) -> None:
    """A connection that the server closed after `wait_timeout` is opened again."""
    usual = plain_server.value("SELECT @@GLOBAL.wait_timeout")
    plain_server.execute("SET GLOBAL wait_timeout = 1")
    try:
        with opened(plain_server.target()).engine.connect() as connection:
            first = identity(connection)
            await_end(connection)
            assert identity(connection) != first
    finally:
        plain_server.execute(f"SET GLOBAL wait_timeout = {usual}")


def test_a_server_that_restarts_is_an_error_only_while_it_is_down(
    plain_server: MariaDb, connection: Connection
) -> None:
    """While the server is down a statement fails at stage tcp; afterwards the same connection works again."""
    identity(connection)
    plain_server.stop()
    try:
        with pytest.raises(sqlalchemy.exc.OperationalError, match=r"no connection \(tcp\)"):
            connection.exec_driver_sql("SELECT 1")
    finally:
        plain_server.start()
    assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.mark.parametrize("begin", ["START TRANSACTION", "BEGIN", "SET autocommit = 0"])
def test_a_kill_inside_a_transaction_is_an_error_and_leaves_nothing(
    plain_server: MariaDb, connection: Connection, begin: str
) -> None:
    """After a KILL, a transaction fails and is rolled back instead of continuing in a new session."""
    connection.exec_driver_sql(begin)
    connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
    kill(plain_server, connection)
    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"2006|2013"):
        connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")
    assert count(plain_server) == 0
    connection.rollback()
    connection.exec_driver_sql("INSERT INTO numbers VALUES (3)")
    assert count(plain_server) == 1


def test_a_kill_before_the_commit_of_a_transaction_is_an_error(
    plain_server: MariaDb, connection: Connection
) -> None:
    """A COMMIT whose transaction is lost fails, whatever sends it."""
    connection.exec_driver_sql("START TRANSACTION")
    connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
    kill(plain_server, connection)
    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"2006|2013"):
        connection.commit()
    assert count(plain_server) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'thanks @bob'",
        "SELECT '%%@example.com' /* for @bob */ -- @bob",
        "SELECT 1 AS `@bob`",
        "SELECT '<@U123>', \"$.@type\"",
        "SELECT @@time_zone",
    ],
)
def test_an_at_sign_in_a_string_is_not_a_variable(
    plain_server: MariaDb, connection: Connection, statement: str
) -> None:
    """A statement with an @ in a string, a comment or a quoted name survives a KILL like any other."""
    before = identity(connection)
    kill(plain_server, connection)
    assert len(connection.exec_driver_sql(statement).all()) == 1
    assert identity(connection) != before


def test_a_finished_transaction_no_longer_prevents_a_reconnect(
    plain_server: MariaDb, connection: Connection
) -> None:
    """After COMMIT the connection survives a KILL again."""
    connection.exec_driver_sql("START TRANSACTION")
    connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
    connection.exec_driver_sql("COMMIT")
    kill(plain_server, connection)
    connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")
    assert count(plain_server) == 2


def test_an_isolation_level_of_the_user_is_a_transaction(plain_server: MariaDb, engine: Engine) -> None:
    """A connection that the user took out of autocommit is not reopened silently."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        kill(plain_server, connection)
        with pytest.raises(sqlalchemy.exc.OperationalError, match=r"2006|2013"):
            connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")
    assert count(plain_server) == 0


@pytest.mark.parametrize("statement", ["USE `my db`", "use other;", "/* why */ USE other"])
def test_the_database_chosen_with_use_is_chosen_again(
    plain_server: MariaDb, connection: Connection, statement: str
) -> None:
    """After a reconnection the session is in its previous database."""
    plain_server.execute("CREATE DATABASE IF NOT EXISTS `my db`")
    plain_server.execute("CREATE DATABASE IF NOT EXISTS other")
    connection.exec_driver_sql(statement)
    before = connection.exec_driver_sql("SELECT DATABASE()").scalar_one()
    kill(plain_server, connection)
    assert connection.exec_driver_sql("SELECT DATABASE()").scalar_one() == before != "test"


def test_lost_settings_are_reported(plain_server: MariaDb, connection: Connection) -> None:
    """A reconnection that undoes a SET warns once, and lists the lost settings."""
    connection.exec_driver_sql("SET time_zone = '+08:00'")
    kill(plain_server, connection)
    with pytest.warns(SessionStateLost, match="SET time_zone"):
        assert connection.exec_driver_sql("SELECT @@time_zone").scalar_one() != "+08:00"
    kill(plain_server, connection)
    assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.mark.parametrize(
    "statement", ["SELECT LAST_INSERT_ID()", "INSERT INTO numbers VALUES (LAST_INSERT_ID())", "SELECT @mine"]
)
def test_a_statement_about_the_lost_session_fails(
    plain_server: MariaDb, connection: Connection, statement: str
) -> None:
    """A query about the old session's state fails instead of returning the new session's NULL."""
    connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
    kill(plain_server, connection)
    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"2006|2013"):
        connection.exec_driver_sql(statement)
    assert count(plain_server) == 1


def test_the_look_before_each_statement_does_not_change_its_answer(connection: Connection) -> None:
    """Functions about the previous statement return the same values with and without the ping."""
    connection.exec_driver_sql("INSERT INTO numbers VALUES (1), (2)")
    assert connection.exec_driver_sql("SELECT ROW_COUNT()").scalar_one() == 2
    connection.exec_driver_sql("SELECT 1/0")
    assert connection.exec_driver_sql("SHOW WARNINGS").one()[1] == 1365


def test_a_frozen_connection_is_replaced(plain_server: MariaDb, opened: Open) -> None:
    """A peer that accepts bytes and never answers is dropped after the time limit."""
    with Relay((plain_server.host, plain_server.port)) as relay:
        engine = opened(plain_server.target(port=relay.port), timeout=0.5).engine
        with engine.connect() as connection:
            first = identity(connection)
            relay.freeze()
            assert identity(connection) != first
        engine.dispose()


def test_a_forgotten_connection_is_replaced_on_every_path(plain_server: MariaDb, opened: Open) -> None:
    """The pool, pandas, and the end of a connection drop a dead connection after the time limit."""
    with Relay((plain_server.host, plain_server.port)) as relay:
        engine = opened(plain_server.target(port=relay.port), timeout=0.5).engine
        held = engine.connect()
        first = identity(held)
        relay.freeze()
        assert pd.read_sql("SELECT CONNECTION_ID() AS n", engine)["n"].tolist() != [first]
        held.close()
        engine.dispose()


@pytest.mark.parametrize("where", ["session", "pool"])
def test_a_cluster_that_fell_asleep_is_waited_for(plain_server: MariaDb, opened: Open, where: str) -> None:
    """A reopened connection has as much time for its login as the first one."""
    with Relay((plain_server.host, plain_server.port)) as relay:
        engine = opened(plain_server.target(port=relay.port), timeout=1.0, login_timeout=60.0).engine
        connection = engine.connect()
        first = identity(connection)
        relay.asleep = 1.5
        if where == "session":
            connection.connection.dbapi_connection._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        else:
            connection.close()
            engine.dispose()
            connection = engine.connect()
        assert identity(connection) != first
        connection.close()
        engine.dispose()


def test_the_rest_of_an_interrupted_answer_ends_the_connection(engine: Engine) -> None:
    """A ROLLBACK that meets the rest of an answer closes the connection, and another one follows."""
    with engine.connect() as connection:
        first = identity(connection)
        session: Any = connection.connection.dbapi_connection
        session._execute_command(COMMAND.COM_QUERY, "SELECT 1")
        session.rollback()
        assert identity(connection) != first


def test_a_forgotten_connection_with_a_transaction_is_an_error(plain_server: MariaDb, opened: Open) -> None:
    """After an idle time the statement fails within the limit, and is not sent in another session."""
    with Relay((plain_server.host, plain_server.port)) as relay:
        engine = opened(plain_server.target(port=relay.port), timeout=0.5).engine
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.connection.dbapi_connection.idle_limit = 0.0  # type: ignore[union-attr]
            relay.freeze()
            with pytest.raises(sqlalchemy.exc.OperationalError, match="while the session was idle"):
                connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        engine.dispose()


def test_connections_end_without_acknowledgments(connection: Connection) -> None:
    """On platforms with the option, the kernel ends a connection whose bytes are not acknowledged."""
    sock = connection.connection.dbapi_connection._sock  # type: ignore[union-attr]
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert 0 < sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 10_000


def test_an_interrupted_query_leaves_the_engine_usable(plain_server: MariaDb, engine: Engine) -> None:
    """After the stop button the next statement runs, and commits by itself."""
    main = threading.main_thread()
    query = "SELECT SLEEP(30)"

    def interrupt() -> None:
        while not plain_server.running(query):
            pass
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    with engine.connect() as connection:
        stopper = threading.Thread(target=interrupt)
        stopper.start()
        with pytest.raises(KeyboardInterrupt):
            connection.exec_driver_sql(query)
        stopper.join()
        for session in plain_server.running(query):
            plain_server.execute(f"KILL {session}")
        connection.rollback()
        connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        assert count(plain_server) == 1
    assert pd.read_sql("SELECT n FROM numbers", engine)["n"].tolist() == [1]


def test_a_changed_password_is_an_error_without_the_password(plain_server: MariaDb, opened: Open) -> None:
    """A session that cannot be reopened fails at login, and no frame contains the old password."""
    password = "the-old-password-of-the-test"
    account = "'prefix.rotated'@'%'"
    plain_server.execute(f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{password}'")
    plain_server.execute(f"GRANT ALL ON test.* TO {account}")
    target = plain_server.target(user="prefix.rotated", password=Secret(password))
    engine = opened(target).engine
    with engine.connect() as connection:
        identity(connection)
        plain_server.execute(f"ALTER USER {account} IDENTIFIED BY 'another'")
        for pooled in plain_server.connections("prefix.rotated"):
            plain_server.execute(f"KILL {pooled}")
        with pytest.raises(sqlalchemy.exc.OperationalError, match=r"no connection \(login\): 1045") as held:
            connection.exec_driver_sql("SELECT 1")
    with pytest.raises(sqlalchemy.exc.OperationalError, match=r"no connection \(login\): 1045") as read:
        pd.read_sql("SELECT 1", engine)
    for error in (held.value, read.value):
        assert holders(error, password) == []
    assert password not in f"{engine!r} {engine.url!r} {engine.url.render_as_string(hide_password=False)}"


def test_the_search_for_secrets_finds_one() -> None:
    """The helper that searches frames for a secret finds local variables like the driver's."""
    namespace: dict[str, Any] = {}
    exec("def driver(password):\n    raise ValueError('refused')", namespace)  # noqa: S102
    with pytest.raises(ValueError, match="refused") as failed:
        namespace["driver"]("a-secret")
    assert holders(failed.value, "a-secret") == ["driver: password"]


def test_a_local_file_is_never_sent(
    plain_server: MariaDb, connection: Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """LOAD DATA LOCAL is refused, though the server would take the file."""
    path = tmp_path_factory.mktemp("local") / "numbers.csv"
    path.write_text("1\n")
    assert plain_server.value("SELECT @@local_infile") == 1
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        connection.exec_driver_sql(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE numbers")
    assert count(plain_server) == 0


def test_closing_a_killed_connection_is_quiet(
    plain_server: MariaDb, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost connection is closed without output, in a transaction too."""
    for statement in ("SELECT 1", "START TRANSACTION"):
        with caplog.at_level(logging.WARNING), engine.connect() as connection:
            connection.exec_driver_sql(statement)
            kill(plain_server, connection)
    assert caplog.records == []
