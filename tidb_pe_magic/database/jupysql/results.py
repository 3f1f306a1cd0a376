"""A result of the columnar reader as jupysql expects it: rows to display, columns for a frame."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.database.frames.pandas import unique_names
from tidb_pe_magic.database.frames.types import DECIMAL128_DIGITS
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

# Number of rows converted to Python objects at a time: few for display, many for iteration.
_FEWEST, _MOST = 16, 16_384


class ColumnarResult(IteratorResult[Any]):
    """Replaces SQLAlchemy's result in jupysql; its rows are created from the columns on demand.

    Attributes:
        table: the columns.
        rowcount: negative, so that jupysql does not print the number of rows.
        cursor: has the driver's description of the columns.
    """

    rowcount = -1

    def __init__(
        self, table: pa.Table, make: Callable[[pa.Table], pd.DataFrame], frame: pd.DataFrame | None = None
    ) -> None:
        """Take a table, its conversion to a DataFrame, and the first DataFrame if it already exists."""
        super().__init__(SimpleResultMetaData(table.column_names), _rows(table))
        self.table = table
        self.cursor = SimpleNamespace(description=[(name, *[None] * 6) for name in table.column_names])
        self._make, self._frame = make, frame

    @without_values()
    def to_pandas(self) -> pd.DataFrame:
        """Return the result as a new DataFrame."""
        frame, self._frame = self._frame, None
        return self._make(self.table) if frame is None else frame

    @without_values((ImportError,))
    def to_polars(self, **options: Any) -> Any:
        """Return the result as a polars DataFrame with Arrow's columns.

        Args:
            options: `SqlMagic.polars_dataframe_kwargs`; options for guessing types from rows have no effect.
        """
        import polars as pl  # noqa: PLC0415 - an optional package

        names = unique_names(self.table.column_names)
        overrides = options.get("schema_overrides")
        # polars has 128-bit decimals.
        columns = [_narrow(name, column) for name, column in zip(names, self.table.columns, strict=True)]
        narrow = pa.table(columns, names=names)
        return pl.from_arrow(narrow, schema_overrides=overrides)


def _narrow(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_decimal256(column.type):
        return column
    try:
        return column.cast(pa.decimal128(DECIMAL128_DIGITS, column.type.scale))
    except pa.ArrowInvalid:
        raise InvalidRequest(
            "SqlMagic.autopolars",
            f"column {name} has DECIMALs of more than {DECIMAL128_DIGITS} digits, "
            "which polars does not have.",
            advice=f"Select it as text: CAST({name} AS CHAR), or use a pandas DataFrame.",
        ) from None


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    start, count = 0, _FEWEST
    while start < table.num_rows:
        part = table.slice(start, count)
        yield from zip(*map(_values, part.columns), strict=True)
        start, count = start + count, min(count * 4, _MOST)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values as the driver would return them."""
    if pa.types.is_float32(column.type):
        # The fewest digits that distinguish it from every other FLOAT, as the server writes it.
        column = column.cast(pa.string()).cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values
