"""The form as a whole: three steps one below the other, of which one or more are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic.commands.requests import StatusRequest
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.forms.choose_cluster import ChooseCluster
from tidb_pe_magic.notebook.forms.connect import Connect
from tidb_pe_magic.notebook.forms.create_endpoint import CreateEndpoint
from tidb_pe_magic.notebook.forms.session import Action, Desk
from tidb_pe_magic.notebook.forms.fields import Sheet
from tidb_pe_magic.notebook.forms.page_sync import Arrival, in_order
from tidb_pe_magic.notebook.forms.style import style
from tidb_pe_magic.notebook.forms.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic import model
    from tidb_pe_magic.notebook.forms.session import Settle
    from tidb_pe_magic.notebook.progress import Publish
    from tidb_pe_magic.runbook import Runbook

_VIEW = "application/vnd.jupyter.widget-view+json"
_WITHOUT_WIDGETS = "A form of tidb_pe. It needs Jupyter widgets; the commands below do the same without it."


class Form:
    """The runbook as a form: display it, or leave it as a cell's last value.

    Attributes:
        widget: the form as a widget, to be placed within others.
    """

    def __init__(
        self,
        runbook: Runbook,
        step: str = "",
        cluster: str = "",
        *,
        publish: Publish | None = None,
        settle: Settle | None = None,
    ) -> None:
        """Make the form, and begin to ask the clouds in a thread of its own.

        Args:
            runbook: does the work.
            step: cluster, create or connect, for this step alone; default: all three.
            cluster: name or ID of the cluster to begin with; default: the last one named in this kernel,
                or the only one that has an endpoint.
            publish: shows outputs; default: the shell's display publisher.
            settle: waits for what a click may have overtaken; returns True where the event ended that;
                default: asks the page.
        """
        self._publish = publish or _publisher()
        self._pages: dict[str, _Page] = {}
        self._arrival = Arrival()
        self.desk = Desk(runbook, Summary(self._publish), self._rest, settle=settle or self._arrival.settle)
        self.choose = ChooseCluster(self.desk, self._chosen, cluster)
        self.create = CreateEndpoint(self.desk, self._created)
        self.connect = Connect(self.desk)
        steps: dict[str, Any] = {"cluster": self.choose, "create": self.create, "connect": self.connect}
        for number, (name, content) in enumerate(steps.items(), start=1):
            self._pages[name] = _Page(number, name, content, self._opened)
        self._only = step
        self._entered = {"cluster"}
        self.status = Action(
            self.desk,
            "status",
            "Where am I?",
            Sheet(StatusRequest),
            given=self.connect.named,
            then=self._placed,
            summarize=False,
        )
        for name, page in self._pages.items():
            # A step alone shows the first one too, until there is a cluster.
            page.box.layout.display = "" if step in {"", name} or name == "cluster" else "none"
        self._pages["cluster"].open(shown=True)
        pages = [page.box for page in self._pages.values()]
        self.widget = widgets.VBox(
            [widgets.HTML(style()), self.desk.picture.box, *pages, self.status.box, self.desk.foot]
        )
        self.widget.add_class("tidb-pe-form")
        in_order(self.widget)
        self.choose.enter()

    def __repr__(self) -> str:
        """Say what it is: what its fields hold is nobody's business."""
        return f"<tidb_pe form, cluster {self.desk.cluster_name or 'not chosen'}>"

    def _ipython_display_(self) -> None:
        """Show the form, and under it the summary that needs no widgets."""
        if self._publish is not None:
            reference = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
            data: dict[str, Any] = {"text/plain": _WITHOUT_WIDGETS, _VIEW: reference}
            self._publish(data, transient={}, update=False)
        self.desk.summary.show()

    @property
    def frame(self) -> Any:
        """The DataFrame of the form's query; None before."""
        return self.connect.query.frame

    def join(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds until nothing is under way; tell whether that is so."""
        return self.desk.worker.join(timeout)

    def close(self) -> None:
        """Stop waiting, forget a password that was typed, and take the form away."""
        self.desk.worker.close()
        self.connect.password.forget()
        self.widget.close()

    def _chosen(self) -> None:
        """Go on where the clouds have it; in the worker's thread."""
        for step in (self.create, self.connect):
            step.forget()
        self._entered = {"cluster"}
        self.status.refresh()
        if self._only:
            self._go(self._only)
            return
        self._go("connect" if self._made() else "create")

    def _made(self) -> bool:
        """Tell whether there is an endpoint; where that cannot be told, the preflight says why."""
        status = self.status.do()
        if status is not None:
            return any(step.step == "create" and step.done for step in status.steps)
        # A cluster with several endpoints has no state of its own: the last step lets one be chosen.
        found = self.connect.list.do()
        return bool(found and found.items)

    def _placed(self, status: model.RunbookStatus) -> None:
        self.desk.picture.see(status.endpoint)
        if status.endpoint is not None:
            self.desk.picture.connect(*status.aliases)

    def _created(self, endpoint: model.VpcEndpoint) -> None:
        self.connect.expect(endpoint)
        if not self._only:
            self._go("connect")

    def _go(self, name: str) -> None:
        """Open a step and close the others, and begin it."""
        for each, page in self._pages.items():
            page.open(shown=each == name)
            page.box.layout.display = "" if self._only in {"", each} else "none"
        self._entered.discard(name)
        self._opened(name)
        self._tell()

    def _opened(self, name: str) -> None:
        """Begin a step that shows nothing yet, once there is a cluster for it."""
        if name not in self._entered and self.desk.cluster is not None:
            self._entered.add(name)
            self._pages[name].content.enter()

    def _rest(self) -> None:
        if not self._arrival.answers:
            self._arrival.ask()  # so that the first click finds a page that is known
        self._tell()

    def _tell(self) -> None:
        if self.desk.latest != "status":
            self.status.outcome.value = ""  # what was done since then has changed it
        self.status.refresh()
        for page in self._pages.values():
            page.tell()


class _Page:
    """A step under a head that opens and closes it: a button, so that the keyboard reaches it."""

    def __init__(self, number: int, name: str, content: Any, on_open: Callable[[str], None]) -> None:
        self._number, self._name, self.content, self._on_open = number, name, content, on_open
        self._head: Any = widgets.Button().add_class("tidb-pe-head")
        self._head.on_click(without_values()(lambda _: self._turn()))
        self._body: Any = widgets.VBox([content.box]).add_class("tidb-pe-body")
        self._body.layout.display = "none"
        self.box: Any = widgets.VBox([self._head, self._body])
        self.box.add_class("tidb-pe-step").add_class(f"tidb-pe-step-{name}")
        self.tell()

    def open(self, *, shown: bool) -> None:
        """Show what is below the head, or hide it."""
        self._body.layout.display = "" if shown else "none"
        self.tell()

    def _turn(self) -> None:
        shown = self._body.layout.display == "none"
        self.open(shown=shown)
        if shown:
            self._on_open(self._name)

    def tell(self) -> None:
        """Say in the head what the step is and what is known."""
        arrow = "▾" if self._body.layout.display != "none" else "▸"
        state = f" — ✔ {self.content.state}" if self.content.state else ""
        self._head.description = f"{arrow} {self._number}. {self.content.title}{state}"


def _publisher() -> Publish | None:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - only where it is displayed

    shell = get_ipython()
    publish: Publish | None = shell.display_pub.publish if shell is not None else None
    return publish
