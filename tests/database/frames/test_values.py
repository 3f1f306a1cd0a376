"""Every value that is read equals the stored one: all types at their extremes, and at random."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pyarrow as pa
import pymysql
import pytest
from database.frames.results import as_text, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import torture

from tidb_pe_magic.database.frames import Dtypes, open_stream, to_pandas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymysql.connections import Connection
    from support.mariadb import MariaDb

NAMES = ", ".join(column.name for column in torture.COLUMNS)
ALL = f"SELECT {NAMES} FROM torture ORDER BY id"
# The server writes a FLOAT with six digits as text, and a client cannot recover the others.
LOST_AS_TEXT = {"float_"}


def widest(kind: pa.DataType) -> pa.DataType:
    """Return the type of such a column if the statement does not name its table."""
    if pa.types.is_integer(kind) and kind.bit_width < 64:
        return pa.int64()
    return pa.decimal256(76, kind.scale) if pa.types.is_decimal(kind) else kind


@pytest.fixture(scope="module")
def torture_table(plain_server: MariaDb) -> Iterator[str]:
    """Create the table of every type on the server."""
    connection = pymysql.connect(
        host=plain_server.host,
        port=plain_server.port,
        user=plain_server.user,
        password=plain_server.password,
        database=plain_server.database,
        ssl_disabled=True,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        for statement in torture.statements("torture"):
            cursor.execute(statement)
        yield "torture"
        cursor.execute("DROP TABLE torture")


@pytest.mark.usefixtures("torture_table")
@pytest.mark.parametrize("column", torture.COLUMNS, ids=lambda column: column.name)
def test_a_type_at_its_extremes_in_binary_form(
    connection: Connection[Any], column: torture.TortureColumn
) -> None:
    """A prepared statement returns each value exactly, in the correct Arrow type."""
    table = read(connection, f"SELECT {column.name} FROM torture ORDER BY id")
    assert table.schema.field(0).type == column.arrow
    assert table.column(0).to_pylist() == torture.expected_values()[column.name]


@pytest.mark.usefixtures("torture_table")
@pytest.mark.parametrize("sql", [ALL, as_text(ALL)], ids=["binary", "text"])
def test_all_types_side_by_side(connection: Connection[Any], sql: str) -> None:
    """In one row of all types each value is correct in both protocols, and zero dates are counted."""
    with open_stream(connection, sql) as reading:
        (batch,) = reading
        assert reading.zero_dates == torture.ZERO_DATES
    expected = torture.expected_values()
    for column in torture.COLUMNS:
        if sql == ALL or column.name not in LOST_AS_TEXT:
            right = column.arrow if sql == ALL else widest(column.arrow)
            assert batch.schema.field(column.name).type == right, column.name
            assert batch.column(column.name).to_pylist() == expected[column.name], column.name


def _decimal(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    whole = st.integers(-(10**digits) + 1, 10**digits - 1)
    return whole.map(lambda number: Decimal(f"{number}e-{scale}"))


# Of the years that MySQL has; their microseconds may be all zeros, which the binary protocol leaves out.
_MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001 - SQL's have none
_SPANS = st.timedeltas(timedelta(hours=-838), timedelta(hours=838))
_TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
TYPES: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "BIGINT UNSIGNED": st.integers(0, 2**64 - 1),
    "INT": st.integers(-(2**31), 2**31 - 1),
    "MEDIUMINT": st.integers(-(2**23), 2**23 - 1),
    "SMALLINT UNSIGNED": st.integers(0, 2**16 - 1),
    "TINYINT": st.integers(-128, 127),
    "DOUBLE": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "DECIMAL(15,2)": _decimal(15, 2),
    "DECIMAL(65,30)": _decimal(65, 30),
    "DECIMAL(9,0)": _decimal(9, 0),
    "DATE": st.dates(date(1000, 1, 1)) | st.just("0000-00-00"),
    "DATETIME": _MOMENTS.map(lambda moment: moment.replace(microsecond=0)) | st.just("2024-00-01 00:00:00"),
    "DATETIME(6)": _MOMENTS,
    "TIME": _SPANS.map(lambda span: timedelta(seconds=int(span.total_seconds()))),
    "TIME(6)": _SPANS,
    "VARCHAR(300)": _TEXT,
    "LONGTEXT": _TEXT | st.just("é" * 70_000),
    "VARBINARY(300)": st.binary(max_size=300),
    "BIT(17)": st.integers(0, 2**17 - 1),
    "YEAR": st.integers(1901, 2155),
}


def plain(value: Any, right: Any) -> Any:
    """Return a frame's value as an object of the expected class, with all digits."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        moment = value.to_pydatetime()
        # Frames represent a DATE as midnight.
        return moment if isinstance(right, datetime) else moment.date() if moment.time() == time() else moment
    if isinstance(right, Decimal):
        return Decimal(repr(float(value))) if isinstance(value, float) else Decimal(str(value))
    return value


@st.composite
def drawn_tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Draw the types of a table's columns, and its rows."""
    types = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=12))
    row = st.tuples(*(st.none() | TYPES[kind] for kind in types))
    return types, draw(st.lists(row, max_size=30))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=drawn_tables())
def test_the_same_as_pymysqls_cursor(
    connection: Connection[Any], made: tuple[list[str], list[tuple[Any, ...]]]
) -> None:
    """For any columns and values, both protocols and all dtypes match PyMySQL's cursor."""
    types, rows = made
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES'")
        columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))
        cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE random_table (n INT, {columns})")
        marks = ", ".join(["%s"] * (len(types) + 1))
        cursor.executemany(
            f"INSERT INTO random_table VALUES ({marks})", [(number, *row) for number, row in enumerate(rows)]
        )
        sql = "SELECT * FROM random_table ORDER BY n"
        cursor.execute(sql)
        oracle = cursor.fetchall()
    convert: dict[str, Callable[[Any], Any]] = {
        "BIT(17)": lambda value: int.from_bytes(value, "big"),
        "DATE": lambda value: None if isinstance(value, str) else value,
        "DATETIME": lambda value: None if isinstance(value, str) else value,
    }
    tables = [read(connection, statement) for statement in (sql, as_text(sql))]
    frames = [to_pandas(tables[0], mode, choice) for mode in get_args(Dtypes) for choice in ("auto", "exact")]
    for number, kind in enumerate(["INT", *types]):
        right = [
            value if value is None else convert.get(kind, lambda same: same)(value)
            for value in (row[number] for row in oracle)
        ]
        for table in tables:
            assert table.column(number).to_pylist() == right, kind
        for frame in frames:
            found = frame.iloc[:, number]
            assert [plain(*pair) for pair in zip(found, right, strict=True)] == right, (kind, found.dtype)
