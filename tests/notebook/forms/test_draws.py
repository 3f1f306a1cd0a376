"""One click builds only the requests of its operation, and draws the changes once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP
from support.clicker import choose, command_of

from tidb_pe_magic import Runbook, model
from tidb_pe_magic.commands.fields import Request
from tidb_pe_magic.notebook.forms.state import FormState, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.clicker import Clicker

    from tidb_pe_magic.sandbox import Sandbox


class CountingRunbook(Runbook):
    """Counts the operations."""

    performed = 0

    def perform(self, name: str, *arguments: Any, **options: Any) -> model.Result:
        """Count the operation."""
        self.performed += 1
        return super().perform(name, *arguments, **options)


class Counts:
    """What a form builds, writes and draws during a test's clicks.

    Attributes:
        endpoints: each state of the endpoint that the form has seen.
    """

    def __init__(self, clicker: Clicker, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start counting."""
        self._clicker, self._counter = clicker, Counter[str]()
        build = Request.of.__func__  # type: ignore[attr-defined]

        def counted(cls: type[Request], /, **values: Any) -> Request:
            self._counter["requests"] += 1
            request: Request = build(cls, **values)
            return request

        monkeypatch.setattr(Request, "of", classmethod(counted))
        form = clicker.form
        self.endpoints: list[model.VpcEndpoint] = []
        form.session.store.observe(self._endpoint_changed, "endpoint")
        form.header.drawing.box.observe(lambda _: self._counter.update(["drawings"]), "value")
        for action in (form.create.plan, form.create.create, form.connect.wait, form.connect.connect):
            action.command.observe(lambda _: self._counter.update(["commands"]), "value")

    def _endpoint_changed(self, state: FormState) -> None:
        if state.endpoint is not None:
            self.endpoints.append(state.endpoint)

    def click(self, button: Any) -> tuple[int, int, int, int]:
        """Click, and return how much was performed, built, written and drawn."""
        runbook = self._clicker.form.session.runbook
        assert isinstance(runbook, CountingRunbook)
        before = runbook.performed
        self._counter.clear()
        self._clicker.click(button)
        counted = self._counter
        return runbook.performed - before, counted["requests"], counted["commands"], counted["drawings"]


@pytest.fixture
def clicker(sandbox: Sandbox, open_form: Callable[..., Clicker]) -> Clicker:
    """Provide a form that can create the endpoint."""
    clicker = open_form(CountingRunbook(environ=sandbox.environment(), metadata_timeout=10.0))
    choose(clicker)
    clicker.put(clicker.form.create.groups, (GROUP,))
    return clicker


def test_one_click_builds_one_request_and_draws_once(
    clicker: Clicker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each operation has one request, and only a change of the endpoint causes a drawing."""
    form = clicker.form
    form.header.commands.value = False
    counts = Counts(clicker, monkeypatch)
    assert counts.click(form.create.plan.button) == (1, 0, 0, 0), "the click reuses the check's request"
    performed, requests, commands, drawings = counts.click(form.create.create.button)
    assert (commands, drawings) == (0, len(counts.endpoints)), "each state of the endpoint is drawn once"
    assert len(counts.endpoints) <= 2
    assert requests <= performed
    performed, requests, commands, drawings = counts.click(form.connect.wait.button)
    assert (performed, commands, drawings) == (1, 0, 0)
    assert requests <= performed
    performed, requests, commands, drawings = counts.click(form.connect.connect.button)
    assert (commands, drawings) == (0, 1), "the SQL connection is open"
    assert requests <= performed
    performed, requests, commands, drawings = counts.click(form.connect.query.run.button)
    assert (performed, commands, drawings) == (1, 0, 0)
    assert requests <= performed


def test_a_command_is_written_once(clicker: Clicker, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commands shown, a click rewrites only the changed ones, and builds no request for it."""
    counts = Counts(clicker, monkeypatch)
    assert counts.click(clicker.form.create.plan.button) == (1, 0, 0, 0), (
        "the displayed command already has its request"
    )
    clicker.form.header.commands.value = False
    shown = command_of(clicker.form.create.plan)
    clicker.form.create.name.value = "other-name"
    assert command_of(clicker.form.create.plan) == shown, "a hidden command is not rewritten"
    clicker.form.header.commands.value = True
    assert "other-name" in command_of(clicker.form.create.plan)


def test_observers_are_called_for_their_fields_alone() -> None:
    """A change calls each observer of a changed field once, and no observer without a change."""
    store, seen = Store(), Counter[str]()

    def observer(name: str) -> Callable[[FormState], None]:
        return lambda _: seen.update([name])

    store.observe(observer("both"), "activity", "progress")
    store.observe(observer("any"))
    store.observe(observer("plan"), "plan")
    store.update(activity="Waiting", progress="1 s")
    store.update(activity="Waiting")
    assert seen == {"both": 1, "any": 1}
