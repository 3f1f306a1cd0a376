"""Sources of a load: frames of pandas, polars and Arrow, and CSV and Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidb_pe_magic.database.loading.columns import FIELD, SourceColumn, source_column
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_LONGEST_NAME = 64  # MySQL's limits of identifiers
_SHOWN = 40  # characters of a long name in an error


@dataclass(frozen=True, kw_only=True)
class FrameSource:
    """A frame, column by column.

    Attributes:
        columns: in their order.
        rows: number of rows.
        notes: what is not loaded.
    """

    columns: tuple[SourceColumn, ...]
    rows: int
    notes: tuple[str, ...] = ()


def source_of(frame: Any) -> FrameSource:
    """Return the columns of a frame or a file.

    Args:
        frame: a pandas or polars DataFrame, an Arrow table, or the path of a CSV or Parquet file.

    Raises:
        InvalidRequest: it is none of these, or a value cannot be stored unchanged.
    """
    if isinstance(frame, (str, Path)):
        from tidb_pe_magic.database.loading.files import read_file  # noqa: PLC0415 - only for files

        return _check(read_file(Path(frame).expanduser()))
    module = type(frame).__module__.partition(".")[0]
    if isinstance(frame, (pa.Table, pa.RecordBatch)):
        return _check(_of_arrow(pa.table(frame)))
    if module == "pandas":
        return _of_pandas(frame)
    for method, module_name in (("collect", "polars"), ("compute", "dask")):
        if module == module_name and hasattr(frame, method):
            raise InvalidRequest(
                FIELD,
                f"is a {type(frame).__name__}, which has not been computed.",
                advice=f"Load frame.{method}().",
            )
    if hasattr(frame, "__arrow_c_stream__") and hasattr(frame, "columns"):
        return _check(_of_arrow(pa.table(frame)))
    raise InvalidRequest(
        FIELD,
        f"is of type {type(frame).__name__}.",
        advice="Load a pandas or polars DataFrame, a pyarrow Table, or a CSV or Parquet file.",
    )


def _of_arrow(table: pa.Table) -> Iterator[SourceColumn]:
    for place, name in enumerate(table.column_names):
        yield source_column(name, table.column(place))


def _of_pandas(frame: pd.DataFrame) -> FrameSource:
    import pandas as pd  # noqa: PLC0415 - not needed for an Arrow table

    if isinstance(frame, pd.Series):
        raise InvalidRequest(
            FIELD,
            "is a Series.",
            advice="Assign a DataFrame to a variable, and load that: frame = series.to_frame()",
        )
    if not isinstance(frame, pd.DataFrame):
        raise InvalidRequest(FIELD, f"is of type {type(frame).__name__}.", advice="Load a DataFrame.")
    if frame.columns.nlevels > 1:
        raise InvalidRequest(
            FIELD,
            "has several levels of column names.",
            advice="Join them first: frame.columns = ['_'.join(map(str, each)) for each in frame.columns]",
        )
    frame, notes = _with_index(frame)
    names = [str(name) for name in frame.columns]
    _refuse_names(names)
    columns = tuple(_of_series(name, frame.iloc[:, place]) for place, name in enumerate(names))
    return FrameSource(columns=columns, rows=len(frame), notes=notes)


def _with_index(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the frame with named index levels as columns."""
    import pandas as pd  # noqa: PLC0415 - imported already

    index = frame.index
    named = [name is not None for name in index.names]
    if all(named):
        if twice := next((name for name in index.names if name in frame.columns), None):
            raise InvalidRequest(
                FIELD,
                f"its index and one of its columns are both named {twice}.",
                advice="Rename the index, or leave it out: frame.reset_index(drop=True)",
            )
        return frame.reset_index(), ()
    if any(named):
        raise InvalidRequest(
            FIELD, "some levels of its index have no name.", advice="Name them: frame.index.names = [...]"
        )
    # An unnamed numeric index only counts the rows.
    if index.nlevels == 1 and (pd.api.types.is_integer_dtype(index.dtype) or index.empty):
        return frame, ()
    names = "name = …" if index.nlevels == 1 else f"names = [{', '.join('…' * index.nlevels)}]"
    return frame, (f"The index of the frame has no name and is not loaded. To load it: frame.index.{names}",)


def _of_series(name: str, series: pd.Series[Any]) -> SourceColumn:
    import pandas as pd  # noqa: PLC0415 - imported already

    from tidb_pe_magic.database.loading.objects import object_array  # noqa: PLC0415 - needs pandas

    if isinstance(series.dtype, pd.CategoricalDtype):
        kind = series.dtype.categories.dtype
        # numpy's integers have no missing value.
        series = series.astype(object if kind.kind in "iu" and series.hasnans else kind)
    elif isinstance(series.dtype, pd.SparseDtype):
        series = series.astype(series.dtype.subtype)
    if series.dtype == object:
        values = object_array(name, series)
    else:
        try:
            values = pa.Array.from_pandas(series)
        except (pa.ArrowException, UnicodeError):
            # A type that Arrow does not support, or text that is not valid UTF-8.
            values = object_array(name, series.astype(object))
    return source_column(name, values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values]))


def _check(columns: Iterable[SourceColumn]) -> FrameSource:
    found = tuple(columns)
    _refuse_names([column.name for column in found])
    return FrameSource(columns=found, rows=len(found[0].values))


def _refuse_names(names: list[str]) -> None:
    """Reject names that a table cannot have."""
    if not names:
        raise InvalidRequest(FIELD, "has no columns.")
    seen: dict[str, str] = {}
    for name in names:
        if fault := _fault(name):
            shown = repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}…"
            raise InvalidRequest(
                FIELD,
                f"{shown} cannot be the name of a column: {fault}.",
                advice="Rename it: frame.rename(columns={…})",
            )
        other = seen.get(name.casefold())
        if other is not None:
            both = name if other == name else f"{other} and {name}; SQL column names are not case-sensitive"
            raise InvalidRequest(
                FIELD,
                f"two columns are named {both}.",
                advice="Rename one of them: frame.rename(columns={…})",
            )
        seen[name.casefold()] = name


def _fault(name: str) -> str:
    """Return why a column cannot have this name; empty if it can."""
    if len(name) > _LONGEST_NAME:
        return f"it has {len(name):,} characters, and the maximum is {_LONGEST_NAME}"
    if not name.strip() or name != name.rstrip() or "\0" in name:
        return "it must not be empty, end with a space, or contain a NUL character"
    if not all(character <= "\uffff" and not "\ud800" <= character <= "\udfff" for character in name):
        return "it has characters beyond U+FFFF"
    return ""
