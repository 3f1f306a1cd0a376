"""A table of every type that MySQL has, at its extremes, and the expected values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class TortureColumn:
    """A column: its SQL type, the expected Arrow type, and its values.

    Attributes:
        values: pairs of an SQL literal and its Python value.
    """

    name: str
    sql: str
    arrow: pa.DataType
    values: tuple[tuple[str, Any], ...]


_NULL = ("NULL", None)
_LONGEST = timedelta(hours=838, minutes=59, seconds=59)


def _texts(*values: str) -> tuple[tuple[str, str], ...]:
    return tuple(("CONVERT(X'" + value.encode().hex() + "' USING utf8mb4)", value) for value in values)


def _bytes(*values: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple(("X'" + value.hex() + "'", value) for value in values)


def _numbers(*values: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((str(value), value) for value in values)


def _integers(bits: int) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    half = 1 << bits - 1
    return _numbers(-half, half - 1, 0, -1), _numbers(2 * half - 1, half, 0, 1)


def _decimals(*values: str) -> tuple[tuple[str, Decimal], ...]:
    return tuple((value, Decimal(value)) for value in values)


def _datetimes(*values: str) -> tuple[tuple[str, datetime], ...]:
    return tuple((f"'{value}'", datetime.fromisoformat(value)) for value in values)


def _dates(*values: str) -> tuple[tuple[str, date], ...]:
    return tuple((f"'{value}'", date.fromisoformat(value)) for value in values)


_TEXT = _texts("", "plain", "quote ' \\ \" `", "emoji \U0001f600 é 漢字", "\x00\x1a\n")
_BLOB = _bytes(b"", b"\x00\xff\xfe", bytes(range(256)))
_ZERO = (("'0000-00-00'", None), ("'2024-02-00'", None))

COLUMNS: tuple[TortureColumn, ...] = (
    *(
        TortureColumn(f"{name}{suffix}", f"{name}{sql}", pa.from_numpy_dtype(f"{sign}{width}"), values)
        for name, width, bits in (
            ("tinyint", 1, 8),
            ("smallint", 2, 16),
            ("mediumint", 4, 24),
            ("int", 4, 32),
            ("bigint", 8, 64),
        )
        for (suffix, sql, sign), values in zip(
            (("_s", "", "i"), ("_u", " unsigned", "u")), _integers(bits), strict=True
        )
    ),
    TortureColumn("flag", "boolean", pa.int8(), _numbers(1, 0)),
    TortureColumn("zerofilled", "int(8) zerofill", pa.uint32(), _numbers(42, 4294967295)),
    TortureColumn("bit1", "bit(1)", pa.uint64(), (("b'1'", 1), ("b'0'", 0))),
    TortureColumn(
        "bit64", "bit(64)", pa.uint64(), (("X'FFFFFFFFFFFFFFFF'", 2**64 - 1), ("b'101'", 5), ("0", 0))
    ),
    TortureColumn(
        "float_",
        "float",
        pa.float32(),
        _numbers(16777216.0, -0.5, 0.0, 3.4028234663852886e38),
    ),
    TortureColumn(
        "double_",
        "double",
        pa.float64(),
        _numbers(0.1, -1.7976931348623157e308, 2.2250738585072014e-308, 1e15),
    ),
    TortureColumn(
        "money",
        "decimal(15,2)",
        pa.decimal128(15, 2),
        _decimals("9999999999999.99", "-9999999999999.99", "0.01", "-0.01"),
    ),
    TortureColumn(
        "decimal38",
        "decimal(38,10)",
        pa.decimal128(38, 10),
        _decimals("9999999999999999999999999999.9999999999", "-1.0000000001", "0"),
    ),
    TortureColumn("fraction", "decimal(2,2)", pa.decimal128(2, 2), _decimals("0.99", "-0.99", "0.00")),
    TortureColumn(
        "natural_", "decimal(20,0) unsigned", pa.decimal128(20, 0), _decimals("99999999999999999999", "0")
    ),
    TortureColumn(
        "decimal65",
        "decimal(65,30)",
        pa.decimal256(65, 30),
        _decimals("9" * 35 + "." + "9" * 30, "-" + "9" * 35 + "." + "9" * 30, "0." + "0" * 29 + "1"),
    ),
    TortureColumn("year_", "year", pa.uint16(), _numbers(1901, 2155, 0)),
    TortureColumn(
        "date_",
        "date",
        pa.date32(),
        (*_dates("1000-01-01", "9999-12-31", "1970-01-01", "2024-02-29"), *_ZERO),
    ),
    TortureColumn(
        "datetime_",
        "datetime",
        pa.timestamp("us"),
        (
            *_datetimes("1000-01-01 00:00:00", "9999-12-31 23:59:59", "1969-12-31 23:59:59"),
            ("'0000-00-00 00:00:00'", None),
        ),
    ),
    TortureColumn(
        "datetime6",
        "datetime(6)",
        pa.timestamp("us"),
        _datetimes("1000-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999", "2024-02-29 00:00:00"),
    ),
    TortureColumn(
        "timestamp_",
        "timestamp(6) NULL",
        pa.timestamp("us"),
        _datetimes("1970-01-02 00:00:01", "2037-12-31 23:59:59.999999"),
    ),
    TortureColumn(
        "time_",
        "time",
        pa.duration("us"),
        (
            ("'838:59:59'", _LONGEST),
            ("'-838:59:59'", -_LONGEST),
            ("'00:00:00'", timedelta(0)),
            ("'-00:00:01'", -timedelta(seconds=1)),
        ),
    ),
    TortureColumn(
        "time6",
        "time(6)",
        pa.duration("us"),
        (
            ("'838:59:59'", _LONGEST),
            ("'-12:34:56.000001'", -timedelta(hours=12, minutes=34, seconds=56, microseconds=1)),
            ("'00:00:00.999999'", timedelta(microseconds=999999)),
        ),
    ),
    TortureColumn("char_", "char(20)", pa.string(), _TEXT),
    TortureColumn(
        "varchar_", "varchar(500)", pa.string(), (*_TEXT, *_texts("x" * 250, "x" * 251, "é" * 300))
    ),
    TortureColumn("varchar_bin", "varchar(50) COLLATE utf8mb4_bin", pa.string(), _TEXT),
    TortureColumn("latin1_", "varchar(20) CHARACTER SET latin1", pa.string(), _texts("", "été ÿ")),
    TortureColumn("tinytext_", "tinytext", pa.string(), _TEXT),
    TortureColumn("text_", "text", pa.string(), (*_TEXT, *_texts("x" * 65535))),
    TortureColumn("mediumtext_", "mediumtext", pa.string(), (*_TEXT, *_texts("y" * 65536))),
    TortureColumn("longtext_", "longtext", pa.string(), (*_TEXT, *_texts("漢" * 70_000))),
    TortureColumn("json_", "json", pa.string(), _texts('{"a": [1, "é", null]}', "[]", '""')),
    TortureColumn("enum_", "enum('a','b c','é')", pa.string(), _texts("a", "é")),
    TortureColumn("set_", "set('x','y')", pa.string(), _texts("x,y", "", "y")),
    TortureColumn(
        "binary_", "binary(4)", pa.binary(), (("X'00'", b"\0\0\0\0"), ("X'FF00FF00'", b"\xff\0\xff\0"))
    ),
    TortureColumn("varbinary_", "varbinary(300)", pa.binary(), _BLOB),
    TortureColumn("tinyblob_", "tinyblob", pa.binary(), _BLOB[:2]),
    TortureColumn("blob_", "blob", pa.binary(), _BLOB),
    TortureColumn("longblob_", "longblob", pa.binary(), (*_BLOB, *_bytes(bytes(70_000)))),
    TortureColumn(
        "point_",
        "point",
        pa.binary(),
        (
            (
                "ST_GeomFromText('POINT(1 2)')",
                bytes.fromhex("000000000101000000000000000000f03f0000000000000040"),
            ),
        ),
    ),
)
ROWS = max(len(column.values) for column in COLUMNS) + 1
ZERO_DATES = {
    column.name: len(zeros)
    for column in COLUMNS
    if (zeros := [literal for literal, value in column.values if value is None])
}


def expected_values() -> dict[str, list[Any]]:
    """Return the values of each column, padded with NULLs."""
    return {
        column.name: [value for _, value in column.values] + [None] * (ROWS - len(column.values))
        for column in COLUMNS
    }


def statements(table: str) -> tuple[str, ...]:
    """Return the statements that create the table, with its rows in the order of their `id`."""
    definitions = ", ".join(f"{column.name} {column.sql}" for column in COLUMNS)
    rows = (
        ", ".join([str(row), *((*column.values, *[_NULL] * ROWS)[row][0] for column in COLUMNS)])
        for row in range(ROWS)
    )
    return (
        "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00', NAMES utf8mb4",
        f"CREATE OR REPLACE TABLE {table} (id INT PRIMARY KEY, {definitions}) CHARACTER SET utf8mb4",
        *(f"INSERT INTO {table} VALUES ({row})" for row in rows),
    )
