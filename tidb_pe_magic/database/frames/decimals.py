"""DECIMAL columns: which values fit a machine number without loss, and the conversion.

A DECIMAL of up to 15 significant digits survives conversion to float64 and back (C's DBL_DIG).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidb_pe_magic.database.frames.types import DECIMAL128_DIGITS, WIDEST

if TYPE_CHECKING:
    from collections.abc import Iterator

_Integers: TypeAlias = npt.NDArray[np.int64]
_Flags: TypeAlias = npt.NDArray[np.bool_]

#: Significant digits that every float64 keeps.
SURE_DIGITS = 15
#: Digits that fit every int64.
INTEGER_DIGITS = 18
_SURE = 10**SURE_DIGITS
# Up to here the unscaled number and the power of ten are exact, so their quotient is the nearest float64.
_EXACT_INTEGER, _EXACT_POWER = 2**53, 22
_WORD = 8


def fits_integers(column: pa.ChunkedArray) -> bool:
    """Whether the column has no decimals and all values are int64."""
    return bool(column.type.scale == 0 and all(fits.all() for _, fits in _unscale(column)))


def fits_floats(column: pa.ChunkedArray) -> bool:
    """Whether no value has more significant digits than a float64 reliably keeps."""
    short = all(bool(fits.all() and (np.abs(low) < _SURE).all()) for low, fits in _unscale(column))
    return short or all(_significant_digits(chunk) <= SURE_DIGITS for chunk in column.chunks)


def integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a column for which `fits_integers` is true, as int64."""
    chunks = [
        pa.array(low, pa.int64(), mask=_mask(chunk))
        for chunk, (low, _) in zip(column.chunks, _unscale(column), strict=True)
    ]
    return pa.chunked_array(chunks, pa.int64())


def floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the float64 that is nearest to each value."""
    scale = column.type.scale
    chunks = []
    for chunk, (low, fits) in zip(column.chunks, _unscale(column), strict=True):
        if scale <= _EXACT_POWER and fits.all() and (np.abs(low) < _EXACT_INTEGER).all():
            chunks.append(pa.array(low / 10.0**scale, pa.float64(), mask=_mask(chunk)))
        else:
            chunks.append(chunk.cast(pa.string()).cast(pa.float64()))
    return pa.chunked_array(chunks, pa.float64())


def narrow_decimals(table: pa.Table) -> pa.Table:
    """Return the table with the DECIMALs of expressions as decimal128 if all values fit."""
    for number, field in enumerate(table.schema):
        if pt.is_decimal256(field.type) and field.type.precision == WIDEST:
            column = _narrow_column(table.column(number))
            table = table.set_column(number, field.with_type(column.type), column)
    return table


def _narrow_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type.scale > DECIMAL128_DIGITS:
        return column
    try:
        return column.cast(pa.decimal128(DECIMAL128_DIGITS, column.type.scale))
    except pa.ArrowInvalid:
        return column


def _unscale(column: pa.ChunkedArray) -> Iterator[tuple[_Integers, _Flags]]:
    """Yield, for each chunk, the values times 10**scale, and which of them fit int64; NULL is 0."""
    for chunk in column.chunks:
        words = np.frombuffer(chunk.buffers()[1], "<i8").reshape(-1, chunk.type.byte_width // _WORD)
        words = words[chunk.offset : chunk.offset + len(chunk)]
        low = words[:, 0]
        # The words above the lowest must only repeat its sign.
        fits: _Flags = (words[:, 1:] == (low >> 63)[:, None]).all(axis=1)
        # The smallest int64 has no absolute value.
        fits &= low != np.iinfo(np.int64).min
        mask = _mask(chunk)
        yield (low, fits) if mask is None else (np.where(mask, 0, low), fits | mask)


def _mask(chunk: pa.Array) -> _Flags | None:
    """Return which values are NULL; None if none is."""
    return chunk.is_null().to_numpy(zero_copy_only=False) if chunk.null_count else None


def _significant_digits(chunk: pa.Array) -> int:
    """Return the largest number of significant digits of a value."""
    digits = pc.replace_substring_regex(chunk.cast(pa.string()), r"[-.]|E.*$", "")
    digits = pc.utf8_rtrim(pc.utf8_ltrim(digits, "0"), "0")
    return pc.max(pc.utf8_length(digits)).as_py() or 0
