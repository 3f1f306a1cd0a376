"""Answers of a real TiDB, recorded as text: `=> ` below each statement has its rows, counts or error.

To record a file's statements again, start a TiDB without a password, and run from the root of the checkout:

    PYTHONPATH=tests/support .venv/bin/python -m recorded_answers PORT FILE...
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pymysql
from pymysql.constants import FIELD_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MARK: Final = "=> "
#: The kinds that matter to a client; the widths of integers and texts differ between expressions.
_KINDS: Final = {
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG), "integer"
    ),
    FIELD_TYPE.NEWDECIMAL: "decimal",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.BIT: "bit",
    FIELD_TYPE.NULL: "null",
}


def statements(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each statement of a file, with its recorded answer; empty if it has none."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("--")]
    for place, line in enumerate(lines):
        if not line.startswith(_MARK):
            following = lines[place + 1] if place + 1 < len(lines) else ""
            yield line, following.removeprefix(_MARK) if following.startswith(_MARK) else ""


def answer(connection: Any, sql: str) -> str:
    """Run a statement; return its error, or its counts, or its kinds of columns and its rows."""
    with connection.cursor() as cursor:
        try:
            count = cursor.execute(sql)
        except pymysql.Error as error:
            return f"error {error.args[0]}: {error.args[1]}".strip()
        if cursor.description is None:
            return f"{count} rows" + (f", id {cursor.lastrowid}" if cursor.lastrowid else "")
        kinds = " ".join(_KINDS.get(column[1], "text") for column in cursor.description)
        return f"{kinds} | " + " ".join(map(_row, cursor.fetchall()))


def _row(row: Sequence[object]) -> str:
    return "(" + ", ".join(_value(value) for value in row) + ")"


def _value(value: object) -> str:
    if isinstance(value, dt.timedelta | dt.date):
        return f"<{value}>"
    if value is None or isinstance(value, str | bytes | float):
        return "NULL" if value is None else repr(value)
    return str(value)


def _record(port: int, path: Path) -> None:
    with pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True) as connection:
        for sql in ("DROP DATABASE IF EXISTS recorded", "CREATE DATABASE recorded", "USE recorded"):
            answer(connection, sql)
        lines = []
        for line in path.read_text("utf-8").splitlines():
            if not line.startswith(_MARK):
                lines.append(line)
            if line and not line.startswith((_MARK, "--")):
                lines.append(_MARK + answer(connection, line))
        answer(connection, "DROP DATABASE recorded")
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        _record(int(sys.argv[1]), Path(name))
