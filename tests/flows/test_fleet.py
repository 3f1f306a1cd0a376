"""A fleet at work: fifty endpoints, rows that fail among rows that do not, and the stop button."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from flows.fleets import fleet_sandbox, named, placed, wanted, written
from flows.places import JAKARTA_VPC, OTHER_VPC

from tidb_pe_magic import Runbook, errors, render
from tidb_pe_magic.model import FleetProgressed, RetryScheduled, RowState
from tidb_pe_magic.sandbox.faults import Fault, Kind, Point
from tidb_pe_magic.sandbox.fleet_seed import GROUPS, VPCS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidb_pe_magic.model import Event, Fleet
    from tidb_pe_magic.sandbox import Sandbox

CLUSTERS = 25
# Of every run, however many rows it has: the clusters, whether PrivateLink is open, three of networks, the
# endpoints, and the rules of two security groups.
SHARED = 8


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give the clouds with a fleet of clusters."""
    with fleet_sandbox(CLUSTERS) as sandbox:
        yield sandbox


@pytest.fixture
def runbook(sandbox: Sandbox, events: list[Event]) -> Iterator[Runbook]:
    """Give a runbook on the sandbox, whose pauses take no time."""
    with Runbook(environ=sandbox.environment(), on_event=events.append, sleep=lambda _: False) as runbook:
        yield runbook


class Counted:
    """The calls since it was made, or last asked."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Begin to count."""
        self._sandbox = sandbox
        self.since()

    def since(self) -> Counter[str]:
        """Return how often each operation has been called since the last time."""
        every = [*self._sandbox.alibaba_calls]
        lists = [call for call in self._sandbox.tidb_cloud_calls if call.status == 200]
        before = getattr(self, "_before", (0, 0))
        self._before = (len(every), len(lists))
        return Counter(
            [
                *(call.action for call in every[before[0] :]),
                *(call.operation for call in lists[before[1] :]),
            ]
        )


def test_fifty_endpoints_are_planned_made_seen_and_deleted(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """One table, the billed zones in all, and no more requests than what differs between the rows."""
    file = written(tmp_path / "fleet.toml", named(CLUSTERS))
    calls = Counted(sandbox)

    planned = runbook.fleet("plan", file)
    assert [row.row_state for row in planned] == [RowState.MAKE] * 50
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
    # Before each creation the row's endpoints are looked at once more, and all are waited for by one list.
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


def test_a_row_that_fails_stops_no_other(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Each bad row has its own reason, the good ones are made, and the table stands in the error."""
    file = written(
        tmp_path / "fleet.toml",
        ["fleet-1", "flet-2", "archive"],
        ["vpc-t4nfleet1"],
        '[[endpoint]]\ncluster = "fleet-3"\nvpc = "vpc-t4nelsewhere"\n'
        '[[endpoint]]\ncluster = "fleet-4"\nvpc = "vpc-t4nfleet2"\n',
    )
    with pytest.raises(errors.FleetFailed, match=r"3 of 5 rows failed; row 2 \(flet-2 in ") as failed:
        runbook.fleet("apply", file)
    rows = failed.value.fleet.rows
    assert [row.row_state for row in rows] == ["ready", "failed", "failed", "failed", "ready"]
    assert "did you mean fleet-2?" in rows[1].detail
    assert "archive is PAUSED" in rows[2].detail
    assert "VPC vpc-t4nelsewhere is not in ap-southeast-1" in rows[3].detail
    assert rows[3].next_command == "%tidb_pe plan --cluster fleet-3 --vpc vpc-t4nelsewhere"
    assert "what is done is skipped" in failed.value.advice
    assert len(sandbox.world.endpoints) == 2
    shown = render.text(failed.value.fleet)
    assert all(row.endpoint_id in shown for row in rows)
    with pytest.raises(errors.FleetFailed, match=r"3 of 5 rows failed.*nothing was changed"):
        runbook.fleet("plan", file)


def test_a_stop_of_the_preflight_is_a_failed_row_unless_forced(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A security group that lets nobody in fails its row, and --force makes the endpoint all the same."""
    sandbox.world.set_rules(GROUPS[0], inner_access="Drop")
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    with pytest.raises(errors.FleetFailed, match=r"1 of 2 rows failed.*preflight .port."):
        runbook.fleet("apply", file)
    assert placed(sandbox) == [("epsrv-t4nfleet1", VPCS[1])]
    assert runbook.fleet("apply", file, force=True).failures == 0
    assert placed(sandbox) == wanted(1)


def test_what_others_made_is_adopted_and_not_deleted(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without our tag an endpoint is used as it is, and only --adopted deletes it."""
    service = next(each for each in sandbox.world.services if each.service_id == "epsrv-t4nfleet1")
    theirs = sandbox.world.create_endpoint(
        service=service, vpc_id=VPCS[0], zones=[("ap-southeast-1a", "vsw-t4nfleet1a")], name="theirs"
    )
    file = written(tmp_path / "fleet.toml", ["fleet-1"], more='security_group = "sg-t4nfleet1"\n')
    with pytest.raises(errors.FleetFailed, match="row 2"):  # that group is not of the second VPC
        runbook.fleet("plan", file)
    file = written(tmp_path / "fleet.toml", ["fleet-1"], more='zone = "all"\n')
    assert [row.row_state for row in runbook.fleet("plan", file)] == [RowState.ADOPT, RowState.MAKE]
    made = runbook.fleet("apply", file)
    assert made.rows[0].endpoint_id == theirs.endpoint_id
    assert made.rows[0].remarks == ("zone ap-southeast-1b was asked for and is not in it",)
    assert made.billed_zones == 2
    with pytest.raises(errors.FleetFailed, match="was not made here"):
        runbook.fleet("delete", file, yes=True)
    assert list(sandbox.world.endpoints) == [theirs.endpoint_id]
    assert runbook.fleet("delete", file, yes=True, adopted=True).failures == 0
    assert sandbox.world.endpoints == {}


def test_nothing_is_deleted_without_being_meant(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Without --yes the error says how many there are, and how to see them."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    runbook.fleet("apply", file)
    with pytest.raises(errors.InvalidRequest, match="--yes: is missing: this deletes 2 endpoints"):
        runbook.fleet("delete", file)
    assert placed(sandbox) == wanted(1)


def test_a_file_that_is_not_valid_makes_no_request(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """One bad row, and no row is acted on; two names of one cluster are found before anything is made."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"], more='nmae = "x"\n')
    with pytest.raises(errors.InvalidRequest, match="endpoint 1, nmae: is not known"):
        runbook.fleet("apply", file)
    assert not sandbox.alibaba_calls
    assert not sandbox.tidb_cloud_calls
    twice = [c.cluster_id for c in sandbox.clusters.clusters.values() if c.display_name == "fleet-1"]
    file = written(tmp_path / "fleet.toml", ["fleet-1", *twice], VPCS[:1])
    with pytest.raises(errors.InvalidRequest, match=r"rows 1 .* and 2 .* are the same cluster and VPC"):
        runbook.fleet("apply", file)
    assert not sandbox.alibaba_calls


def test_every_row_is_waited_for_by_one_list(tmp_path: Path) -> None:
    """A look at all the rows is one request, and each row's states are told as they change."""
    events: list[Event] = []
    with fleet_sandbox(5, mode="manual") as sandbox:

        def sleep(_seconds: float) -> bool:
            sandbox.tick()
            return False

        with Runbook(environ=sandbox.environment(), on_event=events.append, sleep=sleep) as runbook:
            made = runbook.fleet("apply", written(tmp_path / "fleet.toml", named(5)))
        calls = Counter(call.action for call in sandbox.alibaba_calls)
    assert made.failures == 0
    # One at the beginning, one before each creation, and one for each of the three transitions and the start.
    assert calls["ListVpcEndpoints"] == 1 + 10 + 4
    assert calls["GetVpcEndpointAttribute"] == 0
    told = [event for event in events if isinstance(event, FleetProgressed)]
    seen = [row.row_state for event in told for row in event.changed if row.number == 10]
    assert seen[-1] == RowState.READY
    assert RowState.CONNECTING in seen
    assert told[-1].rows == made.rows


def test_rows_that_are_not_ready_in_time_fail_with_the_command_that_waits(tmp_path: Path) -> None:
    """The clouds' work goes on: each row names its endpoint and its last states."""
    now = [0.0]

    def sleep(seconds: float) -> bool:
        now[0] += seconds
        return False

    with (
        fleet_sandbox(2, mode="manual") as sandbox,
        Runbook(environ=sandbox.environment(), sleep=sleep, clock=lambda: now[0]) as runbook,
    ):
        file = written(tmp_path / "fleet.toml", named(2))
        with pytest.raises(errors.FleetFailed, match=r"4 of 4 rows failed.*not Connected after 7 s") as late:
            runbook.fleet("apply", file, timeout=7)
        for row in late.value.fleet.rows:
            assert f"{row.endpoint_id} Creating, Disconnected" in row.detail
            assert row.next_command.endswith(f"--endpoint {row.endpoint_id}")
        while sandbox.tick():
            pass
        assert runbook.fleet("apply", file).failures == 0
        assert placed(sandbox) == wanted(2)


def test_what_fails_in_passing_is_asked_again_and_told(
    runbook: Runbook, sandbox: Sandbox, events: list[Event], tmp_path: Path
) -> None:
    """Throttling, calls that may not be made at once, and lost answers: every endpoint is made, once."""
    sandbox.faults.add(
        Fault(kind=Kind.CONCURRENT_CALL, operation="CreateVpcEndpoint", times=6),
        Fault(kind=Kind.THROTTLED_ACS_RETRY_AFTER, operation="ListVpcEndpoints", times=3, skip=1),
        Fault(kind=Kind.RESET, operation="CreateVpcEndpoint", point=Point.AFTER, times=3, skip=6),
        Fault(kind=Kind.THROTTLED_RATELIMIT_RESET, operation="ListClusters"),
    )
    made = runbook.fleet("apply", written(tmp_path / "fleet.toml", named(5)))
    assert made.failures == 0
    assert sandbox.faults.pending == ()
    assert placed(sandbox) == wanted(5)
    retried = Counter(event.operation for event in events if isinstance(event, RetryScheduled))
    assert retried == {"CreateVpcEndpoint": 9, "ListVpcEndpoints": 3, "ListClusters": 1}


def test_a_missing_permission_fails_what_it_is_for(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without the right to make endpoints every row says so; without the list none can be waited for."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    sandbox.world.denied_actions = {"privatelink:CreateVpcEndpoint"}
    with pytest.raises(errors.FleetFailed, match=r"2 of 2.*privatelink:CreateVpcEndpoint"):
        runbook.fleet("apply", file)
    sandbox.world.denied_actions = {"privatelink:ListVpcEndpoints"}
    with pytest.raises(errors.FleetFailed, match=r"2 of 2.*privatelink:ListVpcEndpoints") as failed:
        runbook.fleet("apply", file)
    assert all(row.endpoint_id for row in failed.value.fleet)
    assert placed(sandbox) == wanted(1)


@pytest.mark.parametrize("by", ["interrupt", "cancel"])
def test_a_stop_returns_while_a_call_is_still_under_way(sandbox: Sandbox, tmp_path: Path, by: str) -> None:
    """The call that is held is not waited for, nothing is begun after it, and the same command goes on."""
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
        assert "apply" in stopped.value.advice
        assert "again: what is done is skipped" in stopped.value.advice
        # Nobody has released the call: whoever made it still waits for its answer.
        (left,) = _workers() - before
        calls = len(sandbox.faults.calls)
    left.join()
    assert len(sandbox.faults.calls) == calls
    assert 0 < len(sandbox.world.endpoints) < 50
    with Runbook(environ=sandbox.environment()) as runbook:
        assert runbook.fleet("apply", file).failures == 0
    assert placed(sandbox) == wanted(CLUSTERS)


def _workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("tidb-pe-fleet")}


def test_what_is_down_is_not_asked_for_each_row(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Fifty rows need the list of endpoints: six attempts fail for all of them, and they say so."""
    sandbox.faults.add(Fault(kind=Kind.SERVER_ERROR, operation="ListVpcEndpoints", times=1000))
    with pytest.raises(errors.FleetFailed, match=r"50 of 50 rows failed.*ListVpcEndpoints failed"):
        runbook.fleet("status", written(tmp_path / "fleet.toml", named(CLUSTERS)))
    assert Counter(call.operation for call in sandbox.faults.calls)["ListVpcEndpoints"] == 6
    before = len(sandbox.faults.calls)
    sandbox.faults.clear()
    sandbox.faults.add(Fault(kind=Kind.SERVER_ERROR, operation="ListClusters", times=1000))
    with pytest.raises(errors.ServiceUnavailable, match="ListClusters failed"):
        runbook.fleet("apply", written(tmp_path / "fleet.toml", named(CLUSTERS)))
    assert len(sandbox.faults.calls) == before + 6


def test_deletions_get_on_together(tmp_path: Path) -> None:
    """Zones first, then the endpoints, all rows at each look: as many looks as for one endpoint."""
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
    """Two commands at once, each with its threads: one of them makes a row, and the other adopts it."""
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
    """Each row is in its cluster's region, and the table says which."""
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
