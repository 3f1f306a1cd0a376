"""A SQL connection is cut during the login, before and after a statement, and amid a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.faults import Fault, Kind, Point, Service
from tidb_pe_magic.sandbox.faults.sql import ConnectionCut, Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.sandbox.faults import Faults

    Connect = Callable[[], pymysql.connections.Connection[Any]]

LOST = (2006, 2013)
POINTS = list(Point)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """Provide a sandbox with a connected endpoint, shared by the tests of this module."""
    with Sandbox(flights=2000) as sandbox:
        sandbox.world.create_endpoint(
            service=sandbox.world.services[0],
            vpc_id="vpc-t4nanalytics0k3m7x",
            zones=[("ap-southeast-1a", "vsw-t4na1")],
        )
        yield sandbox


@pytest.fixture
def connect(running: Sandbox) -> Iterator[Connect]:
    """Provide a plain driver's connection through the gate to an empty table t."""
    (endpoint,) = running.world.endpoints.values()

    def connect() -> pymysql.connections.Connection[Any]:
        return pymysql.connect(
            host=endpoint.domain,
            port=endpoint.port,
            user="2vKmPqRsTuWxYzA.root",
            password=running.environment()["TIDB_PASSWORD"],
            database="test",
            autocommit=True,
        )

    with connect() as connection:
        _execute(connection, "DROP TABLE IF EXISTS t")
        _execute(connection, "CREATE TABLE t (id INT)")
    yield connect
    running.faults.clear()


def _execute(connection: pymysql.connections.Connection[Any], sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _rows(connect: Connect) -> list[Any]:
    with connect() as connection:
        return _execute(connection, "SELECT id FROM t")


@pytest.mark.parametrize("point", POINTS)
def test_a_login_is_cut(running: Sandbox, connect: Connect, point: Point) -> None:
    """The driver reports a lost server, and the next login works."""
    running.faults.add(Fault(kind=Kind.CUT, operation="LOGIN", point=point))
    with pytest.raises(pymysql.err.OperationalError) as caught:
        connect()
    assert caught.value.args[0] in LOST
    connect().close()


@pytest.mark.parametrize(
    ("point", "there"), [(Point.BEFORE, False), (Point.AFTER, True), (Point.DURING, True)]
)
def test_an_insert_is_cut(running: Sandbox, connect: Connect, point: Point, there: bool) -> None:  # noqa: FBT001
    """Cut before the statement, the row is missing; cut after it, the row exists without an answer."""
    running.faults.add(Fault(kind=Kind.CUT, operation="INSERT", point=point))
    with pytest.raises(pymysql.err.OperationalError) as caught:
        _execute(connect(), "INSERT INTO t VALUES (1)")
    assert caught.value.args[0] in LOST
    call = running.requests[-1]
    assert (call.service, call.operation, call.carried_out) == (Service.SQL, "INSERT", there)
    assert not call.answered
    assert _rows(connect) == ([(1,)] if there else [])


def test_a_commit_is_cut_after_it_was_sent(running: Sandbox, connect: Connect) -> None:
    """Cut after COMMIT, the transaction is committed and the answer lost; cut before, it is rolled back."""
    for point, rows in ((Point.BEFORE, []), (Point.AFTER, [(7,)])):
        running.faults.add(Fault(kind=Kind.CUT, operation="COMMIT", point=point))
        connection = connect()
        _execute(connection, "START TRANSACTION")
        _execute(connection, "INSERT INTO t VALUES (7)")
        with pytest.raises(pymysql.err.OperationalError):
            connection.commit()
        assert _rows(connect) == rows


def test_a_result_is_cut_in_its_middle(running: Sandbox, connect: Connect) -> None:
    """The driver gets a part of the result, and then nothing more."""
    running.faults.add(Fault(kind=Kind.CUT, operation="SELECT", point=Point.DURING))
    with pytest.raises(pymysql.err.OperationalError) as caught:
        _execute(connect(), "/* all */ SELECT * FROM nycflights13.flights")
    assert caught.value.args[0] in LOST


def _packet(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_a_statement_is_read_however_it_arrives(running: Sandbox, size: int) -> None:
    """However the network splits the packets, they are forwarded unchanged and counted once."""
    faults: Faults = running.faults
    tap = Tap(faults)
    tap.answered(b"the greeting")
    first = faults.requests[-1].number if faults.requests else 0
    long = b"\x03INSERT INTO t VALUES ('" + b"x" * 600 + b"')"
    sent = b"".join(
        [
            _packet(1, b"\x8d\xa2\x0a\x00" + b"x" * 80),
            _packet(3, b"another round of the login"),
            _packet(0, b"\x03 /* why */ -- because\n select 1"),
            _packet(0, long),
            _packet(0, b"\x0e"),
            _packet(0, b"\x02test"),
            _packet(0, b"\x01"),
        ]
    )
    passed = b"".join(tap.sent(sent[start : start + size]) for start in range(0, len(sent), size))
    assert passed == sent
    operations = [call.operation for call in faults.requests if call.number > first]
    assert operations == ["LOGIN", "SELECT", "INSERT", "PING", "USE"]


def test_an_encrypted_connection_is_passed_on_unread(running: Sandbox) -> None:
    """After the request for TLS the gate looks for no statements, and the login can still be cut."""
    request = _packet(1, (0x0800).to_bytes(4, "little") + bytes(28))
    tap = Tap(running.faults)
    tap.answered(b"the greeting")
    hello = _packet(0, b"\x03INSERT looks like one")
    assert tap.sent(request + hello) == request + hello
    assert tap.sent(hello) == hello
    assert running.requests[-1].operation == "LOGIN"
    running.faults.add(Fault(kind=Kind.CUT, operation="LOGIN"))
    another = Tap(running.faults)
    another.answered(b"the greeting")
    with pytest.raises(ConnectionCut):
        another.sent(request)
