"""What a form displays is current for its cluster: headers, plans, buttons and pending requests."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, OTHER_VPC, VPC
from support.clicker import Outputs, choose, command_of, create, heads, place, settle, words

from tidb_pe_magic import Runbook, model
from tidb_pe_magic.errors import WaitCancelled
from tidb_pe_magic.notebook.forms import Form
from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox

_SECONDS = 60.0
# Its address is outside the networks that the security groups allow.
_UNLISTED = replace(ANALYTICS, private_ip="172.16.0.9")


def connect(clicker: Clicker) -> None:
    """Create an endpoint for the cluster demo, connect, and run the first query."""
    create(clicker)
    clicker.click(clicker.form.connect.connect.button)
    clicker.click(clicker.form.connect.query.run.button)


def make_two(sandbox: Sandbox) -> None:
    """Create two endpoints for the cluster demo, each in its own VPC."""
    with Runbook(environ=sandbox.environment()) as runbook:
        for vpc, group in ((VPC, [GROUP]), (OTHER_VPC, [])):
            runbook.create(cluster="demo", vpc=vpc, security_group=group)


def wait_for(widget: Any, words: str, act: Callable[[], None]) -> None:
    """Act, and wait until the widget shows these words."""
    said = threading.Event()
    widget.observe(lambda change: said.set() if words in change["new"] else None, "value")
    act()
    assert said.wait(_SECONDS)


def test_another_cluster_begins_anew(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Another cluster resets the steps, and an existing connection is found again with its cluster."""
    clicker = open_form(sandbox)
    connect(clicker)
    step = clicker.form.connect
    assert words(step.query.run.outcome)
    clicker.put(step.password, "canary-Other1")
    choose(clicker, "jakarta")
    assert heads(clicker)[1:] == ["▾ 2. Create the endpoint", "▸ 3. Connect"]
    assert step.query.box.layout.display == "none", "a query would go to the other cluster"
    assert words(step.query.run.outcome) == ""
    assert step.password.source is None, "it is not sent to another cluster"
    assert step.endpoint.control.options == (("— none yet —", ""),)
    choose(clicker)
    assert heads(clicker)[2].endswith("✔ connected as tidb")


def test_a_connection_outlives_another_wait(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Waiting again leaves the connection open, and the header says so."""
    clicker = open_form(sandbox)
    connect(clicker)
    clicker.click(clicker.form.connect.wait.button)
    assert heads(clicker)[2].endswith("✔ connected as tidb")


@pytest.mark.parametrize("connected", [False, True])
def test_a_deleted_endpoint_is_not_done(
    sandbox: Sandbox, open_form: Callable[..., Clicker], *, connected: bool
) -> None:
    """After a refresh, the headers no longer show a deleted endpoint as done."""
    clicker = open_form(sandbox)
    (connect if connected else create)(clicker)
    assert "✔ ep-" in heads(clicker)[1]
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.delete(*sandbox.world.endpoints, cluster="demo", yes=True, shared=True)
    clicker.click(clicker.form.header.refresh)
    assert not any("✔" in head for head in heads(clicker)[1:])


def test_a_plan_ends_with_the_creation(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Once the endpoint is created, the form no longer says that it would be created and billed."""
    clicker = open_form(sandbox)
    create(clicker)
    step = clicker.form.create
    assert words(step.plan.outcome) == ""
    assert step.create.button.description == "Use the existing endpoint"


def test_a_plan_that_fails_promises_nothing(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Create names billed zones only if the current fields have a plan."""
    sandbox.place = _UNLISTED
    clicker = open_form(sandbox)
    choose(clicker)
    step = clicker.form.create
    clicker.put(step.vpc, OTHER_VPC)
    assert step.create.button.description == "Create (2 zones)"
    clicker.put(step.vpc, VPC)
    assert words(step.groups.box.children[1]).endswith("is known to allow this notebook. Choose one.")
    assert step.create.button.description == "Create"
    assert step.create.button.disabled


def test_consent_is_to_one_cluster(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Consent to a finding holds for its cluster only."""
    clicker = open_form(sandbox)
    choose(clicker)
    step = clicker.form.create
    clicker.put(step.groups, (GROUP, "sg-t4nenterprise"))
    clicker.put(step.force, value=True)
    choose(clicker, "reporting")
    assert not step.force.value


def test_a_choice_during_a_wait(manual: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A choice during a wait is planned after it, also if cancelled. The old plan is marked until then."""
    clicker = open_form(manual)
    create_step, worker = clicker.form.create, clicker.form.session.worker
    choose(clicker)
    clicker.put(create_step.groups, (GROUP,))
    wait_for(clicker.form.connect.wait.outcome, "Creating", create_step.create.button.click)
    create_step.zones.control.children[1].value = ""
    assert "tidb-pe-outdated" in create_step.plan.outcome._dom_classes
    worker.cancel()
    clicker.rest()
    assert "Detached" in words(clicker.form.connect.wait.outcome)
    assert "tidb-pe-outdated" not in create_step.plan.outcome._dom_classes
    assert "Plan: reuse" in words(create_step.plan.outcome)


def test_a_step_that_is_opened_during_a_wait(manual: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A step opened during a wait says that it follows, and shows its content after the wait or cancel."""
    clicker = open_form(manual)
    form = clicker.form
    with Runbook(environ=manual.environment()) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    form.choose.cluster.control.value = "demo"
    wait_for(form.connect.wait.outcome, "Waiting for", form.choose.use.button.click)
    clicker.head("create").click()
    assert words(form.create.networks.outcome) == "Waiting for the current operation."
    form.session.worker.cancel()
    clicker.rest()
    assert form.create.vpc.value == VPC
    assert "Plan: reuse" in words(form.create.plan.outcome)


def test_the_endpoint_that_is_chosen(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Of several endpoints the chosen one is drawn and described, and none before the choice."""
    make_two(sandbox)
    clicker = open_form(sandbox, cluster="demo")
    step, drawing = clicker.form.connect, clicker.form.header.drawing
    assert "not known" in drawing.box.value
    for endpoint in sandbox.world.endpoints.values():
        clicker.put(step.endpoint, endpoint.endpoint_id)
        assert endpoint.endpoint_id in words(step.wait.outcome)
        assert all(f"{zone.eni_ip} " in drawing.box.value for zone in endpoint.zones)
        assert endpoint.endpoint_id in heads(clicker)[1]
        assert "✔" not in heads(clicker)[2], "a ready endpoint is no connection yet"
    clicker.click(step.connect.button)
    assert heads(clicker)[2].endswith("✔ connected as tidb")
    clicker.click(clicker.form.header.refresh)
    assert endpoint.endpoint_id in words(step.wait.outcome)
    assert heads(clicker)[2].endswith("✔ connected as tidb")
    clicker.click(clicker.form.header.refresh)
    assert heads(clicker)[2].endswith("✔ connected as tidb")
    clicker.put(step.endpoint, "")
    clicker.put(step.endpoint, next(iter(sandbox.world.endpoints)))
    assert "connected as" not in heads(clicker)[2], "the connection uses the other endpoint"


def test_another_endpoint_chosen_during_a_wait(manual: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Events of a wait do not replace the drawing of an endpoint chosen meanwhile."""
    make_two(manual)
    clicker = open_form(manual, cluster="demo")
    step, session = clicker.form.connect, clicker.form.session
    first, second = manual.world.endpoints
    clicker.put(step.endpoint, first)
    wait_for(step.wait.outcome, "Waiting for", step.wait.button.click)
    step.endpoint.control.value = second
    wait_for(step.wait.outcome, "Endpoint ready", lambda: settle(manual))
    clicker.rest()
    assert session.state.endpoint
    assert session.state.endpoint.endpoint_id == second
    assert second in heads(clicker)[1]


def test_a_list_that_lags(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """The endpoint created last is used even if the list omits it or shows another one."""

    class Lagging(Runbook):
        """Lists no endpoint."""

        def perform(self, name: str, *arguments: Any, **options: Any) -> model.Result:
            result = super().perform(name, *arguments, **options)
            return replace(result, items=()) if isinstance(result, model.Endpoints) else result

    clicker = open_form(Lagging(environ=sandbox.environment()))
    create(clicker)
    (endpoint,) = sandbox.world.endpoints
    assert endpoint in heads(clicker)[1]
    assert f"--endpoint {endpoint}" in command_of(clicker.form.connect.connect)


def test_networks_that_are_looked_up_again(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """After a refresh, choices that are still possible stay, and Create does what its button says."""
    clicker = open_form(sandbox)
    place(clicker, zones=1)
    step = clicker.form.create
    said = step.create.button.description, command_of(step.create)
    assert said[0] == "Create (1 zone)"
    clicker.click(clicker.form.header.refresh)
    assert (step.create.button.description, command_of(step.create)) == said
    clicker.click(step.create.button)
    (endpoint,) = sandbox.world.endpoints.values()
    assert len(endpoint.zones) == 1


def test_a_choice_while_the_form_looks_around(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A cluster chosen during the form's first lookup stays chosen."""
    create(open_form(sandbox))

    looking, go_on = threading.Event(), threading.Event()

    class Slow(Runbook):
        """Delays its list of endpoints."""

        def perform(self, name: str, *arguments: Any, **options: Any) -> model.Result:
            if name == "endpoints":
                looking.set()
                assert go_on.wait(_SECONDS)
            return super().perform(name, *arguments, **options)

    with Slow(environ=sandbox.environment()) as runbook:
        form = Form(runbook, publish=Outputs(), wait_for_page=threading.Event.is_set)
        assert looking.wait(_SECONDS)
        form.choose.cluster.control.value = "jakarta"
        go_on.set()
        assert form.join(_SECONDS)
        assert form.session.state.cluster is None
        assert form.choose.cluster.value == "jakarta"


def test_a_missing_field_is_not_a_mistake(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Missing fields before the first click have no mark of failure; a click adds it."""
    sandbox.place = _UNLISTED
    clicker = open_form(sandbox)
    choose(clicker)
    step = clicker.form.create
    beside = step.groups.box.children[1]
    assert words(beside).startswith("no security group of ")
    assert "alert" not in beside.value
    clicker.click(step.plan.button)
    assert words(beside).startswith("✘ no security group of ")


def test_networks_that_cannot_be_looked_up(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """If a cluster's networks cannot be looked up, the previous cluster's networks are not offered."""

    class Silent(Runbook):
        """Fails to look up the networks of one cluster."""

        def perform(self, name: str, request: Any, *arguments: Any, **options: Any) -> model.Result:
            if name == "networks" and request.cluster == "reporting":
                raise WaitCancelled("no answer")
            return super().perform(name, request, *arguments, **options)

    clicker = open_form(Silent(environ=sandbox.environment()))
    choose(clicker)
    step = clicker.form.create
    clicker.put(step.groups, (GROUP,))
    assert any(vpc for _, vpc in step.vpc.control.options)
    choose(clicker, "reporting")
    assert not any(vpc for _, vpc in step.vpc.control.options)
    assert not step.groups.control.options
    assert not step.zones.control.children


def test_zones_follow_the_vpc(lend: Callable[..., Sandbox], open_form: Callable[..., Clicker]) -> None:
    """Before a VPC is chosen, the form does not report zones without a usable vSwitch."""
    clicker = open_form(lend(scenario="notebook-outside-any-vpc"), cluster="demo")
    zones = clicker.form.create.zones.control
    assert {zone.label for zone in zones.children} == {"— choose a VPC first —"}
    clicker.put(clicker.form.create.vpc, VPC)
    assert "— no usable vSwitch —" in {zone.label for zone in zones.children}


def test_a_query_that_was_stopped(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A cancelled query is not an error: the form says that it was stopped."""
    clicker = open_form(sandbox)
    connect(clicker)
    query = clicker.form.connect.query
    clicker.put(query.sql, "SELECT SLEEP(60)")
    wait_for(query.run.outcome, "Reading", query.run.button.click)
    clicker.form.header.cancel.click()
    clicker.rest()
    assert "The query was stopped" in words(query.run.outcome)
    assert "✘" not in words(query.run.outcome)
