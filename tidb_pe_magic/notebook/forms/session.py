"""What the steps of one form share: the runbook, the worker, the cluster, and the buttons."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.commands.write import command
from tidb_pe_magic.credentials.redaction import unexpected, without_values
from tidb_pe_magic.display.events import Story
from tidb_pe_magic.display.layout import as_html
from tidb_pe_magic.display.views import view
from tidb_pe_magic.errors import InvalidRequest, QueryCancelled, TidbPeError, WaitCancelled, WaitTimeout
from tidb_pe_magic.notebook.forms import fragments
from tidb_pe_magic.notebook.forms.drawing import FormDrawing
from tidb_pe_magic.notebook.forms.worker import Worker
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from tidb_pe_magic import model
    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.display.layout import Kind
    from tidb_pe_magic.notebook.forms.fields import Sheet
    from tidb_pe_magic.notebook.forms.summary import Summary
    from tidb_pe_magic.runbook import Runbook

    Settle = Callable[[Event], bool]

_log = logging.getLogger(__name__)
# An outcome that is no longer of what the fields hold, until there is the new one.
_OUTDATED = "tidb-pe-outdated"


class Desk:
    """The form's runbook, worker and buttons.

    Attributes:
        cluster: the cluster that was chosen; None before.
        cluster_name: how commands name it: its name, or its ID where the name is not unique.
        latest: the operation that was begun last.
        activity: what is under way.
        cancel: the button that ends a wait, and the pause before a call is made again.
        foot: both; its place stays free while nothing is under way, so that nothing moves.
        picture: the way from the notebook to the cluster.
    """

    def __init__(
        self, runbook: Runbook, summary: Summary, on_news: Callable[[], None], *, settle: Settle
    ) -> None:
        """Have nothing under way, and no cluster.

        Args:
            runbook: does the work.
            summary: is told what was done.
            on_news: is called when nothing is under way any more, and when another endpoint is meant.
            settle: waits for what a click may have overtaken; returns True where the event ended that.
        """
        self._settle = settle
        self._on_news = on_news
        self.runbook, self.summary = runbook, summary
        self.worker = Worker(self._changed)
        self.cluster: model.Cluster | None = None
        self.cluster_name = self.latest = ""
        self._buttons: list[Any] = []
        self.activity = widgets.HTML().add_class("tidb-pe-activity")
        self.cancel = widgets.Button(
            description="Cancel", tooltip="Stop here; the cloud's work goes on", disabled=True
        )
        self.cancel.add_class("tidb-pe-cancel")
        self.cancel.on_click(without_values()(lambda _: self.worker.cancel()))
        self.picture = FormDrawing()
        self.foot: Any = widgets.HBox([self.activity, self.cancel]).add_class("tidb-pe-foot")
        self.foot.layout.visibility = "hidden"

    def choose(self, cluster: model.Cluster, name: str) -> None:
        """Make the cluster the one that the steps are about."""
        self.cluster, self.cluster_name = cluster, name
        self.picture.begin(cluster)

    def mean(self, endpoint: model.VpcEndpoint | None, *, looked_up: bool) -> None:
        """Make the endpoint the one that is drawn and told; see `Picture.see`."""
        self.picture.see(endpoint, looked_up=looked_up)
        self._on_news()

    def named(self) -> dict[str, str]:
        """Return the field by which each request names the chosen cluster."""
        return {"cluster": self.cluster_name} if self.cluster_name else {}

    def button(self, description: str, tooltip: str, on_click: Callable[[], None]) -> Any:
        """Make a button that cannot be clicked while the form works."""
        button = widgets.Button(description=description, tooltip=tooltip, disabled=self.worker.busy)
        button.on_click(without_values()(lambda _: on_click()))
        self._buttons.append(button)
        return button

    def settle(self) -> bool:
        """Wait for what was done in the page before a click; tell whether the click still holds.

        Raises:
            WaitTimeout: the page does not say whether that was all.
        """
        self.tell("taking up what was typed")
        return not self._settle(self.worker.cancelled)

    def perform(
        self,
        name: str,
        request: Request,
        on_event: model.EventHook | None = None,
        *,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = False,
    ) -> model.Result:
        """Do the operation in the worker's thread, telling what is under way.

        Arguments and errors are those of `Runbook.perform`. A cluster that a person did not choose by name is
        no default of commands in cells.
        """
        self.latest = name
        self.tell(command(name, request))
        return self.runbook.perform(
            name, request, on_event, cancel=self.worker.cancelled, prompt=prompt, remember=remember
        )

    def tell(self, line: str) -> None:
        """Say what is under way."""
        self.activity.value = fragments.activity(line)

    def _changed(self, busy: bool) -> None:  # noqa: FBT001 - the worker's signature
        for button in self._buttons:
            button.disabled = busy
        self.cancel.disabled = not busy
        self.foot.layout.visibility = "visible" if busy else "hidden"
        if not busy:
            self.tell("")
            self._on_news()


class Action:
    """A button that performs an operation, the command that does the same, and what came of it.

    Attributes:
        button: does it.
        command: the command, for copying.
        outcome: the result, or the error in its one line.
        box: the three, one above the other.
        outdated: the outcome is not of what the fields hold now, or will not be.
    """

    def __init__(  # noqa: PLR0913 - what tells one action from another
        self,
        desk: Desk,
        operation: str,
        description: str,
        sheet: Sheet,
        *,
        given: Callable[[], dict[str, Any]] | None = None,
        then: Callable[[Any], None] | None = None,
        on_event: model.EventHook | None = None,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = False,
        before: Callable[[], None] | None = None,
        show: Callable[[Any], str] = fragments.shown,
        summarize: bool = True,
        write: Callable[[str, Request], str] = command,
    ) -> None:
        """Show the command that stands for the fields as they are.

        Args:
            desk: the form's.
            operation: its name.
            description: what the button says.
            sheet: the fields of its request.
            given: further fields; default: the chosen cluster.
            then: is given the result, in the worker's thread.
            on_event: is given the events while it works.
            prompt: gives the password.
            remember: the cluster becomes the default of commands in cells.
            before: brings up to date what the button says, in the worker's thread.
            show: the result as HTML.
            summarize: it is one of the steps that were done, and no mere look at what there is.
            write: the request as what is typed.
        """
        self._desk, self.operation, self._sheet = desk, operation, sheet
        self._given, self._then, self._show = given or desk.named, then, show
        self._summarize, self._story, self._write = summarize, Story(), write
        self._on_event, self._prompt, self._remember = on_event, prompt, remember
        self._before = before
        self.outdated = False
        self.button = desk.button(description, f"{OPERATIONS[operation].summary}.", self.press)
        self.button.add_class(f"tidb-pe-do-{operation}")
        self.command = widgets.HTML().add_class(f"tidb-pe-command-{operation}")
        self.outcome: Any = widgets.HTML().add_class(f"tidb-pe-outcome-{operation}")
        row = widgets.HBox([self.button, self.command]).add_class("tidb-pe-action")
        self.box = widgets.VBox([row, self.outcome])
        sheet.on_change(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the command of what the fields hold; what is not valid leaves the last one."""
        try:
            line = self._write(self.operation, self._request())
        except InvalidRequest:
            return
        self.command.value = fragments.command(line)

    def press(self) -> None:
        """Do it in the worker's thread, unless something else was clicked before."""
        said = self.button.description
        self._desk.worker.start(lambda: self._clicked(said))

    def _clicked(self, said: str) -> None:
        """Do it with the fields as they are once all has arrived, unless the button then says otherwise."""
        try:
            if not self._desk.settle():
                return
        except WaitTimeout as error:
            self._fail(None, error)
            return
        if self._before is not None:
            self._before()
        if self.button.description != said:
            now = f"with what was changed last it is “{self.button.description}”"
            self.outcome.value = fragments.note(f"Nothing was done: {now}. Click again.")
        elif not self._desk.worker.cancelled.is_set():
            self.do()

    def follow(self) -> None:
        """Say that it will be done after what is under way."""
        self.outcome.value = fragments.activity("after what is under way")

    def outdate(self) -> None:
        """Show that the outcome is no longer of what the fields hold."""
        self.outdated = True
        self.outcome.add_class(_OUTDATED)

    def do(self, request: Request | None = None, *, clicked: bool = True) -> Any:
        """Do it in this thread, show what came of it, and return the result; None where it failed.

        Args:
            request: what is asked for; default: what the fields hold.
            clicked: somebody waits for it; else what came of it last is shown until there is news.
        """
        self.outdated = False
        try:
            request = request or self._request()
            return self._done(request, clicked=clicked)
        except InvalidRequest as error:
            self._refuse(error, clicked=clicked)
        except TidbPeError as error:
            self._fail(request, error)
        except Exception as error:  # noqa: BLE001 - logged and shown: nobody above in this thread would
            bug = unexpected(error)
            _log.error("%%tidb_pe form: %s: %s\n%s", self.operation, bug, bug.trace)
            self.outcome.value = self._told(live=False) + fragments.bug(bug)
        finally:
            if not self.outdated:
                self.outcome.remove_class(_OUTDATED)
        return None

    def _done(self, request: Request, *, clicked: bool) -> Any:
        self._story = Story()
        self._sheet.clear()
        if clicked or not self.outcome.value:
            self.outcome.value = fragments.activity("under way")
        result = self._desk.perform(
            self.operation, request, self._seen, prompt=self._prompt, remember=self._remember
        )
        self.outcome.value = self._show(result)
        shown = view(result)
        self._summary(request, shown.kind or "info", f"{shown.title} {shown.ident}")
        if self._then is not None:
            self._then(result)
        return result

    def _seen(self, event: model.Event) -> None:
        self._story.take(event)
        self.outcome.remove_class(_OUTDATED)
        self.outcome.value = fragments.activity("under way") + self._told(live=True)
        if self._on_event is not None:
            self._on_event(event)

    def _told(self, *, live: bool) -> str:
        return "".join(map(as_html, self._story.views(live=live)))

    def _request(self) -> Request:
        return self._sheet.request(**self._given())

    def _refuse(self, error: InvalidRequest, *, clicked: bool) -> None:
        told = self._sheet.refuse(error, clicked=clicked)
        self.outcome.value = "" if told else fragments.failure(error.text())

    def _fail(self, request: Request | None, error: TidbPeError) -> None:
        diagnosis = getattr(error, "diagnosis", None)
        self.outcome.value = (
            self._told(live=False)
            + (fragments.note if _meant(error) else fragments.failure)(error.text())
            + (fragments.shown(diagnosis) if diagnosis else "")
        )
        if request is not None:
            self._summary(request, "info" if _meant(error) else "no", one_line(error.message))

    def _summary(self, request: Request, kind: Kind, outcome: str) -> None:
        if self._summarize:
            self._desk.summary.add(self.operation, self._write(self.operation, request), kind, outcome)


def _meant(error: TidbPeError) -> bool:
    """Tell whether this is what a person has asked for."""
    return isinstance(error, WaitCancelled | QueryCancelled)
