"""A fleet whose process is killed repeatedly, and continues with the same command each time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.fleets import fleet_sandbox, named, placed, wanted, written
from programs.chaos.kills import CLOUDS, forking

from tidb_pe_magic import Runbook
from tidb_pe_magic.sandbox.faults import Point

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

_SECONDS = 120.0
_FEW = 40  # calls: about a dozen rows


@dataclass(frozen=True)
class KilledFleet:
    """The result of a killed fleet.

    Attributes:
        moments: the call at which each process was killed, before or after its execution, and how many
            endpoints existed then.
        exit_code: of the last process, which was not killed.
        made: service and VPC of each endpoint that was ever created.
        left: service and VPC of each endpoint at the end.
        untagged: endpoints without the product's tag, or with a missing zone.
    """

    moments: tuple[tuple[str, Point, int], ...]
    exit_code: int | None
    made: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    wanted: tuple[tuple[str, str], ...]
    untagged: int


def operate(action: str, file: str, environ: Mapping[str, str]) -> None:
    """Run a victim's operation in a new process, with only the file and the environment."""
    with Runbook(environ=environ) as runbook:
        runbook.fleet(action, file, yes=action == "delete")


def killed_fleet(
    directory: Path, *, seed: int, clusters: int, kills: int, action: str = "apply"
) -> KilledFleet:
    """Kill a command at random calls, one process after the other, and then let one finish.

    Args:
        directory: for the file and the state.
        seed: of the moments.
        clusters: each in two VPCs.
        kills: their number.
        action: apply, or delete after the whole fleet has been created.
    """
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    context = forking()
    file = written(directory / "fleet.toml", named(clusters))
    moments: list[tuple[str, Point, int]] = []
    made: dict[str, tuple[str, str]] = {}

    def look(endpoint: Endpoint) -> None:
        made[endpoint.endpoint_id] = (endpoint.service.service_id, endpoint.vpc_id)

    with fleet_sandbox(clusters) as sandbox:
        sandbox.world.subscribe(look)
        environ = {**sandbox.environment(), "TIDB_PE_STATE_DIR": str(directory / "state")}
        if action == "delete":
            operate("apply", file, environ)
        while len(moments) < kills:
            # An existing row costs two calls and a half; the calls above that create or delete some more.
            there = 0 if action == "delete" else len(made)
            number = chance.randint(1, 8 + 5 * there // 2 + _FEW)
            point = chance.choice((Point.BEFORE, Point.AFTER))
            already = sandbox.requests.mark
            victim = context.Process(target=operate, args=(action, file, environ), daemon=True)
            with sandbox.faults.hold(number, point) as hold:
                victim.start()
                while not hold.reached.wait(0.02) and victim.is_alive():
                    pass
                reached = hold.reached.is_set()
                if reached:
                    victim.kill()
                victim.join(_SECONDS)
            if not reached and victim.exitcode != 0:
                msg = f"a process that was not killed ended with {victim.exitcode}"
                raise AssertionError(msg)
            if reached:
                calls = [call for call in sandbox.requests.since(already) if call.service in CLOUDS]
                moments.append((calls[number - 1].operation, point, len(sandbox.world.endpoints)))
        successor = context.Process(target=operate, args=(action, file, environ), daemon=True)
        successor.start()
        successor.join(_SECONDS)
        return KilledFleet(
            moments=tuple(moments),
            exit_code=successor.exitcode,
            made=tuple(sorted(made.values())),
            left=tuple(placed(sandbox)),
            wanted=tuple(wanted(clusters)),
            untagged=sum(not each.tags or len(each.zones) != 2 for each in sandbox.world.endpoints.values()),
        )
