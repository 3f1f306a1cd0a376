"""Conversion of Arrow tables to pandas frames, and the dtypes of their columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidb_pe_magic.database.frames import decimals as decimal_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Dtypes: TypeAlias = Literal["pandas", "arrow", "numpy_nullable"]
Decimals: TypeAlias = Literal["auto", "exact", "float"]

# The limit of 32-bit offsets: pandas joins a column's chunks when it sorts or takes.
_LARGEST = 2**31 - 1
_MOST_INT64 = 2**63 - 1
_WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
# Before pandas 3, strings are objects by default.
_STR = int(pd.__version__.split(".", maxsplit=1)[0]) >= 3  # noqa: PLR2004
_MICROSECONDS = pa.timestamp("us")


@dataclass(frozen=True)
class _PandasType:
    """The target type of a column.

    Attributes:
        type: the Arrow type that is passed to pandas.
        dtype: pandas' extension type; None for a plain numpy column.
        name: of the dtype, in a Parquet file's pandas metadata.
        exact: a DECIMAL that does not fit a machine number.
    """

    type: pa.DataType
    dtype: Any = None
    name: str = "object"
    exact: bool = False

    def cast(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the column's values in this type."""
        if pt.is_decimal(column.type) and pt.is_int64(self.type):
            return decimal_columns.integers(column)
        if pt.is_decimal(column.type) and pt.is_float64(self.type):
            return decimal_columns.floats(column)
        return column.cast(self.type)


class Layout:
    """The dtypes of a frame's columns.

    - `pandas`: int64, float64, `str`, datetime64, timedelta64, bytes as objects; Int64 and UInt64 only if
      NULLs or values beyond int64 require it; DECIMAL according to `decimals`.
    - `numpy_nullable`: Int64, Float64, string, datetime64, timedelta64, as in `pandas.read_sql`, and Arrow's
      types if numpy has none.
    - `arrow`: the types that the server declares.

    Attributes:
        exact: names of the DECIMAL columns that stay exact even though `decimals` is auto.
        names: of the columns; a repeated name gets a number, as in jupysql's frames.
    """

    def __init__(self, schema: pa.Schema, places: Sequence[_PandasType], dtypes: Dtypes) -> None:
        """Use `of` or `declared` instead."""
        self._source = schema
        self._places = places
        self._dtypes = dtypes
        self.names = unique_names(schema.names)
        self.exact = tuple(name for name, place in zip(self.names, places, strict=True) if place.exact)

    @classmethod
    def of(cls, table: pa.Table, dtypes: Dtypes, decimals: Decimals) -> Layout:
        """Return the layout for these rows, which preserves every value unless `decimals` is float."""
        places = [
            _choose_type(field.type, column, dtypes, decimals)
            for field, column in zip(table.schema, table.columns, strict=True)
        ]
        return cls(table.schema, places, dtypes)

    @classmethod
    def of_schema(cls, schema: pa.Schema, dtypes: Dtypes, decimals: Decimals) -> Layout:
        """Return the layout for any rows of these types: all parts of a result get the same one."""
        return cls(schema, [_choose_type(field.type, None, dtypes, decimals) for field in schema], dtypes)

    def with_decimals_of(self, other: Layout) -> Layout:
        """Return this layout with the other one's DECIMAL types."""
        places = [
            theirs if pt.is_decimal(kind) else ours
            for kind, ours, theirs in zip(self._source.types, self._places, other._places, strict=True)
        ]
        return Layout(self._source, places, self._dtypes)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow types, with the metadata that pandas reads from a Parquet file."""
        return self._schema(self.names)

    def cast(self, table: pa.Table, names: Sequence[str] | None = None) -> pa.Table:
        """Return the table's values in the layout's types."""
        columns = [place.cast(column) for place, column in zip(self._places, table.columns, strict=True)]
        return pa.Table.from_arrays(columns, schema=self._schema(names or self.names))

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return the rows as a frame."""
        # The conversion looks up types by name.
        numbered = _addressable(self.cast(table, [str(number) for number in range(table.num_columns)]))
        mapped = {place.type: place.dtype for place in self._places if isinstance(place.dtype, _MAPPED)}
        mapped |= {_WIDE[kind]: dtype for kind, dtype in mapped.items() if kind in _WIDE}
        if self._dtypes == "arrow":
            mapped = {field.type: pd.ArrowDtype(field.type) for field in numbered.schema}
        frame: pd.DataFrame = numbered.to_pandas(types_mapper=mapped.get, split_blocks=True)
        frame.columns = pd.Index(self.names)
        return frame

    def _schema(self, names: Sequence[str]) -> pa.Schema:
        fields = [pa.field(name, place.type) for name, place in zip(names, self._places, strict=True)]
        if self._dtypes == "arrow":
            return pa.schema(fields)
        columns = [
            {
                "name": name,
                "field_name": name,
                "pandas_type": _pandas_type(place.type),
                "numpy_type": place.name,
                "metadata": None,
            }
            for name, place in zip(names, self._places, strict=True)
        ]
        metadata = {
            "index_columns": [],
            "column_indexes": [],
            "columns": columns,
            "creator": {"library": "pyarrow", "version": pa.__version__},
            "pandas_version": pd.__version__,
        }
        return pa.schema(fields, {b"pandas": json.dumps(metadata).encode()})


@dataclass(frozen=True)
class FrameOptions:
    """The two options of a query that determine the types of its columns."""

    dtypes: Dtypes = "pandas"
    decimals: Decimals = "auto"

    def of(self, table: pa.Table) -> Layout:
        """Return the layout for these rows."""
        return Layout.of(table, self.dtypes, self.decimals)

    def of_schema(self, schema: pa.Schema) -> Layout:
        """Return the layout for any rows of these types."""
        return Layout.of_schema(schema, self.dtypes, self.decimals)


# Lookup by Arrow type; Int64 and int64 share one, and the column's metadata distinguishes them.
_MAPPED = (pd.StringDtype, pd.ArrowDtype)


def to_pandas(table: pa.Table, dtypes: Dtypes = "pandas", decimals: Decimals = "auto") -> pd.DataFrame:
    """Return a frame with the table's values, preserving each unless `decimals` is float."""
    return Layout.of(table, dtypes, decimals).frame(table)


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names; a repeated name gets a number: id, id_1."""
    found: dict[str, None] = {}
    for name in names:
        unique, number = name, 0
        while unique in found:
            number += 1
            unique = f"{name}_{number}"
        found[unique] = None
    return list(found)


def _choose_type(
    kind: pa.DataType, column: pa.ChunkedArray | None, dtypes: Dtypes, decimals: Decimals
) -> _PandasType:
    """Return the type of a column; without a column, a type for any values of this Arrow type."""
    if pt.is_decimal(kind):
        return _decimal(kind, column, dtypes, decimals)
    if dtypes == "arrow":
        return _PandasType(kind, pd.ArrowDtype(kind))
    nullable = dtypes == "numpy_nullable"
    if pt.is_integer(kind):
        return _integer(kind, column, nullable=nullable)
    if pt.is_floating(kind):
        return _FLOAT64 if nullable else _PandasType(pa.float64(), name="float64")
    if pt.is_string(kind):
        return _string(kind, nullable=nullable)
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return _PandasType(_MICROSECONDS, name="datetime64[us]")
    if pt.is_duration(kind):
        return _PandasType(kind, name="timedelta64[us]")
    return _PandasType(kind, pd.ArrowDtype(kind), f"{kind}[pyarrow]") if nullable else _PandasType(kind)


_INT64 = _PandasType(pa.int64(), pd.Int64Dtype(), "Int64")
_FLOAT64 = _PandasType(pa.float64(), pd.Float64Dtype(), "Float64")


def _integer(kind: pa.DataType, column: pa.ChunkedArray | None, *, nullable: bool) -> _PandasType:
    if pt.is_uint64(kind) and (column is None or (pc.max(column).as_py() or 0) > _MOST_INT64):
        return _PandasType(kind, pd.UInt64Dtype(), "UInt64")
    if nullable or column is None or column.null_count:
        return _INT64
    return _PandasType(pa.int64(), name="int64")


def _string(kind: pa.DataType, *, nullable: bool) -> _PandasType:
    # The default storage depends on an option, which packages may set in one process and not in another.
    if nullable:
        return _PandasType(kind, pd.StringDtype("pyarrow"), "string")
    return _PandasType(kind, pd.StringDtype("pyarrow", na_value=np.nan), "str") if _STR else _PandasType(kind)


def _decimal(
    kind: pa.DataType, column: pa.ChunkedArray | None, dtypes: Dtypes, decimals: Decimals
) -> _PandasType:
    as_float = {
        "pandas": _PandasType(pa.float64(), name="float64"),
        "numpy_nullable": _FLOAT64,
        "arrow": _PandasType(pa.float64(), pd.ArrowDtype(pa.float64())),
    }[dtypes]
    if decimals == "float":
        return as_float
    exact = _PandasType(kind, pd.ArrowDtype(kind))
    if dtypes == "arrow" or decimals == "exact":
        return exact
    if column is None:
        as_integers = kind.scale == 0 and kind.precision <= decimal_columns.INTEGER_DIGITS
        as_floats = kind.precision <= decimal_columns.SURE_DIGITS
    else:
        as_integers = decimal_columns.fits_integers(column)
        as_floats = not as_integers and decimal_columns.fits_floats(column)
    if as_integers:
        return _INT64
    return as_float if as_floats else _PandasType(kind, exact.dtype, exact=True)


def _pandas_type(kind: pa.DataType) -> str:
    """Return pandas' word for the kind of values, as in the metadata of its files."""
    if pt.is_timestamp(kind):
        return "datetime"
    if pt.is_duration(kind):
        return "timedelta"
    if pt.is_string(kind) or pt.is_large_string(kind):
        return "unicode"
    if pt.is_binary(kind) or pt.is_large_binary(kind):
        return "bytes"
    if pt.is_decimal(kind):
        return "decimal"
    return "empty" if pt.is_null(kind) else str(kind).replace("double", "float64")


def _addressable(table: pa.Table) -> pa.Table:
    """Convert strings to wide offsets if a column has too many bytes for narrow ones."""
    fields = [
        field.with_type(_WIDE[field.type])
        if field.type in _WIDE and table.column(number).nbytes > _LARGEST
        else field
        for number, field in enumerate(table.schema)
    ]
    schema = pa.schema(fields, table.schema.metadata)
    return table if schema.equals(table.schema) else table.cast(schema)
