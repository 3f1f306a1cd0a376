"""The preflight against the emulated clouds: `plan` shows findings, `create` and `run` refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flows.places import DEMO_ID, GROUP, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.advice import as_advice
from tidb_pe_magic.display import render
from tidb_pe_magic.model import PlanShown, Severity
from tidb_pe_magic.sandbox.alibaba.network_seed import Permission
from tidb_pe_magic.sandbox.scenarios.cloud import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.model import EndpointPlan, Event
    from tidb_pe_magic.sandbox import Sandbox

_MOST_LINES = 12
STOPS = (
    "not-activated",
    "service-invisible",
    "security-group-blocks-port",
    "security-group-drop-beats-accept",
    "security-groups-mixed",
    "financially-locked",
    "clock-skew",
    "ipv6-only",
)
NETWORK_LOOKUPS = (
    ("vpc:DescribeVpcs", "zones"),
    ("vpc:DescribeVSwitches", "zones"),
    ("ecs:DescribeSecurityGroups", "security-group"),
)


@pytest.fixture
def staged(request: pytest.FixtureRequest, lend: Callable[..., Sandbox]) -> Iterator[tuple[Sandbox, Runbook]]:
    """Provide a sandbox in the test's scenario, and a runbook on it."""
    sandbox = lend(scenario=request.param)
    with Runbook(environ=sandbox.environment()) as runbook:
        yield sandbox, runbook


def planned(runbook: Runbook) -> EndpointPlan:
    """Plan for the cluster, VPC and group of the scenarios."""
    return runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP])


def test_a_location_warning_appears_without_a_plan_too(runbook: Runbook) -> None:
    """Creating an endpoint outside the notebook's VPC shows a warning; adopting one does not."""
    made = runbook.create(cluster="demo", vpc=OTHER_VPC)
    assert [finding.check for finding in made.findings] == ["place"]
    assert f"This notebook is in {VPC}" in " ".join(render.text(made).split())
    assert not runbook.create(cluster="demo", vpc=OTHER_VPC).findings


def test_a_plan_that_works_has_nothing_found(runbook: Runbook) -> None:
    """Without a fault every finding is ok in one line, and the API's dry run is called."""
    plan = planned(runbook)
    assert plan.findings
    assert {finding.severity for finding in plan.findings} == {Severity.OK}
    assert plan.dry_run == "passed"
    assert "Check" not in render.text(plan).split()
    assert f"✔ {len(plan.findings)} checks passed, dry run passed." in render.text(plan)


@pytest.mark.parametrize(
    ("staged", "expected"),
    [(scenario.name, scenario.expected) for scenario in SCENARIOS],
    indirect=["staged"],
    ids=[scenario.name for scenario in SCENARIOS],
)
def test_the_plan_shows_each_cause_first(staged: tuple[Sandbox, Runbook], expected: str) -> None:
    """The first finding is the cause with its check's name, and it is the only stop."""
    plan = planned(staged[1])
    assert plan.findings[0].check == expected
    assert plan.findings[0].severity != Severity.OK
    assert len(plan.stops) <= 1
    assert len(render.text(plan).splitlines()) <= _MOST_LINES
    plan = replace(plan, emulated=False, verbose=True)  # In the sandbox the output does not mention cost.
    for shown in (render.text(plan), render.html(plan)):
        assert "Preflight" in shown
        assert expected in shown


@pytest.mark.parametrize("staged", STOPS, indirect=True)
def test_a_stop_keeps_create_and_run_from_making_anything(staged: tuple[Sandbox, Runbook]) -> None:
    """Both refuse before any change, with the check's name, its advice and --force."""
    sandbox, runbook = staged
    before = dict(sandbox.world.endpoints)
    [stop] = planned(runbook).stops
    for refused in (
        lambda: runbook.create(vpc=VPC, security_group=[GROUP]),
        lambda: runbook.run("demo", vpc=VPC, security_group=[GROUP]),
    ):
        with pytest.raises(errors.PreflightFailed, match=r"--force") as refusal:
            refused()
        assert refusal.value.check == stop.check
        assert as_advice(stop.advice).text in str(refusal.value)
    assert dict(sandbox.world.endpoints) == before
    assert not sandbox.requests.of("CreateVpcEndpoint")


@pytest.mark.parametrize(
    "staged", ["security-group-blocks-port", "ipv6-only", "cluster-restoring"], indirect=True
)
def test_force_continues(staged: tuple[Sandbox, Runbook]) -> None:
    """With --force an endpoint is created in spite of the product's own objections."""
    sandbox, runbook = staged
    made = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP], force=True)
    assert made.endpoint.endpoint_id in sandbox.world.endpoints


@pytest.mark.parametrize("staged", ["not-activated"], indirect=True)
def test_a_refusal_of_the_cloud_cannot_be_forced(staged: tuple[Sandbox, Runbook]) -> None:
    """--force does not override the cloud's refusal, and PrivateLink is never activated."""
    sandbox, runbook = staged
    with pytest.raises(errors.ApiError, match="NeedOpenProduct"):
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP], force=True)
    assert not sandbox.requests.of("OpenPrivateLinkService")


@pytest.mark.parametrize("staged", ["cluster-restoring"], indirect=True)
def test_a_paused_cluster_is_not_the_default_of_the_next_step(staged: tuple[Sandbox, Runbook]) -> None:
    """`plan` shows the state, `create` refuses, and the paused cluster is not remembered."""
    runbook = staged[1]
    assert planned(runbook).stops[0].check == "cluster"
    with pytest.raises(errors.NotEligible, match="state"):
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    with pytest.raises(errors.StepOrderError):
        runbook.networks()


def test_run_shows_the_findings_before_it_makes_anything(
    runbook: Runbook, sandbox: Sandbox, events: list[Event]
) -> None:
    """The plan that a run shows contains the findings."""
    sandbox.world.change_service("epsrv-t4ndemo7c1x0qk2p9s8e", payer="EndpointService")
    runbook.run("demo", vpc=VPC, security_group=[GROUP])
    [shown] = [event for event in events if isinstance(event, PlanShown)]
    assert shown.plan.findings[0].check == "payer"


@pytest.mark.parametrize(("action", "check"), NETWORK_LOOKUPS)
def test_networks_that_may_not_be_seen_can_be_named(
    runbook: Runbook, sandbox: Sandbox, action: str, check: str
) -> None:
    """Named networks are planned and used without the lookup, with a warning."""
    sandbox.world.denied_actions.add(action)
    placement = {"vpc": VPC, "security_group": [GROUP], "zone": ["ap-southeast-1a=vsw-t4na1"]}
    plan = runbook.plan(cluster="demo", **placement)  # type: ignore[arg-type]  # the values are of several kinds
    first = plan.findings[0]
    assert (first.check, first.severity) == (check, Severity.WARN)
    assert action in first.summary
    made = runbook.create(**placement)  # type: ignore[arg-type]  # as above
    assert made.endpoint.endpoint_id in sandbox.world.endpoints


def test_an_endpoint_that_cannot_be_listed_is_created_once(runbook: Runbook, sandbox: Sandbox) -> None:
    """If endpoints cannot be listed, the same plan has the same client token."""
    sandbox.world.denied_actions.add("privatelink:ListVpcEndpoints")
    made = [
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id for _ in range(2)
    ]
    assert list(sandbox.world.endpoints) == [made[0]]
    assert made[0] == made[1]


def test_an_endpoint_with_unreadable_zones_is_adopted(runbook: Runbook, sandbox: Sandbox) -> None:
    """A missing permission on details does not lead to a second endpoint."""
    first = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    sandbox.world.denied_actions |= {
        "privatelink:ListVpcEndpointZones",
        "privatelink:ListVpcEndpointSecurityGroups",
    }
    again = runbook.create(vpc=VPC, security_group=[GROUP])
    assert again.adopted
    assert again.endpoint.endpoint_id == first


def test_rules_of_every_page_count(runbook: Runbook, sandbox: Sandbox) -> None:
    """A rule after the first page of a long list counts like any other."""
    accept = Permission("1/65535", "0.0.0.0/0", priority="2")
    filler = tuple(Permission("22/22", f"10.1.{n // 250}.{n % 250}/32") for n in range(600))
    drop = Permission("1/65535", "10.20.0.0/16", policy="Drop")
    for rules, found in (((accept, *filler), []), ((accept, *filler, drop), ["port"])):
        sandbox.world.set_rules(GROUP, *rules)
        assert [stop.check for stop in planned(runbook).stops] == found


@pytest.mark.parametrize(("ahead", "stops"), [(-14 * 60, []), (0, []), (14 * 60, []), (16 * 60, ["clock"])])
def test_the_clock_is_compared_with_the_answers_date(
    runbook: Runbook, sandbox: Sandbox, ahead: int, stops: list[str]
) -> None:
    """A clock difference of up to 15 minutes passes; a larger one is a stop, whichever cloud reports it."""
    sandbox.clock.ahead = ahead
    assert [stop.check for stop in planned(runbook).stops] == stops


def test_the_machines_clock_is_injected(sandbox: Sandbox) -> None:
    """The injected clock is compared, not the clock of the computer that runs both."""
    with Runbook(environ=sandbox.environment()) as runbook:
        now = runbook._context.now
        runbook._context.now = lambda: now() + 3600
        [stop] = planned(runbook).stops
    assert stop.check == "clock"
    assert "60 minutes ahead" in stop.evidence


def test_the_cluster_can_be_named_by_id(runbook: Runbook) -> None:
    """An ID names a cluster as well as its name does."""
    assert runbook.plan(cluster=DEMO_ID, vpc=VPC, security_group=[GROUP]).stops == ()
