"""A result's columns: TiDB's declarations, and the wire format of their values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.sandbox.mysql.arrays import strings
from tidb_pe_magic.sandbox.mysql.calendar import duration_text
from tidb_pe_magic.sandbox.mysql.json_text import json_text
from tidb_pe_magic.sandbox.mysql.protocol import (
    BINARY_COLLATION,
    NOT_FIXED_DECIMALS,
    UTF8MB4_COLLATION,
    FieldFlag,
    FieldType,
    string,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MICROSECONDS: Final = 6
_NAME_BYTES: Final = 256
_UTF8MB4_BYTES: Final = 4
_LONGEST: Final = 2**32 - 1
_FIXED_TAIL: Final = 0x0C
_NO_FLAGS: Final = FieldFlag(0)
_UNSIGNED: Final = FieldFlag.UNSIGNED
_BINARY: Final = FieldFlag.BINARY
#: Digits of a FLOAT as text: TiDB sends six.
_FLOAT_FORMAT: Final = ".6g"

#: numpy's names of the numbers in the binary protocol.
_NUMBERS: Final[Mapping[FieldType, str]] = {
    FieldType.TINY: "<i1",
    FieldType.SHORT: "<i2",
    FieldType.YEAR: "<i2",
    FieldType.INT24: "<i4",
    FieldType.LONG: "<i4",
    FieldType.LONGLONG: "<i8",
    FieldType.FLOAT: "<f4",
    FieldType.DOUBLE: "<f8",
}


#: Bytes of DuckDB's integers: a declaration from before an ALTER TABLE must not truncate values.
_BYTES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BOOLEAN", "TINYINT", "UTINYINT"), 1),
    **dict.fromkeys(("SMALLINT", "USMALLINT"), 2),
    **dict.fromkeys(("INTEGER", "UINTEGER"), 4),
    **dict.fromkeys(("BIGINT", "UBIGINT"), 8),
}


@dataclass(frozen=True, slots=True)
class DeclaredType:
    """A type in a column definition; `length` is in characters, for text in bytes."""

    type: FieldType
    length: int
    flags: FieldFlag = _BINARY
    decimals: int = 0
    text: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The table's column behind a result's column that is not an expression.

    Attributes:
        table: the table's name in the statement.
        kind: its type in MySQL's words, such as "varchar(20)".
        flags: flags for its keys, its default and NULL.
    """

    schema: str
    table: str
    original_table: str
    original_name: str
    kind: str
    flags: FieldFlag = _NO_FLAGS


@dataclass(frozen=True)
class Column:
    """One column of a result.

    Attributes:
        engine_type: DuckDB's name of the type.
        source: the table's column; None for an expression.
        digits: known digits of the fraction of a second of an expression.
    """

    name: str
    engine_type: str
    source: Source | None = None
    digits: int | None = None

    @cached_property
    def declared(self) -> DeclaredType:
        """Its declared type."""
        other = _of_duckdb(self.engine_type, self.digits)
        known = _of_mysql(self.source.kind) if self.source is not None else None
        narrow = known is not None and self.engine_type in _BYTES and known.type in _NUMBERS
        if known is None or (narrow and int(_NUMBERS[known.type][2]) < _BYTES[self.engine_type]):
            return other
        return known

    @cached_property
    def number(self) -> str:
        """The numpy name of the number type in the binary protocol; empty if it is not a number."""
        number = _NUMBERS.get(self.declared.type, "")
        unsigned = self.declared.flags & _UNSIGNED and number[1:2] == "i"
        return number.replace("i", "u") if unsigned else number

    @cached_property
    def definition(self) -> bytes:
        """The payload of its column definition packet."""
        source, declared = self.source, self.declared
        names = (
            ("def", source.schema, source.table, source.original_table, self.name, source.original_name)
            if source is not None
            else ("def", "", "", "", self.name, "")
        )
        flags = declared.flags | (source.flags if source is not None else FieldFlag(0))
        return b"".join(
            (
                *(string(name.encode("utf-8", "replace")[:_NAME_BYTES]) for name in names),
                bytes((_FIXED_TAIL,)),
                (UTF8MB4_COLLATION if declared.text else BINARY_COLLATION).to_bytes(2, "little"),
                min(declared.length, _LONGEST).to_bytes(4, "little"),
                bytes((declared.type,)),
                int(flags).to_bytes(2, "little"),
                bytes((declared.decimals, 0, 0)),
            )
        )

    def texts(self, array: pa.Array) -> pa.Array:
        """Return the values in the text protocol's format; NULL stays NULL."""
        kind = array.type
        if self.engine_type == "JSON" or _is_nested(self.engine_type):
            shown = [None if text is None else json_text(text).encode() for text in array.to_pylist()]
            return strings(shown)
        if pa.types.is_boolean(kind):
            return array.cast(pa.int8()).cast(pa.string())
        if pa.types.is_float64(kind):
            return pc.replace_substring(array.cast(pa.string()), "e+", "e")
        if pa.types.is_float32(kind):
            values = array.to_pylist()
            return strings(
                [None if value is None else format(value, _FLOAT_FORMAT).encode() for value in values]
            )
        if pa.types.is_timestamp(kind):
            return self._moments(array)
        if self.declared.type is FieldType.TIME and pa.types.is_integer(kind):
            return strings([_duration(value, self._shown_digits) for value in array.to_pylist()])
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            return array
        return array.cast(pa.string())

    @property
    def _shown_digits(self) -> int | None:
        return self.declared.decimals if self.source is not None or self.digits is not None else None

    def _moments(self, array: pa.Array) -> pa.Array:
        digits = self._shown_digits
        if digits == 0:
            return array.cast(pa.timestamp("s"), safe=False).cast(pa.string())
        texts = array.cast(pa.string())
        if digits is None:
            return pc.replace_substring_regex(texts, r"\.000000$", "")
        return pc.utf8_slice_codeunits(texts, 0, len("2013-01-01 00:00:00.") + digits)


def _single(value: float | None) -> bytes | None:
    return None if value is None else format(value, _FLOAT_FORMAT).encode()


def _duration(value: int | None, digits: int | None) -> bytes | None:
    return None if value is None else duration_text(value, digits).encode()


def conversions(types: Sequence[str]) -> str | None:
    """Return the SELECT list for DuckDB that returns every value in a format that `Column` supports.

    None if every value already has such a format.
    """
    converted = [_conversion(f"#{number}", kind) for number, kind in enumerate(types, 1)]
    if all(expression.startswith("#") for expression in converted):
        return None
    return ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(converted))


def _conversion(value: str, kind: str) -> str:
    if kind.startswith(("DECIMAL", "ENUM")) or kind in {"HUGEINT", "UHUGEINT", "BIGNUM", "UUID", "BIT"}:
        return f"CAST({value} AS VARCHAR)"
    if kind in {"TIME", "INTERVAL", "TIME_NS"}:
        return f"epoch_us({value})"
    if kind == "TIME WITH TIME ZONE":
        return f"epoch_us(CAST({value} AS TIME))"
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP":
        return f"CAST({value} AS TIMESTAMP)"
    if _is_nested(kind):
        return f"CAST(to_json({value}) AS VARCHAR)"
    return value


def _is_nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


# Declarations of MySQL's types

_STRING_TYPES: Final[Mapping[str, tuple[FieldType, int]]] = {
    "char": (FieldType.STRING, 1),
    "varchar": (FieldType.VAR_STRING, 0),
    "tinytext": (FieldType.TINY_BLOB, 2**8 - 1),
    "text": (FieldType.BLOB, 2**16 - 1),
    "mediumtext": (FieldType.MEDIUM_BLOB, 2**24 - 1),
    "longtext": (FieldType.LONG_BLOB, _LONGEST),
    "enum": (FieldType.STRING, 0),
    "set": (FieldType.STRING, 0),
}
_BYTES_TYPES: Final[Mapping[str, tuple[FieldType, int]]] = {
    "binary": (FieldType.STRING, 1),
    "varbinary": (FieldType.VAR_STRING, 0),
    "tinyblob": (FieldType.TINY_BLOB, 2**8 - 1),
    "blob": (FieldType.BLOB, 2**16 - 1),
    "mediumblob": (FieldType.MEDIUM_BLOB, 2**24 - 1),
    "longblob": (FieldType.LONG_BLOB, _LONGEST),
}
_INTEGER_TYPES: Final[Mapping[str, tuple[FieldType, int, int]]] = {
    "tinyint": (FieldType.TINY, 4, 3),
    "smallint": (FieldType.SHORT, 6, 5),
    "mediumint": (FieldType.INT24, 9, 8),
    "int": (FieldType.LONG, 11, 10),
    "integer": (FieldType.LONG, 11, 10),
    "bigint": (FieldType.LONGLONG, 20, 20),
}
_MOMENT_TYPES: Final[Mapping[str, tuple[FieldType, int]]] = {
    "datetime": (FieldType.DATETIME, 19),
    "timestamp": (FieldType.TIMESTAMP, 19),
    "time": (FieldType.TIME, 10),
}
_MYSQL_TYPE: Final = re.compile(r"\s*([a-z]+)\s*(?:\(([^)]*)\))?(.*)", re.DOTALL)
_BLOBS: Final = frozenset({FieldType.TINY_BLOB, FieldType.BLOB, FieldType.MEDIUM_BLOB, FieldType.LONG_BLOB})


def _of_mysql(kind: str) -> DeclaredType | None:
    """Return the declaration of a table's column; None for a type that is not MySQL's."""
    match = _MYSQL_TYPE.match(kind.lower())
    if match is None:
        return None
    name, arguments, rest = match.groups()
    sizes = [int(part) for part in (arguments or "").split(",") if part.strip().isdigit()]
    unsigned = _UNSIGNED if "unsigned" in rest else FieldFlag(0)
    if name in _INTEGER_TYPES:
        code, signed_length, unsigned_length = _INTEGER_TYPES[name]
        length = sizes[0] if sizes else unsigned_length if unsigned else signed_length
        return DeclaredType(code, length, unsigned | _BINARY)
    if name in {"bool", "boolean"}:
        return DeclaredType(FieldType.TINY, 1)
    if name in {"decimal", "numeric", "dec"}:
        precision, scale = (*sizes, 10, 0)[:2] if len(sizes) != 1 else (sizes[0], 0)
        return DeclaredType(FieldType.NEWDECIMAL, precision + 1 + (scale > 0), unsigned | _BINARY, scale)
    if name in {"float", "double", "real"}:
        return _float_type(name, sizes, unsigned)
    if name in _MOMENT_TYPES:
        code, length = _MOMENT_TYPES[name]
        digits = sizes[0] if sizes else 0
        return DeclaredType(code, length + (digits + 1 if digits else 0), _BINARY, digits)
    if name in _STRING_TYPES or name in _BYTES_TYPES:
        return _stringlike(name, sizes, arguments or "")
    simple = {
        "date": DeclaredType(FieldType.DATE, 10),
        "year": DeclaredType(FieldType.YEAR, 4, _UNSIGNED | _BINARY | FieldFlag(1 << 6)),
        "bit": DeclaredType(FieldType.BIT, (*sizes, 1)[0], _UNSIGNED | _BINARY),
        "json": DeclaredType(FieldType.JSON, _LONGEST),
    }
    return simple.get(name)


def _float_type(name: str, sizes: Sequence[int], unsigned: FieldFlag) -> DeclaredType:
    decimals = sizes[1] if len(sizes) > 1 else NOT_FIXED_DECIMALS
    if name == "float":
        return DeclaredType(FieldType.FLOAT, 12, unsigned | _BINARY, decimals)
    return DeclaredType(FieldType.DOUBLE, 22, unsigned | _BINARY, decimals)


def _stringlike(name: str, sizes: Sequence[int], arguments: str) -> DeclaredType:
    text = name in _STRING_TYPES
    code, length = (_STRING_TYPES if text else _BYTES_TYPES)[name]
    flags = FieldFlag(0) if text else _BINARY
    if code in _BLOBS:
        flags |= FieldFlag.BLOB
    elif sizes:
        length = sizes[0]
    if name in {"enum", "set"}:
        words: list[str] = re.findall(r"'((?:[^']|'')*)'", arguments)
        length = max(map(len, words), default=0) if name == "enum" else len(",".join(words))
        flags |= FieldFlag.ENUM if name == "enum" else FieldFlag.SET
    return DeclaredType(code, length * (_UTF8MB4_BYTES if text else 1), flags, text=text)


# Declarations of expressions

_WIDE_INTEGER: Final = DeclaredType(FieldType.NEWDECIMAL, 41)
_ANY_TEXT: Final = DeclaredType(FieldType.VAR_STRING, 65535 * _UTF8MB4_BYTES, FieldFlag(0), 31, text=True)
_DUCKDB_TYPES: Final[Mapping[str, DeclaredType]] = {
    # TiDB's integer expressions are BIGINT, including comparisons.
    "BOOLEAN": DeclaredType(FieldType.LONGLONG, 1),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), DeclaredType(FieldType.LONGLONG, 20)),
    **dict.fromkeys(
        ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
        DeclaredType(FieldType.LONGLONG, 20, _UNSIGNED | _BINARY),
    ),
    # SUM() over integers is a HUGEINT here and a DECIMAL in MySQL.
    **dict.fromkeys(("HUGEINT", "UHUGEINT", "BIGNUM"), _WIDE_INTEGER),
    "FLOAT": DeclaredType(FieldType.FLOAT, 12, _BINARY, NOT_FIXED_DECIMALS),
    "DOUBLE": DeclaredType(FieldType.DOUBLE, 23, _BINARY, NOT_FIXED_DECIMALS),
    "JSON": DeclaredType(FieldType.JSON, _LONGEST),
    "BLOB": DeclaredType(FieldType.LONG_BLOB, _LONGEST, _BINARY | FieldFlag.BLOB),
    "DATE": DeclaredType(FieldType.DATE, 10),
    "NULL": DeclaredType(FieldType.NULL, 0),
    '"NULL"': DeclaredType(FieldType.NULL, 0),
}
_DECIMAL: Final = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def _of_duckdb(kind: str, digits: int | None) -> DeclaredType:
    if known := _DUCKDB_TYPES.get(kind):
        return known
    if match := _DECIMAL.match(kind):
        precision, scale = map(int, match.groups())
        return DeclaredType(FieldType.NEWDECIMAL, precision + 1 + (scale > 0), _BINARY, scale)
    decimals = _MICROSECONDS if digits is None else digits
    fraction = decimals + 1 if decimals else 0
    if kind.startswith("TIMESTAMP"):
        return DeclaredType(FieldType.DATETIME, 19 + fraction, _BINARY, decimals)
    if kind.startswith("TIME") or kind == "INTERVAL":
        return DeclaredType(FieldType.TIME, 10 + fraction, _BINARY, decimals)
    return DeclaredType(FieldType.JSON, _LONGEST) if _is_nested(kind) else _ANY_TEXT
