"""A result of the columnar reader as jupysql wants it: rows when it shows some, columns for a frame."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.database.frames.pandas import unique_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

# Rows that become Python's objects at a time: few for what is shown, many for whoever iterates.
_FEWEST, _MOST = 16, 16_384
_DIGITS_128 = 38


class ColumnarResult(IteratorResult[Any]):
    """What jupysql takes for SQLAlchemy's result; its rows are made of the columns as they are asked for.

    Attributes:
        table: the columns.
        rowcount: below zero: jupysql then says nothing of its own about the number of rows.
        cursor: what has the driver's description of the columns.
    """

    rowcount = -1

    def __init__(
        self, table: pa.Table, make: Callable[[pa.Table], pd.DataFrame], frame: pd.DataFrame | None = None
    ) -> None:
        """Take a table, what makes a DataFrame of it, and the first one where it has been made already."""
        super().__init__(SimpleResultMetaData(table.column_names), _rows(table))
        self.table = table
        self.cursor = SimpleNamespace(description=[(name, *[None] * 6) for name in table.column_names])
        self._make, self._frame = make, frame

    @without_values()
    def to_pandas(self) -> pd.DataFrame:
        """Return the result as a DataFrame, a new one each time."""
        frame, self._frame = self._frame, None
        return self._make(self.table) if frame is None else frame

    @without_values((ImportError,))
    def to_polars(self, **options: Any) -> Any:
        """Return the result as a polars DataFrame, whose columns are Arrow's.

        Args:
            options: of `SqlMagic.polars_dataframe_kwargs`: those on how to guess types from rows do nothing.
        """
        import polars as pl  # noqa: PLC0415 - an optional package

        names = unique_names(self.table.column_names)
        overrides = options.get("schema_overrides")
        # polars has decimals of 128 bits.
        narrow = pa.table([_narrow(column) for column in self.table.columns], names=names)
        return pl.from_arrow(narrow, schema_overrides=overrides)


def _narrow(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_decimal256(column.type):
        return column
    return column.cast(pa.decimal128(_DIGITS_128, column.type.scale))


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    start, count = 0, _FEWEST
    while start < table.num_rows:
        part = table.slice(start, count)
        yield from zip(*map(_values, part.columns), strict=True)
        start, count = start + count, min(count * 4, _MOST)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values as the driver would give them."""
    if pa.types.is_float32(column.type):
        # The fewest digits that tell it from every other FLOAT, as the server writes it.
        column = column.cast(pa.string()).cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values
