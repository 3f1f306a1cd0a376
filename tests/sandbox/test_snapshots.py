"""`tidb_snapshot` of the embedded database reads the past while others write."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase
from tidb_pe_magic.sandbox.mysql.flights import open_database
from tidb_pe_magic.sandbox.mysql.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a secret"


class Clock:
    """Seconds since 1970, advanced only by the test."""

    def __init__(self) -> None:
        """Start at a round number."""
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Provide the clock for the database's commit times."""
    return Clock()


@pytest.fixture
def login(clock: Clock) -> Iterator[Callable[[], Any]]:
    """Return a function that logs in and returns a query function."""
    with (
        FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=20, clock=clock) as database,
        contextlib.ExitStack() as stack,
    ):
        host, port = database.address

        def open_one() -> Callable[..., Any]:
            connection = pymysql.connect(
                host=host,
                port=port,
                user=USER,
                password=PASSWORD,
                database="test",
                autocommit=True,
                ssl_disabled=True,
            )
            stack.callback(connection.close)

            def ask(sql: str) -> Any:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    return cursor.fetchall()

            return ask

        yield open_one


def moment(ask: Callable[..., Any]) -> int:
    """Return the timestamp of a transaction that starts now."""
    ask("START TRANSACTION")
    ((timestamp,),) = ask("SELECT @@tidb_current_ts")
    ask("COMMIT")
    return int(timestamp)


def refusal(ask: Callable[..., Any], sql: str) -> tuple[int, str]:
    """Return code and text of the error from a statement."""
    with pytest.raises(pymysql.err.MySQLError) as caught:
        ask(sql)
    code, words = caught.value.args
    return code, words


def test_a_snapshot_shows_the_past(login: Callable[[], Any]) -> None:
    """Changes and new columns after the timestamp are invisible until the variable is set to ''."""
    writer, reader = login(), login()
    writer("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    writer("INSERT INTO t VALUES (1, 10), (2, 20)")
    then = moment(reader)
    writer("UPDATE t SET v = 99 WHERE id = 1")
    writer("DELETE FROM t WHERE id = 2")
    between = moment(reader)
    writer("INSERT INTO t VALUES (2, 77)")
    writer("ALTER TABLE t ADD COLUMN more INT")
    reader(f"SET @@tidb_snapshot = '{then}'")
    assert reader("SELECT * FROM t ORDER BY id") == ((1, 10), (2, 20))
    assert reader("SELECT @@tidb_snapshot") == ((str(then),),)
    reader(f"SET SESSION tidb_snapshot = {between}")
    assert reader("SELECT * FROM t") == ((1, 99),)
    reader("SET @@tidb_snapshot = ''")
    assert reader("SELECT * FROM t ORDER BY id") == ((1, 99, None), (2, 77, None))


def test_a_snapshot_can_be_a_datetime(login: Callable[[], Any], clock: Clock) -> None:
    """A datetime is in UTC, the sandbox's time zone."""
    writer = login()
    writer("CREATE TABLE t (id INT)")
    clock.now += 10
    writer("INSERT INTO t VALUES (1)")
    before = dt.datetime.fromtimestamp(clock.now - 5, dt.UTC)
    writer(f"SET @@tidb_snapshot = '{before:%Y-%m-%d %H:%M:%S}'")
    assert writer("SELECT COUNT(*) FROM t") == ((0,),)


def test_the_timestamp_of_a_transaction_is_its_snapshot(login: Callable[[], Any]) -> None:
    """The variable is 0 outside a transaction and constant within one, and timestamps only grow."""
    reader, writer = login(), login()
    writer("CREATE TABLE t (id INT)")
    assert reader("SELECT @@tidb_current_ts") == ((0,),)
    reader("BEGIN")
    ((first,),) = reader("SELECT @@tidb_current_ts")
    writer("INSERT INTO t VALUES (1)")
    assert reader("SELECT COUNT(*) FROM t") == ((0,),)
    assert reader("SELECT @@tidb_current_ts") == ((first,),)
    reader("COMMIT")
    assert moment(reader) > int(first)
    assert refusal(reader, "SET @@tidb_current_ts = 1")[0] == 1238


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET id = 2",
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u (a INT)",
    ],
)
def test_a_snapshot_refuses_writes(login: Callable[[], Any], write: str) -> None:
    """A statement that writes fails with TiDB's error."""
    ask = login()
    ask("CREATE TABLE t (id INT)")
    ask(f"SET @@tidb_snapshot = '{moment(ask)}'")
    assert refusal(ask, write) == (1105, "can not execute write statement when 'tidb_snapshot' is set")


def test_an_invalid_snapshot_is_refused(login: Callable[[], Any], clock: Clock) -> None:
    """A time before the GC safe point, in the future or invalid is refused, and the variable is unchanged."""
    ask = login()
    now = moment(ask)
    ask(f"SET @@tidb_snapshot = {now}")
    clock.now += 3600
    code, words = refusal(ask, f"SET @@tidb_snapshot = {now - 1}")
    assert (code, words) == (8055, "snapshot is older than GC safe point 2027-01-15 08:50:00.000 +0000 UTC")
    code, words = refusal(ask, f"SET @@tidb_snapshot = {now + (7200 * 1000 << 18)}")
    assert code == 1105
    assert "cannot set read timestamp to a future time" in words
    assert refusal(ask, "SET @@tidb_snapshot = 'yesterday'") == (
        1292,
        "Incorrect datetime value: 'yesterday'",
    )
    assert ask("SELECT @@tidb_snapshot") == ((str(now),),)
    code, words = refusal(ask, "SELECT * FROM nycflights13.airlines")
    assert code == 9006
    assert "GC life time is shorter than transaction duration" in words


def test_an_open_transaction_keeps_its_snapshot_readable(login: Callable[[], Any], clock: Clock) -> None:
    """The safe point does not pass an open transaction."""
    holder, reader, writer = login(), login(), login()
    writer("CREATE TABLE t (id INT)")
    holder("BEGIN")
    ((then,),) = holder("SELECT @@tidb_current_ts")
    writer("INSERT INTO t VALUES (1)")
    clock.now += 3600
    writer("INSERT INTO t VALUES (2)")
    reader(f"SET @@tidb_snapshot = {then}")
    assert reader("SELECT COUNT(*) FROM t") == ((0,),)
    holder("ROLLBACK")
    assert refusal(reader, "SELECT COUNT(*) FROM t")[0] == 9006


def test_readers_of_one_snapshot_agree_while_a_writer_runs(login: Callable[[], Any]) -> None:
    """Three connections read one timestamp repeatedly, and the sum stays the same."""
    writer, readers = login(), [login() for _ in range(3)]
    writer("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT)")
    writer("INSERT INTO accounts VALUES " + ", ".join(f"({n}, 100)" for n in range(10)))
    written, enough = threading.Event(), threading.Event()

    def write() -> None:
        # Every transfer changes the sum temporarily, so a reader of one would report it.
        for n in range(2000):
            writer(f"UPDATE accounts SET balance = balance + 1 WHERE id = {n % 10}")
            written.set()
            if enough.is_set():
                return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert written.wait(30)
        then = moment(readers[0])
        for ask in readers:
            ask(f"SET @@tidb_snapshot = {then}")
        sums = {ask("SELECT SUM(balance) FROM accounts") for _ in range(10) for ask in readers}
    finally:
        enough.set()
        thread.join()
    assert len(sums) == 1
    readers[0]("SET @@tidb_snapshot = ''")
    assert {readers[0]("SELECT SUM(balance) FROM accounts")} != sums


def test_a_wrong_or_killed_query_does_not_spoil_the_snapshot(login: Callable[[], Any]) -> None:
    """After errors and a KILL QUERY the snapshot is still readable."""
    ask, other = login(), login()
    ask("CREATE TABLE t (id INT)")
    ask("INSERT INTO t VALUES (1)")
    ((number,),) = ask("SELECT CONNECTION_ID()")
    ask(f"SET @@tidb_snapshot = {moment(ask)}")
    other("INSERT INTO t VALUES (2)")
    assert refusal(ask, "SELECT nothing FROM t")[0] == 1054
    assert refusal(ask, "SELECT * FROM nothing")[0] == 1146
    endless = (
        "SELECT SUM(a.temp * b.dewp * c.humid) "
        "FROM nycflights13.weather a, nycflights13.weather b, nycflights13.weather c"
    )

    def kill() -> None:
        while not any(row[0] == number and row[7] == endless for row in other("SHOW PROCESSLIST")):
            pass
        other(f"KILL QUERY {number}")

    thread = threading.Thread(target=kill)
    thread.start()
    assert refusal(ask, endless)[0] == 1317
    thread.join()
    assert ask("SELECT COUNT(*) FROM t") == ((1,),)


def test_the_stored_states_are_bounded(clock: Clock) -> None:
    """The oldest states are dropped first with the safe point, and an open transaction keeps its own."""
    database = open_database(0)
    history = History(database, clock=clock, most=5)
    database.execute("CREATE TABLE test.t (id INT)")
    first = history.timestamp()
    holder = database.cursor()
    held = None
    for number in range(20):
        if number == 10:
            held = history.begin(holder, holder)
        with history.commit():
            database.execute(f"INSERT INTO test.t VALUES ({number})")
    with pytest.raises(Exception, match="older than GC safe point"):
        history.check(first)
    assert held is not None
    with history.reader(held) as reader:
        assert reader.cursor.execute("SELECT COUNT(*) FROM test.t").fetchall() == [(10,)]
    history.release(holder)
    with pytest.raises(Exception, match="GC life time is shorter"), history.reader(held):
        pass
    database.close()
