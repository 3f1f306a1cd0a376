"""`make bench`, optionally with a selection, as in `make bench BENCH="reading --quick"`."""

from __future__ import annotations

import argparse
import os
import platform

from programs.bench import fleet, parquet, reading, runbook, startup, types, writing
from programs.bench.server import started

GROUPS = {
    "reading": reading.run,
    "growth": reading.growth,
    "parquet": parquet.run,
    "writing": writing.run,
    "types": types.run,
    "startup": startup.run,
    "runbook": runbook.run,
    "fleet": fleet.run,
}


def main() -> None:
    """Run the requested groups, or all."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, and print ratios.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="use a twentieth of the rows")
    parser.add_argument("--runs", type=int, default=5, help="number of interleaved runs (default: 5)")
    parser.add_argument("--tables", nargs="*", default=(), help="of narrow, wide, text")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"unknown group {', '.join(sorted(unknown))}; choose from {', '.join(GROUPS)}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, MariaDB on loopback TCP")
    with started() as server:
        for name in options.groups or GROUPS:
            GROUPS[name](server, options)


if __name__ == "__main__":
    main()
