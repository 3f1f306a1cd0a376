"""Frames contain the table's values in the requested dtypes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import torture

from tidb_pe_magic.database.frames import Dtypes, Layout, narrow_decimals, to_pandas, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES = {column.name: column.arrow for column in torture.COLUMNS}
MODES = get_args(Dtypes)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Provide the table of every type."""
    return pa.table(
        {name: pa.array(values, TYPES[name]) for name, values in torture.expected_values().items()}
    )


def plain(value: Any) -> Any:
    """Return a frame's value as the Python object that it equals."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value


def decimals(*values: str | None, precision: int = 38, scale: int = 2) -> pa.Table:
    """Return a table of one DECIMAL column."""
    numbers = [None if value is None else Decimal(value) for value in values]
    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return pa.table({"d": pa.array(numbers, kind)})


def dtype(table: pa.Table, *options: Any) -> str:
    """Return the dtype of the frame's only column."""
    return str(to_pandas(table, *options).dtypes.iloc[0])


@pytest.mark.parametrize("dtypes", MODES)
@pytest.mark.parametrize("choice", ["auto", "exact"])
def test_no_value_changes(table: pa.Table, dtypes: Any, choice: Any) -> None:
    """In every mode integers stay integers next to NULLs, decimals are exact, and the year 9999 is a date."""
    frame = to_pandas(table, dtypes, choice)
    for name, expected in torture.expected_values().items():
        values = [plain(value) for value in frame[name]]
        if TYPES[name] == pa.date32() and dtypes != "arrow":
            expected = [value and dt.datetime.combine(value, dt.time()) for value in expected]  # noqa: PLW2901
        if choice == "auto" and pd.api.types.is_float_dtype(frame[name]):
            # A number of up to 15 digits is the DECIMAL that it is written like.
            expected = [None if value is None else float(value) for value in expected]  # noqa: PLW2901
        assert values == expected, name


def test_arrow_dtypes_keep_arrows_types(table: pa.Table) -> None:
    """On request each column is an Arrow column with shared memory."""
    frame = to_pandas(table, "arrow")
    assert {name: dtype.pyarrow_dtype for name, dtype in frame.dtypes.items()} == TYPES


def test_pandas_dtypes() -> None:
    """By default the dtypes are pandas' own: no small or unsigned integers."""
    table = pa.table(
        {
            "tiny": pa.array([100], pa.int8()),
            "year": pa.array([2024], pa.uint16()),
            "unsigned": pa.array([3], pa.uint32()),
            "nulls": pa.array([None], pa.int32()),
            "bit": pa.array([1], pa.uint64()),
            "beyond": pa.array([2**63], pa.uint64()),
            "float": pa.array([0.5], pa.float32()),
            "text": pa.array(["x"]),
            "day": pa.array([dt.date(2024, 2, 29)]),
            "moment": pa.array([dt.datetime(2024, 2, 29)], pa.timestamp("us")),  # noqa: DTZ001 - SQL's have none
            "span": pa.array([dt.timedelta(1)], pa.duration("us")),
            "raw": pa.array([b"x"]),
        }
    )
    frame = to_pandas(table)
    text = str(pd.Series(["x"]).dtype)
    assert [str(dtype) for dtype in frame.dtypes] == [
        *("int64", "int64", "int64", "Int64", "int64", "UInt64", "float64", text),
        *("datetime64[us]", "datetime64[us]", "timedelta64[us]", "object"),
    ]
    assert (frame.tiny * 2)[0] == 200
    assert (frame.unsigned - 10)[0] == -7
    assert (frame.year * 100 + 1)[0] == 202401


def test_numpy_nullable_dtypes() -> None:
    """On request, numbers and times have numpy's 64-bit types with NA; other types stay Arrow's."""
    table = pa.table(
        {
            "n": pa.array([1, None], pa.int8()),
            "u": pa.array([1, 2], pa.uint32()),
            "f": pa.array([1, None], pa.float32()),
            "s": pa.array(["a", None]),
            "t": pa.array([None, 5], pa.timestamp("us")),
            "d": pa.array([None, 5], pa.duration("us")),
            "m": pa.array([Decimal("1.5"), None]),
            "b": pa.array([b"x", None]),
        }
    )
    dtypes = [str(dtype) for dtype in to_pandas(table, "numpy_nullable").dtypes]
    numbers = ["Int64", "Int64", "Float64"]
    assert dtypes == [*numbers, "string", "datetime64[us]", "timedelta64[us]", "Float64", "binary[pyarrow]"]


@pytest.mark.parametrize(
    ("values", "scale", "expected"),
    [
        (("1.25", None, "-0.01"), 2, "float64"),
        (("9999999999999.99",), 2, "float64"),
        (("99999999999999.99",), 2, "decimal128(38, 2)[pyarrow]"),
        (("1.25", "99999999999999.99"), 2, "decimal128(38, 2)[pyarrow]"),
        # One significant digit, whatever its length.
        (("1000000000000000000000.00",), 2, "float64"),
        (("0.0000000000000000000000000123",), 28, "float64"),
        (("5", None), 0, "Int64"),
        ((str(2**63 - 1), str(-(2**63) + 1)), 0, "Int64"),
        ((str(2**63),), 0, "decimal128(38, 0)[pyarrow]"),
        ((), 2, "float64"),
        ((None,), 0, "Int64"),
    ],
)
def test_a_decimal_that_survives_is_a_number(
    values: tuple[str | None, ...], scale: int, expected: str
) -> None:
    """A DECIMAL column is Int64 or float64 if all values fit exactly; otherwise it is exact, and listed."""
    found = decimals(*values, scale=scale)
    assert dtype(found) == expected
    assert Layout.of(found, "pandas", "auto").exact == (("d",) if "decimal" in expected else ())
    assert dtype(found, "pandas", "exact") == f"decimal128(38, {scale})[pyarrow]"
    assert dtype(found, "pandas", "float") == "float64"


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(st.none() | st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-(10**16), 10**16)),
    scale=st.integers(0, 38),
    wide=st.booleans(),
    start=st.integers(0, 3),
)
def test_decimals_survive(numbers: list[int | None], scale: int, start: int, *, wide: bool) -> None:
    """Whatever the values and the precision, the default frame preserves each DECIMAL to the digit."""
    values = [None if number is None else Decimal(f"{number}e-{scale}") for number in numbers]
    found = pa.table({"d": pa.array(values, pa.decimal256(76, scale) if wide else pa.decimal128(38, scale))})
    found, values = found.slice(start), values[start:]
    column = to_pandas(found)["d"].astype(object)
    for value, right in zip(column, values, strict=True):
        if right is None:
            assert pd.isna(value)
        else:
            assert Decimal(repr(value) if isinstance(value, float) else str(value)) == right
    as_floats = to_pandas(found, "pandas", "float")["d"]
    rounded = [None if value is None else float(value) for value in values]
    assert [plain(value) for value in as_floats] == rounded


def test_declared_types_decide() -> None:
    """If the parts of a result are read separately, their dtypes depend on the declared types only."""
    kinds = [pa.int32(), pa.uint64(), pa.decimal128(15, 2), pa.decimal128(16, 2), pa.decimal128(18, 0)]
    schema = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])
    layout = Layout.of_schema(schema, "pandas", "auto")
    dtypes = ["Int64", "UInt64", "float64", "decimal128(16, 2)[pyarrow]", "Int64"]
    rows: Iterable[dict[str, Any]] = (
        {"c0": 1, "c1": 2, "c2": Decimal(1), "c3": Decimal(1), "c4": Decimal(1)},
        {},
    )
    for part in (schema.empty_table(), *(pa.Table.from_pylist([row], schema) for row in rows)):
        assert [str(dtype) for dtype in layout.frame(part).dtypes] == dtypes
    assert layout.exact == ("c3",)


def test_the_widest_decimals_are_narrowed() -> None:
    """An expression's DECIMAL becomes decimal128 once all values are known to fit; a table's stays."""
    expression, column = decimals("1.25", precision=76), decimals("1.25", precision=65)
    assert narrow_decimals(expression).schema.field(0).type == pa.decimal128(38, 2)
    assert narrow_decimals(column).schema.equals(column.schema)
    long = decimals("9" * 37 + ".25", precision=76)
    assert narrow_decimals(long).equals(long)


def test_text_is_stored_alike_in_every_process() -> None:
    """An option that another package has set in this process only changes no column's type."""
    table = pa.table({"s": pa.array(["a", None])})
    with pd.option_context("mode.string_storage", "python"):
        dtype = to_pandas(table, "numpy_nullable")["s"].dtype
    assert isinstance(dtype, pd.StringDtype)
    assert dtype.storage == "pyarrow"


def test_columns_of_one_name() -> None:
    """Duplicate column names of a join become unique, as in the frame of jupysql."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["x"]), pa.array([2])], names=["a", "a", "a_1"])
    for mode in MODES:
        frame = to_pandas(table, mode)
        assert frame.iloc[0].tolist() == [1, "x", 2]
        assert list(frame.columns) == ["a", "a_1", "a_1_1"]
    assert unique_names(["b", "b", "b"]) == ["b", "b_1", "b_2"]


def test_more_text_than_narrow_offsets_address() -> None:
    """More than 2 GB of text in a column gets wide offsets, which pandas needs to join its pieces."""
    mega = pa.array(["x" * (1 << 20)])
    chunk = pa.concat_arrays([mega] * 64)
    table = pa.table({"big": pa.chunked_array([chunk] * 33), "small": pa.chunked_array([["y"] * 64] * 33)})
    frame = to_pandas(table, "arrow")
    assert [str(dtype) for dtype in frame.dtypes] == ["large_string[pyarrow]", "string[pyarrow]"]
    assert len(frame) == 33 * 64
