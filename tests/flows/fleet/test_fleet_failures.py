"""Failing rows of a fleet: each on its own, with its reason and the next command."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from flows.fleets import fleet_sandbox, named, placed, service_id, wanted, written

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import RetryScheduled
from tidb_pe_magic.sandbox.alibaba.fleet_seed import GROUPS, VPCS
from tidb_pe_magic.sandbox.faults import Fault, Kind, Point

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox

CLUSTERS = 25


def test_a_row_that_fails_stops_no_other(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Each bad row has its own reason, the good ones are created, and the error contains the table."""
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
    assert "archive is RESTORING" in rows[2].detail
    assert "VPC vpc-t4nelsewhere is not in ap-southeast-1" in rows[3].detail
    assert str(rows[3].next_command) == "%tidb_pe plan --cluster fleet-3 --vpc vpc-t4nelsewhere"
    assert "finished rows are skipped" in failed.value.advice
    assert len(sandbox.world.endpoints) == 2
    shown = render.text(failed.value.fleet)
    assert all(row.endpoint_id in shown for row in rows)
    with pytest.raises(errors.FleetFailed, match=r"3 of 5 rows failed.*nothing was changed"):
        runbook.fleet("plan", file)


def test_a_stop_of_the_preflight_is_a_failed_row_unless_forced(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A security group that blocks the notebook fails its row, and --force creates the endpoint anyway."""
    sandbox.world.set_rules(GROUPS[0], inner_access="Drop")
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    with pytest.raises(errors.FleetFailed, match=r"1 of 2 rows failed.*preflight .port."):
        runbook.fleet("apply", file)
    assert placed(sandbox) == [(service_id(1), VPCS[1])]
    assert runbook.fleet("apply", file, force=True).failures == 0
    assert placed(sandbox) == wanted(1)


def test_a_file_that_is_not_valid_makes_no_request(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """One invalid row or a repeated cluster stops the file before any request."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"], more='nmae = "x"\n')
    with pytest.raises(errors.InvalidRequest, match="endpoint 1, nmae: is not known"):
        runbook.fleet("apply", file)
    assert not sandbox.requests
    twice = [c.cluster_id for c in sandbox.clusters.clusters.values() if c.display_name == "fleet-1"]
    file = written(tmp_path / "fleet.toml", ["fleet-1", *twice], VPCS[:1])
    with pytest.raises(errors.InvalidRequest, match=r"rows 1 .* and 2 .* are the same cluster and VPC"):
        runbook.fleet("apply", file)
    assert not sandbox.requests.to("alibaba")


def test_rows_that_are_not_ready_in_time_fail_with_the_command_that_waits(tmp_path: Path) -> None:
    """Rows that time out name their endpoint and its last states, and the command that waits further."""
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
            assert str(row.next_command).endswith(f"--endpoint {row.endpoint_id}")
        while sandbox.tick():
            pass
        assert runbook.fleet("apply", file).failures == 0
        assert placed(sandbox) == wanted(2)


def test_a_transient_failure_is_retried_and_reported(
    runbook: Runbook, sandbox: Sandbox, events: list[Event], tmp_path: Path
) -> None:
    """After throttling, conflicts and lost answers, every endpoint is created exactly once."""
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


def test_a_missing_permission_fails_each_row_that_needs_it(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without permission to create endpoints every row names the RAM action, and nothing is created."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    sandbox.world.denied_actions = {"privatelink:CreateVpcEndpoint"}
    with pytest.raises(errors.FleetFailed, match=r"2 of 2.*privatelink:CreateVpcEndpoint"):
        runbook.fleet("apply", file)
    assert sandbox.world.endpoints == {}
    sandbox.world.denied_actions.clear()
    assert runbook.fleet("apply", file).failures == 0
    assert placed(sandbox) == wanted(1)


def test_an_endpoint_that_cannot_be_listed_is_found_by_its_token(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Without permission to list endpoints, a second run gets the same endpoints by the same tokens."""
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    sandbox.world.denied_actions = {"privatelink:ListVpcEndpoints"}
    first, second = runbook.fleet("apply", file), runbook.fleet("apply", file)
    assert [row.endpoint_id for row in first] == [row.endpoint_id for row in second]
    assert all(row.row_state == "ready" for row in second)
    with pytest.raises(errors.FleetFailed, match=r"2 of 2.*privatelink:ListVpcEndpoints"):
        runbook.fleet("status", file)
    assert placed(sandbox) == wanted(1)


def test_an_unavailable_cloud_is_not_asked_for_each_row(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Fifty rows share one list of endpoints: after six failed attempts all rows fail with that error."""
    sandbox.faults.add(Fault(kind=Kind.SERVER_ERROR, operation="ListVpcEndpoints", times=1000))
    with pytest.raises(errors.FleetFailed, match=r"50 of 50 rows failed.*ListVpcEndpoints failed"):
        runbook.fleet("status", written(tmp_path / "fleet.toml", named(CLUSTERS)))
    assert sandbox.requests.count("ListVpcEndpoints") == 6
    before = sandbox.requests.mark
    sandbox.faults.clear()
    sandbox.faults.add(Fault(kind=Kind.SERVER_ERROR, operation="ListClusters", times=1000))
    with pytest.raises(errors.ServiceUnavailable, match="ListClusters failed"):
        runbook.fleet("apply", written(tmp_path / "fleet.toml", named(CLUSTERS)))
    assert sandbox.requests.since(before).operations == ["ListClusters"] * 6
