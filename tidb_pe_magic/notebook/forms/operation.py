"""The form's operations: each shows its outcome, and most have a button."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.commands.write import command
from tidb_pe_magic.credentials.redaction import bug_error, without_values
from tidb_pe_magic.display.events import Story
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.render import event_line
from tidb_pe_magic.display.views import view
from tidb_pe_magic.errors import InvalidRequest, QueryCancelled, TidbPeError, WaitCancelled, WaitTimeout
from tidb_pe_magic.notebook.forms import fragments, widgets
from tidb_pe_magic.notebook.forms.state import Clicks
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.display.view import Kind
    from tidb_pe_magic.notebook.forms.fields import FieldSet
    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState

_log = logging.getLogger(__name__)


class OperationPanel:
    """Performs an operation, and shows the result or the error.

    Attributes:
        name: the operation's name.
        outcome: the widget that shows it.
    """

    def __init__(  # noqa: PLR0913 - the differences between operations
        self,
        session: FormSession,
        name: str,
        fieldset: FieldSet,
        *,
        given: Callable[[], dict[str, Any]] | None = None,
        then: Callable[[Any], None] | None = None,
        starts: Callable[[], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
        on_event: model.EventHook | None = None,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = False,
        show: Callable[[Any], str] = fragments.result,
        summarize: bool = False,
        write: Callable[[str, Request], str] = command,
    ) -> None:
        """Create the operation, with an empty outcome.

        Args:
            session: the form's session.
            name: the operation's name.
            fieldset: the fields of its request.
            given: further fields; default: the chosen cluster.
            then: receives the result, in the worker's thread.
            starts: called before the request is created, in the worker's thread.
            failed: receives the error, in the worker's thread.
            on_event: receives the events.
            prompt: returns the password.
            remember: use the cluster as the default of commands in cells.
            show: returns the result as HTML.
            summarize: list the operation in the summary.
            write: returns the request as a typed command.
        """
        self._session, self.name, self._fieldset = session, name, fieldset
        self._given, self._starts = given or session.cluster_field, starts
        self._then, self._failed = then, failed
        self._show, self._summarize, self._write = show, summarize, write
        self._on_event, self._prompt, self._remember = on_event, prompt, remember
        self._story = Story()
        self._written: tuple[Request, str] | None = None
        self.outcome: Any = widgets.HTML().add_class(f"tidb-pe-outcome-{name}")

    def clear(self) -> None:
        """Clear the outcome."""
        self.outcome.value = ""

    def announce(self) -> None:
        """Show that it waits for the current operation."""
        self.outcome.value = fragments.hint("Waiting for the current operation.")

    def run(self, request: Request | None = None, *, clicked: bool = True) -> Any:
        """Perform it in this thread, show the outcome, and return the result; None if it failed.

        Args:
            request: the request; default: from the fields.
            clicked: the user clicked; otherwise the last outcome stays visible until the new one.
        """
        if self._starts is not None:
            self._starts()
        try:
            request = request or self._request()
            return self._perform(request, clicked=clicked)
        except TidbPeError as error:
            self._show_error(request, error, clicked=clicked)
            if self._failed is not None:
                self._failed(error)
        except Exception as error:  # noqa: BLE001 - logged and shown, because this thread has no other handler
            bug = bug_error(error)
            _log.error("form, %s: %s\n%s", self.name, bug, bug.trace)
            self.outcome.value = self._events(live=False) + fragments.bug(bug)
            if self._failed is not None:
                self._failed(bug)
        return None

    def _perform(self, request: Request, *, clicked: bool) -> Any:
        self._story = Story()
        self._fieldset.clear_errors()
        if clicked:
            self.outcome.value = ""
        result = self._session.perform(
            self.name, request, self._event, prompt=self._prompt, remember=self._remember
        )
        self.outcome.value = self._show(result)
        shown = view(result)
        self._add_to_summary(request, shown.kind or "info", f"{shown.title} {shown.ident}")
        if self._then is not None:
            self._then(result)
        return result

    def _event(self, event: model.Event) -> None:
        self._story.take(event)
        self.outcome.value = self._events(live=True)
        self._session.store.update(progress=_progress(event))
        if self._on_event is not None:
            self._on_event(event)

    def _events(self, *, live: bool) -> str:
        views = self._story.views(live=live)
        if live:  # a growing progress text would move the fields below it
            views = [replace(each, pictures=()) for each in views]
        return "".join(map(as_html, views))

    def _request(self) -> Request:
        return self._fieldset.request(**self._given())

    def _line(self, request: Request) -> str:
        """Return the equivalent command."""
        if self._written is None or self._written[0] != request:
            self._written = request, self._write(self.name, request)
        return self._written[1]

    def _show_error(self, request: Request | None, error: TidbPeError, *, clicked: bool) -> None:
        if isinstance(error, InvalidRequest) and self._fieldset.show_error(error, clicked=clicked):
            self.outcome.value = ""
            return
        requested = isinstance(error, WaitCancelled | QueryCancelled)
        diagnosis = getattr(error, "diagnosis", None)
        self.outcome.value = (
            self._events(live=False)
            + fragments.error(error, requested=requested)
            + (fragments.result(diagnosis) if diagnosis else "")
        )
        if request is not None and not isinstance(error, InvalidRequest):
            self._add_to_summary(request, "info" if requested else "no", one_line(error.message))

    def _add_to_summary(self, request: Request, kind: Kind, outcome: str) -> None:
        if self._summarize:
            self._session.summary.add(self.name, self._line(request), kind, outcome)


def _progress(event: model.Event) -> str:
    """Return the progress in a few words, because the drawing shows the endpoint's states."""
    if isinstance(event, model.EndpointObserved) and event.endpoint is not None:
        return f"{event.elapsed:.0f} s"
    return event_line(event)


class Action(OperationPanel):
    """An operation with a button and, if commands are shown, the equivalent command.

    Attributes:
        button: performs the operation.
        command: the command, for copying.
        box: button, command and outcome, stacked vertically.
    """

    def __init__(  # noqa: PLR0913 - the differences between buttons
        self,
        session: FormSession,
        name: str,
        label: str | Callable[[FormState], str],
        fieldset: FieldSet,
        *,
        enabled: Callable[[FormState], bool] = lambda _: True,
        primary: Callable[[FormState], bool] = lambda _: True,
        before: Callable[[], None] | None = None,
        **options: Any,
    ) -> None:
        """Create the button.

        Args:
            session: the form's.
            name: the operation's name.
            label: the button's label.
            fieldset: the fields of its request.
            enabled: the operation can succeed.
            primary: the button is the step's next action.
            before: updates the label, in the worker's thread.
            **options: see `OperationPanel`; the summary lists the operations of buttons.
        """
        super().__init__(session, name, fieldset, **({"summarize": True} | options))
        self._label = label if callable(label) else lambda _: label
        self._enabled, self._primary, self._before = enabled, primary, before
        self._drawn: Request | None = None
        self.button: Any = widgets.Button(tooltip=f"{OPERATIONS[name].summary}.")
        self.button.on_click(without_values()(lambda _: self.press()))
        self.button.add_class("tidb-pe-button").add_class(f"tidb-pe-do-{name}")
        self.command = widgets.HTML().add_class(f"tidb-pe-command-{name}")
        row = widgets.HBox([self.button, self.command]).add_class("tidb-pe-action")
        self.box = widgets.VBox([row, self.outcome])
        fieldset.on_change(self.draw)
        session.store.observe(self._draw)
        self.draw()

    def draw(self) -> None:
        """Update the button's label and state, and the command for the fields' values."""
        self._draw(self._session.store.state)

    def press(self) -> None:
        """Perform it in the worker's thread, unless another click came first."""
        label = self.button.description
        self._session.worker.click(lambda: self._on_click(label))

    def _draw(self, state: FormState) -> None:
        enabled = self._enabled(state)
        self.button.description = self._label(state)
        self.button.disabled = state.clicks is Clicks.IGNORE or not enabled
        clickable = not self.button.disabled
        self.button.button_style = "primary" if clickable and self._primary(state) else ""
        if state.show_commands:
            self._draw_command()

    def _draw_command(self) -> None:
        """Show the command for the fields' values; with invalid values, keep the last command."""
        try:
            request = self._request()
        except InvalidRequest:
            return
        if request is not self._drawn:
            self._drawn = request
            self.command.value = fragments.command(self._line(request))

    def _on_click(self, label: str) -> None:
        """Wait for pending changes, then perform it, unless the button's label has changed."""
        session = self._session
        try:
            if not session.wait_for_page():
                return
        except WaitTimeout as error:
            self.outcome.value = fragments.error(error)
            return
        if self._before is not None:
            self._before()
        label_now = self._label(session.state)
        if label_now != label:
            now = f"the button changed to “{label_now}”"
            self.outcome.value = fragments.hint(f"Nothing was done because {now}. Click again to confirm.")
        elif not session.worker.cancelled.is_set():
            self.run()
