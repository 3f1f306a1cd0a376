"""`--to-parquet`: seconds and memory as the result grows, with each reading in a separate process."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from programs.bench.report import Measured, show
from programs.bench.server import ask, execute
from programs.bench.tables import GROWTH
from programs.bench.ways import measure, our_engine

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping

    from support.mariadb import MariaDb

_QUICK = 20
_SIZES = (100_000, 300_000, 1_000_000, 3_000_000)


def run(server: MariaDb, options: Namespace) -> None:
    """Write more and more rows of the narrow table to a file; the memory should stay constant."""
    sizes = [size // _QUICK for size in _SIZES] if options.quick else list(_SIZES)
    execute(server, GROWTH.statements(sizes[-1]))
    lines = []
    for size in sizes:
        sql = f"SELECT * FROM {GROWTH.name} WHERE id <= {size}"
        answers = [
            list(ask(server, "programs.bench.parquet", "file", sql=sql))[-1] for _ in range(options.runs)
        ]
        runs = [
            Measured(each.get("seconds", 0.0), each.get("peak", 0.0), each.get("error", ""))
            for each in answers
        ]
        error = next((each.error for each in runs if each.error), "")
        seconds = median(each.seconds for each in runs)
        lines.append((f"{size:,}", error or f"{seconds:.2f}", f"{median(each.peak for each in runs):.0f}"))
    execute(server, [f"DROP TABLE {GROWTH.name}"])
    print(f"\n### query --to-parquet: the narrow table's rows, medians of {options.runs}\n")
    show(("rows", "s", "peak MB"), lines)


def _writer(task: Mapping[str, Any], path: Path) -> Callable[[str], int]:
    from tidb_pe_magic.database.queries.results import ReadOptions, write_file
    from tidb_pe_magic.database.queries.statement import BoundStatement

    engine = our_engine(task)

    def write(sql: str) -> int:
        reading = ReadOptions(engine=engine, query=BoundStatement(sql=sql), cancel=threading.Event())
        write_file(reading, str(path))
        return reading.tally.rows

    return write


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(_writer(asked, Path(folder) / "rows.parquet"), asked["sql"])))
