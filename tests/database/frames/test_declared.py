"""A server's declaration of an expression is not trusted: no value is cut, refused or rounded."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pymysql
import pytest
from database.frames.results import read
from database.wire_server import MYSQL, WIDTHS, Declared, Result, WireServer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymysql.constants import COMMAND, FIELD_TYPE, FLAG
from pymysql.err import DataError, InternalError

from tidb_pe_magic.database.frames import open_stream
from tidb_pe_magic.database.queries.ranges import split
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymysql.connections import Connection

LONG, TINY, FLOAT = FIELD_TYPE.LONG, FIELD_TYPE.TINY, FIELD_TYPE.FLOAT
DECIMAL, TEXT = FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.VAR_STRING
BIG = 5_000_000_000


@contextmanager
def scripted(sql: str, result: Result, **options: Any) -> Iterator[tuple[WireServer, Connection[Any]]]:
    """Provide a server that knows one statement, and a connection to it."""
    with WireServer({sql: result}, **options) as server, connected(server) as connection:
        yield server, connection


def connected(server: WireServer) -> Connection[Any]:
    """Log in."""
    return pymysql.connect(host=server.host, port=server.port, user="root", ssl_disabled=True)


@pytest.mark.parametrize(
    ("sql", "code", "values"),
    [
        ("SELECT l FROM r_n UNION ALL SELECT m FROM r_n", LONG, (BIG, 7)),
        ("SELECT IF(t = 5, l, m) AS n FROM r_n", LONG, (BIG, None)),
        ("SELECT CASE WHEN t = 5 THEN l ELSE m END FROM r_n", LONG, (-BIG,)),
        ("SELECT y FROM r_n UNION ALL SELECT t FROM r_n", TINY, (2024, 5)),
        ("SELECT IF(t = 5, y, t) FROM r_n", TINY, (2024, -(2**63), 2**63 - 1)),
        ("SELECT LAG(t, 1, 100000) OVER (ORDER BY l) FROM r_n", TINY, (100_000, 5)),
    ],
)
def test_integers_of_an_expression_are_whole(sql: str, code: int, values: tuple[int | None, ...]) -> None:
    """An integer that TiDB declares too narrow, and would cut in binary form, arrives complete as 64 bits."""
    result = Result((Declared("n", code),), tuple((value,) for value in values))
    with scripted(sql, result) as (server, connection):
        table = read(connection, sql)
    assert table.column(0).to_pylist() == list(values)
    assert table.schema.field(0).type == pa.int64()
    assert COMMAND.COM_STMT_EXECUTE not in server.protocols(sql)


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("WITH RECURSIVE q(n) AS (SELECT t FROM r_n UNION ALL SELECT n + 100 FROM q) SELECT n FROM q", "r_n"),
        ("WITH /* x */ recursive q(n) AS (SELECT t FROM `r_n` UNION ALL SELECT n + 1 FROM q) TABLE q", "r_n"),
        ("SELECT n FROM (WITH RECURSIVE q AS (SELECT 1 AS n FROM r_n) SELECT n FROM q) AS x", "r_n"),
        ("SELECT n FROM view_of_a_recursive_cte WHERE note <> 'r_n' /* r_n */", "r_n"),
        ("TABLE view_of_a_union", ""),
    ],
)
def test_a_recursive_cte_names_a_table_that_declares_nothing(sql: str, table: str) -> None:
    """The rows of WITH RECURSIVE are complete, although they arrive as a column of the seed's table."""
    values = [5, 105, 205, 305]
    result = Result((Declared("n", TINY, table),), tuple((value,) for value in values))
    with scripted(sql, result) as (_, connection):
        assert read(connection, sql).column(0).to_pylist() == values


@pytest.mark.parametrize(
    ("sql", "alias"),
    [
        ("SELECT v.n FROM v JOIN r_n ON v.n = r_n.t", "v"),
        ("SELECT x.n FROM r_n, v AS x WHERE x.n = r_n.t", "x"),
        ("SELECT x.n FROM (r_n JOIN `v` x)", "x"),
        ("SELECT d.n FROM (SELECT v.n FROM v JOIN r_n) AS d", "d"),
        ("SELECT d.n FROM (SELECT t FROM r_n) AS e, test.v, (SELECT n FROM v) AS d", "d"),
        ("WITH d(n, t) AS (SELECT n, t FROM v JOIN r_n) SELECT n FROM d", "d"),
        ("SELECT n FROM (TABLE v) AS d WHERE n IN (SELECT t FROM r_n)", "d"),
        ("SELECT r_n.n FROM v AS r_n JOIN r_n AS x", "r_n"),
    ],
)
def test_a_view_next_to_the_table_of_its_first_rows(sql: str, alias: str) -> None:
    """A view of a recursive CTE is complete, even if the statement also reads the seed's own table."""
    values = [5, 105, 205, 305]
    result = Result((Declared("n", TINY, "r_n", alias=alias),), tuple((value,) for value in values))
    with scripted(sql, result) as (_, connection):
        assert read(connection, sql).column(0).to_pylist() == values


@pytest.mark.parametrize(
    ("sql", "alias"),
    [
        ("SELECT t, f FROM r_n", "r_n"),
        ("SELECT a.t, a.f FROM test.R_N AS a", "a"),
        ("SELECT A.t, A.f FROM r_n a JOIN v ON v.n = a.t", "a"),
        ("SELECT t, f FROM `test`.`r_n` WHERE t IN (SELECT n FROM v)", "r_n"),
        ("(SELECT t, f FROM r_n)", "r_n"),
        ("TABLE r_n", "r_n"),
        ("WITH q AS (SELECT * FROM r_n) SELECT t, f FROM q", "q"),
        ("WITH q (t, f) AS (SELECT * FROM r_n) SELECT t, f FROM q x", "x"),
        ("SELECT * FROM (SELECT t, f FROM r_n\n) AS partitioned WHERE `t` >= 1", "partitioned"),
        ("SELECT * FROM (SELECT t, f FROM r_n WHERE EXTRACT(YEAR FROM d) = 2013) AS x", "x"),
    ],
)
def test_a_tables_column_matches_its_declaration(sql: str, alias: str) -> None:
    """A column of a named table comes in binary form, in its own width."""
    columns = (Declared("t", TINY, "r_n", alias=alias), Declared("f", FLOAT, "r_n", alias=alias))
    with scripted(sql, Result(columns, ((5, 16777216.0),)), float_digits=6) as (server, connection):
        table = read(connection, sql)
    assert table.to_pylist() == [{"t": 5, "f": 16777216.0}]
    assert table.schema.types == [pa.int8(), pa.float32()]
    assert server.protocols(sql) == [COMMAND.COM_STMT_PREPARE, COMMAND.COM_STMT_EXECUTE]


def test_a_join_in_a_subquery() -> None:
    """The columns of a subquery keep their widths if every table that it reads is seen in the result."""
    sql = "SELECT * FROM (SELECT r_n.t, s.t AS u FROM r_n JOIN s USING (k)) AS d"
    columns = (Declared("t", TINY, "r_n", alias="d"), Declared("u", TINY, "s", alias="d"))
    with scripted(sql, Result(columns, ((5, 6),))) as (_, connection):
        assert read(connection, sql).schema.types == [pa.int8(), pa.int8()]


def test_a_float_next_to_an_expression() -> None:
    """A FLOAT keeps its digits next to an integer expression: text on TiDB, binary form on MySQL."""
    sql = "SELECT f, IF(t = 5, l, m) AS n FROM r_n"
    columns = (Declared("f", FLOAT, "r_n", decimals=31), Declared("n", LONG))
    with scripted(sql, Result(columns, ((16777216.0, BIG),))) as (server, connection):
        assert read(connection, sql).to_pylist() == [{"f": 16777216.0, "n": BIG}]
        assert COMMAND.COM_STMT_EXECUTE not in server.protocols(sql)
    # MySQL declares such an expression correctly, and writes 6 digits of a FLOAT as text.
    result = Result(columns, ((16777216.0, 7),))
    with scripted(sql, result, version=MYSQL, float_digits=6) as (server, connection):
        assert read(connection, sql).to_pylist() == [{"f": 16777216.0, "n": 7}]
        assert COMMAND.COM_STMT_EXECUTE in server.protocols(sql)


def test_a_tidb_that_calls_itself_mysql() -> None:
    """If the version does not identify TiDB, one query finds out whether a FLOAT is exact as text."""
    sql = "SELECT f, IF(t = 5, l, m) AS n FROM r_n"
    columns = (Declared("f", FLOAT, "r_n", decimals=31), Declared("n", LONG))
    question = "SELECT CAST(16777217e0 AS FLOAT)"
    answers = {
        sql: Result(columns, ((16777216.0, BIG),)),
        question: Result((Declared("c", FLOAT, decimals=31),), ((16777216.0,),)),
    }
    with WireServer(answers, version=MYSQL) as server, connected(server) as connection:
        assert read(connection, sql).to_pylist() == [{"f": 16777216.0, "n": BIG}]


def test_a_parameter_whose_value_decides_the_type() -> None:
    """An expression with a parameter gets its type from the value, because PREPARE cannot know it."""
    with_marker, filled = "SELECT IF(t = ?, l, ?) FROM r_n", "SELECT IF(t = 5, l, 'a\\'?') FROM r_n"
    answers = {
        with_marker: Result((Declared("n", LONG),), ((BIG,),), prepared=(Declared("n", TEXT),)),
        filled: Result((Declared("n", LONG),), ((BIG,),)),
        "SELECT t FROM r_n WHERE t = ?": Result((Declared("t", TINY, "r_n"),), ((5,),)),
    }
    with WireServer(answers) as server, connected(server) as connection:
        assert read(connection, with_marker, [5, "a'?"]).column(0).to_pylist() == [BIG]
        assert read(connection, "SELECT t FROM r_n WHERE t = ?", [5]).column(0).to_pylist() == [5]
    assert COMMAND.COM_STMT_EXECUTE not in server.protocols(with_marker)
    # A table's column has one type, whatever is bound.
    assert COMMAND.COM_STMT_EXECUTE in server.protocols("SELECT t FROM r_n WHERE t = ?")


def test_a_view_that_changes_after_prepare() -> None:
    """If EXECUTE declares a type that PREPARE did not, which could cut a value, the result is refused."""
    sql = "SELECT n FROM v"
    result = Result((Declared("n", LONG),), ((BIG,),), prepared=(Declared("n", FIELD_TYPE.LONGLONG),))
    with scripted(sql, result) as (_, connection), pytest.raises(InternalError, match="run it again"):
        read(connection, sql)


@pytest.mark.parametrize(
    ("sql", "length", "decimals", "value"),
    [
        ("SELECT GREATEST(100000, 1.234)", 8, 3, "100000.000"),
        ("SELECT GREATEST(p, q) FROM r_d", 10, 4, "123456.7800"),
        ("SELECT ROUND(b, -1) FROM r_d", 5, 0, "10000"),
        ("SELECT a * b FROM r_d", 66, 0, "9" * 76),
        ("SELECT COALESCE(a, b) FROM r_d", 5, 2, "-12345678901234567890123456789012345678901234567890.12"),
    ],
)
def test_a_decimal_expression_has_the_widest_type(sql: str, length: int, decimals: int, value: str) -> None:
    """A DECIMAL longer than TiDB declares is neither refused nor rounded."""
    columns = (Declared("d", DECIMAL, length=length, decimals=decimals),)
    with scripted(sql, Result(columns, ((value,), (None,)))) as (_, connection):
        table = read(connection, sql)
    assert table.schema.field(0).type == pa.decimal256(76, decimals)
    assert table.column(0).to_pylist() == [Decimal(value), None]


@pytest.mark.parametrize(
    ("declared", "value", "match"),
    [
        (Declared("d", DECIMAL, length=66), "9" * 81, "CAST.* AS CHAR"),
        (Declared("GROUP_CONCAT(b)", TEXT), b"\xff\x01", "CAST.* AS BINARY"),
    ],
)
def test_values_that_no_type_holds(declared: Declared, value: object, match: str) -> None:
    """81 digits, and bytes that a server declares as text, give an error that names column and cast."""
    result = Result((declared,), ((value,),))
    with scripted("SELECT x", result) as (_, connection), pytest.raises(DataError, match=match) as caught:
        read(connection, "SELECT x")
    assert declared.name in str(caught.value)


@pytest.mark.parametrize(("version", "length"), [(None, 40), (MYSQL, 39)])
def test_an_unsigned_decimal(version: str | None, length: int) -> None:
    """DECIMAL(38,2) UNSIGNED is decimal128(38, 2), although TiDB counts a sign in its length."""
    options = {"version": version} if version else {}
    column = Declared("d", DECIMAL, "r_d", length=length, decimals=2, flags=FLAG.UNSIGNED)
    with scripted("SELECT d FROM r_d", Result((column,), (("9.99",),)), **options) as (_, connection):
        assert read(connection, "SELECT d FROM r_d").schema.field(0).type == pa.decimal128(38, 2)


def test_a_name_that_is_cut_within_a_character() -> None:
    """TiDB cuts a column's name to 256 bytes, and an incomplete character at its end is replaced."""
    raw = ("漢" * 90).encode()[:256]
    sql = "SELECT n FROM r_n"
    for code in (FIELD_TYPE.LONGLONG, LONG):
        result = Result((Declared("n", code, raw_name=raw),), ((7,),))
        with scripted(sql, result) as (_, connection):
            table = read(connection, sql)
        assert table.column_names == ["漢" * 85 + "\ufffd"]
        assert table.column(0).to_pylist() == [7]


@pytest.mark.parametrize("size", [2**24 - 1, 2**24, 2**24 + 1, 2**25])
@pytest.mark.parametrize("as_parameter", [False, True], ids=["text", "parameter"])
def test_a_long_statements_answer(size: int, *, as_parameter: bool) -> None:
    """A statement of several packets is answered from a later sequence number, and runs once."""
    # One byte of a packet is the command's number, so the sizes are those of the payload sent.
    head, tail = "INSERT INTO t VALUES ('", "')"
    sql = "INSERT INTO t VALUES (?)" if as_parameter else head + "x" * (size - len(head + tail) - 1) + tail
    limit = Result((Declared("v", FIELD_TYPE.LONGLONG),), ((2**26 + 1000,),))
    answers = {"SELECT @@max_allowed_packet": limit, "INSERT INTO t VALUES (?)": Result((), ())}
    params = ["x" * (size - 17)] if as_parameter else []
    with WireServer(answers) as server, connected(server) as connection:
        for _ in range(2):
            with open_stream(connection, sql, params) as reading:
                assert list(reading) == []
        command = COMMAND.COM_STMT_EXECUTE if as_parameter else COMMAND.COM_QUERY
        assert server.protocols(sql).count(command) == 2


def test_a_statement_beyond_the_servers_limit() -> None:
    """A statement above max_allowed_packet is refused before it is sent, and the connection stays usable."""
    limit = Result((Declared("v", FIELD_TYPE.LONGLONG),), ((2_000_000,),))
    answers = {"SELECT @@max_allowed_packet": limit, "SELECT ?": Result((Declared("a", TEXT),), (("a",),))}
    with WireServer(answers) as server, connected(server) as connection:
        with pytest.raises(InvalidRequest, match=r"2,000,0\d\d bytes .*2,000,000 \(max_allowed_packet\)"):
            read(connection, "INSERT INTO t VALUES ('" + "x" * 2_000_000 + "')")
        assert connection.open
        connection.ping(reconnect=False)


def test_ranges_of_the_hidden_key() -> None:
    """`*` over a derived table omits _tidb_rowid, so the ranges name the statement's columns."""
    sql = "SELECT `a b`, _tidb_rowid FROM t"
    inner = f"({sql}\n) AS partitioned"
    big = FIELD_TYPE.LONGLONG
    hidden, shown = Declared("_tidb_rowid", big, "t"), Declared("a b", LONG, "t")
    limits = (Declared("low", big), Declared("high", big))
    answers = {
        sql: Result((shown, hidden), ()),
        f"SELECT * FROM {inner}": Result((shown,), ()),
        f"SELECT MIN(`_tidb_rowid`), MAX(`_tidb_rowid`) FROM {inner}": Result(limits, ((1, 10),)),
    }
    with WireServer(answers) as server, connected(server) as connection:
        found = split(connection, BoundStatement(sql=sql), "_tidb_rowid", 2)
    whole = f"SELECT `a b`, `_tidb_rowid` FROM {inner} WHERE"
    assert [query.sql for query in found.queries] == [
        f"{whole} (`_tidb_rowid` < 6 OR `_tidb_rowid` IS NULL)",
        f"{whole} `_tidb_rowid` >= 6",
    ]
    assert found.empty.sql == f"{whole} FALSE"
    assert not found.note


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.integers(1, 90).flatmap(lambda n: st.integers(10 ** (n - 1), 10**n)), min_size=1))
@example(numbers=[238609292222222222222222222222222241310965759999999999999999978525163520000000])
@example(numbers=[10**90, 0])
def test_digits_that_overflow_are_refused(numbers: list[int]) -> None:
    """A product of DECIMALs with more digits than any type has is an error, never another number."""
    values = [Decimal(f"{(-1) ** place * number}e-34") for place, number in enumerate(numbers)]
    column = Declared("d", DECIMAL, length=66, decimals=34)
    result = Result((column,), tuple((f"{value:f}",) for value in values))
    with scripted("SELECT a * b FROM r_d", result) as (_, connection):
        if max(numbers) < 10**76:
            assert read(connection, "SELECT a * b FROM r_d").column(0).to_pylist() == values
        else:
            with pytest.raises(DataError, match=r"CAST.* AS CHAR"):
                read(connection, "SELECT a * b FROM r_d")


@st.composite
def results(draw: st.DrawFn) -> Result:
    """Draw columns as TiDB may declare them, of tables and of expressions, with their values."""
    codes = st.sampled_from([*WIDTHS, FLOAT, FIELD_TYPE.DOUBLE, DECIMAL, TEXT])
    columns, values = [], []
    for number, code in enumerate(draw(st.lists(codes, min_size=1, max_size=8))):
        table = draw(st.sampled_from(["", "r_n"]))
        decimals = draw(st.integers(0, 30)) if code == DECIMAL else 31
        columns.append(Declared(f"c{number}", code, table, length=65 + 2, decimals=decimals))
        values.append(st.none() | _values(columns[-1]))
    return Result(tuple(columns), tuple(draw(st.lists(st.tuples(*values), max_size=12))))


def _values(column: Declared) -> st.SearchStrategy[Any]:
    if width := WIDTHS.get(column.code):
        bits = 8 * width - 1 if column.table else 63
        low = 0 if column.code == FIELD_TYPE.YEAR and column.table else -(2**bits)
        return st.integers(low, 2**bits - 1)
    if column.code == FLOAT:
        return st.floats(width=32, allow_nan=False, allow_infinity=False)
    if column.code == FIELD_TYPE.DOUBLE:
        return st.floats(allow_nan=False, allow_infinity=False)
    if column.code == DECIMAL:
        digits = 65 if column.table else 76
        return st.integers(-(10**digits) + 1, 10**digits - 1).map(
            lambda n: f"{Decimal(f'{n}e-{column.decimals}'):f}"
        )
    return st.text(max_size=20)


@settings(max_examples=60, deadline=None)
@given(result=results())
def test_whatever_is_declared(result: Result) -> None:
    """Whatever is declared, the values match those of PyMySQL's own cursor, which requests text."""
    sql = "SELECT some, expressions FROM r_n"
    with scripted(sql, result) as (_, connection):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            oracle = cursor.fetchall()
        table = read(connection, sql)
    for number, column in enumerate(result.columns):
        right = [row[number] for row in oracle]
        if column.code == FLOAT:
            right = [None if value is None else float(np.float32(value)) for value in right]
        assert table.column(number).to_pylist() == right, column
