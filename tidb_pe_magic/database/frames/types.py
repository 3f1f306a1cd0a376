"""Column definitions, and the Arrow type that holds a column's values exactly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pymysql.constants import FIELD_TYPE, FLAG
from pymysql.protocol import FieldDescriptorPacket

if TYPE_CHECKING:
    from collections.abc import Sequence

_BINARY_CHARSET = 63
# Of DECIMAL in MySQL; MariaDB has more decimals.
_MOST_DIGITS, _MOST_DECIMALS = 65, 38
_DECIMAL128_DIGITS = 38
# MySQL's newer type, which PyMySQL does not list.
_VECTOR = 242


class Kind(Enum):
    """How a value travels."""

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


# Bytes of a value in the binary protocol.
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
    **dict.fromkeys(_INTEGERS, Kind.INTEGER),
    **dict.fromkeys(_FLOATS, Kind.FLOAT),
    FIELD_TYPE.DECIMAL: Kind.DECIMAL,
    FIELD_TYPE.NEWDECIMAL: Kind.DECIMAL,
    FIELD_TYPE.DATE: Kind.DATE,
    FIELD_TYPE.NEWDATE: Kind.DATE,
    FIELD_TYPE.DATETIME: Kind.DATETIME,
    FIELD_TYPE.TIMESTAMP: Kind.DATETIME,
    FIELD_TYPE.TIME: Kind.TIME,
    FIELD_TYPE.BIT: Kind.BIT,
    FIELD_TYPE.JSON: Kind.TEXT,
    FIELD_TYPE.NULL: Kind.NULL,
}
# What is text or bytes by its character set.
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
    """One column of a result, as the server defines it.

    Attributes:
        number: numpy's name of the number that a value is in the binary protocol; empty where it is none.
        known: the type is one whose binary form is known.
    """

    name: str
    kind: Kind
    type: pa.DataType
    number: str = ""
    known: bool = True


def column(definition: bytes, encoding: str) -> Column:
    """Read the payload of a column definition packet."""
    return from_field(FieldDescriptorPacket(definition, encoding))


def from_field(field: Any) -> Column:
    """Return the column of a definition that PyMySQL has read."""
    code = field.type_code
    unsigned = bool(field.flags & FLAG.UNSIGNED)
    kind = _KINDS.get(code) or (Kind.BYTES if field.charsetnr == _BINARY_CHARSET else Kind.TEXT)
    number = ""
    if kind is Kind.INTEGER:
        number = f"<{'u' if unsigned or code == FIELD_TYPE.YEAR else 'i'}{_INTEGERS[code]}"
    elif kind is Kind.FLOAT:
        number = f"<f{_FLOATS[code]}"
    if number:
        arrow = pa.from_numpy_dtype(number)
    elif kind is Kind.DECIMAL:
        arrow = _decimal(field.length, field.scale, unsigned=unsigned)
    else:
        arrow = _TYPES[kind]
    return Column(field.name, kind, arrow, number, known=code in _KINDS or code in _STRINGS)


_TYPES = {
    Kind.DATE: pa.date32(),
    Kind.DATETIME: pa.timestamp("us"),
    Kind.TIME: pa.duration("us"),
    Kind.BIT: pa.uint64(),
    Kind.TEXT: pa.string(),
    Kind.BYTES: pa.binary(),
    Kind.NULL: pa.null(),
}


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of these columns."""
    return pa.schema([pa.field(each.name, each.type) for each in columns])


def _decimal(length: int, scale: int, *, unsigned: bool) -> pa.DataType:
    """Return the type for a DECIMAL whose longest text has `length` characters."""
    digits = length - (scale > 0) - (not unsigned)
    if not (0 <= scale <= _MOST_DECIMALS and scale <= digits and 0 < digits <= _MOST_DIGITS):
        # Some expressions come without a precision.
        digits, scale = _MOST_DIGITS, min(scale, _MOST_DECIMALS)
    if digits <= _DECIMAL128_DIGITS:
        return pa.decimal128(digits, scale)
    return pa.decimal256(digits, scale)
