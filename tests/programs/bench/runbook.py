"""The cost of a full `run` on the sandbox: requests before the first poll, and seconds."""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

from flows.places import GROUP, VPC
from programs.bench.report import show

from tidb_pe_magic import Runbook
from tidb_pe_magic.model import ConnectionStatus, EndpointObserved
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from argparse import Namespace

    from support.mariadb import MariaDb

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

_POLL = "GetVpcEndpointAttribute"
_CONNECTED_AFTER = 4.0  # seconds, in mode "time"


def run(_: MariaDb, options: Namespace) -> None:
    """Run everything on a new sandbox each time, after a first run that loads the imports."""
    with tempfile.TemporaryDirectory() as state, patch.dict("os.environ", XDG_STATE_HOME=state):
        _immediate()
        runs = [_immediate() for _ in range(options.runs)]
        late = [_timed() for _ in range(1 if options.quick else options.runs)]
    print(f"\n### Runbook: a full run on the sandbox in a warm process, medians of {options.runs}\n")
    lines = [
        ("requests before the first poll (mode immediate)", f"{max(number for number, _ in runs)}"),
        ("seconds (mode immediate)", f"{median(seconds for _, seconds in runs):.2f}"),
        ("seconds from Connected to the end (mode time)", f"{median(seconds for seconds, _ in late):.2f}"),
        ("longest poll interval (mode time)", f"{max(interval for _, interval in late):.2f}"),
    ]
    show(("what", "measured"), lines)


def _immediate() -> tuple[int, float]:
    with Sandbox(flights=500) as sandbox, Runbook(environ=sandbox.environment()) as runbook:
        start = time.perf_counter()
        runbook.run("demo", vpc=VPC, security_group=[GROUP])
        seconds = time.perf_counter() - start
        actions = [call.operation for call in sandbox.requests.to("alibaba")]
        return len(sandbox.requests.to("tidb-cloud")) + actions.index(_POLL), seconds


def _timed() -> tuple[float, float]:
    """Return the seconds from Connected to the end of the run, and the longest interval between two polls."""
    connected: list[float] = []
    looks: list[float] = []

    def changed(endpoint: Endpoint) -> None:
        if endpoint.connection_status == ConnectionStatus.CONNECTED and not connected:
            connected.append(time.perf_counter())

    def hear(event: Event) -> None:
        if isinstance(event, EndpointObserved):
            looks.append(time.perf_counter())

    with Sandbox(mode="time", seconds=_CONNECTED_AFTER, flights=500) as sandbox:
        sandbox.world.subscribe(changed)
        with Runbook(environ=sandbox.environment(), on_event=hear) as runbook:
            runbook.run("demo", vpc=VPC, security_group=[GROUP])
            ended = time.perf_counter()
    pauses = [after - before for before, after in pairwise(looks)]
    return ended - connected[0], max(pauses, default=0.0)
