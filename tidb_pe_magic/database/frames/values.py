"""Values that both protocols send as strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.frames.batch import POOL
from tidb_pe_magic.database.frames.failures import protocol_error, unfit
from tidb_pe_magic.database.frames.types import DECIMAL128_DIGITS, WIDEST, ColumnKind

if TYPE_CHECKING:
    import numpy.typing as npt

    from tidb_pe_magic.database.frames.batch import Batch
    from tidb_pe_magic.database.frames.packets import Offsets
    from tidb_pe_magic.database.frames.types import Column

_BIT_BYTES = 8
_REASONS = {
    ColumnKind.TEXT: "a value is not valid UTF-8. Select it as bytes: CAST(... AS BINARY).",
    ColumnKind.DECIMAL: "a value has too many digits for its type. Select it as text: CAST(... AS CHAR).",
}
_LOWEST = np.array([(1 << 8 * length) - 1 for length in range(_BIT_BYTES + 1)], np.uint64)


def convert(strings: pa.Array, column: Column) -> pa.Array:
    """Return the strings as the column's type: text checked to be UTF-8, numbers parsed.

    Raises:
        DataError: a value does not have that type.
    """
    if pa.types.is_decimal(column.type) and _overflows(strings, column.type):
        raise unfit(column.name, _REASONS[ColumnKind.DECIMAL])
    try:
        return strings.cast(column.type, memory_pool=POOL)
    except pa.ArrowInvalid as error:
        raise unfit(column.name, _REASONS.get(column.kind, str(error))) from None


def _overflows(strings: pa.Array, kind: pa.DataType) -> bool:
    """Return whether a number has more digits than any decimal of this width.

    Arrow's cast would store the number modulo 2**128 or 2**256, and reject only some of the results.
    """
    most = DECIMAL128_DIGITS if pa.types.is_decimal128(kind) else WIDEST
    if (pc.max(pc.binary_length(strings)).as_py() or 0) <= most:
        return False
    digits = pc.utf8_ltrim(pc.replace_substring_regex(strings.cast(pa.string()), "[-.]", ""), "0")
    return bool(pc.max(pc.binary_length(digits)).as_py() > most)


def bits(batch: Batch, starts: Offsets, lengths: Offsets) -> npt.NDArray[Any]:
    """Return BIT values, which are sent as bytes, the highest first."""
    if int(lengths.max()) > _BIT_BYTES:
        raise protocol_error("a BIT value of more than 64 bits")
    last = batch.load(">u8", starts + lengths - _BIT_BYTES)
    return last.astype(np.uint64) & _LOWEST[lengths]
