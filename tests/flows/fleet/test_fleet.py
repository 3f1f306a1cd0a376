"""A working fleet: fifty endpoints, failing rows among good ones, and the stop button."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from flows.fleets import fleet_sandbox, named, placed, service_id, wanted, written
from flows.places import JAKARTA_VPC, OTHER_VPC
from programs.chaos.kills import CLOUDS

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import FleetProgressed, RowState
from tidb_pe_magic.sandbox.alibaba.fleet_seed import VPCS
from tidb_pe_magic.sandbox.faults import Point

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.model import Event, Fleet
    from tidb_pe_magic.sandbox import Sandbox

CLUSTERS = 25
# For every run, whatever its number of rows: the clusters, PrivateLink's state, three for networks, the
# endpoints, and the rules of two security groups.
SHARED = 8


class Counted:
    """The calls since the start or the last query."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Start counting."""
        self._sandbox = sandbox
        self.since()

    def since(self) -> Counter[str]:
        """Return the number of calls of each operation since the last query."""
        requests = self._sandbox.requests.since(getattr(self, "_mark", 0))
        self._mark = self._sandbox.requests.mark
        return Counter(request.operation for request in requests.of() if request.service in CLOUDS)


def test_fifty_endpoints_are_planned_created_listed_and_deleted(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A fleet has one table with the total of billed zones, and repeats only requests that differ by row."""
    file = written(tmp_path / "fleet.toml", named(CLUSTERS))
    calls = Counted(sandbox)

    planned = runbook.fleet("plan", file)
    assert [row.row_state for row in planned] == [RowState.CREATE] * 50
    assert planned.billed_zones == 100
    assert sandbox.world.endpoints == {}
    # The dry run of each row, and each service once.
    once = {"ListClusters": 1, "ListVpcEndpoints": 1, "DescribeSecurityGroupAttribute": 2}
    asked = calls.since()
    assert sum(asked.values()) == SHARED + CLUSTERS + 50
    assert {name: asked[name] for name in once} == once

    made = runbook.fleet("apply", file)
    assert [row.row_state for row in made] == [RowState.READY] * 50
    assert made.billed_zones == 100
    assert placed(sandbox) == wanted(CLUSTERS)
    assert {row.endpoint_id: row.host for row in made} == {
        each.endpoint_id: each.domain for each in sandbox.world.endpoints.values()
    }
    asked = calls.since()
    # Before each creation the row's endpoints are listed once more, and one list serves all waits.
    assert sum(asked.values()) == SHARED + CLUSTERS + 2 * 50 + 1
    assert asked["GetVpcEndpointAttribute"] == 0

    again = runbook.fleet("apply", file)
    assert [(row.row_state, row.adopted) for row in again] == [(RowState.READY, True)] * 50
    assert again.billed_zones == 0
    assert "CreateVpcEndpoint" not in calls.since()

    seen = runbook.fleet("status", file)
    assert [row.endpoint_id for row in seen] == [row.endpoint_id for row in made]
    assert calls.since() == {"ListClusters": 1, "ListVpcEndpoints": 1}

    gone = runbook.fleet("delete", file, yes=True)
    assert [row.row_state for row in gone] == [RowState.DELETED] * 50
    assert sandbox.world.endpoints == {}
    assert [row.row_state for row in runbook.fleet("delete", file, yes=True)] == [RowState.ABSENT] * 50


def test_a_foreign_endpoint_is_adopted_and_not_deleted(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An endpoint without the product's tag is used unchanged, and deleted only with --adopted."""
    service = next(each for each in sandbox.world.services if each.service_id == service_id(1))
    theirs = sandbox.world.create_endpoint(
        service=service, vpc_id=VPCS[0], zones=[("ap-southeast-1a", "vsw-t4nfleet1a")], name="theirs"
    )
    file = written(tmp_path / "fleet.toml", ["fleet-1"], more='security_group = "sg-t4nfleet1"\n')
    with pytest.raises(errors.FleetFailed, match="row 2"):  # That group is not in the second VPC.
        runbook.fleet("plan", file)
    file = written(tmp_path / "fleet.toml", ["fleet-1"], more='zone = "all"\n')
    assert [row.row_state for row in runbook.fleet("plan", file)] == [RowState.ADOPT, RowState.CREATE]
    made = runbook.fleet("apply", file)
    assert made.rows[0].endpoint_id == theirs.endpoint_id
    assert made.rows[0].remarks == tuple(
        f"zone ap-southeast-1{zone} was requested but is not in it" for zone in "bc"
    )
    assert made.billed_zones == 3
    with pytest.raises(errors.FleetFailed, match="was not created here"):
        runbook.fleet("delete", file, yes=True)
    assert list(sandbox.world.endpoints) == [theirs.endpoint_id]
    assert runbook.fleet("delete", file, yes=True, adopted=True).failures == 0
    assert sandbox.world.endpoints == {}


def test_nothing_is_deleted_without_being_meant(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Without --yes nothing is deleted; the error gives the number of endpoints and how to list them."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    runbook.fleet("apply", file)
    with pytest.raises(errors.InvalidRequest, match="--yes: is missing: this deletes 2 endpoints"):
        runbook.fleet("delete", file)
    assert placed(sandbox) == wanted(1)


def test_an_endpoint_that_is_being_deleted_hides_no_other(tmp_path: Path) -> None:
    """If one of a row's endpoints is Deleting, the remaining one is deleted."""
    with fleet_sandbox(1, mode="manual") as sandbox:

        def sleep(_seconds: float) -> bool:
            sandbox.tick()
            return False

        with Runbook(environ=sandbox.environment(), sleep=sleep) as runbook:
            file = written(tmp_path / "fleet.toml", ["fleet-1"], vpcs=VPCS[:1])
            staying = runbook.fleet("apply", file).rows[0].endpoint_id
            made = sandbox.world.endpoints[staying]
            going = sandbox.world.create_endpoint(
                service=made.service,
                vpc_id=made.vpc_id,
                zones=(),
                tags=made.tags,
                create_time="2020-01-01T00:00:00Z",
            ).endpoint_id
            sandbox.world.delete_endpoint(going)
            (row,) = runbook.fleet("delete", file, yes=True)
        assert (row.endpoint_id, row.row_state, row.remarks) == (staying, RowState.DELETED, ())
        assert staying not in sandbox.world.endpoints


def test_every_row_is_waited_for_by_one_list(tmp_path: Path) -> None:
    """One list request covers all rows, and each row's states are reported as they change."""
    events: list[Event] = []
    with fleet_sandbox(5, mode="manual") as sandbox:

        def sleep(_seconds: float) -> bool:
            sandbox.tick()
            return False

        with Runbook(environ=sandbox.environment(), on_event=events.append, sleep=sleep) as runbook:
            made = runbook.fleet("apply", written(tmp_path / "fleet.toml", named(5)))
        calls = Counter(sandbox.requests.operations)
    assert made.failures == 0
    # One at the start, one before each creation, and one for each of the three transitions and the first
    # wait.
    assert calls["ListVpcEndpoints"] == 1 + 10 + 4
    assert calls["GetVpcEndpointAttribute"] == 0
    told = [event for event in events if isinstance(event, FleetProgressed)]
    seen = [row.row_state for event in told for row in event.changed if row.number == 10]
    assert seen[-1] == RowState.READY
    assert RowState.CONNECTING in seen
    assert told[-1].rows == made.rows


@pytest.mark.parametrize("by", ["interrupt", "cancel"])
def test_a_stop_returns_while_a_call_is_still_under_way(sandbox: Sandbox, tmp_path: Path, by: str) -> None:
    """A stop returns during a held call and starts nothing afterwards; the same command resumes."""
    file = written(tmp_path / "fleet.toml", named(CLUSTERS))
    cancel = threading.Event()

    def hear(event: Event) -> None:
        if not (held.reached.is_set() and isinstance(event, FleetProgressed)):
            return
        cancel.set()
        if by == "interrupt":
            raise KeyboardInterrupt

    before = _workers()
    with (
        sandbox.faults.hold(20, Point.AFTER) as held,
        Runbook(environ=sandbox.environment(), on_event=hear, cancel=cancel) as runbook,
    ):
        with pytest.raises(errors.WaitCancelled, match=r"stopped fleet apply: .* queued") as stopped:
            runbook.fleet("apply", file, parallel=1)
        assert "apply" in str(stopped.value.commands[0])
        assert "again: finished rows are skipped" in stopped.value.advice
        # The call is still held: its caller waits for the answer.
        (left,) = _workers() - before
        calls = sandbox.requests.mark
    left.join()
    assert sandbox.requests.mark == calls
    assert 0 < len(sandbox.world.endpoints) < 50
    with Runbook(environ=sandbox.environment()) as runbook:
        assert runbook.fleet("apply", file).failures == 0
    assert placed(sandbox) == wanted(CLUSTERS)


def _workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("tidb-pe-fleet")}


def test_deletions_get_on_together(tmp_path: Path) -> None:
    """Deletions run in parallel: zones first, then the endpoints, with as many polls as for one endpoint."""
    looks: list[float] = []
    with fleet_sandbox(4, mode="manual") as sandbox:

        def sleep(seconds: float) -> bool:
            looks.append(seconds)
            sandbox.tick()
            return False

        with Runbook(environ=sandbox.environment(), sleep=sleep) as runbook:
            file = written(tmp_path / "fleet.toml", named(4))
            runbook.fleet("apply", file)
            one = next(iter(sandbox.world.endpoints))
            looks.clear()
            runbook.delete(one, cluster="fleet-1", yes=True)
            alone = len(looks)
            looks.clear()
            gone = runbook.fleet("delete", file, yes=True)
        assert sandbox.world.endpoints == {}
    assert Counter(row.row_state for row in gone) == {RowState.DELETED: 7, RowState.ABSENT: 1}
    assert len(looks) <= alone


def test_a_parallel_run_of_the_same_file_makes_no_second_endpoint(sandbox: Sandbox, tmp_path: Path) -> None:
    """Of two parallel commands, one creates a row's endpoint and the other adopts it."""
    file = written(tmp_path / "fleet.toml", named(5))
    found: list[Fleet] = []

    def apply() -> None:
        with Runbook(environ=sandbox.environment()) as runbook:
            found.append(runbook.fleet("apply", file))

    both = [threading.Thread(target=apply) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert placed(sandbox) == wanted(5)
    assert sum(each.billed_zones for each in found) == 20


def test_several_regions_are_one_fleet(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Each row is in its cluster's region, and the table shows the region."""
    file = written(
        tmp_path / "fleet.toml",
        ["fleet-1"],
        more=f'[[endpoint]]\ncluster = "jakarta"\nvpc = "{JAKARTA_VPC}"\n'
        f'[[endpoint]]\ncluster = "demo"\nvpc = "{OTHER_VPC}"\n'
        'zone = "ap-southeast-1b"\nname = "x-{cluster}"\n',
    )
    made = runbook.fleet("apply", file)
    assert [row.region_id for row in made] == ["ap-southeast-1"] * 2 + ["ap-southeast-5", "ap-southeast-1"]
    assert made.rows[3].zones == ("ap-southeast-1b",)
    assert made.billed_zones == 7
    assert {each.name for each in sandbox.world.endpoints.values()} >= {"x-demo"}
    assert "ap-southeast-5" in render.text(made)
