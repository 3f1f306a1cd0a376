"""`Runbook.query` on the sandbox, from a connection of `connect` to frames and files."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.commands.requests import QueryRequest
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.display import render
from tidb_pe_magic.display.views.queries import query_summary
from tidb_pe_magic.model import Notice, QueryEnded, QueryResult
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidb_pe_magic.model import Event

FLIGHTS = 500


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Provide one sandbox for all of these tests, which do not change what another test reads."""
    with Sandbox(flights=FLIGHTS) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def heard() -> list[Event]:
    """Provide the events of all of these tests."""
    return []


@pytest.fixture(scope="module")
def connected(sandbox: Sandbox, heard: list[Event]) -> Iterator[Runbook]:
    """Provide a runbook connected to the flights."""
    with Runbook(environ=sandbox.environment(), on_event=heard.append) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP], database="nycflights13")
        yield runbook


@pytest.fixture
def events(heard: list[Event]) -> list[Event]:
    """Provide the events of this test."""
    heard.clear()
    return heard


def test_a_query_is_a_data_frame(connected: Runbook, events: list[Event]) -> None:
    """The frame has pandas' types, or Arrow's, or nullable ones, and an event reports the read rows."""
    frame = connected.query("SELECT flight, tailnum, dep_time FROM flights")
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == FLIGHTS
    assert [str(dtype) for dtype in frame.dtypes] == ["int64", str(pd.Series(["x"]).dtype), "int64"]
    arrow = connected.query("SELECT flight FROM flights", dtypes="arrow")
    assert str(arrow.dtypes["flight"]) == "int32[pyarrow]"
    nullable = connected.query("SELECT flight FROM flights", dtypes="numpy_nullable")
    assert str(nullable.dtypes["flight"]) == "Int64"
    table = connected.query("SELECT flight FROM flights", arrow=True)
    assert isinstance(table, pa.Table)
    ended = [event.result for event in events if isinstance(event, QueryEnded)]
    assert [result.rows for result in ended] == [FLIGHTS] * 4
    assert all(result.bytes > 0 and result.alias == "tidb" for result in ended)
    assert "DataFrame" not in repr(ended)


def test_a_decimal_is_a_number_unless_that_loses_a_digit(connected: Runbook, events: list[Event]) -> None:
    """A DECIMAL that float64 cannot hold stays exact, and the line under the result names it."""
    sql = "SELECT CAST(1.25 AS DECIMAL(10,2)) AS fee, CAST(12345678901234567.25 AS DECIMAL(30,2)) AS total"
    frame = connected.query(sql)
    assert str(frame["fee"].dtype) == "float64"
    assert frame["total"].tolist() == [Decimal("12345678901234567.25")]
    assert str(connected.query(sql, decimals="float")["total"].dtype) == "float64"
    assert connected.query(sql, decimals="exact")["fee"].tolist() == [Decimal("1.25")]
    results = [event.result for event in events if isinstance(event, QueryEnded)]
    assert [result.exact_decimals for result in results] == [("total",), (), ()]
    assert [line for line in query_summary(results[0]) if "total" in line and "--decimals float" in line]


def test_a_file_names_the_decimals_that_stay_exact(
    connected: Runbook, events: list[Event], tmp_path: Path
) -> None:
    """A file's DECIMALs, in CSV too, are as exact as the frame's, and the line names the exact ones."""
    sql = "SELECT CAST(1.25 AS DECIMAL(10,2)) AS fee, CAST(12345678901234567.25 AS DECIMAL(30,2)) AS total"
    path = tmp_path / "fees.parquet"
    connected.query(sql, to_parquet=str(path))
    assert pd.read_parquet(path)["total"].tolist() == [Decimal("12345678901234567.25")]
    connected.query(sql, to_csv=str(tmp_path / "fees.csv"))
    assert (tmp_path / "fees.csv").read_text(encoding="utf-8") == "fee,total\n1.25,12345678901234567.25\n"
    results = [event.result for event in events if isinstance(event, QueryEnded)]
    assert [result.exact_decimals for result in results] == [("total",), ()]
    assert [result.rows for result in results] == [1, 1]


@pytest.mark.parametrize(("path", "outcome"), [("", "converted to NaT"), ("a.csv", "written as NULL")])
def test_invalid_dates_are_counted(path: str, outcome: str) -> None:
    """The line under a result says what became of dates such as 0000-00-00, in a frame and in a file."""
    _, line = query_summary(QueryResult(alias="tidb", path=path, zero_dates={"born": 2}))
    assert line == f"invalid dates (such as 0000-00-00) were {outcome}: born: 2"


def test_only_a_slow_query_reads_its_cost(connected: Runbook, sandbox: Sandbox) -> None:
    """From 50 ms on, one more statement in the same session queries the Request Units.

    The driver reads its row, so it is not known whether a transaction is open, and the pool rolls back.
    """

    def ask(*times: float) -> tuple[float | None, list[str]]:
        sent = len(sandbox.requests)
        clock = iter(times).__next__
        query = BoundStatement(sql="SELECT COUNT(*) AS n FROM flights")
        reading = ReadOptions(
            engine=connected.connection.engine,
            query=query,
            cancel=threading.Event(),
            clock=clock,
        )
        read_table(reading)
        operations = [each.operation for each in sandbox.requests][sent:]
        return reading.tally.request_units, [each for each in operations if each in {"SELECT", "ROLLBACK"}]

    ask(0.0, 0.0)  # The session of the pool is known from now on.
    assert ask(5.0, 5.049) == (None, [])
    slow, more = ask(5.0, 5.0625)
    assert slow is not None
    assert slow > 0
    assert more == ["SELECT", "ROLLBACK"]


@pytest.mark.parametrize("params", [{"origin": "JFK", "least": 30}, ["JFK", 30]], ids=["by name", "by place"])
def test_parameters_are_bound(connected: Runbook, params: Any) -> None:
    """Both forms of parameters give the same result as the values in the SQL."""
    marks = (":origin", ":least") if isinstance(params, dict) else ("?", "?")
    found = connected.query(
        f"SELECT COUNT(*) AS n FROM flights WHERE origin = {marks[0]} AND dep_delay > {marks[1]}", params
    )
    plain = connected.query("SELECT COUNT(*) AS n FROM flights WHERE origin = 'JFK' AND dep_delay > 30")
    assert found["n"].tolist() == plain["n"].tolist() != [0]


@pytest.mark.parametrize(
    "hostile", ["' OR 1=1 -- ", '"; DROP TABLE flights; --', "\\' OR '1'='1", "%s :x ?", "\0"]
)
def test_hostile_text_is_a_value(connected: Runbook, hostile: str) -> None:
    """Hostile text stays within its quotes."""
    found = connected.query("SELECT COUNT(*) AS n FROM flights WHERE origin = :x", {"x": hostile})
    assert found["n"].tolist() == [0]
    assert connected.query("SELECT :x AS x", {"x": hostile})["x"].tolist() == [hostile]


def test_ten_queries_at_once_are_each_right(connected: Runbook) -> None:
    """Ten threads over one alias each get their own rows."""

    def ask(number: int) -> list[int]:
        frame = connected.query("SELECT flight + ? AS n FROM flights ORDER BY flight", [number])
        return [int(value) for value in frame["n"]]

    plain = ask(0)
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(ask, range(10)))
    assert found == [[value + number for value in plain] for number in range(10)]


def test_partitions_read_one_moment_while_a_writer_runs(connected: Runbook) -> None:
    """Eight ranges over eight connections have the sum of one moment, and the ranges are in order."""
    engine = connected.connection.engine
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE test.accounts (id INT PRIMARY KEY, balance INT, note INT)")
        rows = ", ".join(f"({number}, 100, 0)" for number in range(400))
        connection.exec_driver_sql(f"INSERT INTO test.accounts VALUES {rows}")
    enough, wrote = threading.Event(), threading.Event()

    def transfer() -> None:
        with engine.connect() as connection:
            number = 0
            while not enough.is_set():
                connection.exec_driver_sql("START TRANSACTION")
                for place, change in ((number % 400, -1), ((number + 333) % 400, 1)):
                    connection.exec_driver_sql(
                        f"UPDATE test.accounts SET balance = balance + {change} WHERE id = {place}"
                    )
                connection.exec_driver_sql("COMMIT")
                number += 1
                wrote.set()

    thread = threading.Thread(target=transfer)
    thread.start()
    try:
        assert wrote.wait(30)
        for _ in range(3):
            frame = connected.query(
                "SELECT id, balance FROM test.accounts",
                partition_on="id",
                partitions=8,
                dtypes="numpy_nullable",
            )
            assert frame["balance"].sum() == 400 * 100
            assert sorted(frame["id"]) == list(range(400))
            # A range's rows come in the server's order, the ranges in theirs.
            assert (frame["id"] * 8 // 400).is_monotonic_increasing
            assert set(frame["balance"]) != {100}
    finally:
        enough.set()
        thread.join()


@pytest.mark.parametrize("partitions", [1, 3, 40])
def test_every_row_is_in_one_partition(connected: Runbook, partitions: int) -> None:
    """Keys at the edges, including negative and missing ones, occur once each."""
    with connected.connection.engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS test.edges")
        connection.exec_driver_sql("CREATE TABLE test.edges (k BIGINT, v INT)")
        connection.exec_driver_sql(
            "INSERT INTO test.edges VALUES (NULL, 1), (-9223372036854775808, 2), (-1, 3), (0, 4), "
            "(0, 5), (17, 6), (9223372036854775807, 7), (NULL, 8)"
        )
    frame = connected.query("SELECT k, v FROM test.edges; -- all", partition_on="k", partitions=partitions)
    assert sorted(frame["v"].tolist()) == list(range(1, 9))
    keys = frame["k"].dropna().tolist()
    assert keys == sorted(keys)


def test_ranges_without_an_index_are_reported_before_they_are_read(
    connected: Runbook, events: list[Event]
) -> None:
    """A warning comes before the first row if no index starts with the column, and only then."""
    with connected.connection.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE test.keyed (k BIGINT PRIMARY KEY, v INT)")
        connection.exec_driver_sql("INSERT INTO test.keyed VALUES (1, 3), (2, 4), (9, 5)")
    ranges: dict[str, Any] = {"partitions": 2}
    for column, sql in (("k", "SELECT * FROM test.keyed"), ("v", "SELECT * FROM test.keyed")):
        assert len(connected.query(sql, partition_on=column, **ranges)) == 3
    assert len(connected.query("SELECT k + 1 AS n FROM test.keyed", partition_on="n", **ranges)) == 3
    notes = [event.text for event in events if isinstance(event, Notice)]
    cost = "each of the 2 ranges scans all rows, which is slower than one connection."
    assert notes == [
        f"keyed.v leads no index: {cost}",
        f"n is an expression without an index: {cost}",
    ]


def test_two_columns_of_one_name_have_no_ranges(connected: Runbook) -> None:
    """A join whose columns share a name is refused in ranges, with the alias that helps."""
    sql = "SELECT a.flight, b.flight FROM flights a JOIN flights b USING (tailnum)"
    with pytest.raises(errors.InvalidRequest, match="two columns of the result are named flight"):
        connected.query(sql, partition_on="flight", partitions=2)


def test_partitions_of_nothing_are_nothing(connected: Runbook) -> None:
    """An empty result has its columns."""
    frame = connected.query("SELECT flight FROM flights WHERE 1 = 0", partition_on="flight", partitions=4)
    assert list(frame.columns) == ["flight"]
    assert frame.empty


def test_partitions_go_to_a_directory_of_files(connected: Runbook, tmp_path: Path) -> None:
    """Each range is a file, in order; the directory appears once all are complete, and is not overwritten."""
    path = tmp_path / "flights"
    options: dict[str, Any] = {"partition_on": "flight", "partitions": 4, "to_parquet": str(path)}
    assert connected.query("SELECT * FROM flights", **options) is None
    assert [file.name for file in sorted(path.iterdir())] == [f"part-{n:05}.parquet" for n in range(4)]
    assert ds.dataset(path).count_rows() == FLIGHTS
    with pytest.raises(errors.InvalidRequest, match="new directory"):
        connected.query("SELECT * FROM flights", **options)
    with pytest.raises(errors.QueryFailed):
        connected.query(
            "SELECT 1/error('x') AS flight FROM flights", **(options | {"to_parquet": f"{path}2"})
        )
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partitions": 4}, "--partition-on: is missing"),
        ({"partition_on": "k"}, "--partitions: is missing"),
        ({"partition_on": "origin", "partitions": 2}, "not whole numbers"),
        (
            {"partition_on": "nope", "partitions": 2},
            "--partition-on: the result has no column nope. It has: year, month, ",
        ),
        (
            {"partition_on": "Fligth", "partitions": 2},
            "the result has no column Fligth. Did you mean flight?",
        ),
        ({"arrow": True, "to_parquet": "x"}, "--arrow: does not go together with --to-parquet"),
        ({"max_rows": 3, "to_parquet": "x"}, "--max-rows: does not go"),
        ({"max_rows": 3, "partition_on": "flight", "partitions": 2}, "--max-rows: does not go"),
        ({"engine": "dask"}, "--engine: dask reads ranges"),
        ({"engine": "spark"}, "--engine: must be one of"),
        ({"dtypes": "object"}, "--dtypes: must be one of"),
        ({"max_memory": "much"}, "--max-memory: must be a size"),
        ({"max_rows": 0}, "--max-rows: must be a whole number"),
        ({"params": "{"}, "--params: must be JSON"),
        ({"params": "[NaN]"}, "--params: must be JSON"),
    ],
)
def test_what_does_not_fit_is_refused(connected: Runbook, options: dict[str, Any], words: str) -> None:
    """An invalid value is refused in one line with the option and the valid values."""
    with pytest.raises(errors.InvalidRequest) as caught:
        connected.query("SELECT * FROM flights", **options)
    assert words in str(caught.value)


def test_a_limited_statement_cannot_be_split(connected: Runbook) -> None:
    """A statement with a limit is refused in ranges, because each range would have its own limit."""
    with pytest.raises(errors.InvalidRequest, match="LIMIT cannot be split"):
        connected.query("SELECT * FROM flights LIMIT 5", partition_on="flight", partitions=2)
    with pytest.raises(errors.InvalidRequest, match="FETCH cannot be split"):
        connected.query(
            "SELECT flight FROM flights FETCH FIRST 5 ROWS ONLY", partition_on="flight", partitions=2
        )


def test_without_a_connection_the_command_is_named(runbook: Runbook) -> None:
    """The error names the requested alias and the command that opens it."""
    with pytest.raises(
        errors.StepOrderError, match=r'connection other is not open.*runbook\.connect\(alias="other"\)'
    ):
        runbook.query("SELECT 1", alias="other")


def test_sizes_and_parameters_are_read_as_typed() -> None:
    """Numbers in JSON stay exact, and sizes have units."""
    request = QueryRequest.of(sql="SELECT ?", params="[1.10, null, 12345678901234567890]", max_memory="1.5GB")
    assert list(map(str, request.params or ())) == ["1.10", "None", "12345678901234567890"]
    assert request.max_memory == 1_500_000_000


def test_the_result_of_a_query_has_cost_and_hosts(connected: Runbook, sandbox: Sandbox) -> None:
    """The result of `perform` has the cost and the API hosts; as text it shows rows only if there are any."""
    result = connected.perform("query", QueryRequest.of(sql="SELECT * FROM airlines"))
    assert isinstance(result, QueryResult)
    assert (result.rows, len(result.data)) == (16, 16)
    assert set(result.via) <= set(sandbox.environment().values())
    done = connected.perform("query", QueryRequest.of(sql="CREATE DATABASE IF NOT EXISTS nycflights13"))
    assert re.fullmatch(r"✔ Query over tidb: done · \d\.\d s( · .* RU)?  \[SANDBOX.*\]", render.text(done))
