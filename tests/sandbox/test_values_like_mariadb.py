"""Statements whose values, types or counts differ between DuckDB and MySQL, compared with MariaDB."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from pymysql.constants import FIELD_TYPE

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.mariadb import MariaDb

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a secret"

Answer = tuple[Any, ...]
#: TiDB declares wider integers and other texts than MariaDB.
INTEGERS = {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
TEXTS = {FIELD_TYPE.STRING, FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.BLOB, FIELD_TYPE.LONG_BLOB}


@pytest.fixture(scope="module")
def database() -> Iterator[FlightsDatabase]:
    """Provide a database with a few flights."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=20) as database:
        yield database


@pytest.fixture
def servers(database: FlightsDatabase, plain_server: MariaDb) -> Iterator[Sequence[Any]]:
    """Provide a connection to the embedded database and one to MariaDB, with a new database of the test."""
    host, port = database.address
    ours = {"host": host, "port": port, "user": USER, "password": PASSWORD}
    theirs = {name: getattr(plain_server, name) for name in ("host", "port", "user", "password")}
    with contextlib.ExitStack() as stack:
        connections = []
        for place in (ours, theirs):
            connection: Any = pymysql.connect(ssl_disabled=True, autocommit=True, local_infile=True, **place)
            stack.callback(connection.close)
            cursor = stack.enter_context(connection.cursor())
            cursor.execute("CREATE DATABASE compared")
            stack.callback(cursor.execute, "DROP DATABASE compared")
            cursor.execute("USE compared")
            connections.append(connection)
        yield connections


def answer(connection: Any, sql: str) -> Answer:
    """Return a statement's affected rows, last ID, types and rows, or its error's number."""
    with connection.cursor() as cursor:
        try:
            count = cursor.execute(sql)
        except pymysql.Error as error:
            return (error.args[0],)
        types = [
            "integer" if column[1] in INTEGERS else "text" if column[1] in TEXTS else column[1]
            for column in cursor.description or ()
        ]
        return count, cursor.lastrowid or 0, types, cursor.fetchall()


def assert_alike(servers: Sequence[Any], statements: str) -> None:
    """Run each line on both servers, and compare the answers."""
    lines = list(filter(None, map(str.strip, statements.splitlines())))
    ours, theirs = ([(sql, answer(connection, sql)) for sql in lines] for connection in servers)
    assert ours == theirs


def test_booleans_store_any_small_number(servers: Sequence[Any]) -> None:
    """BOOLEAN and TINYINT(1) store 2 as 2: in INSERT, UPDATE and comparisons."""
    assert_alike(
        servers,
        """
        CREATE TABLE b (a BOOLEAN DEFAULT TRUE, c TINYINT(1), d BOOL DEFAULT FALSE)
        INSERT INTO b VALUES (2, 2, 2), (TRUE, FALSE, TRUE), (-128, 127, NULL)
        INSERT INTO b (c) VALUES (5)
        SELECT * FROM b ORDER BY a, c
        SELECT c FROM b WHERE a = 2
        SELECT c FROM b WHERE a = TRUE ORDER BY c
        SELECT c FROM b WHERE a IS TRUE ORDER BY c
        SELECT c FROM b WHERE a AND NOT d ORDER BY c
        UPDATE b SET d = a + 3 WHERE c = 2
        SELECT d FROM b WHERE d
        SELECT SUM(a), MAX(d), COUNT(DISTINCT a) FROM b
        INSERT INTO b VALUES (128, 0, 0)
        ALTER TABLE b ADD COLUMN e BOOLEAN
        UPDATE b SET e = 3
        SELECT e FROM b
        """,
    )
    for column in answer(servers[0], "SHOW COLUMNS FROM b")[3][:3]:
        assert column[1] == "tinyint(1)"
    assert [column[4] for column in answer(servers[0], "SHOW COLUMNS FROM b")[3]] == ["1", None, "0", None]


def test_intervals_keep_the_type_of_the_date(servers: Sequence[Any]) -> None:
    """A DATE plus days is a DATE, plus hours a DATETIME; a text plus an interval is a text."""
    assert_alike(
        servers,
        """
        CREATE TABLE d (a DATE, b DATETIME, c DATETIME(6))
        INSERT INTO d VALUES ('2024-01-31', '2024-02-29 01:02:03', '2024-12-31 23:59:59.5')
        INSERT INTO d VALUES (NULL, NULL, NULL)
        SELECT a + INTERVAL 1 DAY, DATE_SUB(a, INTERVAL 1 MONTH), INTERVAL 1 YEAR + a FROM d
        SELECT a + INTERVAL 1 HOUR, DATE_SUB(a, INTERVAL 1 MINUTE), a - INTERVAL 30 SECOND FROM d
        SELECT b + INTERVAL 1 YEAR, b - INTERVAL 1 HOUR, c + INTERVAL 1 QUARTER FROM d
        SELECT ADDDATE(a, 30), SUBDATE(b, 1), ADDDATE(b, INTERVAL 1 WEEK) FROM d
        SELECT MAX(a) + INTERVAL 1 DAY, MIN(b) + INTERVAL 1 DAY, MAX(a) + INTERVAL 1 HOUR FROM d
        SELECT COUNT(*) FROM d WHERE a < '2024-01-31' + INTERVAL 1 DAY AND a + INTERVAL 1 DAY = '2024-02-01'
        SELECT COUNT(*) FROM d WHERE b BETWEEN DATE_SUB('2024-03-01', INTERVAL 1 WEEK) AND '2024-03-01'
        SELECT '2024-01-31' + INTERVAL 1 MONTH, DATE_SUB('2024-01-31 10:00:00', INTERVAL 1 MONTH)
        SELECT '2024-01-31' - INTERVAL 1 SECOND, '2024-01-31 01:02:03' + INTERVAL 1 DAY + INTERVAL 1 DAY
        SELECT CONCAT('2024-01-31' + INTERVAL 1 DAY, '!'), YEAR('2024-12-31' + INTERVAL 1 DAY)
        SELECT 'no date' + INTERVAL 1 DAY, DATE(NULL) + INTERVAL 1 DAY
        """,
    )
    assert answer(servers[0], "SELECT DATE('2024-01-01') + INTERVAL 1.5 DAY") == (1235,)
