"""Queries on a real server: results, the stop button, the cap, files, and cleanup."""

from __future__ import annotations

import datetime as dt
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidb_pe_magic.database.frames import FrameOptions
from tidb_pe_magic.database.queries import memory
from tidb_pe_magic.database.queries.placeholders import bind
from tidb_pe_magic.database.queries.results import (
    Partitions,
    ReadOptions,
    frame,
    parquet_file,
    read_table,
    write_file,
)
from tidb_pe_magic.database.queries.statement import BoundStatement, Tally
from tidb_pe_magic.errors import (
    ConnectionFailed,
    InvalidRequest,
    QueryCancelled,
    QueryFailed,
    ResultTooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Engine
    from support.mariadb import MariaDb

ROWS = 50_000
MANY = f"SELECT seq AS n, REPEAT('x', 200) AS filler FROM seq_1_to_{ROWS}"
ENDLESS = "SELECT seq, SLEEP(0.01) FROM seq_1_to_100000"
SILENT = "SELECT SLEEP(1000)"
TIMES = [
    dt.date(2013, 1, 31),
    dt.datetime.fromisoformat("2013-01-31 23:59:59.000001"),
    dt.timedelta(hours=-1, minutes=-30),
    dt.timedelta(hours=838, seconds=1, microseconds=5),
]


@pytest.fixture
def engine(plain_server: MariaDb, opened: Callable[..., Any]) -> Engine:
    """Provide an engine on a server."""
    found: Engine = opened(plain_server.target()).engine
    return found


def reading(engine: Engine, sql: str, *params: object, **options: Any) -> ReadOptions:
    """Return a function that reads a statement, by default without a listener or a cancel event."""
    usual: dict[str, Any] = {"cancel": threading.Event()}
    return ReadOptions(engine=engine, query=BoundStatement(sql=sql, params=params), **(usual | options))


def numbers(engine: Engine, sql: str, *params: object) -> list[Any]:
    """Return a result's first column."""
    table, _ = read_table(reading(engine, sql, *params))
    return list(table.column(0).to_pylist())


def written(engine: Engine, sql: str, path: Path, form: FrameOptions | None = None) -> Path:
    """Write a statement's rows to a Parquet file; return its path."""
    return write_file(reading(engine, sql), str(path), parquet_file(form))[0]


def test_a_result_is_whole_and_counted(engine: Engine) -> None:
    """Every row arrives in order, and rows and bytes are counted."""
    read = reading(engine, MANY)
    table, cut = read_table(read)
    assert not cut
    assert table.column("n").to_pylist() == list(range(1, ROWS + 1))
    assert read.tally.rows == ROWS
    assert read.tally.bytes > 200 * ROWS


def test_a_list_is_longer_than_a_prepared_statement_takes(engine: Engine) -> None:
    """A list of 70,000 values, too many to prepare, is sent in one statement."""
    sql, params = bind("SELECT COUNT(*) FROM seq_1_to_100000 WHERE seq IN (:ids)", {"ids": range(70_000)})
    assert numbers(engine, sql, *params) == [69_999]


SCALARS = [None, True, -7, 2**64 - 1, 1.5, Decimal("-1.10"), "it's \\ %", b"\0\xff'", *TIMES]


@pytest.mark.parametrize("prepares", [True, False])
def test_a_bound_value_comes_back_as_itself(plain_server: MariaDb, opened: Any, *, prepares: bool) -> None:
    """A bound value comes back with the same type, prepared or not."""
    engine = opened(plain_server.target()).engine
    allowed = plain_server.value("SELECT @@max_prepared_stmt_count")
    if not prepares:
        plain_server.execute("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        found = {repr(value): numbers(engine, "SELECT ?", value)[0] for value in SCALARS}
    finally:
        plain_server.execute(f"SET GLOBAL max_prepared_stmt_count = {allowed}")
    assert found == {repr(value): value for value in SCALARS}


def test_ten_queries_at_once_are_each_right(engine: Engine) -> None:
    """Ten threads share one engine's pool, and each gets its own rows."""
    with engine.connect() as held, ThreadPoolExecutor(10) as pool:
        held.exec_driver_sql("SELECT 1")
        ask = partial(numbers, engine, "SELECT seq + ? FROM seq_1_to_20000")
        found = list(pool.map(ask, range(0, 1_000_000, 100_000)))
    for index, column in enumerate(found):
        assert column == list(range(1 + 100_000 * index, 20_001 + 100_000 * index))


@pytest.mark.parametrize("sql", [ENDLESS, SILENT], ids=["rows come", "nothing comes"])
@pytest.mark.parametrize("how", ["event", "button"])
def test_a_stopped_query_ends_here_and_on_the_server(
    plain_server: MariaDb, engine: Engine, sql: str, how: str
) -> None:
    """The stop button and the cancel event end the query here and on the server, and the engine is usable."""
    cancel = threading.Event()

    def stop(_: Tally) -> None:
        # Events come periodically: the server may or may not have started by then.
        if plain_server.running(sql):
            if how == "button":
                raise KeyboardInterrupt
            cancel.set()

    with pytest.raises(QueryCancelled):
        read_table(reading(engine, sql, cancel=cancel, on_progress=stop))
    plain_server.await_end(sql)
    assert numbers(engine, "SELECT 42") == [42]


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ("SET autocommit = 0", "@@autocommit"),
        ("SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "@@sql_mode"),
        ("/* to */ USE information_schema", "DATABASE()"),
    ],
)
def test_a_change_of_the_session_is_not_left_to_the_next_query(
    engine: Engine, change: str, setting: str
) -> None:
    """A changed session is reset, so that the INSERT of a later query cannot be rolled back with it."""
    before = numbers(engine, f"SELECT {setting}")
    read_table(reading(engine, change))
    assert numbers(engine, f"SELECT {setting}") == before


def test_a_query_that_only_reads_leaves_its_session_to_the_next(engine: Engine) -> None:
    """A read-only query returns its session to the pool: both queries have the same connection ID."""
    assert numbers(engine, "SELECT CONNECTION_ID()") == numbers(engine, "SELECT CONNECTION_ID()")


def test_a_listener_that_fails_ends_the_query(plain_server: MariaDb, engine: Engine) -> None:
    """A failing listener ends the query here and on the server, and its own error is raised."""

    def fail(_: Tally) -> None:
        if plain_server.running(SILENT):
            raise LookupError

    with pytest.raises(LookupError):
        read_table(reading(engine, SILENT, on_progress=fail))
    plain_server.await_end(SILENT)
    assert numbers(engine, "SELECT 42") == [42]


def test_a_query_that_the_server_ends_is_an_error(plain_server: MariaDb, engine: Engine) -> None:
    """KILL QUERY and KILL by another client end the query with the server's words, and the next one works."""
    # MariaDB answers an interrupted SLEEP with a row.
    endless = "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b"
    for command, error in (("KILL QUERY", QueryFailed), ("KILL", ConnectionFailed)):
        with pytest.raises(error):
            read_table(reading(engine, endless, on_progress=partial(_kill, plain_server, command, endless)))
        assert numbers(engine, "SELECT 42") == [42]


def _kill(server: MariaDb, command: str, sql: str, _: Tally) -> None:
    for number in server.running(sql):
        server.execute(f"{command} {number}")


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 1\ninactive_file 200"}, (500,)),
        ({"memory.max": "max", "memory.current": "700", "memory.stat": "inactive_file 200"}, ()),
        (
            {
                "memory/memory.limit_in_bytes": "1000",
                "memory/memory.usage_in_bytes": "900",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 300",
            },
            (400,),
        ),
        ({"memory.max": "1000", "memory.current": "1200", "memory.stat": ""}, (0,)),
        ({}, ()),
    ],
)
def test_a_containers_memory_is_limited(tmp_path: Path, files: dict[str, str], left: tuple[int, ...]) -> None:
    """The memory limit of either control group version counts, and cached files count as free memory."""
    (tmp_path / "memory").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(f"{content}\n", encoding="ascii")
    assert memory.container_memory(tmp_path) == left


def test_a_wrong_statement_is_refused_in_the_servers_words(engine: Engine) -> None:
    """Number and message of the error are the server's, and the connection returns to the pool."""
    with pytest.raises(QueryFailed, match="1054: Unknown column 'nope'") as caught:
        read_table(reading(engine, "SELECT nope"))
    assert caught.value.code == 1054
    assert numbers(engine, "SELECT 42") == [42]


def test_a_result_above_the_cap_is_not_read_on(plain_server: MariaDb, engine: Engine) -> None:
    """Reading stops at the cap with one line of advice, and the query ends on the server."""
    with pytest.raises(ResultTooLarge, match=r"--max-memory.*--to-parquet PATH") as caught:
        read_table(reading(engine, MANY), max_memory=1_000_000)
    assert "1 MB (--max-memory)" in str(caught.value)
    with pytest.raises(ResultTooLarge, match=r"more than 2 bytes \(--max-memory\)"):
        memory.Cap(2).hold(3)
    plain_server.await_end(MANY)
    assert numbers(engine, "SELECT 42") == [42]


def test_the_cap_is_half_of_the_free_memory(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number of its own, a result may take half of the free memory."""
    assert memory.free_memory() > 0
    monkeypatch.setattr(memory, "free_memory", lambda: 2_000_000)
    with pytest.raises(ResultTooLarge, match="1 MB \\(half of the memory that was free\\)"):
        read_table(reading(engine, MANY))


@pytest.mark.parametrize("most", [1, 999, ROWS, ROWS + 1])
def test_no_more_rows_are_read_than_wanted(engine: Engine, most: int) -> None:
    """The first rows are read, and the result says whether more exist."""
    table, cut = read_table(reading(engine, MANY), max_rows=most)
    assert table.column("n").to_pylist() == list(range(1, min(most, ROWS) + 1))
    assert cut == (most < ROWS)
    assert numbers(engine, "SELECT 42") == [42]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.integers(-(2**63), 2**63 - 1), st.one_of(st.none(), st.binary()))
def test_parameters_arrive_as_they_are(engine: Engine, text: str, number: int, data: bytes | None) -> None:
    """Whatever a text contains, including quotes and comments, it is a value and never SQL."""
    named = bind("SELECT :t AS t, :n AS n, :d AS d -- :t", {"t": text, "n": number, "d": data})
    by_place = bind("SELECT ? AS t, ? AS n, ? AS d", [text, number, data])
    for sql, params in (named, by_place):
        [row] = read_table(reading(engine, sql, *params))[0].to_pylist()
        assert row == {"t": text, "n": number, "d": data}


def test_a_file_is_written_and_replaced_only_when_it_is_whole(engine: Engine, tmp_path: Path) -> None:
    """The file has every row in order; a failure leaves the previous file and no temporary file."""
    path = tmp_path / "rows.parquet"
    assert write_file(reading(engine, MANY), str(path)) == (path, ())
    assert pq.read_table(path).column("n").to_pylist() == list(range(1, ROWS + 1))
    before = path.read_bytes()
    with pytest.raises(QueryFailed):
        write_file(reading(engine, "SELECT nope"), str(path))
    cancel = threading.Event()
    with pytest.raises(QueryCancelled):
        write_file(reading(engine, ENDLESS, cancel=cancel, on_progress=lambda _: cancel.set()), str(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


TYPES = (
    "SELECT CAST(1.50 AS DECIMAL(10,2)) a, CAST(18446744073709551615 AS UNSIGNED) b, "
    "TIMESTAMP'1000-01-01 00:00:00.000001' c, DATE'9999-12-31' d, CAST('-838:59:59' AS TIME) e, "
    "_binary 'x' f, NULL g, 1.5e0 h, '{}' i, 7 j, CAST(12345678901234567890.25 AS DECIMAL(30,2)) k"
)


def test_a_file_keeps_the_types(engine: Engine, tmp_path: Path) -> None:
    """With Arrow's types, the file's table equals the table of the same query."""
    table, _ = read_table(reading(engine, TYPES))
    path = written(engine, TYPES, tmp_path / "types.parquet", FrameOptions("arrow"))
    assert pq.read_table(path).equals(table)


@pytest.mark.parametrize(
    "form", [FrameOptions(), FrameOptions("numpy_nullable"), FrameOptions("pandas", "float")], ids=str
)
def test_pandas_reads_the_frames_dtypes_from_a_file(
    engine: Engine, tmp_path: Path, form: FrameOptions
) -> None:
    """read_parquet gives the query's frame and its dtypes: a BIGINT next to a NULL keeps its digits."""
    sql = f"{TYPES} UNION ALL SELECT " + ", ".join(["NULL"] * 9 + ["9007199254740993", "NULL"])
    table, _ = read_table(reading(engine, sql))
    expected, exact = frame(table, form)
    found = pd.read_parquet(written(engine, sql, tmp_path / "types.parquet", form))
    for name in exact:
        # pandas cannot record Arrow's DECIMAL in a file, and reads it as exact objects.
        expected[name] = expected[name].astype(object).where(expected[name].notna(), None)
    pd.testing.assert_frame_equal(found, expected)
    assert 9007199254740993 in found["j"].tolist()


def test_a_long_files_dtypes_fit_all_its_rows(engine: Engine, tmp_path: Path) -> None:
    """The dtypes are written before the last rows arrive, and NULLs among these rows cost no digit."""
    sql = "SELECT IF(seq = 3000, NULL, 9007199254740993) AS id, REPEAT('x', 10000) AS pad FROM seq_1_to_3000"
    path = written(engine, sql, tmp_path / "long.parquet")
    assert pq.read_metadata(path).num_row_groups > 1
    assert pd.read_parquet(path)["id"].tolist() == [9007199254740993] * 2999 + [pd.NA]


def test_two_columns_of_one_name_are_not_written(engine: Engine, tmp_path: Path) -> None:
    """Duplicate column names, unreadable for pandas, are refused before the query, with advice."""
    with pytest.raises(InvalidRequest, match=r"two columns of the result are named id.*AS id_2"):
        write_file(reading(engine, "SELECT 1 AS id, 2 AS id"), str(tmp_path / "join.parquet"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere/rows.parquet", "does not exist"),
        (".", "is a directory"),
        ("a\0b", "null (byte|character)"),
        ("x" * 300, "too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(
    engine: Engine, tmp_path: Path, path: str, words: str
) -> None:
    """A path that cannot be written is refused before the server is asked."""
    with pytest.raises(InvalidRequest, match=f"--to-parquet.*{words}"):
        write_file(reading(engine, MANY), str(tmp_path / path))


def test_a_device_or_pipe_is_not_replaced(engine: Engine, tmp_path: Path) -> None:
    """/dev/null, by name or through a link, is refused, because root could replace it with the file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("/dev/null")
    for place in (pipe, tmp_path / "link"):
        with pytest.raises(InvalidRequest, match="not a regular file"):
            write_file(reading(engine, "SELECT 1 AS a"), str(place))
    assert pipe.is_fifo()


def test_a_name_may_be_as_long_as_the_file_system_takes(engine: Engine, tmp_path: Path) -> None:
    """A file name of the maximum length works, because the temporary name is not longer."""
    place = tmp_path / ("ü" * 123 + ".parquet")
    assert pq.read_table(write_file(reading(engine, "SELECT 1 AS a"), str(place))[0]).num_rows == 1


def test_a_server_without_snapshots_refuses_partitions(plain_server: MariaDb, engine: Engine) -> None:
    """The message names the server and the reason, and no connection is left open."""
    before = plain_server.connections()
    with pytest.raises(InvalidRequest, match=r"--partition-on.*MariaDB.*has no tidb_snapshot"):
        read_table(reading(engine, MANY, partitions=Partitions(column="n", count=2)))
    plain_server.await_only_own(before)


def test_statements_without_rows_have_none(plain_server: MariaDb, engine: Engine) -> None:
    """An INSERT runs, and its table is empty."""
    plain_server.execute("CREATE OR REPLACE TABLE test.written (n INT)")
    table, _ = read_table(reading(engine, "INSERT INTO written VALUES (1), (2)"))
    assert table.equals(pa.table({}))
    assert plain_server.value("SELECT COUNT(*) FROM test.written") == 2
