"""Frames into tables of a real server: every value is stored exactly, or refused before the load."""

# ruff: noqa: DTZ001 - the times of a table have no zone

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import signal
import threading
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ports import free_port

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.engine import Target, open_engine
from tidb_pe_magic.database.loading.load import load
from tidb_pe_magic.database.loading.sources import source_of
from tidb_pe_magic.database.loading.tables import TableName
from tidb_pe_magic.database.loading.task import LoadOutcome, LoadTask
from tidb_pe_magic.errors import InvalidRequest, LoadFailed
from tidb_pe_magic.sandbox.faults import Fault, Faults, Kind, Point
from tidb_pe_magic.sandbox.network.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine
    from support.mariadb import MariaDb


@pytest.fixture(scope="module")
def engine(plain_server: MariaDb) -> Iterator[Engine]:
    """Provide an engine of a server without tables."""
    plain_server.execute("CREATE OR REPLACE DATABASE loads")
    engine = open_engine(plain_server.target(database="loads")).engine
    yield engine
    engine.dispose()


@pytest.fixture
def server(plain_server: MariaDb) -> MariaDb:
    """Provide the server, whose database `loads` has no tables."""
    plain_server.execute("CREATE OR REPLACE DATABASE loads")
    return plain_server


def loaded(  # noqa: PLR0913 - the options of a load
    engine: Engine,
    frame: Any,
    table: str = "t",
    *,
    if_exists: str = "fail",
    keys: tuple[str, ...] = (),
    cancel: threading.Event | None = None,
    said: list[str] | None = None,
) -> LoadOutcome:
    """Load a frame. Output and events are appended to `said`."""
    words = [] if said is None else said
    return load(
        LoadTask(
            engine=engine,
            name=TableName.parse(table, "loads"),
            source=source_of(frame),
            if_exists=if_exists,
            keys=keys,
            cancel=cancel or threading.Event(),
            on_create=words.append,
            on_note=words.append,
        )
    )


def tables(server: MariaDb) -> list[str]:
    """Return the names of the existing tables."""
    return [row[0] for row in server.execute("SHOW TABLES FROM loads")]


def counted(server: MariaDb, statement: str = "load") -> int:
    """Return how many LOAD DATA, or other statements, the server has executed."""
    return int(server.execute(f"SHOW GLOBAL STATUS LIKE 'Com_{statement}'")[0][1])


# Exact values

_MICROSECOND = dt.timedelta(microseconds=1)
_LONGEST = dt.timedelta(hours=838, minutes=59, seconds=59)
_ZONE = dt.timezone(dt.timedelta(hours=8))
# Characters with a meaning in SQL's literals or in the lines of LOAD DATA are frequent.
_text = st.text(st.sampled_from("\\\t\n\r\0N'\"nt0\ufeff😀") | st.characters(codec="utf-8"), max_size=30)
# For each kind: the values, pandas' dtype for them, and MySQL's result.
KINDS: dict[str, tuple[st.SearchStrategy[Any], Any, Callable[[Any], Any]]] = {
    "boolean": (st.booleans(), "boolean", int),
    "int64": (st.integers(-(2**63), 2**63 - 1), "Int64", int),
    "int8": (st.integers(-128, 127), "Int8", int),
    "uint64": (st.integers(0, 2**64 - 1), "UInt64", int),
    "large": (st.integers(-(10**65) + 1, 10**65 - 1), object, Decimal),
    "double": (st.floats(allow_nan=False, allow_infinity=False), "float64", float),
    "single": (st.floats(width=32, allow_nan=False, allow_infinity=False), "float32", float),
    "decimal": (
        st.decimals(allow_nan=False, allow_infinity=False, places=10).filter(lambda d: abs(d) < 10**50),
        object,
        Decimal,
    ),
    "text": (_text, object, str),
    "string": (_text, "str", str),
    "category": (_text, "category", str),
    "bytes": (st.binary(max_size=30), object, bytes),
    "date": (st.dates(dt.date(1000, 1, 1)), object, lambda value: value),
    "datetime": (st.datetimes(dt.datetime(1000, 1, 1)), "datetime64[us]", lambda value: value),
    "moment": (
        st.datetimes(dt.datetime(1001, 1, 1), dt.datetime(9998, 1, 1)).map(lambda t: t.replace(tzinfo=_ZONE)),
        "datetime64[us, Asia/Singapore]",
        lambda value: value.astimezone(dt.UTC).replace(tzinfo=None),
    ),
    "time": (
        st.integers(-_LONGEST // _MICROSECOND, _LONGEST // _MICROSECOND).map(lambda n: n * _MICROSECOND),
        "timedelta64[us]",
        lambda value: value,
    ),
}


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, list[Any]]]:
    """Draw a frame with a column of each kind, and the values that the server should have."""
    rows = draw(st.integers(1, 5))
    columns: dict[str, Any] = {"id": range(rows)}
    expected: dict[str, list[Any]] = {"id": list(range(rows))}
    for kind, (values, dtype, as_sql) in KINDS.items():
        drawn = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        present = [each is not None for each in drawn]
        # A frame may mix other values with any of pandas' missing values.
        given = [
            each if there or dtype is not object else draw(st.sampled_from([None, np.nan, pd.NA]))
            for each, there in zip(drawn, present, strict=True)
        ]
        columns[kind] = pd.Series(given, dtype=dtype)
        expected[kind] = [as_sql(each) if there else None for each, there in zip(drawn, present, strict=True)]
    return pd.DataFrame(columns), expected


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=frames(), lines=st.booleans())
def test_every_value_arrives_as_it_was(
    plain_server: MariaDb, engine: Engine, *, drawn: tuple[pd.DataFrame, dict[str, list[Any]]], lines: bool
) -> None:
    """The server returns every value of a column; pandas' missing values are NULL.

    With keys or bytes the rows are sent with INSERT, and without them with LOAD DATA.
    """
    frame, expected = drawn
    if lines:
        frame = frame.drop(columns="bytes")
        del expected["bytes"]
    before = counted(plain_server)
    done = loaded(engine, frame, if_exists="replace", keys=() if lines else ("id",))
    assert done.rows == len(frame)
    assert counted(plain_server) - before == lines
    rows = plain_server.execute("SELECT * FROM loads.t ORDER BY id")
    found = dict(zip(expected, map(list, zip(*rows, strict=True)), strict=True))
    assert found == expected


NASTY = (
    *("", "\\N", "N", "\\", "\\\\N", "x\\", "\t", "\n", "\r\n", "\0", "a\tb\\\nc", "\\t", "\x1a", "\b"),
    *("'", '"', "\ufeff", "\ufeffx", "NULL", "😀", " ", "é "),
)


def test_texts_that_look_like_syntax_arrive_in_any_place(server: MariaDb, engine: Engine) -> None:
    """Special characters arrive in the first and the last row, alone in a row, and beside NULL."""
    for first in ("", "\\N", "\n", "\ufeff"):
        place = NASTY.index(first)
        texts = [*NASTY[place:], None, *NASTY[:place]]
        loaded(engine, pd.DataFrame({"s": texts}), if_exists="replace")
        found = sorted(server.execute("SELECT HEX(s) FROM loads.t"), key=str)
        assert found == sorted(((each and each.encode().hex().upper(),) for each in texts), key=str)
    assert loaded(engine, pd.DataFrame({"s": [""]}), "alone").rows == 1
    assert server.execute("SELECT * FROM loads.alone") == (("",),)


def test_a_server_that_refuses_lines_gets_inserts(server: MariaDb, engine: Engine) -> None:
    """A server without LOAD DATA LOCAL, and a table that exists already, get the same rows with INSERT."""
    frame = pd.DataFrame({"id": range(45_000), "s": "text"})
    rows = ((45_000, 45_000 * 44_999 // 2),)
    server.execute("SET GLOBAL local_infile = 0")
    try:
        before = counted(server, "insert")
        assert loaded(engine, frame).rows == len(frame)
        assert counted(server, "insert") > before
        assert server.execute("SELECT COUNT(*), SUM(id) FROM loads.t") == rows
    finally:
        server.execute("SET GLOBAL local_infile = 1")
    before = counted(server)
    server.execute("DELETE FROM loads.t")
    loaded(engine, frame, if_exists="append")
    loaded(engine, frame, "created", if_exists="append")
    assert counted(server) == before
    for table in ("t", "created"):
        assert server.execute(f"SELECT COUNT(*), SUM(id) FROM loads.{table}") == rows


def test_frames_of_every_library_and_files_are_the_same_table(
    server: MariaDb, engine: Engine, tmp_path: Path
) -> None:
    """pandas, polars, Arrow, Parquet and CSV give the same rows; a named index is a column."""
    frame = pd.DataFrame(
        {
            "n": [1, None],
            "x": [0.5, float("nan")],
            "s": ["é'\\", None],
            "t": pd.Series([dt.datetime(2024, 2, 29), None]),
        }
    ).convert_dtypes()
    frame.index = pd.Index([7, 8], name="key")
    flat = frame.reset_index()
    flat.to_parquet(tmp_path / "frame.parquet")
    flat.to_csv(tmp_path / "frame.csv", index=False)
    forms: dict[str, Any] = {
        "pandas": frame,
        "polars": pl.from_pandas(flat),
        "arrow": pa.Table.from_pandas(flat),
        "parquet": tmp_path / "frame.parquet",
        "csv": str(tmp_path / "frame.csv"),
    }
    for table, form in forms.items():
        loaded(engine, form, table)
    first, *others = (server.execute(f"SELECT * FROM loads.{table} ORDER BY 1") for table in forms)
    assert first == ((7, 1, 0.5, "é'\\", dt.datetime(2024, 2, 29)), (8, None, None, None, None))
    assert [other == first for other in others[:-1]] == [True] * 3
    # A CSV file has dates without a time of day.
    assert [row[:4] for row in others[-1]] == [row[:4] for row in first]


def test_categories_of_every_form_are_their_values(server: MariaDb, engine: Engine) -> None:
    """Dictionaries and runs, also of the views that polars uses, load as the values that they stand for."""
    names = pa.array(["a", None, "é"], pa.string_view())
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4]), names)
    forms: dict[str, Any] = {
        "categorical": pl.DataFrame({"c": pl.Series(["é", None, None], dtype=pl.Categorical)}),
        "enum": pl.DataFrame({"c": pl.Series(["é", None, None], dtype=pl.Enum(["é"]))}),
        "bytes": pa.table({"c": pa.array(["é".encode(), None, None], pa.binary_view()).dictionary_encode()}),
        "runs": pa.table({"c": runs.slice(1)}),
        "runs_of_names": pa.table({"c": pc.run_end_encode(pa.array([None, None, "é"]))}),
    }
    for table, form in forms.items():
        loaded(engine, form, table)
        rows = server.execute(f"SELECT CAST(c AS CHAR) FROM loads.{table} ORDER BY c")
        assert rows == ((None,), (None,), ("é",)), table


def test_a_file_of_text_keeps_what_a_number_would_lose(
    server: MariaDb, engine: Engine, tmp_path: Path
) -> None:
    """Leading zeros, more digits than a float has, and quoted empty texts arrive unchanged."""
    path = tmp_path / "codes.csv"
    path.write_text('code,long,empty\n007,0.12345678901234567890,""\n12,1,\n', encoding="utf-8")
    loaded(engine, path, "codes")
    assert server.execute("SELECT * FROM loads.codes ORDER BY code") == (
        ("007", "0.12345678901234567890", ""),
        ("12", "1", None),
    )


# Refused values

BAD: tuple[tuple[Any, str], ...] = (
    ({"a": [1.0, np.inf]}, r"column a, row 1 \(counted from 0\): SQL has no infinite numbers"),
    ({"a": [1, "x"]}, "column a, row 1 .*of type str, and that of row 0 of type int"),
    ({"a": ["x", b"x"]}, "column a, row 1 .*of type bytes"),
    ({"a": [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1)]}, "column a, row 1 .*of type datetime"),
    ({"a": [None, {"b": 1}]}, "column a, row 1 .*type dict cannot be loaded.*json.dumps"),
    ({"a": [[1]]}, "column a, row 0 .*type list"),
    ({"a": pd.Series([2**53 + 1, 0.5], dtype=object)}, "column a, row 0 .*would lose digits"),
    ({"a": [Decimal("Infinity")]}, "row 0 .*no infinite"),
    ({"a": [Decimal(10) ** 70]}, "row 0 .*65 digits"),
    ({"a": pd.Series(["\ud800"], dtype=object)}, "row 0 .*half of a surrogate pair"),
    (
        {"a": pd.to_datetime(["2020-01-01", "2020-01-01 00:00:00.000000001"], format="ISO8601")},
        "row 1 .*nanoseconds",
    ),
    ({"a": [dt.date(999, 12, 31)]}, "999-12-31 is outside the years 1000 to 9999"),
    ({"a": pd.to_timedelta(["839:00:00"])}, "longer than the maximum of TIME"),
    ({"a": [1 + 2j]}, r"complex cannot be loaded.*first: frame\['a'\].astype\(str\)"),
    ({"a": [{"b": 1}]}, r"dict cannot be loaded.*json.dumps"),
    ({"a": pd.period_range("2020", periods=1)}, "cannot be loaded"),
    ({"a": np.ones(1, np.longdouble) + np.finfo(np.longdouble).eps}, "row 0 .*has more digits than a DOUBLE"),
    ({" ": [1]}, "cannot be the name of a column"),
    ({"": [1]}, "'' cannot be the name of a column: it must not be empty"),
    ({"a": [1], "A": [2]}, "two columns are named a and A; SQL column names are not case-sensitive"),
    (
        {"x" * 65: [1]},
        f"'{'x' * 40}'… cannot be the name of a column: it has 65 characters, and the maximum is 64",
    ),
)


def test_an_unstorable_value_is_refused_with_its_place(server: MariaDb, engine: Engine) -> None:
    """A value that cannot be stored is refused with its column and row, and nothing is sent."""
    for columns, message in BAD:
        with pytest.raises(InvalidRequest, match=message):
            loaded(engine, pd.DataFrame(columns))
    with pytest.raises(InvalidRequest, match="to_frame"):
        loaded(engine, pd.Series([1]))
    with pytest.raises(InvalidRequest, match="index and one of its columns are both named a"):
        loaded(engine, pd.DataFrame({"a": [1]}, index=pd.Index([1], name="a")))
    with pytest.raises(InvalidRequest, match=r"two columns are named a\. Rename"):
        loaded(engine, pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InvalidRequest, match="of type list"):
        loaded(engine, [1])
    with pytest.raises(InvalidRequest, match=r"LazyFrame.*Load frame.collect\(\)"):
        loaded(engine, pl.LazyFrame({"a": [1]}))
    assert tables(server) == []


# Existing tables

FITS: tuple[tuple[str, Any, Any], ...] = (
    ("bigint", [1.0, -(2.0**62)], (1, -(2**62))),
    ("bigint unsigned", [2.0**63, 0.0], (2**63, 0)),
    ("bigint unsigned", pd.Categorical([2**53 + 1, None]), (2**53 + 1, None)),
    ("tinyint(1)", [True, False], (1, 0)),
    ("decimal(10,2)", [0.1, 1e7 + 0.25], (Decimal("0.1"), Decimal("10000000.25"))),
    ("decimal(5,1)", [1, -2], (Decimal("1.0"), Decimal("-2.0"))),
    ("decimal(38,20)", [0.1, -1e17], (Decimal("0.1"), Decimal(-(10**17)))),
    ("decimal(20,2)", [1e17, None], (Decimal(10**17), None)),
    ("int", [Decimal("5.00"), Decimal(-7)], (5, -7)),
    ("float", [0.5, -3.25], (0.5, -3.25)),
    ("date", pd.to_datetime(["2024-02-29", "1999-01-01"]), (dt.date(2024, 2, 29), dt.date(1999, 1, 1))),
    ("datetime", [dt.date(2024, 2, 29), None], (dt.datetime(2024, 2, 29), None)),
    (
        "time(3)",
        [dt.time(1, 2, 3, 4000), None],
        (dt.timedelta(hours=1, minutes=2, seconds=3, milliseconds=4), None),
    ),
    ("enum('a','b''c')", ["a", "b'c"], ("a", "b'c")),
    ("set('x','y')", ["x,y", ""], ("x,y", "")),
    ("bit(4)", [15, 0], (b"\x0f", b"\0")),
    ("binary(2)", [b"ab", b"\0\0"], (b"ab", b"\0\0")),
    ("varchar(3) character set latin1", ["été", ""], ("été", "")),
)
MISFITS: tuple[tuple[str, Any, str], ...] = (
    ("int", [1.5], "1.5 is not a whole number"),
    ("int", [2**31], "2147483648 is out of range: INT.* holds -2147483648 to 2147483647"),
    ("bigint", [2.0**63], "out of range"),
    ("bigint", [-1.0, 2.0**63], r"row 1 .*: 9\.22.* is out of range"),
    ("bigint unsigned", [0.0, -1.0], r"row 1 .*: -1\.0 is out of range"),
    ("int unsigned", [-1], "-1 is out of range"),
    ("int", ["5"], "the frame has text, and the table's column is INT"),
    ("int", [None], "NOT NULL"),
    ("decimal(10,2)", [0.125], "0.125 does not fit DECIMAL"),
    ("decimal(38,20)", [1e18], r"1e\+18 does not fit DECIMAL"),
    ("decimal(38,20)", [0.5, 1e-21], "row 1 .*: 1e-21 does not fit DECIMAL"),
    ("decimal(4,1)", [Decimal(1000)], "1000 does not fit"),
    ("float", [0.1], "0.1 loses digits in a FLOAT"),
    ("double", [2**53 + 1], "loses digits"),
    ("year", [True], "True|1 is out of range"),
    ("varchar(2)", ["abc"], "'abc' is too long"),
    ("tinytext", ["é" * 128], "too long"),
    ("char(3)", ["a "], "ends with a space"),
    ("varchar(3) character set latin1", ["漢"], "character set latin1"),
    ("varchar(3) character set utf8mb3", ["\U0001f600"], "character set utf8"),
    ("enum('a')", ["A"], "'A' is not a value of"),
    ("set('x','y')", ["y,x"], "is not a value of"),
    ("json", ["{"], "too long|not valid JSON"),
    ("binary(3)", [b"ab"], "too short"),
    ("varbinary(1)", [b"ab"], "too long"),
    ("date", pd.to_datetime(["2024-02-29 01:00"]), "has a time of day"),
    ("datetime(3)", [dt.datetime(2024, 1, 1, microsecond=1)], r"more places than DATETIME\(3\)"),
    ("timestamp", [dt.datetime(2100, 1, 1)], "1970 to 2038"),
)


def test_a_table_accepts_exact_values_of_other_types(server: MariaDb, engine: Engine) -> None:
    """Values of another type are accepted if the table's type holds them exactly."""
    for number, (kind, values, expected) in enumerate(FITS):
        server.execute(f"CREATE TABLE loads.fit{number} (n INT AUTO_INCREMENT PRIMARY KEY, a {kind})")
        loaded(engine, pd.DataFrame({"a": values, "n": [1, 2]}), f"fit{number}", if_exists="append")
        rows = server.execute(f"SELECT a FROM loads.fit{number} ORDER BY n")
        assert tuple(row[0] for row in rows) == expected, kind


def test_a_table_is_sent_nothing_that_it_would_change(server: MariaDb, engine: Engine) -> None:
    """A value that the server would round, cut, pad or refuse is refused before a row is sent."""
    for number, (kind, values, message) in enumerate(MISFITS):
        server.execute(f"CREATE TABLE loads.misfit{number} (a {kind} NOT NULL)")
        if kind == "json":  # text with a check in MariaDB
            continue
        with pytest.raises(InvalidRequest, match=message):
            loaded(engine, pd.DataFrame({"a": values}), f"misfit{number}", if_exists="append")
        assert server.value(f"SELECT COUNT(*) FROM loads.misfit{number}") == 0


def test_columns_that_do_not_match_are_refused(server: MariaDb, engine: Engine) -> None:
    """An extra column, a missing column and a generated column are refused."""
    server.execute("CREATE TABLE loads.t (carrier INT NOT NULL, b INT, c INT AS (b + 1) STORED)")
    append = partial(loaded, engine, if_exists="append")
    with pytest.raises(
        InvalidRequest, match=r"column carier: loads\.t has no such column. Did you mean carrier\?"
    ):
        append(pd.DataFrame({"carier": [1]}))
    with pytest.raises(
        InvalidRequest, match=r"has no column carrier, which is NOT NULL without a default in loads.t"
    ):
        append(pd.DataFrame({"b": [1]}))
    with pytest.raises(InvalidRequest, match="computes this column"):
        append(pd.DataFrame({"carrier": [1], "c": [1]}))
    append(pd.DataFrame({"CARRIER": [1]}))
    assert server.execute("SELECT * FROM loads.t") == ((1, None, None),)


def test_zero_is_a_value_of_an_automatic_column(server: MariaDb, engine: Engine) -> None:
    """The session's mode keeps the server from replacing a zero by a generated number."""
    server.execute("CREATE TABLE loads.t (id INT AUTO_INCREMENT PRIMARY KEY)")
    loaded(engine, pd.DataFrame({"id": [0, 5]}), if_exists="append")
    assert server.execute("SELECT id FROM loads.t ORDER BY id") == ((0,), (5,))


def test_moments_stay_moments_in_a_timestamp(server: MariaDb, engine: Engine) -> None:
    """A time with a zone stays the same moment; one without a zone in the same column is refused."""
    server.execute("CREATE TABLE loads.t (a TIMESTAMP(6) NULL, b TIMESTAMP NULL)")
    moment = pd.Timestamp("2024-06-01 12:00:00.5", tz="Asia/Singapore")
    loaded(engine, pd.DataFrame({"a": [moment]}), if_exists="append")
    assert server.value("SELECT UNIX_TIMESTAMP(a) FROM loads.t") == Decimal(str(moment.timestamp()))
    with pytest.raises(InvalidRequest, match="tz_localize"):
        loaded(engine, pd.DataFrame({"a": [moment], "b": pd.to_datetime(["2024-01-01"])}), if_exists="append")


# Existing tables, keys and repeats


def test_an_existing_table_is_refused_until_requested(server: MariaDb, engine: Engine) -> None:
    """An existing table is refused, appended to, or replaced by the frame's types; a view never is."""
    frame = pd.DataFrame({"a": [1, 2]})
    said: list[str] = []
    assert loaded(engine, frame, said=said).created == said[0]
    assert said[0].startswith("CREATE TABLE `loads`.`t` (\n  `a` BIGINT\n)")
    with pytest.raises(InvalidRequest, match=r"loads\.t already exists"):
        loaded(engine, frame)
    loaded(engine, frame, if_exists="append")
    assert server.value("SELECT COUNT(*) FROM loads.t") == 4
    done = loaded(engine, pd.DataFrame({"b": ["x"]}), if_exists="replace")
    assert done.replaced
    assert server.execute("SELECT * FROM loads.t") == (("x",),)
    assert tables(server) == ["t"]
    server.execute("CREATE VIEW loads.v AS SELECT * FROM loads.t")
    with pytest.raises(InvalidRequest, match="is a view"):
        loaded(engine, frame, "v", if_exists="replace")
    server.execute("CREATE TABLE loads.parent (a BIGINT PRIMARY KEY)")
    server.execute("CREATE TABLE loads.child (a BIGINT, FOREIGN KEY (a) REFERENCES parent (a))")
    with pytest.raises(InvalidRequest, match=r"foreign key of child"):
        loaded(engine, frame, "parent", if_exists="replace")


def test_tables_of_an_interrupted_load_are_named_and_stay(server: MariaDb, engine: Engine) -> None:
    """A load names what a dead process left beside its table, with the statement that removes it."""
    others = [
        "t__load_0123abc",
        "t__load_0123abcde",
        "t__load_wxyzwxyz",
        "tt__load_0123abcd",
        "txxloadx01234567",
    ]
    for name in ("t__load_0123abcd", "t__load_89efcdab", *others):
        server.execute(f"CREATE TABLE loads.{name} (a INT)")
    frame = pd.DataFrame({"a": [1]})
    for if_exists in ("fail", "append", "replace"):
        said: list[str] = []
        loaded(engine, frame, if_exists=if_exists, said=said)
        (note,) = [each for each in said if "interrupted" in each]
        assert note.endswith("DROP TABLE `loads`.`t__load_0123abcd`, `loads`.`t__load_89efcdab`")
        assert tables(server) == sorted(["t", "t__load_0123abcd", "t__load_89efcdab", *others])
    server.execute(note[note.index("DROP TABLE") :])
    said = []
    loaded(engine, frame, if_exists="replace", said=said)
    assert tables(server) == sorted(["t", *others])
    assert not [each for each in said if "interrupted" in each]


def _load_until_drop(address: tuple[str, int], user: str, password: str) -> None:
    """Replace the table in this process, which is killed when it sends its DROP TABLE."""
    driver: Any = pymysql.connections.Connection
    send = driver.query

    def send_or_die(self: Any, sql: str | bytes, *options: Any, **named: Any) -> int:
        if isinstance(sql, str) and sql.startswith("DROP TABLE"):
            os.kill(os.getpid(), signal.SIGKILL)
        return int(send(self, sql, *options, **named))

    driver.query = send_or_die
    host, port = address
    target = Target(host=host, port=port, user=user, database="loads", password=Secret(password))
    loaded(open_engine(target).engine, pd.DataFrame({"a": [3]}), if_exists="replace")


def test_a_replaced_table_that_a_killed_load_left_is_named(server: MariaDb, engine: Engine) -> None:
    """The note says what the table holds; without the new table it may be the only copy, and is restored."""
    server.execute("CREATE TABLE loads.t (a INT)")
    server.execute("INSERT INTO loads.t VALUES (1), (2)")
    for name in ("t__old_0123abc", "tt__old_0123abcd", "txxoldx01234567"):
        server.execute(f"CREATE TABLE loads.{name} (a INT)")
    others = tables(server)
    context = multiprocessing.get_context("spawn")
    victim = context.Process(
        target=_load_until_drop, args=((server.host, server.port), server.user, server.password)
    )
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    (old,) = set(tables(server)) - set(others)
    assert server.execute(f"SELECT * FROM loads.{old}") == ((1,), (2,))
    said: list[str] = []
    loaded(engine, pd.DataFrame({"a": [4]}), if_exists="append", said=said)
    (note,) = said
    assert note.startswith(f"loads.{old} holds the rows of loads.t from before a load replaced it. If they")
    assert note.endswith(f"and no other load is running: DROP TABLE `loads`.`{old}`")
    server.execute("DROP TABLE loads.t")
    said = []
    loaded(engine, pd.DataFrame({"a": [5]}), said=said)
    (note,) = [each for each in said if old in each]
    assert "loads.t itself does not exist, so this may be the only copy." in note
    server.execute("DROP TABLE loads.t")
    server.execute(note[note.index("RENAME TABLE") : note.index(". If it is not needed")])
    assert server.execute("SELECT * FROM loads.t") == ((1,), (2,))
    assert tables(server) == others


def test_a_load_with_keys_can_be_repeated(server: MariaDb, engine: Engine) -> None:
    """With keys, existing rows are updated and others added, and a repeat changes nothing."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "v": [0.5, None]})
    loaded(engine, frame, keys=("a", "b"))
    assert "PRIMARY KEY (`a`,`b`)" in server.execute("SHOW CREATE TABLE loads.t")[0][1]
    more = pd.DataFrame({"a": [2, 3], "b": ["y", "z"], "v": [7.0, 8.0]})
    for _ in range(2):
        loaded(engine, more, if_exists="append", keys=("a", "b"))
        assert server.execute("SELECT * FROM loads.t ORDER BY a") == (
            (1, "x", 0.5),
            (2, "y", 7.0),
            (3, "z", 8.0),
        )
    server.execute("CREATE TABLE loads.only (a INT PRIMARY KEY)")
    for _ in range(2):
        loaded(engine, frame[["a"]], "only", if_exists="append", keys=("a",))
    assert server.value("SELECT COUNT(*) FROM loads.only") == 2


def test_keys_that_cannot_identify_rows_are_refused(server: MariaDb, engine: Engine) -> None:
    """A missing or second key in the table, and a missing or duplicate key in the frame, are refused."""
    server.execute(
        "CREATE TABLE loads.t (a INT, b INT, s VARCHAR(9) COLLATE utf8mb4_general_ci, UNIQUE (a), KEY (b))"
    )
    append = partial(loaded, engine, if_exists="append")
    with pytest.raises(
        InvalidRequest, match=r"no primary or unique key of exactly these columns: b.*It has: a"
    ):
        append(pd.DataFrame({"a": [1], "b": [1]}), keys=("b",))
    with pytest.raises(InvalidRequest, match=r"rows 0 and 2 \(counted from 0\) have the same key"):
        append(pd.DataFrame({"a": [1, 2, 1]}), keys=("a",))
    with pytest.raises(InvalidRequest, match=r"column a, row 1 .*a key has no value"):
        append(pd.DataFrame({"a": pd.array([1, None], "Int64")}), keys=("a",))
    server.execute("ALTER TABLE loads.t ADD UNIQUE second (s)")
    with pytest.raises(InvalidRequest, match="another unique key, second"):
        append(pd.DataFrame({"a": [1], "s": ["x"]}), keys=("a",))
    server.execute("ALTER TABLE loads.t DROP KEY a")
    with pytest.raises(InvalidRequest, match="rows 0 and 1"):
        append(pd.DataFrame({"s": ["É", "e "]}), keys=("s",))
    assert server.value("SELECT COUNT(*) FROM loads.t") == 0


# Loads that end early


@pytest.fixture
def gate(server: MariaDb) -> Iterator[tuple[Faults, Callable[[], Engine]]]:
    """Provide the faults of a gate before the server, and a function that opens engines through it."""
    faults, engines = Faults(), []
    with Gate((server.host, server.port), faults) as gate:
        address = ("127.0.0.1", free_port())
        gate.open([address])

        def through() -> Engine:
            engines.append(open_engine(server.target(database="loads", port=address[1])).engine)
            return engines[-1]

        yield faults, through
        for engine in engines:
            engine.dispose()


MANY = pd.DataFrame({"id": range(45_000), "s": "text"})


def cut(faults: Faults, operation: str, point: Point) -> None:
    """Cut one connection at a statement, after some of them have passed."""
    faults.add(Fault(kind=Kind.CUT, operation=operation, point=point, skip=2))


@pytest.mark.parametrize("point", [Point.BEFORE, Point.AFTER, Point.DURING])
def test_a_cut_before_the_commit_costs_nothing(
    server: MariaDb, gate: tuple[Faults, Callable[[], Engine]], point: Point
) -> None:
    """Rows that were not committed are sent again over another connection."""
    faults, through = gate
    server.execute("CREATE TABLE loads.plain (id BIGINT, s TEXT)")
    for table, operation in (("plain", "INSERT"), ("t", "LOAD")):
        cut(faults, operation, point)
        assert loaded(through(), MANY, table, if_exists="append" if table == "plain" else "fail").rows
        assert not faults.pending
        found = server.execute(f"SELECT COUNT(*), COUNT(DISTINCT id) FROM loads.{table}")
        assert found == ((len(MANY), len(MANY)),)


def test_a_lost_commit_is_said_to_be_unknown(
    server: MariaDb, gate: tuple[Faults, Callable[[], Engine]]
) -> None:
    """After a lost COMMIT, rows without keys are reported as unknown; rows with keys are sent again."""
    faults, through = gate
    server.execute("CREATE TABLE loads.t (id BIGINT PRIMARY KEY, s TEXT)")
    server.execute("CREATE TABLE loads.plain (id BIGINT, s TEXT)")
    cut(faults, "COMMIT", Point.AFTER)
    with pytest.raises(
        LoadFailed, match=r"It is not known whether (20,000|5,000) further rows are committed"
    ) as caught:
        loaded(through(), MANY, "plain", if_exists="append")
    error = caught.value
    doubted = sum(end - start for start, end in error.in_doubt)
    left = sum(end - start for start, end in error.left)
    assert error.committed + doubted + left == len(MANY)
    there = server.value("SELECT COUNT(*) FROM loads.plain")
    assert there == error.committed + doubted, "the server had committed the uncertain rows"
    for start, end in error.left:
        assert not server.value(f"SELECT COUNT(*) FROM loads.plain WHERE id BETWEEN {start} AND {end - 1}")
    cut(faults, "COMMIT", Point.AFTER)
    assert loaded(through(), MANY, if_exists="append", keys=("id",)).rows == len(MANY)
    assert not faults.pending
    assert server.execute("SELECT COUNT(*), COUNT(DISTINCT id) FROM loads.t") == ((len(MANY), len(MANY)),)


def test_a_table_is_replaced_as_a_whole_or_not_at_all(
    server: MariaDb, gate: tuple[Faults, Callable[[], Engine]]
) -> None:
    """A failed replacement leaves the old table alone, and a RENAME without an answer is looked up."""
    faults, through = gate
    server.execute("CREATE TABLE loads.t (old INT)")
    cut(faults, "COMMIT", Point.AFTER)
    with pytest.raises(LoadFailed, match=r"nothing was loaded, and loads\.t is unchanged"):
        loaded(through(), MANY, if_exists="replace")
    assert (tables(server), server.execute("SELECT * FROM loads.t")) == (["t"], ())
    faults.add(Fault(kind=Kind.CUT, operation="RENAME", point=Point.BEFORE))
    with pytest.raises(LoadFailed, match="nothing was loaded"):
        loaded(through(), MANY[:9], if_exists="replace")
    assert (tables(server), server.execute("SELECT * FROM loads.t")) == (["t"], ())
    faults.add(Fault(kind=Kind.CUT, operation="RENAME", point=Point.AFTER))
    assert loaded(through(), MANY[:9], if_exists="replace").replaced
    assert (tables(server), server.value("SELECT COUNT(*) FROM loads.t")) == (["t"], 9)


def test_the_stop_button_leaves_the_reported_rows(server: MariaDb, engine: Engine) -> None:
    """A load stopped while the server blocks it leaves the rows that the error states."""
    server.execute("CREATE TABLE loads.t (id BIGINT PRIMARY KEY, s TEXT)")
    cancel = threading.Event()
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLES loads.t WRITE")

        def stop() -> None:
            running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO%'"
            while not server.value(running):
                pass
            cancel.set()

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(
            LoadFailed, match=r"0 of 45,000 rows are committed in loads.t: it was stopped"
        ) as caught:
            loaded(engine, MANY, if_exists="append", cancel=cancel)
        stopper.join()
        other.exec_driver_sql("UNLOCK TABLES")
    assert caught.value.stopped
    assert server.value("SELECT COUNT(*) FROM loads.t") == 0


def test_a_failed_load_leaves_no_new_table(
    server: MariaDb, gate: tuple[Faults, Callable[[], Engine]]
) -> None:
    """If the table was new, the error does not say that it is unchanged, and none exists."""
    faults, through = gate
    cut(faults, "COMMIT", Point.AFTER)
    with pytest.raises(LoadFailed, match=r"^nothing was loaded into loads\.t: "):
        loaded(through(), MANY)
    assert tables(server) == []


def test_a_row_that_no_packet_holds_is_refused(server: MariaDb, engine: Engine) -> None:
    """A row larger than a packet is refused before anything is sent; a row that just fits is sent alone."""
    packet = int(server.value("SELECT @@max_allowed_packet"))
    with pytest.raises(InvalidRequest, match=r"column s, row 1 .*max_allowed_packet"):
        loaded(engine, pd.DataFrame({"s": ["x", "'" * (packet // 2)]}))
    assert tables(server) == []
    large = "y" * (packet - 10_000)
    loaded(engine, pd.DataFrame({"s": ["x", large, "z"]}))
    assert sorted(server.execute("SELECT LENGTH(s) FROM loads.t")) == [(1,), (1,), (len(large),)]
