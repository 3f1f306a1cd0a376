"""One reading from statement to end: parameters, failures in the middle, and what stays usable."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from database.frames.results import as_text, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql.constants import CLIENT
from pymysql.err import DataError, InterfaceError, NotSupportedError, OperationalError, ProgrammingError

from tidb_pe_magic.database.frames import open_stream
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pymysql.connections
    from support.mariadb import MariaDb

    from tidb_pe_magic.database.engine import TestedEngine

    Connect = Callable[..., pymysql.connections.Connection[Any]]

# Some rows arrive, then nothing for a minute.
STUCK = "SELECT seq, IF(seq = 9000, SLEEP(60), 0) AS nap FROM seq_1_to_20000"
FORMS = pytest.mark.parametrize("form", [str, as_text], ids=["binary", "text"])


def usable(connection: Any) -> bool:
    """Return whether the connection answers a query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'in sync'")
        return bool(cursor.fetchone() == ("in sync",))


@FORMS
def test_no_rows(connection: Any, form: Callable[[str], str]) -> None:
    """An empty result has its columns and their types."""
    table = read(connection, form("SELECT seq, 'x' AS x FROM seq_1_to_9 WHERE seq > 9"))
    assert table.num_rows == 0
    assert [(field.name, str(field.type)) for field in table.schema] == [("seq", "uint64"), ("x", "string")]
    assert usable(connection)


def test_no_result(connection: Any) -> None:
    """A statement without rows gives a reading without columns, and the number of changed rows."""
    with open_stream(connection, "CREATE TEMPORARY TABLE t (n INT)") as reading:
        assert list(reading) == []
    with open_stream(connection, "INSERT INTO t VALUES (?), (?)", [1, 2]) as reading:
        assert (list(reading), reading.affected_rows, len(reading.schema)) == ([], 2, 0)
    assert read(connection, "SELECT n FROM t").column(0).to_pylist() == [1, 2]


@FORMS
def test_counts(connection: Any, form: Callable[[str], str]) -> None:
    """Rows and bytes are counted as they arrive, and reported to a callback."""
    told: list[int] = []
    with open_stream(connection, form("SELECT seq FROM seq_1_to_5000"), on_bytes=told.append) as reading:
        counts = [reading.rows for _ in reading]
    assert counts[-1] == reading.rows == 5000
    assert sum(told) == reading.bytes > 5000 * 8


@pytest.mark.parametrize(
    "sql", ["", "  -- nothing\n", "/* nothing */ ;", "SELECT 1; SELECT 2", "SELECT 1;;x"]
)
def test_one_statement_alone(connect: Connect, sql: str) -> None:
    """No statement, or more than one, is refused, even if the connection allows several."""
    connection = connect(client_flag=CLIENT.MULTI_STATEMENTS)
    with pytest.raises(InvalidRequest, match="statement"):
        open_stream(connection, sql)
    assert usable(connection)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT ';', \"; --\", `a;b` FROM (SELECT 1 AS `a;b`) AS t; -- done", [";", "; --", 1]),
        ("/* one; */ WITH t AS (SELECT 'it''s; \\';' AS s) SELECT s FROM t;", ["it's; ';"]),
        ("(SELECT 1) # ; two\n;", [1]),
        ("SELECT 1 --\t;\n ; /* ; */", [1]),
    ],
)
def test_semicolons_that_end_nothing(connection: Any, sql: str, values: list[Any]) -> None:
    """Semicolons in literals, names and comments do not end a statement; one at the end is allowed."""
    assert [column[0].as_py() for column in read(connection, sql).columns] == values


PARAMS = [
    None,
    True,
    -(2**63),
    2**64 - 1,
    10**30,
    1.5,
    np.int64(7),
    np.float64(0.1),
    Decimal("-12345678901234567890.05"),
    "é ' ? \\ \U0001f600",
    "x" * 70_000,
    b"\x00\xff",
    dt.date(2024, 2, 29),
    dt.datetime(1999, 12, 31, 23, 59, 59, 5),  # noqa: DTZ001 - SQL's have none
    dt.timedelta(days=-3, microseconds=-1),
    dt.time(1, 2, 3, 4),
]


def test_parameters_are_bound(connection: Any) -> None:
    """Every kind of parameter comes back as the server understands it, and none can inject SQL."""
    marks = ", ".join(f"? AS c{number}" for number in range(len(PARAMS)))
    table = read(connection, f"SELECT '?', {marks} -- ?", PARAMS)
    values = [column[0].as_py() for column in table.columns][1:]
    expected: list[Any] = list(PARAMS)
    expected[-1] = dt.timedelta(hours=1, minutes=2, seconds=3, microseconds=4)
    assert values == expected


BOUND = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.decimals("-1e30", "1e30", places=9)
    | st.text(st.characters(codec="utf-8"), max_size=40)
    | st.binary(max_size=40)
    | st.dates(dt.date(1000, 1, 1))
    | st.datetimes(dt.datetime(1000, 1, 1))  # noqa: DTZ001 - SQL's have none
    | st.timedeltas(-dt.timedelta(hours=838), dt.timedelta(hours=838))
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=st.lists(BOUND, min_size=1, max_size=6), escapes=st.booleans())
def test_a_literal_equals_a_bound_parameter(connection: Any, params: list[Any], *, escapes: bool) -> None:
    """A parameter written into the statement has the value and the type of a bound one."""
    modes = "''" if escapes else "'NO_BACKSLASH_ESCAPES'"
    read(connection, f"SET sql_mode = {modes}")
    columns = ", ".join(f"? AS c{number}" for number in range(len(params)))
    read(connection, "DROP TEMPORARY TABLE IF EXISTS bound")
    # DDL has no column whose type is needed, so this statement's parameters are bound.
    read(connection, f"CREATE TEMPORARY TABLE bound AS SELECT {columns}", params)
    bound = read(connection, "SELECT * FROM bound")
    written = read(connection, f"SELECT {columns}", params)
    for number, value in enumerate(params):
        right = 1 if value is True else 0 if value is False else value
        assert written.column(number).to_pylist() == [right]
        assert bound.column(number).to_pylist() == [right]


@pytest.mark.parametrize(
    "params",
    [(), (1,), (1, 2, 3), (1, [2]), (1, float("inf")), (1, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)), ({}, 1)],
    ids=repr,
)
def test_parameters_that_do_not_fit(connection: Any, params: tuple[object, ...]) -> None:
    """A wrong number of parameters, or one without an SQL value, is an error before the statement runs."""
    with pytest.raises((InvalidRequest, ProgrammingError)):
        open_stream(connection, "SELECT ?, ?", params)
    assert usable(connection)


@pytest.fixture
def unpreparing(plain_server: MariaDb) -> Iterator[None]:
    """Let the server prepare no statements within the block."""
    before = plain_server.value("SELECT @@GLOBAL.max_prepared_stmt_count")
    plain_server.execute("SET GLOBAL max_prepared_stmt_count = 0")
    yield
    plain_server.execute(f"SET GLOBAL max_prepared_stmt_count = {before}")


@pytest.mark.usefixtures("unpreparing")
def test_a_server_that_does_not_prepare(connection: Any) -> None:
    """Without prepared statements, rows come as text and parameters are escaped by the session's rules."""
    params = ["a'?\\", 5, None, b"\xff"]
    sql = "SELECT ? AS a, '?' AS b, ? AS c, ? AS d, ? AS e"
    right = ["a'?\\", "?", 5, None, b"\xff"]
    assert [column[0].as_py() for column in read(connection, sql, params).columns] == right
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    row = read(connection, "SELECT ? AS a, '\\' AS b, ? AS c", ["\\'", 5])
    assert [column[0].as_py() for column in row.columns] == ["\\'", "\\", 5]


@pytest.mark.usefixtures("unpreparing")
def test_too_few_parameters_for_text(connection: Any) -> None:
    """If the product fills in the markers, it also checks their number."""
    with pytest.raises(InvalidRequest, match="1 given, but the statement has 2"):
        open_stream(connection, "SELECT ?, ?", [1])


def test_a_long_list_is_prepared_once(connection: Any) -> None:
    """A list of hundreds of parameters is prepared once, as literals; values arrive unchanged."""

    def prepared() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'")
            return int(cursor.fetchone()[1])

    values = [*range(1, 1000), "1'?\\", Decimal("7.5"), None]
    sql = f"SELECT COUNT(*) AS n, ? AS v FROM seq_1_to_2000 WHERE seq IN ({', '.join('?' * len(values))})"
    before = prepared()
    assert read(connection, sql, ["é?", *values]).to_pylist() == [{"n": 999, "v": "é?"}]
    assert prepared() == before + 1
    with pytest.raises(InvalidRequest, match="1003 given, but the statement has 1004"):
        open_stream(connection, sql + " AND seq > ?", ["é?", *values])
    assert usable(connection)


def test_prepared_statements_are_closed(connection: Any) -> None:
    """The server holds no statement of a finished reading, whether it was read, failed or empty."""

    def held() -> int:
        (row,) = read(connection, as_text("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")).to_pylist()
        return int(row["Value"])

    before = held()
    for sql in ("SELECT 1", "SELECT 1 FROM seq_1_to_9 WHERE seq = 10"):
        read(connection, sql)
    with pytest.raises(OperationalError):
        read(connection, "SELECT (SELECT seq FROM seq_1_to_3)")
    assert held() == before


@FORMS
def test_a_killed_query(connection: Any, plain_server: MariaDb, form: Callable[[str], str]) -> None:
    """KILL QUERY amid the rows ends the reading with the server's error, and the connection stays usable."""
    with open_stream(connection, form(STUCK), interval=0.01) as reading:
        batches = iter(reading)
        assert next(batches).num_rows > 0
        plain_server.execute(f"KILL QUERY {connection.thread_id()}")
        with pytest.raises(OperationalError, match="interrupted"):
            list(batches)
    assert usable(connection)


def test_a_server_side_timeout(connection: Any) -> None:
    """The server's statement timeout ends the reading."""
    with connection.cursor() as cursor:
        cursor.execute("SET max_statement_time = 0.3")
    with pytest.raises(OperationalError, match="max_statement_time"):
        read(connection, STUCK, interval=0.01)
    assert usable(connection)


@FORMS
def test_a_cut_connection(connection: Any, plain_server: MariaDb, form: Callable[[str], str]) -> None:
    """A connection that ends in the middle of the rows is an error, not an end."""
    with open_stream(connection, form(STUCK), interval=0.01) as reading:
        batches = iter(reading)
        assert next(batches).num_rows > 0
        plain_server.execute(f"KILL CONNECTION {connection.thread_id()}")
        with pytest.raises(OperationalError):
            list(batches)


def test_a_silent_server(connect: Connect) -> None:
    """The connection's own read timeout applies to a reading."""
    connection = connect(read_timeout=1)
    with pytest.raises(OperationalError, match="no data for 1 s"):
        read(connection, STUCK)
    assert not connection.open


def test_a_closed_connection(connection: Any) -> None:
    """A closed connection gives the driver's error, for either form."""
    connection.close()
    for sql in ("SELECT 1", "SHOW TABLES"):
        with pytest.raises(InterfaceError):
            open_stream(connection, sql)


def test_left_early(connection: Any) -> None:
    """A reading that is not finished closes its connection, which would be out of step."""
    with open_stream(connection, STUCK, interval=0.01) as reading:
        next(iter(reading))
    assert not connection.open


def test_iterated_once(connection: Any) -> None:
    """A second iteration is refused rather than empty."""
    with open_stream(connection, "SELECT 1") as reading:
        assert len(list(reading)) == 1
        with pytest.raises(RuntimeError, match="once"):
            next(iter(reading))


def test_an_exception_in_on_bytes(connection: Any) -> None:
    """An exception in the callback cancels the reading, even while the server sends nothing."""

    class Enough(Exception):  # noqa: N818 - no error
        pass

    def cancel(count: int) -> None:
        if count == 0:
            raise Enough

    with pytest.raises(Enough):
        open_stream(connection, "SELECT SLEEP(60)", on_bytes=cancel)
    assert not connection.open


def test_the_stop_button(connection: Any) -> None:
    """SIGINT ends the wait for a silent server."""
    waiting = threading.Event()

    def interrupt() -> None:
        waiting.wait()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            open_stream(connection, "SELECT SLEEP(60)", on_bytes=lambda _: waiting.set())
    finally:
        signal.signal(signal.SIGINT, before)
        thread.join()
    assert not connection.open


def test_the_socket_is_given_back(connect: Connect) -> None:
    """Afterwards the socket has the timeout that PyMySQL expects, and the server's status is known."""
    connection: Any = connect(read_timeout=77)
    read(connection, "SELECT 1")
    assert isinstance(connection._sock, socket.socket)
    assert connection._sock.gettimeout() == connection._current_timeout
    assert connection.get_autocommit()


@pytest.fixture
def roomy(connect: Connect, plain_server: MariaDb) -> pymysql.connections.Connection[Any]:
    """Provide a connection for packets of more than 64 MiB in both directions."""
    before = plain_server.value("SELECT @@GLOBAL.max_allowed_packet")
    plain_server.execute("SET GLOBAL max_allowed_packet = 134217728")
    try:
        return connect()
    finally:
        plain_server.execute(f"SET GLOBAL max_allowed_packet = {before}")


@pytest.mark.parametrize("size", [2**24 - 1, 2**24, 2**24 + 1, 2**26])
def test_a_statement_above_16_mib(roomy: Any, size: int) -> None:
    """A statement of several packets runs once and succeeds, as text and with a parameter."""
    read(roomy, "CREATE TEMPORARY TABLE sizes (n INT)")
    # A byte of the first packet is the command's number.
    head, tail = "INSERT INTO sizes SELECT LENGTH('", "')"
    read(roomy, head + "x" * (size - len(head + tail) - 1) + tail)
    read(roomy, "INSERT INTO sizes SELECT LENGTH(?)", ["y" * (size - 17)])
    assert read(roomy, "SELECT n FROM sizes").column("n").to_pylist() == [
        size - len(head + tail) - 1,
        size - 17,
    ]
    assert read(roomy, "SELECT LENGTH(?) AS n", ["z" * size]).column("n").to_pylist() == [size]
    assert usable(roomy)


def test_a_statement_beyond_max_allowed_packet(connection: Any) -> None:
    """A statement above the server's limit is refused with both sizes, and the connection stays usable."""
    with pytest.raises(InvalidRequest, match=r"17,000,0\d\d bytes .*16,777,216 \(max_allowed_packet\)"):
        read(connection, "SELECT LENGTH(?)", ["x" * 17_000_000])
    assert usable(connection)


def test_a_row_above_16_mb(roomy: Any) -> None:
    """A row that spans several packets is read in both protocols, and so are the rows before and after."""
    sizes = "IF(seq = 2, 17000000, IF(seq = 3, 16777200, 3))"
    for form in (str, as_text):
        sql = f"SELECT seq, REPEAT('ab', {sizes}) AS s, -seq AS n FROM seq_1_to_4"
        table = read(roomy, form(sql))
        assert [len(text.as_py()) for text in table.column("s")] == [6, 34_000_000, 33_554_400, 6]
        assert table.column("n").to_pylist() == [-1, -2, -3, -4]
    assert usable(roomy)


def test_a_stored_procedure(connection: Any) -> None:
    """CALL sends a result and a status; a CALL with two results is refused, not truncated."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE PROCEDURE one() SELECT 1 AS n UNION SELECT 2")
        cursor.execute("CREATE OR REPLACE PROCEDURE two() BEGIN SELECT 1 AS n; SELECT 2 AS n; END")
    assert read(connection, "CALL one()").column("n").to_pylist() == [1, 2]
    assert usable(connection)
    with pytest.raises(NotSupportedError, match="more than one result"):
        read(connection, "CALL two()")
    assert not connection.open


def test_another_character_set(connect: Connect) -> None:
    """If strings do not travel as UTF-8, PyMySQL's cursor reads them; the types are the same."""
    connection = connect(charset="latin1", sql_mode="")
    read(connection, "CREATE TEMPORARY TABLE t (s TEXT, b BIT(3), d DATE, n DECIMAL(9,2), t TIME)")
    read(connection, "INSERT INTO t VALUES ('é', b'101', '0000-00-00', 1.5, '-00:00:01')")
    with open_stream(connection, "SELECT t.*, ? AS p FROM t", ["ÿ'"]) as reading:
        (batch,) = reading
    row = {"s": "é", "b": 5, "d": None, "n": Decimal("1.50"), "t": -dt.timedelta(seconds=1), "p": "ÿ'"}
    assert batch.to_pylist() == [row]
    assert reading.zero_dates == {"d": 1}
    assert usable(connection)
    with open_stream(connection, "SELECT seq FROM seq_1_to_90000") as reading:
        next(iter(reading))
    assert not connection.open


def test_a_value_that_its_column_cannot_hold(connection: Any) -> None:
    """Text with invalid UTF-8, whatever its origin, gives an error that names the column."""
    sql = "SELECT CONVERT(X'66' USING utf8mb4) AS fine, SUBSTRING(_binary X'FF' FROM 1) AS fine_too"
    assert read(connection, sql).num_rows == 1
    with connection.cursor() as cursor:
        cursor.execute("SET character_set_results = NULL")
    with pytest.raises(DataError, match="'bad'"):
        read(connection, "SELECT CONVERT('é' USING latin1) AS bad")


@FORMS
def test_all_columns_of_one_name(connection: Any, form: Callable[[str], str]) -> None:
    """Columns may share a name, as in a join."""
    table = read(connection, form("SELECT 1 AS n, 'b' AS n, NULL AS n"))
    assert [column.to_pylist() for column in table.columns] == [[1], ["b"], [None]]


def test_ten_at_a_time(plain_server: MariaDb, opened: Callable[..., TestedEngine]) -> None:
    """Ten readings over one engine's pool give ten correct results."""
    engine = opened(plain_server.target()).engine

    def total(number: int) -> tuple[int, int]:
        raw = engine.raw_connection()
        try:
            session: Any = raw.driver_connection
            table = read(
                session, f"SELECT seq * {number} AS n, REPEAT('x', {number}) AS x FROM seq_1_to_20000"
            )
            assert set(table.column("x").to_pylist()) == {"x" * number}
            return table.num_rows, sum(table.column("n").to_pylist())
        finally:
            raw.close()

    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(total, range(1, 11)))
    assert results == [(20_000, number * 20_000 * 20_001 // 2) for number in range(1, 11)]


def test_over_tls(tls_server: MariaDb, opened: Callable[..., TestedEngine]) -> None:
    """An encrypted session is read like any other."""
    raw = opened(tls_server.target()).engine.raw_connection()
    session: Any = raw.driver_connection
    table = read(session, "SELECT seq, REPEAT('x', 1000) AS x FROM seq_1_to_5000")
    assert table.column("seq").to_pylist() == list(range(1, 5001))
    raw.close()


def test_the_sandbox(connect: Connect) -> None:
    """The sandbox's database prepares no statements, and its text results are read, parameters included."""
    with FlightsDatabase(users=lambda _client: {"prefix.root": "secret"}, flights=1000) as database:
        host, port = database.address
        connection = connect(host=host, port=port, password="secret", database="nycflights13")
        table = read(connection, "SELECT * FROM flights WHERE origin = ? LIMIT 500", ["JFK"])
        assert set(table.column("origin").to_pylist()) == {"JFK"}
        assert usable(connection)
        connection.close()
