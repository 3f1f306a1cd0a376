"""The number of wrong values per way in the table of every type: `python -m programs.bench.types WAY`."""

from __future__ import annotations

import json
import math
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from programs.bench.report import show
from programs.bench.server import ask, execute
from programs.bench.ways import WAYS
from support import torture

if TYPE_CHECKING:
    from argparse import Namespace

    from support.mariadb import MariaDb

_TABLE = "torture"


def run(server: MariaDb, _: Namespace) -> None:
    """Read each column in each way, and count the values that differ from the stored ones."""
    execute(server, torture.statements(_TABLE))
    total = len(torture.COLUMNS) * torture.ROWS
    lines = []
    for way in WAYS:
        if not way.startswith("drain"):
            wrong = _wrong(server, way)
            if wrong is None:
                lines.append((way, "not installed", ""))
                continue
            names = ", ".join(name for name, count in wrong.items() if count) or "-"
            lines.append((way, str(sum(wrong.values())), names))
    execute(server, [f"DROP TABLE {_TABLE}"])
    print(f"\n### Wrong values of {total:,}, in {len(torture.COLUMNS)} columns of every type\n")
    show(("way", "wrong", "in the columns"), lines)


def _wrong(server: MariaDb, way: str) -> dict[str, int] | None:
    """Return the number of wrong values in each column, which is all if the process crashed."""
    wrong: dict[str, int] = {}
    names = [column.name for column in torture.COLUMNS]
    while len(wrong) < len(names):
        answers = list(ask(server, "programs.bench.types", way, columns=names[len(wrong) :]))
        if "ModuleNotFoundError" in answers[-1].get("error", ""):
            return None
        wrong |= {answer["column"]: answer["wrong"] for answer in answers if "column" in answer}
        if len(wrong) < len(names):
            wrong[names[len(wrong)]] = torture.ROWS
    return wrong


def same(value: Any, right: Any) -> bool:
    """Return whether a value from a frame equals the stored one, in any form.

    A float equals a DECIMAL with the same text, and bytes the number of a BIT; the string of a zero date
    does not equal a missing date.
    """
    import pandas as pd

    if right is None or value is None or value is pd.NaT or value is pd.NA:
        return right is None and bool(pd.isna(value))
    match right:
        case str() | bytes():
            return type(value) is type(right) and bool(value == right)
        case datetime():
            return bool(pd.Timestamp(value) == pd.Timestamp(right))
        case date():
            return str(value)[:10] == str(right)
        case timedelta():
            return isinstance(value, timedelta) and value == right
    return _same_number(value, right)


def _same_number(value: Any, right: float | Decimal) -> bool:
    if isinstance(value, bytes):
        return int.from_bytes(value, "big") == right
    if isinstance(right, float):
        return math.isclose(value, right, rel_tol=1e-15)
    return Decimal(repr(value) if isinstance(value, float) else str(value)) == right


def main() -> None:
    """Read the requested columns, and print the number of wrong values for each."""
    task = json.load(sys.stdin)
    read, expected = WAYS[sys.argv[1]](task), torture.expected_values()
    for name in task["columns"]:
        try:
            frame = read(f"SELECT {name} FROM {_TABLE} ORDER BY id")
            values = frame[name].tolist()
        except Exception:  # noqa: BLE001 - any error means no values
            values = [math.nan] * 0
        right = expected[name]
        wrong = (
            len(right)
            if len(values) != len(right)
            else sum(not _safe(*pair) for pair in zip(values, right, strict=True))
        )
        print(json.dumps({"column": name, "wrong": wrong}), flush=True)


def _safe(value: Any, right: Any) -> bool:
    try:
        return same(value, right)
    except (ValueError, TypeError, ArithmeticError):
        return False


if __name__ == "__main__":
    main()
