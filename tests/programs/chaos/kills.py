"""Processes killed in the middle of `run` and of `delete`, and started again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic import Runbook
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.faults import Point, Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

    from programs.chaos.trial import Database

    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

ZONES = ("ap-southeast-1a", "ap-southeast-1b")
VPC, GROUP = "vpc-t4nanalytics0k3m7x", "sg-t4nanalytics"
CLOUDS = (Service.TIDB_CLOUD, Service.ALIBABA)
_SECONDS = 60.0
#: The modules that a victim imports, so that each is forked quickly from a process that has them.
_IMPORTED = (
    "programs.chaos.kills",
    "alibabacloud_privatelink20200415.client",
    "sqlalchemy",
    "pymysql",
    "pandas",
    "tidb_pe_magic.database.loading.load",
)


@dataclass(frozen=True)
class Killed:
    """A process killed at a call, and the cloud's state after its successor.

    Attributes:
        call: the number of the call at which it was killed, starting at 1.
        victim: the process's operation.
        operation: the call, or empty if the process ended before it.
        exit_code: of the successor.
        most: the maximum number of simultaneous endpoints.
        endpoints: at the end, each by its zones.
    """

    victim: str
    call: int
    point: Point
    operation: str
    exit_code: int | None
    most: int
    endpoints: tuple[tuple[str, ...], ...]

    @property
    def is_as_without(self) -> bool:
        """Whether the clouds are in the same state as without a kill."""
        wanted = (ZONES,) if self.victim == "run" else ()
        return self.exit_code == 0 and self.most <= 1 and self.endpoints == wanted

    def __str__(self) -> str:
        """Return the value for `--kill`."""
        return f"{self.victim}:{self.call}:{self.point}"


def operate(operation: str, environ: Mapping[str, str]) -> None:
    """Run a victim's operation in a new process, with only the environment."""
    with Runbook(environ=environ) as runbook:
        if operation == "run":
            runbook.run("demo", vpc=VPC, security_group=[GROUP], database="test")
            return
        for endpoint in runbook.endpoints(cluster="demo"):
            runbook.delete(endpoint.endpoint_id, cluster="demo", yes=True, shared=True)


def forking() -> ForkServerContext:
    """Return the context that starts victims, which can import the tests."""
    # Forked from a process without threads: this one has those of the sandbox.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    tests = str(Path(__file__).parents[2])
    parts = (tests, *os.environ.get("PYTHONPATH", "").split(os.pathsep))
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, parts)))
    return context


class Victims:
    """Starts victims; a context manager."""

    def __init__(self, database: Database) -> None:
        """Take the database behind the endpoints."""
        self._database = database
        self._context = forking()

    def killed_at(self, operation: str, number: int, point: Point) -> Killed:
        """Kill a process at its `number`-th call to a cloud, start it again, and check the clouds."""
        with self._sandbox() as (sandbox, environ):
            if operation == "delete":
                operate("run", environ)
            counted = _Counter(sandbox)
            already = len(sandbox.requests)
            with sandbox.faults.hold(number, point) as hold:
                victim = self._start(operation, environ)
                while not hold.reached.wait(0.02) and victim.is_alive():
                    pass
                reached = hold.reached.is_set()
                victim.kill()
                victim.join(_SECONDS)
            calls = [call for call in sandbox.requests[already:] if call.service in CLOUDS]
            successor = self._start(operation, environ)
            successor.join(_SECONDS)
            return Killed(
                victim=operation,
                call=number,
                point=point,
                operation=calls[number - 1].operation if reached else "",
                exit_code=successor.exitcode,
                most=counted.most,
                endpoints=tuple(
                    tuple(sorted(zone.zone_id for zone in endpoint.zones))
                    for endpoint in sandbox.world.endpoints.values()
                ),
            )

    def calls(self, operation: str) -> list[str]:
        """Return the cloud calls that the operation makes without a kill."""
        with self._sandbox() as (sandbox, environ):
            if operation == "delete":
                operate("run", environ)
            already = len(sandbox.requests)
            operate(operation, environ)
            return [call.operation for call in sandbox.requests[already:] if call.service in CLOUDS]

    def _start(self, operation: str, environ: Mapping[str, str]) -> BaseProcess:
        process = self._context.Process(target=operate, args=(operation, dict(environ)), daemon=True)
        process.start()
        return process

    @contextlib.contextmanager
    def _sandbox(self) -> Iterator[tuple[Sandbox, dict[str, str]]]:
        with (
            tempfile.TemporaryDirectory(prefix="tidb-pe-") as state,
            Sandbox(upstream=self._database.address) as sandbox,
        ):
            environ = {
                **sandbox.environment(),
                "TIDB_PASSWORD": self._database.password,
                "TIDB_PE_STATE_DIR": state,
            }
            yield sandbox, environ


class _Counter:
    """Counts the simultaneous endpoints."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.most = 0
        self._world = sandbox.world
        sandbox.world.subscribe(self._look)

    def _look(self, _endpoint: Endpoint) -> None:
        self.most = max(self.most, len(self._world.endpoints))
