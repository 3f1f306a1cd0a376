"""Fleet rows that share an endpoint: created once, billed once, and each with its own result."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flows.fleets import fleet_sandbox, named, written

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import FleetProgressed, RowState
from tidb_pe_magic.sandbox.alibaba.fleet_seed import GROUPS, VPCS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Provide the clouds with three clusters that share the region's service, and manual state changes."""
    with fleet_sandbox(3, shared=True, mode="manual") as sandbox:
        yield sandbox


@pytest.fixture
def runbook(sandbox: Sandbox, events: list[Event]) -> Iterator[Runbook]:
    """Provide a runbook on the sandbox, whose pauses are one transition long."""

    def sleep(_seconds: float) -> bool:
        sandbox.tick()
        return False

    with Runbook(environ=sandbox.environment(), on_event=events.append, sleep=sleep) as runbook:
        yield runbook


def test_three_rows_of_one_endpoint_are_billed_once(
    runbook: Runbook, sandbox: Sandbox, events: list[Event], tmp_path: Path
) -> None:
    """Plan, apply and status make one creation and one dry run, and every row is ready with the same host."""
    file = written(tmp_path / "fleet.toml", named(3), VPCS[:1])
    planned = runbook.fleet("plan", file)
    assert [row.row_state for row in planned] == [RowState.CREATE] * 3
    assert [(row.billed_zones, row.shares_row) for row in planned] == [(2, 0), (0, 1), (0, 1)]
    assert planned.billed_zones == 2
    # In the sandbox the output does not mention cost.
    assert "2 zones, each billed by the hour" in render.text(replace(planned, emulated=False))
    assert "billed by the hour" not in render.text(planned)
    made = runbook.fleet("apply", file)
    assert [row.row_state for row in made] == [RowState.READY] * 3
    assert made.billed_zones == 2
    (endpoint,) = sandbox.world.endpoints.values()
    assert {(row.endpoint_id, row.host) for row in made} == {(endpoint.endpoint_id, endpoint.domain)}
    assert Counter(sandbox.requests.operations)["CreateVpcEndpoint"] == 2  # the dry run and the creation
    assert "row 1" in render.text(made)
    told = [event for event in events if isinstance(event, FleetProgressed)]
    seen = [row.row_state for event in told for row in event.changed if row.number == 3]
    assert RowState.CONNECTING in seen
    again = runbook.fleet("apply", file)
    assert [(row.row_state, row.adopted) for row in again] == [(RowState.READY, True)] * 3
    assert again.billed_zones == 0
    assert [row.endpoint_id for row in runbook.fleet("status", file)] == [endpoint.endpoint_id] * 3


def test_a_row_whose_cluster_cannot_be_used_fails_alone(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The first row's paused cluster stops neither the creation for the others nor their results."""
    (first,) = (c for c in sandbox.clusters.clusters.values() if c.display_name == "fleet-1")
    sandbox.clusters.update(first.cluster_id, state="RESTORING")
    file = written(tmp_path / "fleet.toml", named(3), VPCS[:1])
    with pytest.raises(errors.FleetFailed, match="1 of 3 rows failed") as failure:
        runbook.fleet("apply", file)
    rows = failure.value.fleet.rows
    assert [row.row_state for row in rows] == [RowState.FAILED, RowState.READY, RowState.READY]
    assert [row.shares_row for row in rows] == [0, 0, 2]
    assert len(sandbox.world.endpoints) == 1


def test_a_failed_creation_is_reported_for_each_row(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The creation is called once; if it fails, each row has the reason and its own command."""
    sandbox.world.denied_actions.add("privatelink:CreateVpcEndpoint")
    with pytest.raises(errors.FleetFailed, match="2 of 2 rows failed") as failure:
        runbook.fleet("apply", written(tmp_path / "fleet.toml", named(2), VPCS[:1]))
    rows = failure.value.fleet.rows
    assert len({row.detail for row in rows}) == 1
    assert [f"--cluster {row.cluster}" in str(row.next_command) for row in rows] == [True, True]
    assert Counter(sandbox.requests.operations)["CreateVpcEndpoint"] == 1


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("zone", ("ap-southeast-1a", "ap-southeast-1b")),
        ("name", ("one", "two")),
        ("security_group", (GROUPS[0], "sg-other")),
    ],
)
def test_options_that_contradict_are_one_error(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path, option: str, values: tuple[str, str]
) -> None:
    """Contradicting options give one error with rows and option, before Alibaba Cloud is asked."""
    path = tmp_path / "fleet.toml"
    path.write_text(
        "".join(
            f'[[endpoint]]\ncluster = "fleet-{number}"\nvpc = "{VPCS[0]}"\n{option} = "{value}"\n'
            for number, value in enumerate(values, 1)
        ),
        encoding="utf-8",
    )
    for action in ("plan", "apply"):
        with pytest.raises(errors.InvalidRequest, match=f"different values of {option}. These rows share"):
            runbook.fleet(action, str(path))
    assert not sandbox.requests.to("alibaba")


def test_options_of_one_row_hold_for_the_endpoint(runbook: Runbook, tmp_path: Path) -> None:
    """A zone that only the second row names is used; a name with the cluster in it is the first row's."""
    path = tmp_path / "fleet.toml"
    path.write_text(
        f'[defaults]\nvpc = "{VPCS[0]}"\nname = "to-{{cluster}}"\n[[endpoint]]\ncluster = "fleet-1"\n'
        '[[endpoint]]\ncluster = "fleet-2"\nzone = "ap-southeast-1c"\n',
        encoding="utf-8",
    )
    planned = runbook.fleet("plan", str(path))
    assert [row.zones for row in planned] == [("ap-southeast-1c",)] * 2
    assert planned.billed_zones == 1


def test_a_fleet_deletes_unshared_endpoints_only(runbook: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """Other ACTIVE clusters behind the endpoint stop the deletion, unless --shared is given."""
    file = written(tmp_path / "fleet.toml", named(2), VPCS[:1])
    runbook.fleet("apply", file)
    with pytest.raises(errors.FleetFailed, match="2 of 2 rows failed") as failure:
        runbook.fleet("delete", file, yes=True)
    detail = failure.value.fleet.rows[1].detail
    assert "other ACTIVE clusters: demo, fleet-3, reporting" in detail
    assert "fleet-1" not in detail
    ident = next(iter(sandbox.world.endpoints))
    command = str(failure.value.fleet.rows[0].next_command)
    assert command.startswith(f"%tidb_pe delete {ident} ")
    assert command.endswith("--yes --shared")
    assert len(sandbox.world.endpoints) == 1
    gone = runbook.fleet("delete", file, yes=True, shared=True)
    assert [row.row_state for row in gone] == [RowState.DELETED] * 2
    assert not sandbox.world.endpoints
