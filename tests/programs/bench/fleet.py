"""The cost of an endpoint of a fleet, in seconds and requests, as the fleet grows."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from flows.fleets import fleet_sandbox, named, written
from programs.bench.report import show

from tidb_pe_magic import Runbook
from tidb_pe_magic.sandbox.alibaba.fleet_seed import VPCS

if TYPE_CHECKING:
    from argparse import Namespace

    from support.mariadb import MariaDb

    from tidb_pe_magic.sandbox import Sandbox

SIZES = (1, 10, 100, 1000)
_ACTIONS = ("plan", "apply", "status")


def run(_: MariaDb, options: Namespace) -> None:
    """Plan, create and poll fleets of several sizes, each on a new sandbox."""
    sizes = SIZES[:-1] if options.quick else SIZES
    with tempfile.TemporaryDirectory() as state, patch.dict("os.environ", XDG_STATE_HOME=state):
        _measured(1)  # Load the modules that are imported once.
        lines = [(f"{size:,}", *_measured(size)) for size in sizes]
    print("\n### Fleet: milliseconds / requests per endpoint, the sandbox in the same process\n")
    show(("endpoints", *_ACTIONS), lines)


def _measured(size: int) -> list[str]:
    vpcs = VPCS[: min(size, len(VPCS))]
    clusters = size // len(vpcs)
    with (
        tempfile.TemporaryDirectory() as directory,
        fleet_sandbox(clusters) as sandbox,
        Runbook(environ={**sandbox.environment(), "TIDB_PE_STATE_DIR": directory}) as runbook,
    ):
        file = written(Path(directory) / "fleet.toml", named(clusters), vpcs)
        return [_cost(sandbox, runbook, action, file, size) for action in _ACTIONS]


def _cost(sandbox: Sandbox, runbook: Runbook, action: str, file: str, size: int) -> str:
    before = _requests(sandbox)
    start = time.perf_counter()
    if runbook.fleet(action, file).failures:
        msg = f"{action} of {size} endpoints failed"
        raise AssertionError(msg)
    seconds = time.perf_counter() - start
    return f"{1000 * seconds / size:.1f} / {(_requests(sandbox) - before) / size:.2f}"


def _requests(sandbox: Sandbox) -> int:
    return len(sandbox.requests.to("tidb-cloud")) + len(sandbox.requests.to("alibaba"))
