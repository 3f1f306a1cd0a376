"""A stop's message about the server, on a server with 64-bit IDs that may refuse the KILL."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from database.wire_server import Declared, Result, WireServer
from pymysql.constants import FIELD_TYPE
from sqlalchemy.pool import QueuePool

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.connector import Connector, Target
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.database.queries.stop import Stop
from tidb_pe_magic.errors import QueryCancelled
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator

UPDATE = "UPDATE k SET a = a + 1 + SLEEP(0.05)"
# More than 32 bits; the greeting has the lower ones.
NUMBER = (5 << 40) + 17


@pytest.fixture
def server() -> Iterator[WireServer]:
    """Provide a server whose UPDATE never ends."""
    identity = Result((Declared("CONNECTION_ID()", FIELD_TYPE.LONGLONG),), ((NUMBER,),))
    with WireServer({"SELECT CONNECTION_ID()": identity}, connection_id=NUMBER) as server:
        server.hanging = UPDATE
        yield server


@pytest.fixture
def engine(server: WireServer) -> Iterator[Any]:
    """Provide a pool of the product's sessions, like an engine's."""
    place: dict[str, Any] = {"host": server.host, "port": server.port, "user": "root"}
    target = Target(**place, database="", password=Secret(""), tls=TlsMode.OFF)
    connector = Connector(target, timeout=5)
    connect: Any = connector.connect
    pool = QueuePool(lambda: connect(place | {"autocommit": True}, None))
    yield SimpleNamespace(pool=pool)
    pool.dispose()


def stopped(server: WireServer, engine: Any, sql: str, *, full: bool = False) -> QueryCancelled:
    """Stop a running statement, optionally with further clients refused, and return the error."""
    server.hanging = sql
    cancel = threading.Event()

    def stop() -> None:
        server.hung.wait()
        if full:
            server.full.set()
        cancel.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    reading = ReadOptions(engine=engine, query=BoundStatement(sql=sql), cancel=cancel)
    with pytest.raises(QueryCancelled) as failed:
        read_table(reading)
    stopper.join()
    return failed.value


def test_a_statement_is_killed_by_all_bits_of_its_number(server: WireServer, engine: Any) -> None:
    """KILL uses all 64 bits of CONNECTION_ID(), and the error says that the server was asked to stop."""
    error = stopped(server, engine, UPDATE)
    assert [sql for _, sql in server.commands if "KILL" in sql] == [f"KILL QUERY {NUMBER}"]
    assert str(error) == "the query was stopped here, and the server was asked to stop it."


def test_an_unreachable_server_is_not_reported_as_stopped(server: WireServer, engine: Any) -> None:
    """With no connection left for KILL, the error gives the reason and how to check."""
    error = str(stopped(server, engine, UPDATE, full=True))
    assert "stopped here. The server could not be asked to stop it: " in error
    assert "1040 Too many connections" in error
    assert "SHOW PROCESSLIST" in error
    assert not [sql for _, sql in server.commands if "KILL" in sql]


def test_a_stopped_ddl_statement_continues(server: WireServer, engine: Any) -> None:
    """For a stopped DDL statement, which continues, the error names the command that shows the job."""
    assert "ADMIN SHOW DDL JOBS" in str(stopped(server, engine, "ALTER TABLE k ADD INDEX (a)"))


def test_an_unknown_outcome_is_not_claimed() -> None:
    """An unsent statement, a silent server and a lost transaction each have their own message."""
    assert "before it was sent" in str(Stop(statement="SELECT 1").error())
    silent = str(Stop(statement="SELECT 1", sessions=1).error())
    assert "has not answered" in silent
    assert "asked to stop it" not in silent
    lost = Stop(statement="UPDATE t SET a = 1", sessions=1, answered=True, costs_transaction=True).error()
    assert "rolls the open transaction back" in str(lost)
