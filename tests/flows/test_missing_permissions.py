"""Each missing RAM action is named to the user, and does not block more than necessary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import Outcome, Severity, ram

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.model import EndpointPlan, Result, VpcEndpoint
    from tidb_pe_magic.sandbox import Sandbox

EVERYTHING: dict[str, Any] = {"vpc": VPC, "security_group": [GROUP], "zone": ["ap-southeast-1a=vsw-t4na1"]}
# In the order of the tutorial; a step without options may need the endpoint.
COMMANDS = ("networks", "verify", "plan", "create", "wait", "status", "connect", "doctor", "endpoints")

# Missing action -> the commands that name it in their result; the others do not mention it.
GAPS: dict[str, set[str]] = {
    "privatelink:CheckProductOpen": {"plan", "create"},
    "privatelink:ListVpcEndpointServicesByEndUser": {"plan", "create", "status"},
    "vpc:DescribeVpcs": {"networks", "plan", "create"},
    "vpc:DescribeVSwitches": {"networks", "plan", "create"},
    "ecs:DescribeSecurityGroups": {"networks", "plan", "create"},
    "ecs:DescribeSecurityGroupAttribute": {"plan", "create"},
    "privatelink:ListVpcEndpoints": {"plan", "create", "wait"},
    "privatelink:ListVpcEndpointZones": {"wait", "doctor", "endpoints"},
    "privatelink:ListVpcEndpointSecurityGroups": {"wait", "endpoints"},
    "privatelink:GetVpcEndpointAttribute": {"wait"},
    "privatelink:CreateVpcEndpoint": {"plan"},
    "privatelink:TagResources": set(),  # without a call of its own
}
# Commands that need the action, and name it in one line.
REFUSED: dict[str, set[str]] = {
    "privatelink:ListVpcEndpointServicesByEndUser": {"verify"},
    "privatelink:ListVpcEndpoints": {"endpoints"},
    "privatelink:CreateVpcEndpoint": {"create"},
}


def commands(runbook: Runbook, sandbox: Sandbox) -> dict[str, Callable[[], Result]]:
    """Return each command with as many options as possible."""

    def endpoint() -> dict[str, Any]:
        return {"endpoint": next(iter(sandbox.world.endpoints))}

    return {
        "networks": lambda: runbook.networks(cluster="demo"),
        "verify": lambda: runbook.verify(cluster="demo"),
        "plan": lambda: runbook.plan(cluster="demo", **EVERYTHING),
        "create": lambda: runbook.create(cluster="demo", **EVERYTHING),
        "wait": lambda: runbook.wait(cluster="demo", **endpoint()),
        "status": lambda: runbook.status(cluster="demo", **endpoint()),
        "connect": lambda: runbook.connect(cluster="demo", **endpoint()),
        "doctor": lambda: runbook.doctor(cluster="demo", **endpoint()),
        "endpoints": lambda: runbook.endpoints(cluster="demo"),
    }


def test_the_table_is_about_every_action_that_the_policy_names() -> None:
    """Each action that the policy names, including new ones, is in this table."""
    assert set(GAPS) == set(ram.NEEDED)


@pytest.mark.parametrize("action", GAPS)
def test_a_missing_permission_is_a_gap_that_is_named(runbook: Runbook, sandbox: Sandbox, action: str) -> None:
    """A command reports each missing permission and continues, unless the permission is its only purpose."""
    steps = commands(runbook, sandbox)
    sandbox.world.denied_actions.add(action)
    told = set()
    for name in COMMANDS:
        if name in REFUSED.get(action, set()):
            with pytest.raises(
                errors.PermissionDenied, match=rf"RAM action {action}\b.*runbook\.permissions\(\)"
            ):
                steps[name]()
            sandbox.world.denied_actions.clear()  # so that later steps are checked as well
            steps[name]()
            sandbox.world.denied_actions.add(action)
        elif action in render.text(steps[name]()):
            told.add(name)
    assert told == GAPS[action]


def test_an_adopted_endpoint_is_shown_as_far_as_it_may_be(runbook: Runbook, sandbox: Sandbox) -> None:
    """If an adopted endpoint's zones may not be read, the plan says so and reports no difference."""
    runbook.create(cluster="demo", **EVERYTHING)
    sandbox.world.denied_actions |= {
        "privatelink:ListVpcEndpointZones",
        "privatelink:ListVpcEndpointSecurityGroups",
    }
    plan = runbook.plan(**EVERYTHING)
    assert plan.existing is not None
    assert plan.differences == ()
    assert "ListVpcEndpointZones and privatelink:ListVpcEndpointSecurityGroups" in plan.findings[0].summary


def test_without_the_list_of_endpoints_one_has_to_be_named(runbook: Runbook, sandbox: Sandbox) -> None:
    """Connect and wait suggest --endpoint; status continues and names the option."""
    runbook.create(cluster="demo", **EVERYTHING)
    sandbox.world.denied_actions.add("privatelink:ListVpcEndpoints")
    for command in (runbook.connect, runbook.wait):
        with pytest.raises(errors.PermissionDenied, match="--endpoint ep-…") as denial:
            command(cluster="demo")
        assert "privatelink:ListVpcEndpoints" in str(denial.value)
    status = runbook.status(cluster="demo")
    assert [(step.step, step.done) for step in status.steps][:3] == [
        ("cluster", True),
        ("verify", True),
        ("create", None),
    ]
    assert "RAM action privatelink:ListVpcEndpoints is missing" in status.steps[2].detail
    assert str(status.next_command) == "%tidb_pe permissions"
    sandbox.world.denied_actions.clear()
    runbook.connect(cluster="demo")
    sandbox.world.denied_actions.add("privatelink:ListVpcEndpoints")
    assert str(runbook.status(cluster="demo").next_command) == "%%sql tidb"


def test_the_doctor_says_which_permission_hides_the_host(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without --host and the list the doctor names the permission, and the suggested command works."""
    made = runbook.create(cluster="demo", **EVERYTHING).endpoint
    sandbox.world.denied_actions.add("privatelink:ListVpcEndpoints")
    diagnosis = runbook.doctor(cluster="demo")
    assert {stage.outcome for stage in diagnosis.stages} == {Outcome.UNKNOWN, Outcome.NOT_REACHED}
    assert diagnosis.failed is None
    assert "RAM action privatelink:ListVpcEndpoints is missing" in diagnosis.stages[0].detail
    assert str(diagnosis.next_command) == (
        f"%tidb_pe doctor --cluster 10430185274093617152 --host HOST --port {sandbox.world.port}"
    )
    for shown in (render.text(diagnosis), render.html(diagnosis)):
        assert "no host to examine" in shown
        assert "ep-…" in shown
        assert "every stage passes" not in shown
    named = runbook.doctor(cluster="demo", host=made.domain)
    assert [stage.outcome for stage in named.stages if stage.outcome != Outcome.PASSED] == [Outcome.UNKNOWN]
    assert "privatelink:ListVpcEndpoints" in named.stages[1].detail


def test_unreadable_zones_are_not_suspicious(runbook: Runbook, sandbox: Sandbox) -> None:
    """The doctor does not treat a missing permission on zones as a name that leads elsewhere."""
    sandbox.route.gate.manner = lambda _address: "refuse"
    runbook.create(cluster="demo", **EVERYTHING)
    sandbox.world.denied_actions.add("privatelink:ListVpcEndpointZones")
    diagnosis = runbook.doctor(cluster="demo")
    assert diagnosis.failed is not None
    assert diagnosis.failed.name == "tcp"
    assert "resolves to another machine" not in " ".join(diagnosis.causes)


@pytest.mark.parametrize(
    ("actions", "placement", "field"),
    [
        ({"ecs:DescribeSecurityGroups"}, {}, "--security-group"),
        ({"vpc:DescribeVSwitches"}, {"vpc": OTHER_VPC, "security_group": ["sg-t4nother"]}, "--zone"),
        (
            {"vpc:DescribeVSwitches"},
            {"security_group": [GROUP], "zone": ["ap-southeast-1b"]},
            "--zone",
        ),
    ],
)
def test_a_choice_that_cannot_be_looked_up_must_be_named(
    runbook: Runbook, sandbox: Sandbox, actions: set[str], placement: dict[str, Any], field: str
) -> None:
    """Without a permission a plan stops only for a choice that it requires, and names choice and action."""
    sandbox.world.denied_actions |= actions
    with pytest.raises(errors.InvalidRequest, match=next(iter(actions))) as missing:
        runbook.plan(cluster="demo", **placement)
    assert missing.value.field == field
    assert "Try: runbook.permissions()" in str(missing.value)


def test_this_notebooks_location_replaces_denied_lookups(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without lookups of networks, the notebook's own VPC, zone and vSwitch are the defaults."""
    sandbox.world.denied_actions |= {
        "vpc:DescribeVpcs",
        "vpc:DescribeVSwitches",
        "ecs:DescribeSecurityGroups",
    }
    plan = runbook.plan(cluster="demo", security_group=[GROUP])
    assert plan.vpc.vpc_id == VPC
    assert [(zone.zone_id, zone.vswitch_id) for zone in plan.zones] == [("ap-southeast-1a", "vsw-t4na1")]
    assert plan.stops == ()
    assert plan.dry_run == "passed"
    sandbox.place = None
    with Runbook(environ=sandbox.environment()) as elsewhere:
        with pytest.raises(errors.InvalidRequest, match="vpc:DescribeVpcs") as missing:
            elsewhere.plan(cluster="demo", security_group=[GROUP])
        assert missing.value.field == "--vpc"
        assert elsewhere.plan(cluster="demo", **EVERYTHING).dry_run == "passed"


def second(plan: EndpointPlan) -> list[str]:
    """Return the plan's text about endpoints in other VPCs."""
    found = [finding for finding in plan.findings if finding.check == "second-endpoint"]
    assert {finding.severity for finding in found} <= {Severity.WARN}
    return [f"{finding.summary} {finding.advice}" for finding in found]


def test_a_second_endpoint_in_another_vpc_is_warned_of(runbook: Runbook) -> None:
    """The plan warns of a second, separately billed endpoint in another VPC, and does not block."""
    assert second(runbook.plan(cluster="demo", **EVERYTHING)) == []
    first = runbook.create(cluster="demo", **EVERYTHING).endpoint
    assert second(runbook.plan(**EVERYTHING)) == []
    [warning] = second(runbook.plan(vpc=OTHER_VPC))
    assert f"{first.endpoint_id} (in {VPC})" in warning
    assert f"{OTHER_VPC} is billed in addition" in warning
    assert not runbook.create(vpc=OTHER_VPC).adopted
    assert second(runbook.plan(vpc=OTHER_VPC)) == []


def made_unseen(runbook: Runbook, sandbox: Sandbox) -> VpcEndpoint:
    """Create an endpoint for a user who may not list endpoints."""
    sandbox.world.denied_actions.add("privatelink:ListVpcEndpoints")
    return runbook.create(cluster="demo", **EVERYTHING).endpoint


def test_other_zones_make_no_second_endpoint_unseen(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without permission to list endpoints, the cloud itself refuses a second one, whatever its zones."""
    made = made_unseen(runbook, sandbox)
    for _ in range(2):
        with pytest.raises(errors.Conflict, match=r"with other options already exists.*ListVpcEndpoints"):
            runbook.create(**{**EVERYTHING, "zone": ["ap-southeast-1b=vsw-t4nb1"]})
    assert list(sandbox.world.endpoints) == [made.endpoint_id]


def test_an_unlisted_endpoint_is_not_created_again_without_its_token(
    runbook: Runbook, sandbox: Sandbox
) -> None:
    """An endpoint created here is looked up by its ID, as the lifetime of a token is not documented."""
    made = made_unseen(runbook, sandbox)
    sandbox.restore(replace(sandbox.snapshot(), client_tokens=()))
    again = runbook.create(cluster="demo", **EVERYTHING).endpoint
    assert (again.endpoint_id, again.ours) == (made.endpoint_id, True)
    with pytest.raises(errors.Conflict, match="with other options already exists"):
        runbook.create(cluster="demo", **EVERYTHING, name="another")
    assert list(sandbox.world.endpoints) == [made.endpoint_id]


def test_an_unlisted_endpoint_that_was_deleted_is_created_again(runbook: Runbook, sandbox: Sandbox) -> None:
    """If the endpoint in the token's repeated answer has been deleted, one new endpoint is created."""
    first = made_unseen(runbook, sandbox).endpoint_id
    sandbox.world.remove_zone(first, "ap-southeast-1a")
    sandbox.world.delete_endpoint(first)
    with Runbook(environ=sandbox.environment(), sleep=lambda _: False) as other:
        again = [other.create(cluster="demo", **EVERYTHING).endpoint.endpoint_id for _ in range(2)]
    assert first not in again
    assert list(sandbox.world.endpoints) == [again[0]]
    assert again[0] == again[1]
