"""Arrow tables as pandas frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.types as pt

if TYPE_CHECKING:
    from collections.abc import Callable

# What 32-bit offsets can address: pandas joins a column's chunks when it sorts or takes.
_LARGEST = 2**31 - 1

_NULLABLE: dict[Any, Any] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
}


def to_pandas(table: pa.Table, dtypes: Literal["arrow", "numpy_nullable"] = "arrow") -> pd.DataFrame:
    """Return a frame with the table's values, none of which changes.

    Args:
        table: what a reading has read.
        dtypes: `arrow` keeps every column's Arrow type, and its memory; `numpy_nullable` gives Int64,
            Float64, string, datetime64 and timedelta64, and Arrow's types where numpy has none (decimals,
            bytes).
    """
    # The conversion finds types by name, and columns may share one.
    numbered = _addressable(table).rename_columns([str(number) for number in range(table.num_columns)])
    mapper: Callable[[Any], Any] = pd.ArrowDtype if dtypes == "arrow" else _nullable
    frame: pd.DataFrame = numbered.to_pandas(
        types_mapper=mapper, date_as_object=False, ignore_metadata=True, split_blocks=True
    )
    frame.columns = pd.Index(table.column_names)
    return frame


def _nullable(kind: pa.DataType) -> Any:
    if pt.is_decimal(kind) or pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_null(kind):
        return pd.ArrowDtype(kind)
    if pt.is_string(kind) or pt.is_large_string(kind):
        # The default depends on an option, which other packages set in one process and not in another.
        return pd.StringDtype("pyarrow")
    # The other ones, dates and times, are numpy's own, with NaT.
    return _NULLABLE.get(kind)


def _addressable(table: pa.Table) -> pa.Table:
    """Give strings wide offsets where a column has too many bytes for narrow ones."""
    wide = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    fields = [
        field.with_type(wide[field.type])
        if field.type in wide and table.column(number).nbytes > _LARGEST
        else field
        for number, field in enumerate(table.schema)
    ]
    schema = pa.schema(fields)
    return table if schema.equals(table.schema) else table.cast(schema)
