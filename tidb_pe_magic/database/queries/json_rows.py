"""A result as JSON: an array of objects, one per line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow.types as pt

from tidb_pe_magic.database.frames.pandas import unique_names
from tidb_pe_magic.database.queries.texts import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


def lines(table: pa.Table, *, ascii_only: bool = False) -> Iterator[str]:
    """Yield the lines of the array.

    Integers and floating-point numbers are numbers. A DECIMAL is a string, because most JSON readers convert
    every number to a float. Dates, times and bytes are strings as in CSV.

    Args:
        table: the rows; a repeated column name gets a number, as in a frame.
        ascii_only: escape all other characters.
    """
    yield "["
    left = table.num_rows
    names = unique_names(table.column_names)
    for batch in table.to_batches():
        for row in zip(*map(_values, batch.columns), strict=True):
            left -= 1
            written = json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=ascii_only)
            yield written + ("," if left else "")
    yield "]"


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pt.is_float32(kind):
        # The fewest digits that give the same number.
        return [value and float(value) for value in texts(column).to_pylist()]
    is_number = pt.is_integer(kind) or pt.is_floating(kind)
    values: list[Any] = (column if is_number else texts(column)).to_pylist()
    return values
