"""A result as CSV, compared with PyMySQL's rows of the same statement."""

from __future__ import annotations

import io
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.database.queries import csv_file
from tidb_pe_magic.database.queries.results import CSV_FILE, ReadOptions, write_file
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.errors import InvalidRequest, QueryFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine
    from support.mariadb import MariaDb

VALUES = (
    "1, 18446744073709551615, 1.10, 12345678901234567890.0000000001, 0.1e0, CAST(0.1 AS FLOAT), "
    "TIMESTAMP'2013-01-31 23:59:59', TIMESTAMP'2013-01-31 23:59:59.000001', DATE'1000-01-01', "
    "CAST('-838:59:59' AS TIME), X'00FF', '', 'it''s \"a\", b\r\n', JSON_OBJECT('a', 1)"
)


@pytest.fixture
def engine(plain_server: MariaDb, opened: Callable[..., Any]) -> Engine:
    """Provide an engine on a server."""
    found: Engine = opened(plain_server.target()).engine
    return found


def written(engine: Engine, sql: str, path: Path) -> str:
    """Write a statement's result to a file and return its text."""
    reading = ReadOptions(engine=engine, query=BoundStatement(sql=sql), cancel=threading.Event())
    assert write_file(reading, str(path), CSV_FILE) == (path, ())
    return path.read_bytes().decode("utf-8")


def cells(text: str) -> Iterator[list[str | None]]:
    """Read CSV by its rules alone: an empty cell without quotes is NULL."""
    row: list[str | None] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            value, at = "", at + 1
            while text[at] != '"' or text[at + 1 : at + 2] == '"':
                value += text[at]
                at += 1 + (text[at] == '"')
            row.append(value)
            at += 1
        else:
            end = min(place for place in (text.find(",", at), text.find("\n", at)) if place >= 0)
            row.append(text[at:end] or None)
            at = end
        if text[at] == "\n":
            yield row
            row = []
        at += 1
        if text[at - 1] == "," and text[at : at + 1] == "\n":
            row.append(None)
            yield row
            row, at = [], at + 1


def test_every_type_is_exact(engine: Engine, tmp_path: Path) -> None:
    """Every digit is preserved, and NULL differs from an empty string."""
    text = written(engine, f"SELECT {VALUES} UNION ALL SELECT {', '.join(['NULL'] * 14)}", tmp_path / "a.csv")
    _, values, nothing = cells(text)
    assert values == [
        "1",
        "18446744073709551615",
        "1.10",
        "12345678901234567890.0000000001",
        "0.1",
        "0.1",
        "2013-01-31 23:59:59",
        "2013-01-31 23:59:59.000001",
        "1000-01-01",
        "-838:59:59",
        "0x00FF",
        "",
        'it\'s "a", b\r\n',
        '{"a": 1}',
    ]
    assert nothing == [None] * 14


def test_pandas_and_pyarrow_read_it(engine: Engine, tmp_path: Path) -> None:
    """Other readers find the same rows; pyarrow also distinguishes NULL from an empty string."""
    path = tmp_path / "b.csv"
    written(
        engine, "SELECT 1 AS id, 'é, \"x\"' AS `na,me` UNION ALL SELECT 2, '' UNION ALL SELECT 3, NULL", path
    )
    assert pd.read_csv(path)["na,me"].tolist()[0] == 'é, "x"'
    from pyarrow import csv  # noqa: PLC0415 - pyarrow's own reader

    options = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    assert csv.read_csv(path, convert_options=options)["na,me"].to_pylist() == ['é, "x"', "", None]


texts = st.none() | st.text(st.characters(codec="utf-8"), max_size=6) | st.text('",\r\n ', max_size=4)


@given(
    st.lists(
        st.tuples(
            texts,
            st.none()
            | st.decimals(
                allow_nan=False, allow_infinity=False, places=12, min_value=-(10**9), max_value=10**9
            ),
            st.none() | st.binary(max_size=3),
        )
    )
)
def test_any_rows_come_back(rows: list[tuple[str | None, Decimal | None, bytes | None]]) -> None:
    """Whatever the values, the file's cells read back as those values."""
    names = ["text", "number", "data"]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    schema = pa.schema([("text", pa.string()), ("number", pa.decimal128(38, 12)), ("data", pa.binary())])
    stream = io.BytesIO()
    csv_file.write_names(stream, names)
    csv_file.write_rows(stream, pa.table(columns, schema=schema))
    head, *found = cells(stream.getvalue().decode())
    assert head == names
    assert [row[0] for row in found] == [row[0] for row in rows]
    assert [row[1] and Decimal(row[1]) for row in found] == [row[1] for row in rows]
    hexes = [row[2] if row[2] is None else (row[2] and f"0x{row[2].hex().upper()}") or "" for row in rows]
    assert [row[2] for row in found] == hexes


def test_a_failure_leaves_the_older_file(engine: Engine, tmp_path: Path) -> None:
    """A refused statement and duplicate column names leave the older file alone, without a temporary file."""
    path = tmp_path / "c.csv"
    before = written(engine, "SELECT 1 AS one", path)
    with pytest.raises(QueryFailed):
        written(engine, "SELECT nope", path)
    with pytest.raises(InvalidRequest, match="CSV file cannot have"):
        written(engine, "SELECT 1 AS id, 2 AS id", path)
    assert path.read_text(encoding="utf-8") == before == "one\n1\n"
    assert list(tmp_path.iterdir()) == [path]
