"""Clicks, and the typed and chosen values around them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, OTHER_VPC
from support.clicker import choose, command_of, words

from tidb_pe_magic import Runbook, model
from tidb_pe_magic.errors import WaitTimeout
from tidb_pe_magic.notebook.forms.state import Clicks

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox

ENTERPRISE = "sg-t4nenterprise"


class SlowRunbook(Runbook):
    """Checks a plan only when the test allows it."""

    begun, go_on = threading.Event(), threading.Event()

    def perform(self, name: str, *arguments: Any, **options: Any) -> model.Result:
        """Report the start, and wait."""
        if name == "plan":
            self.begun.set()
            assert self.go_on.wait(60)
        return super().perform(name, *arguments, **options)


class Check:
    """Holds a form at the start of its plan check."""

    def __init__(self, clicker: Clicker) -> None:
        """Hold the next check."""
        runbook = clicker.form.session.runbook
        assert isinstance(runbook, SlowRunbook)
        self._runbook = runbook
        runbook.begun, runbook.go_on = threading.Event(), threading.Event()

    def begins(self) -> None:
        """Return when the form checks the current fields."""
        assert self._runbook.begun.wait(60)

    def ends(self) -> None:
        """Let this check and all later ones finish."""
        self._runbook.go_on.set()


@pytest.fixture
def placed(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> Clicker:
    """Provide a form that can create the endpoint, in two zones."""
    runbook = SlowRunbook(environ=sandbox.environment())
    runbook.go_on.set()
    clicker = open_form(runbook)
    choose(clicker)
    clicker.put(clicker.form.create.groups, (GROUP,))
    assert clicker.form.create.create.button.description == "Create (2 zones)"
    return clicker


def test_a_name_typed_and_create_clicked(sandbox: Sandbox, placed: Clicker) -> None:
    """A click on Create right after typing a name runs after the form has checked the name."""
    step, check = placed.form.create, Check(placed)
    shown = step.plan.outcome.value
    step.name.control.value = "analytics-tidb"
    check.begins()
    assert step.plan.outcome.value == shown, "nothing moves under the mouse"
    step.create.button.click()
    step.create.button.click()
    check.ends()
    placed.rest()
    (endpoint,) = sandbox.world.endpoints.values()
    assert endpoint.name == "analytics-tidb"


def test_a_choice_during_a_check_stays(placed: Clicker) -> None:
    """The plan of a VPC does not select it again after the user has chosen another one."""
    step, check = placed.form.create, Check(placed)
    step.name.control.value = "some-name"
    check.begins()
    step.vpc.control.value = OTHER_VPC
    check.ends()
    placed.rest()
    assert step.vpc.value == OTHER_VPC
    assert f"--vpc {OTHER_VPC}" in command_of(step.create)
    assert OTHER_VPC in words(step.plan.outcome)


def test_create_does_what_its_button_said(sandbox: Sandbox, placed: Clicker) -> None:
    """Create does nothing if the billed zones changed before the click; its button shows the new zones."""
    step, check = placed.form.create, Check(placed)
    step.name.control.value = "some-name"
    check.begins()
    step.create.button.click()
    zones = step.zones.control.children
    next(each for each in zones if each.value).value = ""
    check.ends()
    placed.rest()
    assert not sandbox.world.endpoints
    assert "the button changed to “Create (1 zone)”. Click again" in words(step.create.outcome)
    placed.click(step.create.button)
    (endpoint,) = sandbox.world.endpoints.values()
    assert len(endpoint.zones) == 1


def test_consent_holds_for_one_plan_only(placed: Clicker) -> None:
    """Consent to a finding holds for the displayed plan only, and another placement withdraws it."""
    step = placed.form.create
    placed.put(step.groups, (GROUP, ENTERPRISE))
    placed.put(step.force, value=True)
    assert "--force" in command_of(step.create)
    check = Check(placed)
    step.name.control.value = "some-name"
    check.begins()
    step.create.button.click()
    check.ends()
    placed.rest()
    assert not step.force.value
    assert "Preflight" in words(step.create.outcome)


def test_cancel_takes_back_a_click_that_follows_a_look(sandbox: Sandbox, placed: Clicker) -> None:
    """Cancel discards a click that waits for a check."""
    step, check = placed.form.create, Check(placed)
    step.name.control.value = "some-name"
    check.begins()
    step.create.button.click()
    placed.form.header.cancel.click()
    check.ends()
    placed.rest()
    assert not sandbox.world.endpoints


def test_a_click_that_overtakes_what_was_typed(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """A front end can deliver a click before the typed text: the fields are read a little later."""
    typed = threading.Event()
    clicker = open_form(sandbox, wait_for_page=lambda _: not typed.wait(60))
    step, session = clicker.form.choose, clicker.form.session
    step.use.button.click()
    assert session.worker.clicks is Clicks.IGNORE, "the click was accepted"
    step.cluster.control.value = "demo"
    typed.set()
    clicker.rest()
    assert session.state.cluster_name == "demo"


def test_a_page_that_does_not_answer(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """If the typed values cannot be confirmed, the click does nothing, and the form says so at the button."""

    def wait_for_page(_: threading.Event) -> bool:
        message = "the page does not answer"
        raise WaitTimeout(message, advice="Click again.")

    clicker = open_form(sandbox, wait_for_page=wait_for_page)
    step = clicker.form.choose
    clicker.put(step.cluster, "demo")
    clicker.click(step.use.button)
    assert words(step.use.outcome).startswith("✘ The page does not answer Click again.")
    assert clicker.form.session.state.cluster is None


def test_a_click_can_be_taken_back(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> None:
    """Cancel discards a click that has not started, without asking any cloud."""
    clicker = open_form(sandbox, wait_for_page=lambda cancelled: bool(cancelled.wait(60)))
    step, form = clicker.form.choose, clicker.form
    clicker.put(step.cluster, "demo")
    step.use.button.click()
    form.header.cancel.click()
    clicker.rest()
    assert form.session.state.cluster is None
