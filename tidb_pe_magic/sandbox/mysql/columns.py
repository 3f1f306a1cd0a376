"""DuckDB's result types as MySQL column definitions, with the text encoding of their values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any, Final

from mysql_mimic.charset import CharacterSet
from mysql_mimic.packets import make_column_definition_41
from mysql_mimic.results import ResultColumn
from mysql_mimic.types import ColumnDefinition, ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_FRACTION_DIGITS: Final = 6
_BLOB_LENGTH: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class _Wire:
    """How a DuckDB type shows in MySQL's protocol; `length` counts display characters."""

    type: ColumnType
    length: int
    unsigned: bool = False
    text: bool = False
    decimals: int = 0
    encode: Callable[[Any], str] | None = None


def _interval(value: timedelta) -> str:
    """Return MySQL's TIME text, whose hours go beyond a day."""
    sign = "-" if value < timedelta(0) else ""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{micros:06}" if micros else text


def _naive(value: datetime | time) -> str:
    return str(value.replace(tzinfo=None))


def _nested(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _single(value: float) -> str:
    # A FLOAT has about seven digits; Python would print the rounding noise of the double behind it.
    return f"{value:.7g}"


_TEXT: Final = _Wire(ColumnType.VAR_STRING, 65535, text=True)
_WIDE_INTEGER: Final = _Wire(ColumnType.NEWDECIMAL, 41)

_TYPES: Final[Mapping[str, _Wire]] = {
    "BOOLEAN": _Wire(ColumnType.TINY, 1),
    "TINYINT": _Wire(ColumnType.TINY, 4),
    "UTINYINT": _Wire(ColumnType.TINY, 3, unsigned=True),
    "SMALLINT": _Wire(ColumnType.SHORT, 6),
    "USMALLINT": _Wire(ColumnType.SHORT, 5, unsigned=True),
    "INTEGER": _Wire(ColumnType.LONG, 11),
    "UINTEGER": _Wire(ColumnType.LONG, 10, unsigned=True),
    "BIGINT": _Wire(ColumnType.LONGLONG, 20),
    "UBIGINT": _Wire(ColumnType.LONGLONG, 20, unsigned=True),
    # SUM() over integers is a HUGEINT here and a DECIMAL in MySQL.
    "HUGEINT": _WIDE_INTEGER,
    "UHUGEINT": _WIDE_INTEGER,
    "BIGNUM": _WIDE_INTEGER,
    "FLOAT": _Wire(ColumnType.FLOAT, 12, decimals=31, encode=_single),
    "DOUBLE": _Wire(ColumnType.DOUBLE, 22, decimals=31),
    "VARCHAR": _TEXT,
    "UUID": _TEXT,
    "BIT": _TEXT,
    "JSON": _Wire(ColumnType.JSON, _BLOB_LENGTH),
    "BLOB": _Wire(ColumnType.BLOB, _BLOB_LENGTH),
    "DATE": _Wire(ColumnType.DATE, 10),
    "TIME": _Wire(ColumnType.TIME, 17, decimals=_FRACTION_DIGITS),
    "TIME WITH TIME ZONE": _Wire(ColumnType.TIME, 17, decimals=_FRACTION_DIGITS, encode=_naive),
    "INTERVAL": _Wire(ColumnType.TIME, 17, decimals=_FRACTION_DIGITS, encode=_interval),
    "TIMESTAMP WITH TIME ZONE": _Wire(ColumnType.DATETIME, 26, decimals=_FRACTION_DIGITS, encode=_naive),
    '"NULL"': _Wire(ColumnType.NULL, 0),
    "NULL": _Wire(ColumnType.NULL, 0),
}


def _wire(duckdb_type: str) -> _Wire:
    if known := _TYPES.get(duckdb_type):
        return known
    if duckdb_type.startswith("DECIMAL("):
        precision, scale = duckdb_type[8:-1].split(",")
        return _Wire(ColumnType.NEWDECIMAL, int(precision) + 2, decimals=int(scale))
    if duckdb_type.startswith("TIMESTAMP"):
        return _Wire(ColumnType.DATETIME, 26, decimals=_FRACTION_DIGITS)
    if duckdb_type.endswith("]") or duckdb_type.startswith(("STRUCT", "MAP")):
        return _Wire(ColumnType.JSON, _BLOB_LENGTH, encode=_nested)
    return _TEXT


def result_column(name: str, duckdb_type: str) -> ResultColumn:
    """Return the column that mysql-mimic's encoder works from."""
    wire = _wire(duckdb_type)
    encode = wire.encode
    if encode is None:
        return ResultColumn(name, wire.type)
    return ResultColumn(name, wire.type, text_encoder=lambda _column, value: encode(value).encode())


def definition_packet(name: str, duckdb_type: str) -> bytes:
    """Return the column definition packet, with length, decimals and the unsigned and binary flags."""
    wire = _wire(duckdb_type)
    flags = ColumnDefinition(0)
    if wire.unsigned:
        flags |= ColumnDefinition.UNSIGNED_FLAG
    if not wire.text:
        flags |= ColumnDefinition.BINARY_FLAG
    if wire.type == ColumnType.BLOB:
        flags |= ColumnDefinition.BLOB_FLAG
    packet: bytes = make_column_definition_41(
        server_charset=CharacterSet.utf8mb4,
        name=name,
        character_set=CharacterSet.utf8mb4 if wire.text else CharacterSet.binary,
        column_length=wire.length,
        column_type=wire.type,
        flags=flags,
        decimals=wire.decimals,
    )
    return packet
