"""The complete form: three steps, of which one or more are open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.commands.requests import StatusRequest
from tidb_pe_magic.notebook.forms import widgets
from tidb_pe_magic.notebook.forms.choose_cluster import ChooseCluster
from tidb_pe_magic.notebook.forms.connect import Connect
from tidb_pe_magic.notebook.forms.create_endpoint import CreateEndpoint
from tidb_pe_magic.notebook.forms.fields import FieldSet
from tidb_pe_magic.notebook.forms.header import Header
from tidb_pe_magic.notebook.forms.operation import OperationPanel
from tidb_pe_magic.notebook.forms.page_sync import PageSync, use_one_thread
from tidb_pe_magic.notebook.forms.section import Section
from tidb_pe_magic.notebook.forms.session import FormSession
from tidb_pe_magic.notebook.forms.state import Clicks
from tidb_pe_magic.notebook.forms.style import style
from tidb_pe_magic.notebook.forms.summary import Summary

if TYPE_CHECKING:
    from tidb_pe_magic import model
    from tidb_pe_magic.notebook.forms.choose_cluster import StartSandbox
    from tidb_pe_magic.notebook.forms.section import SectionContent
    from tidb_pe_magic.notebook.forms.session import PageWait
    from tidb_pe_magic.notebook.forms.state import FormState
    from tidb_pe_magic.notebook.progress import Publish
    from tidb_pe_magic.runbook import Runbook

_VIEW = "application/vnd.jupyter.widget-view+json"
_WITH_COMMANDS = "tidb-pe-with-commands"
_WITHOUT_WIDGETS = "A form of tidb_pe. It needs Jupyter widgets; the commands below work without them."


class Form:
    """The runbook as a form: display it, or use it as a cell's last expression.

    Attributes:
        widget: the form as a widget, for use within other widgets.
    """

    def __init__(  # noqa: PLR0913 - tests and front ends replace them
        self,
        runbook: Runbook,
        step: str = "",
        cluster: str = "",
        *,
        publish: Publish | None = None,
        wait_for_page: PageWait | None = None,
        start_sandbox: StartSandbox | None = None,
    ) -> None:
        """Create the form, and start to query the clouds in a separate thread.

        Args:
            runbook: performs the operations.
            step: cluster, create or connect, for this step only; default: all three.
            cluster: name or ID of the initial cluster; default: the last one used in this kernel, the only
                usable one, or the only one with an endpoint.
            publish: shows outputs; default: the shell's display publisher.
            wait_for_page: waits for changes that a click may have overtaken; returns True if the event ended
                the wait; default: queries the page.
            start_sandbox: switches this kernel to the embedded clouds; None hides the button.
        """
        self._publish = publish or _publisher()
        self._page_sync = PageSync()
        self.session = FormSession(
            runbook, Summary(self._publish), wait_for_page=wait_for_page or self._page_sync.wait
        )
        store = self.session.store
        self.choose = ChooseCluster(self.session, self._after_choice, cluster, start_sandbox=start_sandbox)
        self.create = CreateEndpoint(self.session, self._after_create)
        self.connect = Connect(self.session)
        self.status = OperationPanel(
            self.session,
            "status",
            FieldSet(StatusRequest),
            given=lambda: self.session.cluster_field() | self.session.endpoint_field(),
            then=self._after_status,
        )
        self.header = Header(self.session, self._reload)
        steps: dict[str, SectionContent] = {
            "cluster": self.choose,
            "create": self.create,
            "connect": self.connect,
        }
        self.sections = {
            name: Section(store, number, name, content, self._on_open)
            for number, (name, content) in enumerate(steps.items(), start=1)
        }
        self._only = step
        self._loaded = {"cluster"}
        for name, section in self.sections.items():
            # A single step also shows the first step, until a cluster is chosen.
            section.box.layout.display = "" if step in {"", name} or name == "cluster" else "none"
        self.sections["cluster"].show(shown=True)
        boxes = [section.box for section in self.sections.values()]
        self.widget = widgets.VBox([widgets.HTML(style()), self.header.box, *boxes]).add_class("tidb-pe-form")
        use_one_thread(self.widget)
        store.observe(self._ping_page, "clicks")
        store.observe(self._show_commands, "show_commands")
        self.choose.open()

    def __repr__(self) -> str:
        """Return a short description without the values of the fields."""
        return f"<tidb_pe form, cluster {self.session.state.cluster_name or 'not chosen'}>"

    def _ipython_display_(self) -> None:
        """Show the form, and below it the summary, which works without widgets."""
        if self._publish is not None:
            reference = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
            data: dict[str, Any] = {"text/plain": _WITHOUT_WIDGETS, _VIEW: reference}
            self._publish(data, transient={}, update=False)
        self.session.summary.show()

    @property
    def frame(self) -> Any:
        """The DataFrame of the form's query; None before."""
        return self.connect.query.frame

    def join(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds until the form is idle; return whether it is."""
        return self.session.worker.join(timeout)

    def close(self) -> None:
        """Stop waiting, discard a typed password, and remove the form."""
        self.session.worker.close()
        self.connect.password.clear()
        # The status has no place in the form: it only decides which step opens.
        widgets.close(self.widget, self.status.outcome)
        self._page_sync.close()

    def _after_choice(self) -> None:
        """Continue from the clouds' current state, in the worker's thread."""
        self._loaded = {"cluster"}
        if self._only:
            self._go(self._only)
            return
        self._go("connect" if self._has_endpoint() else "create")

    def _has_endpoint(self) -> bool:
        """Return whether an endpoint exists; if that is unknown, the preflight shows why."""
        status = self.status.run()
        if status is not None:
            return any(step.step == "create" and step.done for step in status.steps)
        # With several endpoints, the user chooses one in the last step.
        found = self.connect.list.run()
        return bool(found and found.items)

    def _after_status(self, status: model.RunbookStatus) -> None:
        def with_status(state: FormState) -> FormState:
            state = state.with_endpoint(status.endpoint)
            return replace(state, aliases=status.aliases) if status.endpoint is not None else state

        self.session.store.change(with_status)

    def _after_create(self) -> None:
        if not self._only:
            self._go("connect")

    def _go(self, name: str) -> None:
        """Open a step, close the others, and load the step's data."""
        for each, section in self.sections.items():
            section.show(shown=each == name)
            section.box.layout.display = "" if self._only in {"", each} else "none"
        self._loaded.discard(name)
        self._on_open(name)

    def _on_open(self, name: str) -> None:
        """Load a step's data when it is first opened, once a cluster is chosen."""
        if name not in self._loaded and self.session.state.cluster is not None:
            self._loaded.add(name)
            self.sections[name].step.open()

    def _reload(self) -> None:
        """Reload the data of the drawing and the open steps, in the worker's thread."""
        if self.session.state.cluster is not None:
            self.status.run()
        for section in self.sections.values():
            loaded = section.step is self.choose or self.session.state.cluster is not None
            if section.shown and loaded and not self.session.worker.cancelled.is_set():
                section.step.reload()

    def _show_commands(self, state: FormState) -> None:
        (self.widget.add_class if state.show_commands else self.widget.remove_class)(_WITH_COMMANDS)

    def _ping_page(self, state: FormState) -> None:
        if state.clicks is Clicks.START and not self._page_sync.answers:
            self._page_sync.ping()  # so that the page is known before the first click


def _publisher() -> Publish | None:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only needed for the display

    shell = get_ipython()
    publish: Publish | None = shell.display_pub.publish if shell is not None else None
    return publish
