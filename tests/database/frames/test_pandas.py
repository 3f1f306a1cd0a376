"""Frames hold what the table holds, in the dtypes that were asked for."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from support import torture

from tidb_pe_magic.database.frames import to_pandas

TYPES = {column.name: column.arrow for column in torture.COLUMNS}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Give the table of every type."""
    return pa.table({name: pa.array(values, TYPES[name]) for name, values in torture.expected().items()})


def plain(value: Any) -> Any:
    """Return a frame's value as the Python object that it equals."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value


@pytest.mark.parametrize("dtypes", ["arrow", "numpy_nullable"])
def test_no_value_changes(table: pa.Table, dtypes: Any) -> None:
    """Whatever the dtypes, integers stay integers beside NULLs, decimals exact, and the year 9999 a date."""
    frame = to_pandas(table, dtypes)
    for name, expected in torture.expected().items():
        values = [plain(value) for value in frame[name]]
        if TYPES[name] == pa.date32() and dtypes == "numpy_nullable":
            expected = [value and dt.datetime.combine(value, dt.time()) for value in expected]  # noqa: PLW2901
        assert values == expected, name


def test_arrow_dtypes_keep_arrows_types(table: pa.Table) -> None:
    """By default each column is an Arrow column, whose memory is shared."""
    frame = to_pandas(table)
    assert {name: dtype.pyarrow_dtype for name, dtype in frame.dtypes.items()} == TYPES


def test_numpy_nullable_dtypes() -> None:
    """On request, numbers and times are numpy's, with NA; Arrow's stay where numpy has none."""
    table = pa.table(
        {
            "n": pa.array([1, None]),
            "s": pa.array(["a", None]),
            "t": pa.array([None, 5], pa.timestamp("us")),
            "d": pa.array([None, 5], pa.duration("us")),
            "m": pa.array([Decimal("1.5"), None]),
        }
    )
    dtypes = [str(dtype) for dtype in to_pandas(table, "numpy_nullable").dtypes]
    assert dtypes == ["Int64", "string", "datetime64[us]", "timedelta64[us]", "decimal128(2, 1)[pyarrow]"]


def test_text_is_stored_alike_in_every_process() -> None:
    """An option that another package has set in this process, and in no worker, changes no column's type."""
    table = pa.table({"s": pa.array(["a", None])})
    with pd.option_context("mode.string_storage", "python"):
        dtype = to_pandas(table, "numpy_nullable")["s"].dtype
    assert isinstance(dtype, pd.StringDtype)
    assert dtype.storage == "pyarrow"


def test_columns_of_one_name() -> None:
    """A join's columns may share a name, and come one beside the other."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    kinds: tuple[Any, ...] = ("arrow", "numpy_nullable")
    for dtypes in kinds:
        frame = to_pandas(table, dtypes)
        assert (list(frame.columns), frame.iloc[0, 0], frame.iloc[0, 1]) == (["a", "a"], 1, "x")


def test_more_text_than_narrow_offsets_address() -> None:
    """A column of more than 2 GB of text gets wide offsets: pandas could not join its pieces otherwise."""
    mega = pa.array(["x" * (1 << 20)])
    chunk = pa.concat_arrays([mega] * 64)
    table = pa.table({"big": pa.chunked_array([chunk] * 33), "small": pa.chunked_array([["y"] * 64] * 33)})
    frame = to_pandas(table)
    assert [str(dtype) for dtype in frame.dtypes] == ["large_string[pyarrow]", "string[pyarrow]"]
    assert len(frame) == 33 * 64
