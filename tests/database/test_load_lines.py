"""LOAD DATA LOCAL on the wire: no file is ever sent, and a warning or a stop leaves nothing behind."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pymysql
import pytest
from database.wire_server import Declared, Result, WireServer
from pymysql.constants import CLIENT, CR, FIELD_TYPE
from sqlalchemy.pool import QueuePool

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.connector import Connector, Target
from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.loading.conversion import convert
from tidb_pe_magic.database.loading.lines import LinesWriter, LoadStatement, lines_writer, send_lines
from tidb_pe_magic.database.loading.sender import Sender
from tidb_pe_magic.database.loading.sources import source_of
from tidb_pe_magic.database.loading.statements import InsertWriter
from tidb_pe_magic.database.loading.tables import TableName, new_table
from tidb_pe_magic.database.queries.inflight import InFlight
from tidb_pe_magic.database.queries.session_pool import SessionPool
from tidb_pe_magic.errors import QueryCancelled, QueryFailed, TidbPeError
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from support.mariadb import MariaDb

STATEMENT = LoadStatement(b"LOAD DATA LOCAL INFILE 'rows' INTO TABLE t", b"1\n2\n")


@pytest.fixture
def scripted() -> Iterator[tuple[WireServer, Any]]:
    """Provide a scripted server, and a pool of the product's sessions, like an engine's."""
    identity = Result((Declared("CONNECTION_ID()", FIELD_TYPE.LONGLONG),), ((7,),))
    with WireServer({"SELECT CONNECTION_ID()": identity}) as server:
        place: dict[str, Any] = {"host": server.host, "port": server.port, "user": "root"}
        target = Target(**place, database="", password=Secret(""), tls=TlsMode.OFF)
        connect: Any = Connector(target, timeout=5).connect
        pool = QueuePool(lambda: connect(place, None))
        yield server, SimpleNamespace(pool=pool)
        pool.dispose()


@pytest.fixture
def engine(plain_server: MariaDb) -> Iterator[Engine]:
    """Provide an engine of a server whose database `lines` is empty."""
    plain_server.execute("CREATE OR REPLACE DATABASE `lines`")
    engine = open_engine(plain_server.target(database="lines")).engine
    yield engine
    engine.dispose()


def writer(frame: pd.DataFrame, *, keys: frozenset[str] = frozenset()) -> InsertWriter:
    """Return the writer of a frame for the table lines.t."""
    source = source_of(frame)
    table = new_table(TableName("t", "lines"), source.columns, ())
    columns = [convert(column, table.columns[column.name]) for column in source.columns]
    return InsertWriter(table=table.name, columns=columns, rows=source.rows, keys=keys)


def sent(
    engine: Engine, frame: pd.DataFrame, cancel: threading.Event | None = None
) -> tuple[int, TidbPeError | None]:
    """Send a frame into the table lines.t with LOAD DATA; return the committed rows and the error."""
    inserts = writer(frame)
    sender = Sender(InFlight(engine, pool=SessionPool(engine)), inserts, lines=LinesWriter(inserts))
    failure = sender.send(inserts.pieces(), cancel=cancel or threading.Event(), on_progress=lambda: None)
    return sender.ledger.rows, failure


def test_only_the_lines_are_sent_whatever_file_is_named(scripted: tuple[WireServer, Any]) -> None:
    """A server that names a file gets the lines of LOAD DATA; after another statement it gets nothing."""
    server, engine = scripted
    server.file_requests = dict.fromkeys(("LOAD DATA", "SELECT 1", "INSERT"), "/etc/passwd")
    with InFlight(engine, pool=SessionPool(engine)).own_session() as session:
        assert send_lines(session, STATEMENT, 3) == (2, 0)
    assert server.received == [STATEMENT.lines]
    for statement in ("SELECT 1", b"INSERT INTO t VALUES (1)"):
        with InFlight(engine, pool=SessionPool(engine)).own_session() as session:
            with pytest.raises(pymysql.err.OperationalError, match="asked for a file of this machine"):
                session.query(statement)
            assert not session.open
    assert [bytes(each) for each in server.received[1:]] == [b"", b""]
    with InFlight(engine).own_session():
        pass
    flags = [bool(each & CLIENT.LOCAL_FILES) for each in server.capabilities]
    assert flags == [True, True, True, False], "only load's own sessions allow LOAD DATA LOCAL"


def test_another_answer_to_load_data_ends_the_connection(scripted: tuple[WireServer, Any]) -> None:
    """A server that answers LOAD DATA without asking for the lines is not trusted any more."""
    server, engine = scripted
    server.results[STATEMENT.sql.decode()] = Result((), ())
    with InFlight(engine, pool=SessionPool(engine)).own_session() as session:
        with pytest.raises(pymysql.err.OperationalError) as caught:
            send_lines(session, STATEMENT, 3)
        assert not session.open
    assert caught.value.args[0] == CR.CR_SERVER_LOST
    assert server.received == []


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("id BIGINT, s VARCHAR(3)", "Data too long for column 's'"),
        ("id TINYINT, s TEXT", "Out of range value for column 'id'"),
        ("id BIGINT, s TEXT, UNIQUE (s(9))", "Duplicate entry 'text'"),
        ("id BIGINT NOT NULL, s DATE", "Incorrect date value"),
        ("id BIGINT, s TEXT, CHECK (id < 200)", "CONSTRAINT `CONSTRAINT_1` failed"),
        ("id BIGINT", "Unknown column 's'"),
    ],
)
def test_a_warning_becomes_the_error_of_an_insert(
    plain_server: MariaDb, engine: Engine, definition: str, message: str
) -> None:
    """A value that LOAD DATA would change, or a row that it would skip, fails as with INSERT."""
    plain_server.execute(f"CREATE TABLE `lines`.t ({definition})")
    frame = pd.DataFrame({"id": [1, 300], "s": ["text", "text"]})
    rows, failure = sent(engine, frame)
    assert isinstance(failure, QueryFailed)
    assert message in str(failure)
    assert rows == 0
    assert plain_server.value("SELECT COUNT(*) FROM `lines`.t") == 0


def test_a_warning_without_an_error_costs_no_row(plain_server: MariaDb, engine: Engine) -> None:
    """Rows that INSERT stores although LOAD DATA warns are stored once."""
    plain_server.execute("CREATE TABLE `lines`.t (id BIGINT, s TEXT)")
    plain_server.execute(
        "CREATE TRIGGER `lines`.warn BEFORE INSERT ON `lines`.t FOR EACH ROW SIGNAL SQLSTATE '01000'"
    )
    frame = pd.DataFrame({"id": range(25_000), "s": "text"})
    assert sent(engine, frame) == (len(frame), None)
    found = plain_server.execute("SELECT COUNT(*), COUNT(DISTINCT id) FROM `lines`.t")
    assert found == ((len(frame), len(frame)),)


def test_the_stop_button_ends_load_data(plain_server: MariaDb, engine: Engine) -> None:
    """A stop in the middle of LOAD DATA ends it on the server, and no row of it stays."""
    plain_server.execute("CREATE TABLE `lines`.t (id BIGINT PRIMARY KEY, s TEXT)")
    cancel = threading.Event()

    def stop() -> None:
        waits = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
        while plain_server.execute(waits)[0][1] == "0":
            pass
        cancel.set()

    stopper = threading.Thread(target=stop)
    with engine.connect() as other:
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("INSERT INTO `lines`.t VALUES (4000, 'of another transaction')")
        stopper.start()
        rows, failure = sent(engine, pd.DataFrame({"id": range(5_000), "s": "text"}), cancel)
        stopper.join()
        other.exec_driver_sql("ROLLBACK")
    assert isinstance(failure, QueryCancelled)
    assert rows == 0
    assert plain_server.value("SELECT COUNT(*) FROM `lines`.t") == 0


def test_lines_are_for_servers_whose_load_data_is_part_of_the_transaction() -> None:
    """Before TiDB 7.6, LOAD DATA commits by itself; keys and bytes are for INSERT only."""
    plain = writer(pd.DataFrame({"a": [1], "s": ["x"]}))
    used: dict[str, Any] = {
        "8.0.11-TiDB-v8.5.3-serverless": True,
        "8.0.11-TiDB-v7.6.0": True,
        "8.0.11-TiDB-v10.0.0": True,
        "8.0.11-TiDB-v7.5.2-serverless": False,
        "5.7.25-TiDB-v6.5.0": False,
        "5.7.25-TiDB-None": False,
        "8.0.36": True,
        "10.11.6-MariaDB-0+deb12u1": True,
    }
    assert {version: lines_writer(plain, version) is not None for version in used} == used
    assert lines_writer(writer(pd.DataFrame({"a": [1]}), keys=frozenset({"a"})), "8.0.36") is None
    assert lines_writer(writer(pd.DataFrame({"a": [b"x"]})), "8.0.36") is None
