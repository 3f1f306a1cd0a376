"""Columns of a result, and the Arrow type that holds a column's values exactly.

The values of an expression may not fit the type that a server declares. TiDB declares `IF(a, bigint,
mediumint)` as INT, `GREATEST(100000, 1.234)` as DECIMAL(6,3), and a recursive CTE like its first rows. Its
binary protocol truncates an integer to the declared width, its text protocol does not (`DumpBinaryRow` and
`DumpTextRow` in TiDB's `pkg/server/internal/column/column.go`). So only the declaration of a table's column
is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

import pyarrow as pa
from pymysql.constants import FIELD_TYPE, FLAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.database.frames.definitions import Declarations, Definition

_BINARY_CHARSET = 63
# Of DECIMAL in MySQL; MariaDB has more decimals.
_MOST_DIGITS, _MOST_DECIMALS = 65, 38
#: The maximum precision of Arrow's decimal128.
DECIMAL128_DIGITS = 38
#: The precision of a DECIMAL whose declaration is not trusted: the maximum of Arrow.
WIDEST = 76
# Decimals of a floating-point number without a fixed number of them.
_NOT_FIXED = 31
_WIDE = 8
# MySQL's newer type, which PyMySQL does not list.
_VECTOR = 242


class ColumnKind(Enum):
    """How a value is transferred."""

    INTEGER = auto()
    FLOAT = auto()
    DECIMAL = auto()
    DATE = auto()
    DATETIME = auto()
    TIME = auto()
    BIT = auto()
    TEXT = auto()
    BYTES = auto()
    NULL = auto()


# Size in bytes of a value in the binary protocol.
_INTEGERS = {
    FIELD_TYPE.TINY: 1,
    FIELD_TYPE.SHORT: 2,
    FIELD_TYPE.YEAR: 2,
    FIELD_TYPE.INT24: 4,
    FIELD_TYPE.LONG: 4,
    FIELD_TYPE.LONGLONG: 8,
}
_FLOATS = {FIELD_TYPE.FLOAT: 4, FIELD_TYPE.DOUBLE: 8}
_KINDS = {
    **dict.fromkeys(_INTEGERS, ColumnKind.INTEGER),
    **dict.fromkeys(_FLOATS, ColumnKind.FLOAT),
    FIELD_TYPE.DECIMAL: ColumnKind.DECIMAL,
    FIELD_TYPE.NEWDECIMAL: ColumnKind.DECIMAL,
    FIELD_TYPE.DATE: ColumnKind.DATE,
    FIELD_TYPE.NEWDATE: ColumnKind.DATE,
    FIELD_TYPE.DATETIME: ColumnKind.DATETIME,
    FIELD_TYPE.TIMESTAMP: ColumnKind.DATETIME,
    FIELD_TYPE.TIME: ColumnKind.TIME,
    FIELD_TYPE.BIT: ColumnKind.BIT,
    FIELD_TYPE.JSON: ColumnKind.TEXT,
    FIELD_TYPE.NULL: ColumnKind.NULL,
}
# Text or bytes, depending on the character set.
_STRINGS = frozenset(
    {
        FIELD_TYPE.VARCHAR,
        FIELD_TYPE.VAR_STRING,
        FIELD_TYPE.STRING,
        FIELD_TYPE.ENUM,
        FIELD_TYPE.SET,
        FIELD_TYPE.TINY_BLOB,
        FIELD_TYPE.BLOB,
        FIELD_TYPE.MEDIUM_BLOB,
        FIELD_TYPE.LONG_BLOB,
        FIELD_TYPE.GEOMETRY,
        _VECTOR,
    }
)


@dataclass(frozen=True)
class Column:
    """One column of a result.

    Attributes:
        number: numpy's name of the value's number type in the binary protocol; empty for other types.
        known: the binary form of the type is known.
        settled: it is a table's column, so its values have the declared type.
        exact_as_text: the text protocol of every server has all digits.
    """

    name: str
    kind: ColumnKind
    type: pa.DataType
    number: str = ""
    known: bool = True
    settled: bool = True
    exact_as_text: bool = True

    @property
    def narrow(self) -> bool:
        """Whether the binary form can truncate a value: an unsettled integer of less than 8 bytes."""
        return self.kind is ColumnKind.INTEGER and not self.settled and int(self.number[-1]) < _WIDE


def columns(definitions: Sequence[Definition], declarations: Declarations) -> tuple[Column, ...]:
    """Return the columns for a server's definitions."""
    return tuple(
        _column(definition, settled=settled, counts_sign=declarations.counts_sign)
        for definition, settled in zip(definitions, declarations.reliable(definitions), strict=True)
    )


def _column(definition: Definition, *, settled: bool, counts_sign: bool) -> Column:
    code = definition.code
    unsigned = bool(definition.flags & FLAG.UNSIGNED)
    kind = _KINDS.get(code) or (
        ColumnKind.BYTES if definition.charset == _BINARY_CHARSET else ColumnKind.TEXT
    )
    number, exact_as_text = "", True
    if kind is ColumnKind.INTEGER:
        number = f"<{'u' if unsigned or code == FIELD_TYPE.YEAR else 'i'}{_INTEGERS[code]}"
    elif kind is ColumnKind.FLOAT:
        number = f"<f{_FLOATS[code]}"
        fixed = 0 < definition.decimals < _NOT_FIXED
        # MySQL writes a FLOAT with 6 digits, and every server writes fixed decimals as declared.
        exact_as_text = code == FIELD_TYPE.DOUBLE and (settled or not fixed)
    if kind is ColumnKind.DECIMAL:
        arrow = _decimal(definition, signed=not unsigned or counts_sign, settled=settled)
    elif kind is ColumnKind.INTEGER and not settled and _INTEGERS[code] < _WIDE:
        arrow = pa.int64()
    else:
        arrow = pa.from_numpy_dtype(number) if number else _TYPES[kind]
    return Column(
        definition.name,
        kind,
        arrow,
        number,
        known=code in _KINDS or code in _STRINGS,
        settled=settled,
        exact_as_text=exact_as_text,
    )


_TYPES = {
    ColumnKind.DATE: pa.date32(),
    ColumnKind.DATETIME: pa.timestamp("us"),
    ColumnKind.TIME: pa.duration("us"),
    ColumnKind.BIT: pa.uint64(),
    ColumnKind.TEXT: pa.string(),
    ColumnKind.BYTES: pa.binary(),
    ColumnKind.NULL: pa.null(),
}


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of these columns."""
    return pa.schema([pa.field(each.name, each.type) for each in columns])


def _decimal(definition: Definition, *, signed: bool, settled: bool) -> pa.DataType:
    """Return the type for a DECIMAL whose longest text has `length` characters."""
    scale = definition.decimals
    digits = definition.length - (scale > 0) - signed
    if not settled:
        return pa.decimal256(WIDEST, min(scale, _MOST_DECIMALS))
    if not (0 <= scale <= _MOST_DECIMALS and scale <= digits and 0 < digits <= _MOST_DIGITS):
        # Some have no precision.
        digits, scale = _MOST_DIGITS, min(scale, _MOST_DECIMALS)
    if digits <= DECIMAL128_DIGITS:
        return pa.decimal128(digits, scale)
    return pa.decimal256(digits, scale)
