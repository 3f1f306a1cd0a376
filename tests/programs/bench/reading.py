"""The time of each way for a whole SELECT *, next to the others in the same round."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from programs.bench.report import Measured, show
from programs.bench.server import ask, execute
from programs.bench.tables import GROWTH, TABLES
from programs.bench.ways import WAYS

if TYPE_CHECKING:
    from argparse import Namespace

    from support.mariadb import MariaDb

OURS, JUPYSQL, FLOOR = "tidb_pe_magic", "jupysql autopandas", "drain, binary"
_QUICK = 20
_SIZES = (100_000, 300_000, 1_000_000, 3_000_000)


def run(server: MariaDb, options: Namespace) -> None:
    """Read each table in each way, one way after the other, in rounds."""
    for table in TABLES:
        if options.tables and table.name not in options.tables:
            continue
        rows = table.rows // _QUICK if options.quick else table.rows
        execute(server, table.statements(rows))
        rounds = [_round(server, table.name) for _ in range(options.runs)]
        execute(server, [f"DROP TABLE {table.name}"])
        print(f"\n### {table.name}: {rows:,} rows, medians of {options.runs} interleaved runs\n")
        _show_rounds(rounds)


def _round(server: MariaDb, table: str) -> dict[str, Measured]:
    return {way: _measured(server, way, f"SELECT * FROM {table}") for way in WAYS}


def _measured(server: MariaDb, way: str, sql: str) -> Measured:
    (*_, answer) = ask(server, "programs.bench.ways", way, sql=sql)
    return Measured(answer.get("seconds", 0.0), answer.get("peak", 0.0), answer.get("error", ""))


def _show_rounds(rounds: list[dict[str, Measured]]) -> None:
    lines = []
    for way in WAYS:
        error = next((each[way].error for each in rounds if each[way].error), "")
        if error:
            lines.append((way, f"not measured: {error}", "", "", ""))
            continue

        def ratio(to: str, way: str = way) -> float:
            return median(each[to].seconds / each[way].seconds for each in rounds)

        lines.append(
            (
                way,
                f"{median(each[way].seconds for each in rounds):.2f}",
                f"{ratio(JUPYSQL):.1f}",
                f"{1 / ratio(FLOOR):.2f}",
                f"{median(each[way].peak for each in rounds):.0f}",
            )
        )
    show(("way", "s", "times faster than jupysql", "times the binary drain", "peak MB"), lines)


def growth(server: MariaDb, options: Namespace) -> None:
    """Read more and more rows of the narrow table; the time per row should stay constant."""
    sizes = [size // _QUICK for size in _SIZES] if options.quick else _SIZES
    execute(server, GROWTH.statements(sizes[-1]))
    lines = []
    for size in sizes:
        sql = f"SELECT * FROM {GROWTH.name} WHERE id <= {size}"
        runs = [_measured(server, OURS, sql) for _ in range(options.runs)]
        seconds = median(each.seconds for each in runs)
        lines.append(
            (
                f"{size:,}",
                f"{seconds:.2f}",
                f"{seconds / size * 1e9:.0f}",
                f"{median(each.peak for each in runs):.0f}",
            )
        )
    execute(server, [f"DROP TABLE {GROWTH.name}"])
    print(f"\n### Growth: the narrow table's rows, medians of {options.runs}\n")
    show(("rows", "s", "ns per row", "peak MB"), lines)
