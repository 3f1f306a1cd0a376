"""Seeded trials of all possible faults: PYTHONPATH=tests python -m programs.chaos --runs 1000."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from typing import TYPE_CHECKING

from programs.chaos.kills import Killed, Victims
from programs.chaos.loads import broken_loads
from programs.chaos.pool import trials
from programs.chaos.servers import Server
from programs.chaos.sql_cuts import Losses, cut_session, left_running
from programs.chaos.trial import USER, Database, Outcome, totals
from support.mariadb import MariaDb

from tidb_pe_magic.sandbox.faults import Point

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# A load has dozens of statements, and some of them start a process.
_RUNS_PER_LOAD = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials, print the tables, and return the exit status: 1 if a defect was found."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="number of trials, cuts and kills each")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the first trial; each further trial adds 1"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="number of parallel trials")
    parser.add_argument("--kill", help="run only this kill, such as run:12:before")
    options = parser.parse_args(arguments)
    if options.kill:
        return _report_kills(_kill(options.kill))
    good = [
        _report_trials(trials(range(options.seed, options.seed + options.runs), options.jobs)),
        _report_cuts(_cuts(options.seed, options.runs)),
        _report_loads(options.seed, max(1, options.runs // _RUNS_PER_LOAD)),
        _report_kills(_kills(options.seed, options.runs)),
    ]
    return max(good)


# Trials


def _report_trials(outcomes: Iterable[Outcome]) -> int:
    seen = []
    for outcome in outcomes:
        seen.append(outcome)
        if not outcome.good:
            _say(f"seed {outcome.seed} failed; to replay it: make chaos N=1 SEED={outcome.seed}")
            _say("    " + "\n".join(outcome.unclear).replace("\n", "\n    "))
    _table([totals(seen)])
    return int(not all(outcome.good for outcome in seen))


# Cuts


def _servers() -> Iterator[tuple[str, Server]]:
    """Yield the sandbox's database, and a MariaDB if it is installed."""
    with Database() as database:
        host, port = database.address.split(":")
        yield (
            "sandbox",
            Server(
                host=host, port=int(port), user=USER, password=database.password, execute=database.execute
            ),
        )
    program, installer = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if program is None or installer is None:
        _say("MariaDB is not installed: its connections are not cut (sudo apt-get install mariadb-server)")
        return
    mariadb = MariaDb(program, installer)
    try:
        mariadb.start()
        yield (
            "MariaDB",
            Server(
                host=mariadb.host,
                port=mariadb.port,
                user=mariadb.user,
                password=mariadb.password,
                execute=mariadb.execute,
            ),
        )
    finally:
        mariadb.remove()


def _cuts(seed: int, cuts: int) -> Iterator[tuple[str, str, Losses]]:
    for name, server in _servers():
        yield from _both(name, server, seed, cuts)


def _both(name: str, server: Server, seed: int, cuts: int) -> Iterator[tuple[str, str, Losses]]:
    for plain, whose in ((False, "ours"), (True, "plain jupysql")):
        losses = cut_session(server, seed, cuts, plain=plain)
        losses.left_running = left_running(server, plain=plain)
        yield name, whose, losses


def _report_cuts(results: Iterable[tuple[str, str, Losses]]) -> int:
    seen = list(results)
    _table([{"server": server, "connection": whose, **vars(losses)} for server, whose, losses in seen])
    return int(any(losses.bad for _, whose, losses in seen if whose == "ours"))


# Loads


def _report_loads(seed: int, loads: int) -> int:
    seen = [(name, broken_loads(server, seed, loads)) for name, server in _servers()]
    _table([{"server": name, **vars(losses)} for name, losses in seen])
    return int(any(losses.bad for _, losses in seen))


# Kills


def _kills(seed: int, most: int) -> Iterator[Killed]:
    with Database() as database:
        victims = Victims(database)
        chosen = [
            (operation, number, point)
            for operation in ("run", "delete")
            for number in range(1, len(victims.calls(operation)) + 1)
            for point in (Point.BEFORE, Point.AFTER)
        ]
        random.Random(seed).shuffle(chosen)  # noqa: S311 - an order is not secret
        for each in chosen[:most]:
            yield victims.killed_at(*each)


def _kill(text: str) -> Iterator[Killed]:
    operation, number, point = text.split(":")
    with Database() as database:
        yield Victims(database).killed_at(operation, int(number), Point(point))


def _report_kills(kills: Iterable[Killed]) -> int:
    seen = []
    for killed in kills:
        seen.append(killed)
        if not killed.is_as_without:
            _say(
                f"{killed}; to replay it: PYTHONPATH=tests .venv/bin/python -m programs.chaos --kill {killed}"
            )
    good = sum(killed.is_as_without for killed in seen)
    _table([{"kills": len(seen), "as without the kill": good}])
    return int(good < len(seen))


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    _say("")
    _say("  ".join(name.rjust(width) for name, width in widths.items()))
    for row in rows:
        _say("  ".join(str(row[name]).rjust(width) for name, width in widths.items()))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
