"""`load`, and pandas' own ways to write a frame, each in a separate process, one after the other."""

from __future__ import annotations

import json
import sys
import threading
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from programs.bench.report import show
from programs.bench.server import ask, execute
from programs.bench.ways import our_engine, server_url

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping

    from support.mariadb import MariaDb

OURS, PLAIN, MULTI = "load", "to_sql", 'to_sql(method="multi")'
_QUICK = 20
_CHUNK = 1000  # rows per statement: SQLAlchemy compiles each, and long ones slowly
# For the larger size, a run of to_sql(method="multi") takes minutes.
_SIZES: tuple[tuple[int, tuple[str, ...]], ...] = ((20_000, (OURS, PLAIN, MULTI)), (300_000, (OURS, PLAIN)))


def run(server: MariaDb, options: Namespace) -> None:
    """Write a frame of ten columns in each way, in rounds."""
    # to_sql leaves the character set to the database.
    execute(server, [f"ALTER DATABASE {server.database} CHARACTER SET utf8mb4"])
    for size, ways in _SIZES:
        rows = size // _QUICK if options.quick else size
        rounds = []
        for _ in range(options.runs):
            rounds.append({way: _measured(server, way, rows) for way in ways})
            execute(server, ["DROP TABLE IF EXISTS written"])
        print(f"\n### Writing a frame of {rows:,} rows, medians of {options.runs} interleaved runs\n")
        lines = []
        for way in ways:
            error = next((each[way]["error"] for each in rounds if "error" in each[way]), "")
            if error:
                lines.append((way, f"not measured: {error}", "", ""))
                continue
            lines.append(
                (
                    way,
                    f"{median(each[way]['seconds'] for each in rounds):.2f}",
                    f"{median(each[way]['processor'] for each in rounds):.2f}",
                    f"{median(each[way]['seconds'] / each[OURS]['seconds'] for each in rounds):.1f}",
                )
            )
        show(("way", "s", "s of the client's processor", f"times as long as {OURS}"), lines)


def _measured(server: MariaDb, way: str, rows: int) -> dict[str, Any]:
    execute(server, ["DROP TABLE IF EXISTS written"])
    (*_, answer) = ask(server, "programs.bench.writing", way, rows=rows)
    return answer


def frame(rows: int) -> Any:
    """Return a frame of numbers, text and times, some of them NULL."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(1)
    some = draw.random(rows) < 0.1
    names = np.array(["Aerolíneas", "United's", "Delta Air Lines", "JetBlue Airways", "Ünïcödé \\ 漢字"])
    start = np.datetime64("2013-01-01", "us")
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "small": draw.integers(0, 1000, rows),
            "large": draw.integers(-(2**62), 2**62, rows),
            "count": pd.Series(draw.integers(0, 500, rows), dtype="Int64").mask(some),
            "price": draw.random(rows) * 1e4,
            "delay": pd.Series(draw.random(rows)).mask(some),
            "carrier": names[draw.integers(0, len(names), rows)],
            "note": [f"flight {number} of the day" for number in range(rows)],
            "flag": draw.random(rows) < 0.5,
            "departed": start + draw.integers(0, 10**15, rows).astype("timedelta64[us]"),
        }
    )


def _load(task: Mapping[str, Any]) -> Callable[[Any], None]:
    from tidb_pe_magic.database.loading.load import load
    from tidb_pe_magic.database.loading.sources import source_of
    from tidb_pe_magic.database.loading.tables import TableName
    from tidb_pe_magic.database.loading.task import LoadTask

    engine = our_engine(task)

    def write(frame: Any) -> None:
        load(
            LoadTask(
                engine=engine,
                name=TableName("written", task["database"]),
                source=source_of(frame),
                if_exists="fail",
                keys=(),
                cancel=threading.Event(),
            )
        )

    return write


def _to_sql(task: Mapping[str, Any], **options: Any) -> Callable[[Any], None]:
    from sqlalchemy import create_engine

    engine = create_engine(server_url(task, "mysql+pymysql", "charset=utf8mb4"))
    engine.connect().close()
    return lambda frame: frame.to_sql("written", engine, index=False, **options)


def _multi(task: Mapping[str, Any]) -> Callable[[Any], None]:
    return _to_sql(task, method="multi", chunksize=_CHUNK)


WAYS: Mapping[str, Callable[[Mapping[str, Any]], Callable[[Any], None]]] = {
    OURS: _load,
    PLAIN: _to_sql,
    MULTI: _multi,
}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    write, written = WAYS[sys.argv[1]](asked), frame(asked["rows"])
    processor, started = time.process_time(), time.perf_counter()
    write(written)
    answer = {"seconds": time.perf_counter() - started, "processor": time.process_time() - processor}
    print(json.dumps(answer))
