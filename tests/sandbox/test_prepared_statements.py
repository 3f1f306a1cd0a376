"""Prepared statements and the binary protocol of the embedded database."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import mysql.connector
import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mysql.connector.constants import FieldFlag
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.protocol import FieldDescriptorPacket

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a secret"
ROWS = 500
PREPARE, EXECUTE, LONG_DATA, RESET, CLOSE = 0x16, 0x17, 0x18, 0x1A, 0x19


@pytest.fixture(scope="module")
def database() -> Iterator[FlightsDatabase]:
    """Provide a database with part of the flights."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=ROWS) as database:
        yield database


@pytest.fixture
def connection(database: FlightsDatabase) -> Iterator[Any]:
    """Provide a connection of MySQL's own Python driver."""
    host, port = database.address
    connection = mysql.connector.connect(
        host=host,
        port=port,
        user=USER,
        password=PASSWORD,
        database="test",
        use_pure=True,
        autocommit=True,
        connection_timeout=60,
    )
    yield connection
    connection.close()


@pytest.fixture
def raw(database: FlightsDatabase) -> Iterator[Any]:
    """Provide a connection whose packets the test writes itself."""
    host, port = database.address
    connection = pymysql.connect(
        host=host,
        port=port,
        user=USER,
        password=PASSWORD,
        database="nycflights13",
        autocommit=True,
        read_timeout=30,
        ssl_disabled=True,
    )
    yield connection
    if connection.open:
        connection.close()


def _rows(connection: Any, sql: str, parameters: tuple[object, ...] = (), *, prepared: bool = True) -> Any:
    with contextlib.closing(connection.cursor(prepared=prepared)) as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.with_rows else cursor.rowcount


# Values

_KINDS = (
    "CREATE TABLE kinds (id INT PRIMARY KEY AUTO_INCREMENT, ti TINYINT, uti TINYINT UNSIGNED, si SMALLINT, "
    "mi MEDIUMINT, i INT, ui INT UNSIGNED, bi BIGINT, ubi BIGINT UNSIGNED, d DECIMAL(20,4), f FLOAT, "
    "x DOUBLE, da DATE, dt DATETIME, dt6 DATETIME(6), tm TIME(6), c CHAR(3), v VARCHAR(300), t TEXT, b BLOB, "
    "j JSON)"
)
_NAMES = "ti, uti, si, mi, i, ui, bi, ubi, d, f, x, da, dt, dt6, tm, c, v, t, b, j"
_at = dt.datetime
_EXTREMES: tuple[tuple[object, ...], ...] = (
    (
        *(-128, 0, -(2**15), -(2**23), -(2**31), 0, -(2**63), 0),
        *(Decimal("-9999999999999999.9999"), -1.5, -1e300, dt.date(1000, 1, 1), _at(1000, 1, 1)),
        *(_at(1970, 1, 1, 0, 0, 0, 1), dt.timedelta(microseconds=1), "", "", "", b"", "[]"),
    ),
    (
        *(127, 255, 2**15 - 1, 2**23 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1),
        *(Decimal("0.0001"), 0.25, 5e-324, dt.date(9999, 12, 31), _at(9999, 12, 31, 23, 59, 59)),
        *(_at(2013, 6, 30, 12, 0, 0, 999999), dt.timedelta(hours=23, minutes=59)),
        *("aé", "ü" * 300, "x" * 70_000, bytes(range(256)), '{"a": [1, null]}'),
    ),
    (None,) * 20,
)


@pytest.fixture
def kinds(connection: Any) -> Iterator[str]:
    """Provide a table with a column of each type, and its extremes."""
    _rows(connection, _KINDS, prepared=False)
    insert = f"INSERT INTO kinds ({_NAMES}) VALUES ({', '.join(['?'] * len(_EXTREMES[0]))})"
    for row in _EXTREMES:
        _rows(connection, insert, row)
    yield "kinds"
    _rows(connection, "DROP TABLE kinds", prepared=False)


def test_extremes_of_every_type_go_there_and_back(connection: Any, kinds: str) -> None:
    """Both protocols return the values that a prepared INSERT bound."""
    binary = _rows(connection, f"SELECT * FROM {kinds} ORDER BY id")
    text = _rows(connection, f"SELECT * FROM {kinds} ORDER BY id", prepared=False)
    assert [row[1:] for row in text] == list(_EXTREMES)
    # This driver returns the JSON of a prepared statement as bytes.
    documents = [None if row[-1] is None else row[-1].decode() for row in binary]
    read = [(*row[1:-1], document) for row, document in zip(binary, documents, strict=True)]
    assert read == list(_EXTREMES)


def test_columns_are_declared_as_tidb_declares_them(raw: Any, kinds: str) -> None:
    """A table's columns have its name, MySQL's type, length, decimals, character set and keys."""
    cursor = raw.cursor()
    cursor.execute(f"SELECT k.*, LENGTH(k.v) AS n FROM test.{kinds} AS k")
    fields = {field.name: field for field in cursor._result.fields}
    assert {(f.db.decode(), f.table_name, f.org_table) for name, f in fields.items() if name != "n"} == {
        ("test", "k", kinds)
    }
    assert (fields["n"].org_table, fields["n"].org_name, fields["n"].type_code) == (
        "",
        "",
        FIELD_TYPE.LONGLONG,
    )
    expected = {
        "ti": (FIELD_TYPE.TINY, 4, 0, 63),
        "mi": (FIELD_TYPE.INT24, 9, 0, 63),
        "i": (FIELD_TYPE.LONG, 11, 0, 63),
        "ubi": (FIELD_TYPE.LONGLONG, 20, 0, 63),
        "d": (FIELD_TYPE.NEWDECIMAL, 22, 4, 63),
        "f": (FIELD_TYPE.FLOAT, 12, 31, 63),
        "da": (FIELD_TYPE.DATE, 10, 0, 63),
        "dt": (FIELD_TYPE.DATETIME, 19, 0, 63),
        "dt6": (FIELD_TYPE.DATETIME, 26, 6, 63),
        "c": (FIELD_TYPE.STRING, 12, 0, 45),
        "v": (FIELD_TYPE.VAR_STRING, 1200, 0, 45),
        "t": (FIELD_TYPE.BLOB, 65535 * 4, 0, 45),
        "b": (FIELD_TYPE.BLOB, 65535, 0, 63),
        "j": (FIELD_TYPE.JSON, 2**32 - 1, 0, 63),
    }
    seen = {
        n: (fields[n].type_code, fields[n].length, fields[n].scale, fields[n].charsetnr) for n in expected
    }
    assert seen == expected
    flags = FieldFlag.NOT_NULL | FieldFlag.PRI_KEY | FieldFlag.AUTO_INCREMENT
    assert fields["id"].flags & flags == flags
    assert fields["ubi"].flags & FieldFlag.UNSIGNED
    assert not fields["bi"].flags & FieldFlag.UNSIGNED


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT carrier, name FROM airlines", ["airlines", "airlines"]),
        (
            "SELECT f.flight, a.name FROM flights f JOIN airlines a ON a.carrier = f.carrier",
            ["flights", "airlines"],
        ),
        ("SELECT flight FROM (SELECT * FROM flights) AS q", ["flights"]),
        ("WITH q AS (SELECT carrier AS c FROM airlines) SELECT c, 1 FROM q", ["airlines", ""]),
        ("SELECT carrier FROM airlines UNION ALL SELECT faa FROM airports", [""]),
        ("SELECT COUNT(*), MAX(distance), UPPER(carrier) FROM flights GROUP BY carrier", ["", "", ""]),
        ("SELECT (SELECT name FROM airlines LIMIT 1)", [""]),
        ("WITH RECURSIVE q(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM q WHERE n < 3) SELECT n FROM q", [""]),
    ],
)
def test_only_columns_of_a_table_name_it(raw: Any, sql: str, tables: list[str]) -> None:
    """`org_table` names the table of a column, also through subqueries, and is empty for expressions."""
    cursor = raw.cursor()
    cursor.execute(sql)
    assert [field.org_table for field in cursor._result.fields] == tables


_any_value = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.binary(),
    st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31)),  # noqa: DTZ001 - MySQL's have no zone
    st.dates(dt.date(1000, 1, 1), dt.date(9999, 12, 31)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(_any_value, min_size=1, max_size=12))
def test_any_values_can_be_bound(connection: Any, values: list[object]) -> None:
    """Bound values come back in the order of the markers."""
    (row,) = _rows(connection, f"SELECT {', '.join(['?'] * len(values))}", tuple(values))
    for got, sent in zip(row, values, strict=True):
        plain = got.encode() if isinstance(sent, bytes) and isinstance(got, str) else got
        assert plain == sent


@pytest.mark.parametrize("rows", [1, 255, 256, 2048, 20_000])
@pytest.mark.parametrize("prepared", [True, False])
def test_every_row_count_arrives(connection: Any, rows: int, *, prepared: bool) -> None:
    """Wrapping sequence numbers and batches of any size lose no row."""
    sql = f"SELECT a, IF(a % 3 = 0, NULL, CAST(a AS CHAR)) AS s FROM range({rows}) AS t(a)"
    assert _rows(connection, sql, prepared=prepared) == [
        (n, None if n % 3 == 0 else str(n)) for n in range(rows)
    ]


@pytest.mark.parametrize("size", [2**24 - 6, 2**24 - 5, 2**24, 2**25 + 3])
def test_values_beyond_a_packet_are_split(raw: Any, size: int) -> None:
    """A row of 16 MiB and more arrives in several packets, and so does a statement of that size."""
    cursor = raw.cursor()
    cursor.execute(f"SELECT REPEAT('x', {size}) AS a, 'end' AS b")
    assert cursor.fetchall() == (("x" * size, "end"),)
    cursor.execute(f"SELECT LENGTH('{'x' * size}')")
    assert cursor.fetchall() == ((size,),)
    raw.ping(reconnect=False)


# The commands


def _prepare(raw: Any, sql: str) -> tuple[int, int, int]:
    raw._execute_command(PREPARE, sql)
    answer = raw._read_packet()._data
    number = int.from_bytes(answer[1:5], "little")
    columns, markers = int.from_bytes(answer[5:7], "little"), int.from_bytes(answer[7:9], "little")
    for count in (markers, columns):
        for _ in range(count):
            raw._read_packet(FieldDescriptorPacket)
        if count:
            assert raw._read_packet().is_eof_packet()
    return number, columns, markers


def _execute(raw: Any, number: int, bound: bytes = b"") -> list[bytes]:
    raw._execute_command(EXECUTE, number.to_bytes(4, "little") + b"\0" + (1).to_bytes(4, "little") + bound)
    raw._read_packet()
    while not raw._read_packet().is_eof_packet():
        pass
    rows = []
    while not (packet := raw._read_packet()).is_eof_packet():
        rows.append(packet._data)
    return rows


def test_columns_are_known_before_a_statement_runs(raw: Any) -> None:
    """COM_STMT_PREPARE returns markers and columns; a statement without rows has no columns."""
    assert _prepare(raw, "SELECT carrier, name FROM airlines WHERE carrier = ? LIMIT ?")[1:] == (2, 2)
    assert _prepare(raw, "INSERT INTO airlines VALUES (?, ?)")[1:] == (0, 2)
    assert _prepare(raw, "SHOW TABLES")[1:] == (1, 0)
    assert _prepare(raw, "SET @x = 1")[1:] == (0, 0)


def test_long_data_is_joined_and_can_be_reset(raw: Any) -> None:
    """COM_STMT_SEND_LONG_DATA accumulates until the statement runs; COM_STMT_RESET discards it."""
    number, _, _ = _prepare(raw, "SELECT ? AS a")
    head = number.to_bytes(4, "little") + (0).to_bytes(2, "little")
    bound = b"\0\x01" + bytes((FIELD_TYPE.VAR_STRING, 0))

    def send(piece: bytes) -> None:
        raw._execute_command(LONG_DATA, head + piece)

    for piece in (b"one, ", b"two"):
        send(piece)
    assert _execute(raw, number, bound) == [b"\0\0\x08one, two"]
    send(b"lost")
    raw._execute_command(RESET, number.to_bytes(4, "little"))
    assert raw._read_packet().is_ok_packet()
    assert _execute(raw, number, bound + b"\x05value") == [b"\0\0\x05value"]


def test_a_closed_statement_is_unknown(raw: Any) -> None:
    """COM_STMT_CLOSE is not answered, and running the statement afterwards fails with 1243."""
    number, _, _ = _prepare(raw, "SELECT 1")
    assert _execute(raw, number) == [b"\0\0" + (1).to_bytes(8, "little")]
    raw._execute_command(CLOSE, number.to_bytes(4, "little"))
    with pytest.raises(pymysql.err.MySQLError) as failure:
        _execute(raw, number)
    assert failure.value.args[0] == 1243


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nope FROM airlines WHERE carrier = ?", 1054),
        ("SELECT * FROM nope", 1146),
        ("SELEC ?", 1064),
        ("SELECT 1; SELECT 2", 8130),
    ],
)
def test_a_wrong_statement_is_refused_when_it_is_prepared(raw: Any, sql: str, code: int) -> None:
    """COM_STMT_PREPARE fails with the statement's errors, and the session stays usable."""
    with pytest.raises(pymysql.err.MySQLError) as failure:
        _prepare(raw, sql)
    assert failure.value.args[0] == code
    raw.ping(reconnect=False)


def test_a_limit_takes_integers_only(connection: Any) -> None:
    """TiDB refuses a DOUBLE for LIMIT with 1210, and accepts an integer."""
    sql = "SELECT carrier FROM nycflights13.airlines ORDER BY carrier LIMIT ?"
    assert len(_rows(connection, sql, (3,))) == 3
    with pytest.raises(mysql.connector.Error) as failure:
        _rows(connection, sql, (3.0,))
    assert failure.value.errno == 1210


def test_changes_of_prepared_statements_report_their_rows(connection: Any) -> None:
    """INSERT, UPDATE and DELETE with parameters report the number of changed rows."""
    _rows(connection, "CREATE TABLE changed (a INT, b VARCHAR(9))", prepared=False)
    try:
        assert _rows(connection, "INSERT INTO changed VALUES (?, ?), (?, ?)", (1, "a", 2, "b\\'\"")) == 2
        assert _rows(connection, "UPDATE changed SET b = ? WHERE a IN (?, ?)", ("z", 2, 3)) == 1
        assert _rows(connection, "SELECT * FROM changed ORDER BY a") == [(1, "a"), (2, "z")]
        assert _rows(connection, "DELETE FROM changed WHERE a = ?", (1,)) == 1
    finally:
        _rows(connection, "DROP TABLE changed", prepared=False)


def test_a_marker_outside_of_a_prepared_statement_is_a_syntax_error(raw: Any) -> None:
    """COM_QUERY refuses markers."""
    with pytest.raises(pymysql.err.ProgrammingError) as failure:
        raw.query("SELECT ?")
    assert failure.value.args[0] == 1064


def test_several_statements_are_answered_one_by_one(database: FlightsDatabase) -> None:
    """A client with multi-statements enabled gets a result for each statement."""
    host, port = database.address
    connection = pymysql.connect(
        host=host, port=port, user=USER, password=PASSWORD, client_flag=CLIENT.MULTI_STATEMENTS
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1; SET @x = 2; SELECT COUNT(*) FROM nycflights13.airlines")
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
    assert [list(rows) for rows in results] == [[(1,)], [], [(16,)]]


def test_infinities_are_not_bound(connection: Any) -> None:
    """MySQL has no infinity: binding one is an error, and the session stays usable."""
    with pytest.raises(mysql.connector.Error):
        _rows(connection, "SELECT ?", (math.inf,))
    assert _rows(connection, "SELECT ?", (1,)) == [(1,)]
