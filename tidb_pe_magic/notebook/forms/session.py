"""The parts that all steps of a form share: the runbook, the worker, and the state."""

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

# Descriptions of the current activity.
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
        runbook: performs the operations.
        summary: lists the finished operations.
        store: the form's state.
        worker: the form's thread.
    """

    def __init__(self, runbook: Runbook, summary: Summary, *, wait_for_page: PageWait) -> None:
        """Create an idle session.

        Args:
            runbook: performs the operations.
            summary: lists the finished operations.
            wait_for_page: waits for changes that a click may have overtaken; returns True if the event ended
                the wait.
        """
        self._wait_for_page = wait_for_page
        self.runbook, self.summary, self.store = runbook, summary, Store()
        self.worker = Worker(self._on_clicks)

    @property
    def state(self) -> FormState:
        """The form's current state."""
        return self.store.state

    def cluster_field(self) -> dict[str, str]:
        """Return the request field with the chosen cluster."""
        name = self.state.cluster_name
        return {"cluster": name} if name else {}

    def endpoint_field(self) -> dict[str, str]:
        """Return the request field with the endpoint, if the cluster has several."""
        endpoint = self.state.endpoint
        named = endpoint is not None and (len(self.state.endpoints) > 1 or self.state.created is not None)
        return {"endpoint": endpoint.endpoint_id} if endpoint is not None and named else {}

    def wait_for_page(self) -> bool:
        """Wait for changes that came before a click; return False if the click was canceled.

        Raises:
            WaitTimeout: the page does not confirm that all changes have arrived.
        """
        self.store.update(activity="Reading what was typed", progress="")
        return not self._wait_for_page(self.worker.cancelled)

    def perform(
        self,
        name: str,
        request: Request,
        on_event: model.EventHook | None = None,
        *,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = False,
    ) -> model.Result:
        """Perform the operation in the worker's thread, and show the activity.

        Arguments and errors are those of `Runbook.perform`. A cluster that the user did not choose by name
        does not become the default of commands in cells.
        """
        self.store.update(activity=_ACTIVITIES[name], progress="")
        return self.runbook.perform(
            name, request, on_event, cancel=self.worker.cancelled, prompt=prompt, remember=remember
        )

    def _on_clicks(self, clicks: Clicks) -> None:
        idle = clicks is Clicks.START
        if idle:
            self.store.update(clicks=clicks, activity="", progress="")
        else:
            self.store.update(clicks=clicks)
