"""Statements whose values, types or counts differ between DuckDB and MySQL, compared with MariaDB."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from pymysql.constants import CLIENT, FIELD_TYPE

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


def test_automatic_ids_follow_mysqls_rules(servers: Sequence[Any]) -> None:
    """NULL, 0 and DEFAULT draw the next id, and a given id moves the counter past it."""
    assert_alike(
        servers,
        """
        CREATE TABLE n (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))
        INSERT INTO n (v) VALUES ('a'), ('b')
        INSERT INTO n VALUES (0, 'c')
        INSERT INTO n VALUES (NULL, 'd'), (DEFAULT, 'e'), ('0', 'f')
        SELECT LAST_INSERT_ID()
        INSERT INTO n VALUES (100, 'g')
        SELECT LAST_INSERT_ID()
        INSERT INTO n (v) VALUES ('h')
        INSERT INTO n VALUES (NULL, 'i'), (200, 'j'), (0, 'k')
        INSERT INTO n VALUES (250, 'k1'), (NULL, 'k2'), (NULL, 'k3'), (260, 'k4'), (NULL, 'k5')
        INSERT INTO n VALUES (270, 'k6')
        INSERT INTO n (v, id) VALUES ('l', 50)
        INSERT INTO n (v) VALUES ('m')
        SELECT MAX(id) FROM n
        """,
    )
    for connection in servers:
        answer(connection, "INSERT INTO n (id, v) VALUES (1 + 299, 'n')")
    assert_alike(
        servers,
        """
        INSERT INTO n (id, v) VALUES (1 - 1, 'o')
        INSERT INTO n VALUES (-5, 'p')
        INSERT INTO n (v) VALUES ('q')
        SELECT * FROM n ORDER BY id
        INSERT INTO n (id, v) VALUES (1, 'twice')
        SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'
        INSERT INTO n VALUES (0, 'zero')
        SET sql_mode = ''
        SELECT v FROM n WHERE id = 0
        TRUNCATE TABLE n
        INSERT INTO n (v) VALUES ('r')
        SELECT * FROM n
        DROP TABLE n
        CREATE TABLE n (v VARCHAR(9), id BIGINT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 70
        INSERT INTO n VALUES ('s', 0)
        RENAME TABLE n TO m
        CREATE TABLE n (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))
        INSERT INTO n (v) VALUES ('t')
        INSERT INTO m (v) VALUES ('u')
        SELECT * FROM m ORDER BY id
        """,
    )
    for connection in servers:
        answer(connection, "TRUNCATE TABLE n")
        rows = ", ".join(f"(0, '{number}, (0, ''')" for number in range(1000))
        assert answer(connection, f"INSERT INTO n VALUES {rows}, (5000, 'x''y'), (NULL, 'z')")[0] == 1002
        answer(connection, "INSERT INTO n SELECT IF(id < 71, 0, id + 9000), v FROM m")
    assert_alike(
        servers,
        """
        SELECT COUNT(*), COUNT(DISTINCT id), MAX(id) FROM n WHERE v LIKE '%, (0, %'
        SELECT * FROM n WHERE id >= 5000 ORDER BY id
        """,
    )


def test_a_long_insert_stores_every_kind_of_value(servers: Sequence[Any]) -> None:
    """An INSERT of many plain rows stores numbers, texts and bytes in every column like a short one."""
    columns = "id INT NOT NULL, i BIGINT, u BIGINT UNSIGNED, d DECIMAL(20,5), x DOUBLE, v VARCHAR(9), b BLOB"
    head = "INSERT INTO p (id, i, u, d, x, v, b) VALUES"
    more = ", ".join(f"({number}, 0, 1, 2.5, 3, 'text', NULL)" for number in range(100, 400))
    rows = r"""
        (1, -5, 18446744073709551615, 1.5, 1e5, 'a''b\n\%\\c', x'00FF5C')
        (2, NULL, 0, -0.00001, .5, 007, 'back\\slash é')
        (3, +7, 1, 12345678901234.12345, -1.25e-7, 1.50, _binary'\\x\0')
        (4, 1.5, 2, 3., 0.1234567890123456789, .5, '')
        ( 5 , '6', '7', '8.5', '9.25', X'C3A9', 12)
        (6, 1e3, 1, 9, 123456789012345680000, 1e5, NULL)"""
    assert_alike(
        servers,
        f"""
        CREATE TABLE p ({columns}) DEFAULT CHARSET utf8mb4
        {head} {", ".join(map(str.strip, rows.strip().splitlines()))}, {more}
        SELECT id, i, u, d, x, v, b FROM p WHERE id < 100 ORDER BY id
        SELECT COUNT(*), SUM(d), SUM(x), MIN(v) FROM p
        {head} {more}, (9223372036854775808, 0, 1, 2.5, 3, '', NULL)
        {head} {more}, (1, 0, 1, 2.5, 3, 'too long a text', NULL)
        {head} {more}, (NULL, 0, 1, 2.5, 3, '', NULL)
        {head.replace(", b)", ")")} {more}
        SELECT COUNT(*) FROM p
        BEGIN
        {head} {more}
        {head} {more}, (NULL, 0, 1, 2.5, 3, '', NULL)
        SELECT COUNT(*) FROM p
        ROLLBACK
        SELECT COUNT(*) FROM p
        """,
    )


def test_affected_rows_count_changes(servers: Sequence[Any]) -> None:
    """A changed row counts twice and an unchanged one not at all; REPLACE counts deleted rows too."""
    assert_alike(
        servers,
        """
        CREATE TABLE u (id INT PRIMARY KEY, v INT DEFAULT 9, w VARCHAR(9) DEFAULT 'w')
        INSERT INTO u VALUES (1, 1, 'a') ON DUPLICATE KEY UPDATE v = VALUES(v)
        INSERT INTO u VALUES (1, 1, 'a') ON DUPLICATE KEY UPDATE v = VALUES(v)
        INSERT INTO u VALUES (1, 2, 'a') ON DUPLICATE KEY UPDATE v = VALUES(v), w = CONCAT(w, '!')
        INSERT INTO u VALUES (1, 2, 'a'), (2, 2, 'b'), (3, 3, 'c') ON DUPLICATE KEY UPDATE v = VALUES(v)
        INSERT INTO u (id) VALUES (2), (4) ON DUPLICATE KEY UPDATE v = v + 1
        INSERT INTO u VALUES (5, 1, 'a'), (5, 2, 'b'), (5, 2, 'b') ON DUPLICATE KEY UPDATE v = VALUES(v)
        INSERT INTO u VALUES (1, NULL, 'a') ON DUPLICATE KEY UPDATE v = VALUES(v)
        INSERT INTO u SELECT id + 4, v, w FROM (SELECT * FROM u) q ON DUPLICATE KEY UPDATE v = VALUES(v)
        SELECT * FROM u ORDER BY id
        REPLACE INTO u VALUES (1, NULL, 'a!'), (2, 7, 'b'), (30, 3, 'c')
        REPLACE INTO u (id) VALUES (3)
        REPLACE INTO u VALUES (40, 1, 'x'), (40, 2, 'y')
        REPLACE INTO u SELECT id, 5, w FROM (SELECT * FROM u) q WHERE id < 4
        INSERT IGNORE INTO u VALUES (1, 0, ''), (50, 0, '')
        SELECT * FROM u ORDER BY id
        CREATE TABLE k (id INT)
        REPLACE INTO k VALUES (1), (1)
        UPDATE u SET v = 5 WHERE id < 4
        UPDATE u SET v = 5, w = 'n' WHERE id < 3
        UPDATE u SET v = id WHERE id IN (1, 40)
        UPDATE u SET v = v + 0 WHERE id < 3
        UPDATE u SET v = NULL WHERE v IS NULL
        UPDATE u SET w = CONCAT(w, '')
        SELECT * FROM u ORDER BY id
        BEGIN
        INSERT INTO u VALUES (1, 77, 'a'), (1, 78, 'a') ON DUPLICATE KEY UPDATE v = VALUES(v)
        ROLLBACK
        SELECT * FROM u WHERE id = 1
        """,
    )


def test_a_client_can_count_unchanged_rows(database: FlightsDatabase) -> None:
    """With the flag FOUND_ROWS, as SQLAlchemy sets it, an upsert counts an unchanged row once."""
    host, port = database.address
    options: Any = {"host": host, "port": port, "user": USER, "password": PASSWORD, "database": "test"}
    connection = pymysql.connect(**options, ssl_disabled=True, client_flag=CLIENT.FOUND_ROWS)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE f (id INT PRIMARY KEY, v INT)")
        cursor.execute("INSERT INTO f VALUES (1, 1), (2, 2)")
        upsert = "INSERT INTO f VALUES (1, 1), (2, 3), (3, 3) ON DUPLICATE KEY UPDATE v = VALUES(v)"
        assert cursor.execute(upsert) == 1 + 2 + 1
        cursor.execute("DROP TABLE f")


def test_a_collation_may_ignore_case(servers: Sequence[Any]) -> None:
    """A column or comparison with a `_ci` collation ignores case and accents."""
    assert_alike(
        servers,
        """
        CREATE TABLE c (id INT KEY, v CHAR(9) COLLATE utf8mb4_general_ci, b CHAR(9) COLLATE utf8mb4_bin)
        INSERT INTO c VALUES (1, 'A', 'A'), (2, 'a', 'a'), (3, 'Á', 'Á'), (4, 'b', 'b'), (5, NULL, NULL)
        SELECT id FROM c WHERE v = 'a' ORDER BY id
        SELECT id FROM c WHERE b = 'a' ORDER BY id
        SELECT id FROM c WHERE v IN ('B', 'x') OR v LIKE 'B%'
        SELECT id FROM c WHERE v <> 'a'
        SELECT id FROM c WHERE v BETWEEN 'A' AND 'A' ORDER BY id
        SELECT COUNT(*) FROM c GROUP BY v ORDER BY COUNT(*)
        SELECT COUNT(DISTINCT v), COUNT(DISTINCT b) FROM c
        SELECT COUNT(*) FROM c x JOIN c y ON x.v = y.v
        SELECT id FROM c WHERE b = 'B' COLLATE utf8mb4_general_ci
        SELECT id FROM c ORDER BY v DESC, id
        INSERT INTO c VALUES (1, 'a', 'a') ON DUPLICATE KEY UPDATE v = VALUES(v)
        UPDATE c SET v = 'B' WHERE v = 'B'
        SELECT v FROM c WHERE id IN (1, 4) ORDER BY id
        CREATE TABLE w (v VARCHAR(9), t TEXT) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci
        INSERT INTO w VALUES ('a', 'T')
        SELECT COUNT(*) FROM w WHERE v = 'A' AND t = 't'
        """,
    )
    keyed = "CREATE TABLE k (v VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY)"
    assert answer(servers[0], keyed) == (1235,)


def test_the_text_of_a_time_has_the_digits_of_its_type(servers: Sequence[Any]) -> None:
    """As a text, a DATETIME(3) has three digits behind its seconds, also zeros."""
    assert_alike(
        servers,
        """
        CREATE TABLE f (a DATETIME(6), b DATETIME(3), c DATETIME, d TIME(3), e TIMESTAMP(6) NULL)
        INSERT INTO f VALUES ('2024-01-01 00:00:00.5', '2024-01-01', '2024-01-01', '10:00:00.5', NULL)
        INSERT INTO f (e) VALUES ('2024-01-01 00:00:00.25')
        SELECT LENGTH(a), CHAR_LENGTH(b), LENGTH(c), LENGTH(d), LENGTH(e) FROM f ORDER BY a
        SELECT CONCAT(a), CONCAT(b, 'x'), CAST(c AS CHAR), CAST(d AS CHAR), CONCAT(e) FROM f ORDER BY a
        SELECT LEFT(a, 25), a LIKE '%.500000', REPLACE(b, '.', ','), COALESCE(a, 'x'), IF(1, d, 'q') FROM f
        SELECT GROUP_CONCAT(a), GROUP_CONCAT(b ORDER BY b), CONCAT(MAX(a)) FROM f
        SELECT CONCAT(CAST('2024-01-01 00:00:00.120' AS DATETIME(3)))
        SELECT LENGTH(CAST('2024-01-01' AS DATETIME(3))), CAST(CAST('10:00:00' AS TIME(2)) AS CHAR)
        SELECT LENGTH(NOW(3)), LENGTH(UTC_TIMESTAMP(6)), LENGTH(NOW())
        SELECT a = CONCAT(a), CONCAT(a + INTERVAL 1 DAY), LENGTH(b - INTERVAL 1 DAY) FROM f WHERE b > 0
        """,
    )


def test_the_sessions_zone_shifts_its_clock_and_timestamps(servers: Sequence[Any]) -> None:
    """After SET time_zone, NOW() and TIMESTAMP columns are in that zone; a DATETIME stays as it is."""
    assert_alike(
        servers,
        """
        SET time_zone = '+00:00'
        CREATE TABLE z (id INT PRIMARY KEY, t TIMESTAMP(6) NULL, d DATETIME)
        INSERT INTO z VALUES (1, '2024-01-01 00:00:00', '2024-01-01 00:00:00')
        INSERT INTO z VALUES (2, '2024-07-01 12:00:00.5', NULL), (3, NULL, NULL)
        SELECT TIMESTAMPDIFF(HOUR, UTC_TIMESTAMP(), NOW()), UNIX_TIMESTAMP('2024-01-01 00:00:00')
        SET time_zone = '+08:00'
        SELECT id, t, d FROM z ORDER BY id
        SELECT a.t, b.t FROM z AS a JOIN z b ON a.t = b.t WHERE a.t > '2024-01-01 07:00:00' AND HOUR(b.t) = 8
        SELECT TIMESTAMPDIFF(HOUR, UTC_TIMESTAMP(), NOW()), TIMESTAMPDIFF(HOUR, NOW(), CURRENT_TIMESTAMP)
        SELECT UNIX_TIMESTAMP('2024-01-01 08:00:00'), UNIX_TIMESTAMP() - UNIX_TIMESTAMP(NOW()) < 2
        SELECT UNIX_TIMESTAMP(d) FROM z WHERE id = 1
        INSERT INTO z VALUES (4, '2024-03-01 08:00:00', '2024-03-01 08:00:00'), (5, NULL, NULL)
        INSERT INTO z (t, id) SELECT t, id + 10 FROM z WHERE id = 4
        INSERT INTO z (t, id) SELECT d, id + 20 FROM z WHERE id = 4
        INSERT INTO z (id, t) VALUES (1, '2024-01-01 09:00:00') ON DUPLICATE KEY UPDATE t = VALUES(t)
        REPLACE INTO z (id, t) VALUES (2, '2024-07-01 20:00:00')
        UPDATE z SET d = '2024-05-05' WHERE id = 5
        DELETE FROM z WHERE id = 3
        SELECT * FROM z ORDER BY id
        SELECT FROM_UNIXTIME(86400) = '1970-01-02 08:00:00', FROM_UNIXTIME(0, '%H:%i'), HOUR(FROM_UNIXTIME(0))
        SELECT @@time_zone, DATE(MAX(t)) FROM (SELECT t FROM z) q
        WITH z AS (SELECT 1 AS t) SELECT t FROM z
        SELECT t FROM (WITH z AS (SELECT 2 t) SELECT t FROM z) x UNION ALL SELECT HOUR(t) FROM z WHERE id = 1
        SELECT id FROM z WHERE t IN (SELECT t FROM z WHERE t < '2024-02-01')
        UPDATE z SET t = '2024-01-01 08:00:00' WHERE t = '2024-01-01 09:00:00'
        UPDATE z SET t = t + INTERVAL 1 HOUR WHERE t < '2024-02-01' ORDER BY t LIMIT 1
        UPDATE z SET t = d WHERE id = 4
        DELETE FROM z WHERE t IS NULL
        DELETE FROM z WHERE t > '2024-06-01' ORDER BY t DESC LIMIT 1
        SELECT * FROM z ORDER BY id
        SET time_zone = '-03:30'
        SELECT t FROM z ORDER BY id
        SET time_zone = 'Nowhere/Place'
        SET time_zone = '+15:00'
        SET time_zone = '+00:00'
        SELECT t FROM z ORDER BY id
        """,
    )
    ours = servers[0]
    answer(ours, "SET time_zone = 'America/New_York'")
    assert answer(ours, "SELECT DAY(t), HOUR(t) FROM z WHERE id = 1")[3] == ((31, 20),)
    rows = ", ".join(f"({number}, '2024-08-01 00:00:00')" for number in range(1000, 1500))
    answer(ours, f"INSERT INTO z (id, t) VALUES {rows}")
    answer(ours, "SET time_zone = '+00:00'")
    moved = "SELECT COUNT(*), MIN(t) = MAX(t), HOUR(MIN(t)) FROM z WHERE id >= 1000"
    assert answer(ours, moved)[3] == ((500, 1, 4),)
    answer(ours, "SET time_zone = 'America/New_York'")
    answer(ours, "CREATE TABLE y (d DATETIME DEFAULT CURRENT_TIMESTAMP, v INT)")
    assert answer(ours, "INSERT INTO y (v) VALUES (1)") == (1235,)
    assert answer(ours, "CREATE VIEW v AS SELECT t FROM z") == (1235,)
    for allowed in ("ALTER TABLE z ADD COLUMN w INT", "TRUNCATE TABLE z", "DROP TABLE z"):
        assert len(answer(ours, allowed)) > 1


def test_unchanged_values_of_every_type_are_recognized(servers: Sequence[Any]) -> None:
    """An upsert and a REPLACE of the same values changes nothing, whatever the columns' types."""
    types = [
        "BIGINT UNSIGNED",
        "DECIMAL(20,5)",
        "FLOAT",
        "DOUBLE",
        "DATE",
        "DATETIME(3)",
        "TIME",
        "YEAR",
        "VARCHAR(9)",
        "TEXT",
        "VARBINARY(9)",
        "BLOB",
        "ENUM('x','y')",
        "TINYINT(1)",
    ]
    columns = ", ".join(f"c{number} {kind.strip()} NULL" for number, kind in enumerate(types))
    values = (
        "18446744073709551615, 1.5, 1.1, 1e300, '2024-01-01', '2024-01-01 01:02:03.004', '01:02:03', 2024, "
        "'it''s', 'é', x'00ff', x'6162', 'x', 2"
    )
    updates = ", ".join(f"c{number} = VALUES(c{number})" for number in range(len(types)))
    assert_alike(
        servers,
        f"""
        CREATE TABLE e (id INT PRIMARY KEY, {columns})
        INSERT INTO e VALUES (1, {values})
        INSERT INTO e VALUES (1, {values}) ON DUPLICATE KEY UPDATE {updates}
        REPLACE INTO e VALUES (1, {values})
        INSERT INTO e (id) VALUES (1) ON DUPLICATE KEY UPDATE c8 = 'it''s', c13 = 2, c4 = '2024-01-01'
        INSERT INTO e (id) VALUES (1) ON DUPLICATE KEY UPDATE {updates}
        SELECT * FROM e
        """,
    )
