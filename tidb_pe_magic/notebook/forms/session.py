"""What the steps of one form share: the runbook, the worker, and the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.notebook.forms.state import Clicks, Store
from tidb_pe_magic.notebook.forms.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from tidb_pe_magic import model
    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.notebook.forms.state import FormState
    from tidb_pe_magic.notebook.forms.summary import Summary
    from tidb_pe_magic.runbook import Runbook

    PageWait = Callable[[Event], bool]

# What the form does, while it does it.
_ACTIVITIES = {
    "clusters": "Listing clusters",
    "cluster": "Reading the cluster",
    "status": "Looking up the endpoint and the connections",
    "networks": "Looking up networks",
    "plan": "Checking the plan",
    "create": "Creating the endpoint",
    "endpoints": "Looking up endpoints",
    "wait": "Waiting",
    "connect": "Connecting",
    "query": "Reading rows",
    "tables": "Listing tables",
    "delete": "Deleting the endpoint",
}


class FormSession:
    """The form's runbook, worker and state.

    Attributes:
        runbook: does the work.
        summary: lists what was done.
        store: what the form knows.
        worker: the thread that works.
    """

    def __init__(self, runbook: Runbook, summary: Summary, *, wait_for_page: PageWait) -> None:
        """Have nothing under way.

        Args:
            runbook: does the work.
            summary: lists what was done.
            wait_for_page: waits for what a click may have overtaken; returns True where the event ended that.
        """
        self._wait_for_page = wait_for_page
        self.runbook, self.summary, self.store = runbook, summary, Store()
        self.worker = Worker(self._clicks_changed)

    @property
    def state(self) -> FormState:
        """What the form knows now."""
        return self.store.state

    def cluster_field(self) -> dict[str, str]:
        """Return the field by which each request names the chosen cluster."""
        name = self.state.cluster_name
        return {"cluster": name} if name else {}

    def endpoint_field(self) -> dict[str, str]:
        """Return the field that names the endpoint, where the cluster has several."""
        endpoint = self.state.endpoint
        named = endpoint is not None and (len(self.state.endpoints) > 1 or self.state.created is not None)
        return {"endpoint": endpoint.endpoint_id} if endpoint is not None and named else {}

    def wait_for_page(self) -> bool:
        """Wait for what was done in the page before a click; return False where the click was canceled.

        Raises:
            WaitTimeout: the page does not say whether that was all.
        """
        self.store.update(activity="Reading what was typed", progress="")
        return not self._wait_for_page(self.worker.cancelled)

    def perform(  # noqa: PLR0913 - `Runbook.perform` and what is shown meanwhile
        self,
        name: str,
        request: Request,
        on_event: model.EventHook | None = None,
        *,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = False,
        activity: str = "",
    ) -> model.Result:
        """Perform the operation in the worker's thread, and show that it is under way.

        Arguments and errors are those of `Runbook.perform`. A cluster that a user did not choose by name does
        not become the default of commands in cells. `activity` says what is under way, if that is not obvious
        from the operation's name.
        """
        self.store.update(activity=activity or _ACTIVITIES[name], progress="")
        return self.runbook.perform(
            name, request, on_event, cancel=self.worker.cancelled, prompt=prompt, remember=remember
        )

    def _clicks_changed(self, clicks: Clicks) -> None:
        idle = clicks is Clicks.START
        if idle:
            self.store.update(clicks=clicks, activity="", progress="")
        else:
            self.store.update(clicks=clicks)
