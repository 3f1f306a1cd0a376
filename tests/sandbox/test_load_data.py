"""LOAD DATA LOCAL INFILE in the embedded database, as other clients send it and as MariaDB reads it."""

# ruff: noqa: DTZ001 - the times of a table have no zone

from __future__ import annotations

import contextlib
import datetime as dt
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pandas as pd
import pymysql
import pytest
from pymysql.constants import COMMAND
from support.requirements import need

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.connector import Target
from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.loading.load import load
from tidb_pe_magic.database.loading.sources import source_of
from tidb_pe_magic.database.loading.tables import TableName
from tidb_pe_magic.database.loading.task import LoadTask
from tidb_pe_magic.sandbox.faults import Faults
from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase
from tidb_pe_magic.sandbox.network.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.mariadb import MariaDb

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a secret"


@pytest.fixture(scope="module")
def database() -> Iterator[FlightsDatabase]:
    """Provide a database with a few flights."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=20) as database:
        yield database


@pytest.fixture
def connect(database: FlightsDatabase, plain_server: MariaDb) -> Iterator[Callable[..., Any]]:
    """Return a function that logs in to the embedded database, or to MariaDB, with a new table `t`."""
    host, port = database.address
    ours = {"host": host, "port": port, "user": USER, "password": PASSWORD}
    theirs = {name: getattr(plain_server, name) for name in ("host", "port", "user", "password")}
    with contextlib.ExitStack() as stack:

        def login(*, mariadb: bool = False, definition: str = "", **options: Any) -> Any:
            place = (theirs if mariadb else ours) | {"local_infile": True, "charset": "utf8mb4"} | options
            connection: Any = pymysql.connect(database="test", ssl_disabled=True, autocommit=True, **place)
            stack.callback(connection._force_close)
            if definition:
                ask(connection, "DROP TABLE IF EXISTS t")
                ask(connection, f"CREATE TABLE t ({definition}) DEFAULT CHARACTER SET utf8mb4")
            return connection

        yield login


def ask(connection: Any, sql: str) -> Any:
    """Execute a statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


TEXTS = "a VARCHAR(40), b VARCHAR(40)"
CSV = r"FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\r\n'"
#: A table, the options after its name, and the file.
FORMS: tuple[tuple[str, str, str], ...] = (
    (TEXTS, "", "1\tx\n2\t\\N\n\\N\t\n"),
    (TEXTS, "", r"\\N	\\" + "\n" + r"a\tb\nc\rd\0e\Zf\bg" + "\t" + r"\q\'\"" + "\n"),
    (TEXTS, "CHARACTER SET utf8mb4", "é😀\t漢字\nescaped\\\nnewline\tand\\\ttab"),
    ("a VARCHAR(9)", "", "\n\nx\n\n"),
    ("a BIGINT, b DOUBLE", "(b, a)", "1.5\t1\n-1e300\t-9223372036854775808\n\\N\t\\N\n"),
    ("a DATETIME(6), b DECIMAL(20,5)", "", "2024-02-29 01:02:03.000004\t123456789012345.54321\n"),
    (TEXTS, CSV, 'x,"y, z"\r\n"say ""hi""",NULL\r\n"NULL",\\N\r\n"a\\"b","c\r\nd"\r\n'),
    (TEXTS, f"{CSV} IGNORE 1 LINES (b, a)", "b,a\r\n1,2\r\n"),
    (TEXTS, r"COLUMNS TERMINATED BY '||' ESCAPED BY '' LINES TERMINATED BY ';'", "a\\|b||c;\\N||d;"),
    (TEXTS, "", "only\nthree\tfields\there\n"),
    ("a INT PRIMARY KEY, b VARCHAR(9)", "", "1\tone\n1\ttwo\n2\tthree\n"),
    (TEXTS, "", ""),
)


@pytest.mark.parametrize(("definition", "options", "content"), FORMS)
def test_a_file_is_read_as_mariadb_reads_it(
    connect: Callable[..., Any], tmp_path: Path, definition: str, options: str, content: str
) -> None:
    """The rows, the number of rows and of warnings, and the information are MariaDB's."""
    path = tmp_path / "file"
    path.write_bytes(content.encode())
    answers = []
    for mariadb in (False, True):
        connection = connect(mariadb=mariadb, definition=definition)
        stored = connection.query(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t {options}")
        result = connection._result
        rows = sorted(ask(connection, "SELECT * FROM t"), key=str)
        answers.append((stored, result.warning_count, result.message.strip(b"/\x00."), rows))
    ours, theirs = answers
    assert ours[:2] == theirs[:2]
    assert ours[3] == theirs[3]
    assert ours[2][-len(b"Records: 0  Deleted: 0  Skipped: 0  Warnings: 0") :] in theirs[2]


def test_lines_belong_to_the_transaction(connect: Callable[..., Any], tmp_path: Path) -> None:
    """ROLLBACK removes the rows; a later error leaves those of the transaction; COMMIT stores them."""
    path = tmp_path / "file"
    path.write_text("1\tx\n2\ty\n")
    first, second = connect(definition="a INT, b VARCHAR(9)"), connect()
    ask(first, "SET autocommit = 0")
    load_data = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t"
    ask(first, load_data)
    assert first.server_status & 1, "a transaction is open"
    assert ask(second, "SELECT COUNT(*) FROM t") == ((0,),)
    ask(first, "ROLLBACK")
    assert ask(first, "SELECT COUNT(*) FROM t") == ((0,),)
    ask(first, load_data)
    with pytest.raises(pymysql.err.MySQLError):
        ask(first, "INSERT INTO t VALUES ('not a number', '')")
    ask(first, "COMMIT")
    assert ask(second, "SELECT * FROM t ORDER BY a") == ((1, "x"), (2, "y"))


def test_what_is_refused_asks_for_no_file(connect: Callable[..., Any], tmp_path: Path) -> None:
    """Without the capability, table, right or form the error comes at once, and the session stays usable."""
    path = tmp_path / "file"
    path.write_text("1\n")
    plain = connect(definition="a INT", local_infile=False)
    for connection, statement, code in (
        (plain, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t", 1148),
        (connect(), f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE missing", 1146),
        (connect(), f"LOAD DATA INFILE '{path}' INTO TABLE t", 1235),
        (connect(), f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t (@a) SET a = @a + 1", 1235),
    ):
        with pytest.raises(pymysql.err.MySQLError) as caught:
            ask(connection, statement)
        assert caught.value.args[0] == code
        assert ask(connection, "SELECT COUNT(*) FROM t") == ((0,),)


def test_a_value_that_does_not_fit_leaves_the_session_usable(
    connect: Callable[..., Any], tmp_path: Path
) -> None:
    """An error after the file does not disturb the order of the packets, and stores no row."""
    path = tmp_path / "file"
    path.write_text("1\n" * 50_000 + "x\n")
    connection = connect(definition="a INT")
    with pytest.raises(pymysql.err.MySQLError):
        ask(connection, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t")
    assert ask(connection, "SELECT COUNT(*) FROM t") == ((0,),)


def test_a_kill_while_the_file_arrives_ends_the_statement(connect: Callable[..., Any]) -> None:
    """KILL QUERY between two packets of the file is reported after the last one, and no row is stored."""
    connection, other = connect(definition="a INT"), connect()
    ((number,),) = ask(connection, "SELECT CONNECTION_ID()")
    connection._execute_command(COMMAND.COM_QUERY, "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t")
    assert connection._read_packet().get_all_data() == b"\xfbrows"
    connection.write_packet(b"1\n")
    assert "LOAD DATA LOCAL INFILE 'rows' INTO TABLE t" in {row[7] for row in ask(other, "SHOW PROCESSLIST")}
    ask(other, f"KILL QUERY {number}")
    for packet in (b"2\n", b""):
        connection.write_packet(packet)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        connection._read_packet()
    assert caught.value.args[0] == 1317
    assert ask(connection, "SELECT COUNT(*) FROM t") == ((0,),)


def test_the_command_line_client_loads_a_file(
    connect: Callable[..., Any], database: FlightsDatabase, tmp_path: Path
) -> None:
    """`mariadb --local-infile` loads a file, and shows the server's information."""
    host, port = database.address
    path = tmp_path / "file"
    path.write_text("".join(f"{number}\ttext\n" for number in range(10_000)))
    checked = connect(definition="a INT, b VARCHAR(9)")
    program = need("mariadb", apt="mariadb-client")
    options = ["--no-defaults", "--skip-ssl", "--local-infile=1", "-vv", "--database=test"]
    place = [f"--host={host}", f"--port={port}", f"--user={USER}"]
    statement = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t"
    done = subprocess.run(
        [program, *options, *place, "--execute", statement],
        env=os.environ | {"MYSQL_PWD": PASSWORD},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Records: 10000  Deleted: 0  Skipped: 0  Warnings: 0" in done.stdout
    assert ask(checked, "SELECT COUNT(*), SUM(a) FROM t") == ((10_000, 49_995_000),)


def test_our_load_uses_it(database: FlightsDatabase) -> None:
    """`load` sends the rows of a new table with LOAD DATA, and every value arrives."""
    times = [dt.datetime(2024, 2, 29, 1, 2, 3, 4), None, dt.datetime(1999, 1, 1), dt.datetime(1000, 1, 1)]
    values: dict[str, list[Any]] = {
        "n": [1, -(2**63), None, 4],
        "x": [0.1, 1e300, None, -0.5],
        "s": ["\\N", "a\tb\n'\\", None, "\ufeff😀"],
        "f": [True, False, None, True],
        "t": times,
    }
    types = {"n": "Int64", "x": "float64", "s": "object", "f": "boolean", "t": "datetime64[us]"}
    frame = pd.DataFrame({name: pd.Series(each, dtype=types[name]) for name, each in values.items()})
    faults = Faults()
    with Gate(database.address, faults) as gate:
        address = ("127.88.1.1", database.address[1])
        gate.open([address])
        target = Target(
            host=address[0], port=address[1], user=USER, database="test", password=Secret(PASSWORD)
        )
        engine = open_engine(target).engine
        load(
            LoadTask(
                engine=engine,
                name=TableName("loaded", "test"),
                source=source_of(frame),
                if_exists="replace",
                keys=(),
                cancel=threading.Event(),
            )
        )
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM loaded ORDER BY t").fetchall()
        engine.dispose()
    operations = [request.operation for request in faults.requests]
    assert "LOAD" in operations
    assert "INSERT" not in operations
    assert sorted(map(tuple, rows), key=str) == sorted(zip(*values.values(), strict=True), key=str)
