"""Step 1: choose a usable cluster, and copy the values that the tutorial asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import ClusterRequest, ClustersRequest, EndpointsRequest, SandboxRequest
from tidb_pe_magic.commands.write import command
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.view import Mark, View
from tidb_pe_magic.display.views import command_name
from tidb_pe_magic.errors import MissingCredentials, TidbPeError, WaitCancelled
from tidb_pe_magic.notebook.forms import fragments, widgets
from tidb_pe_magic.notebook.forms.fields import FieldSet
from tidb_pe_magic.notebook.forms.operation import Action, OperationPanel
from tidb_pe_magic.notebook.forms.pickers import ListPicker
from tidb_pe_magic.notebook.forms.state import Clicks
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from tidb_pe_magic.notebook.forms.pickers import Offer
    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState

    StartSandbox = Callable[[Event], object]

# Search at most this many endpoint services for existing endpoints.
_MOST_SERVICES = 20


class ChooseCluster:
    """The step's controls.

    Attributes:
        title: the step's name.
        box: its controls.
        list: lists the clusters.
        use: chooses the selected one.
    """

    title = "Choose a cluster"

    def __init__(
        self,
        session: FormSession,
        on_chosen: Callable[[], None],
        requested: str = "",
        *,
        start_sandbox: StartSandbox | None = None,
    ) -> None:
        """Create the step with an empty list.

        Args:
            session: the form's session.
            on_chosen: called in the worker's thread when a cluster has been chosen.
            requested: name or ID of the initial cluster.
            start_sandbox: switches this kernel to the embedded clouds, which need no keys; None hides the
                button.
        """
        self._session, self._on_chosen, self._requested = session, on_chosen, requested
        self._endpoints: dict[str, str] = {}
        self.filter = widgets.Text(
            description="Filter", placeholder="part of a name, ID, region or plan", tooltip="Filter"
        )
        self.filter.add_class("tidb-pe-filter")
        self.filter.observe(without_values()(lambda _: self._offer_clusters()), "value")
        self.cluster = ListPicker(ClusterRequest, "cluster")
        self.use = Action(
            session,
            "cluster",
            "Use this cluster",
            FieldSet(ClusterRequest, [self.cluster]),
            enabled=lambda _: self.cluster.value is not None,
            given=dict,
            then=self._choose,
            remember=True,
            show=_values,
        )
        self.list = OperationPanel(
            session,
            "clusters",
            FieldSet(ClustersRequest),
            given=dict,
            then=lambda clusters: session.store.update(clusters=clusters, no_credentials=False),
            failed=self._show_list_failure,
            show=_unusable_clusters,
        )
        session.store.observe(lambda _: self._offer_clusters(), "clusters")
        self._start_sandbox = start_sandbox
        self.sandbox: Any = widgets.Button(
            description="Try the sandbox",
            tooltip="Start embedded clouds with real data, without an account; nothing is billed",
            button_style="primary",
            layout={},
        )
        self.sandbox.add_class("tidb-pe-button").add_class("tidb-pe-sandbox")
        self.sandbox.on_click(without_values()(lambda _: session.worker.click(self._try_sandbox)))
        session.store.observe(self._draw_sandbox, "no_credentials", "clicks")
        field = widgets.VBox([self.filter]).add_class("tidb-pe-field")
        self._chooser: Any = widgets.VBox([field, self.cluster.box, self.use.box], layout={})
        self.box = widgets.VBox([self._chooser.add_class("tidb-pe-part"), self.list.outcome, self.sandbox])
        self._draw_sandbox(session.state)

    def summary(self, state: FormState) -> str:
        """Return a short description of the chosen cluster; empty before a choice."""
        return f"{state.cluster.display_name} in {state.cluster.region_id}" if state.cluster else ""

    def open(self) -> None:
        """List the clusters, and choose one if the choice is clear."""
        self._session.worker.then(self._load)

    def reload(self) -> None:
        """List the clusters again, in the worker's thread."""
        self.list.run(clicked=False)

    def _load(self) -> None:
        if self.list.run() is None:
            return
        name = self._requested or self._session.runbook.cluster_id or self._clear_choice()
        if name:
            self._use(name)

    def _use(self, requested: str) -> None:
        clusters = self._session.state.clusters
        for cluster in clusters:
            if cluster.restriction:
                continue
            if requested in {cluster.cluster_id, name := command_name(cluster, clusters)}:
                self.cluster.value = name
                self.use.run()
                return
        # The operation shows what is wrong with it.
        self.use.run(ClusterRequest.of(cluster=requested))

    def _clear_choice(self) -> str:
        """Return the only usable cluster or the only cluster with an endpoint; otherwise None."""
        usable = [cluster for cluster in self._session.state.clusters if cluster.restriction is None]
        if len(usable) == 1:
            return usable[0].cluster_id
        found = self._with_endpoints(usable)
        self._offer_clusters()
        if self.cluster.value is not None:
            return ""  # the user has selected one in the meantime
        return found[0] if len(found) == 1 else ""

    def _with_endpoints(self, usable: list[model.Cluster]) -> list[str]:
        """Return the clusters that have endpoints; empty if the endpoints cannot be looked up."""
        found = []
        # Clusters of one service have the same endpoints.
        services: dict[str, list[model.Cluster]] = {}
        for cluster in usable:
            if cluster.service is not None:
                services.setdefault(cluster.service.service_name, []).append(cluster)
        for sharing in tuple(services.values())[:_MOST_SERVICES]:
            name = command_name(sharing[0], self._session.state.clusters)
            try:
                endpoints = self._session.perform("endpoints", EndpointsRequest.of(cluster=name))
            except TidbPeError as error:
                mark = Mark("warn", f"Existing endpoints could not be looked up: {error.prose}")
                self.list.outcome.value += as_html(View(title="Endpoints", notes=(mark,)))
                return []
            if isinstance(endpoints, model.Endpoints) and endpoints.items:
                found += [cluster.cluster_id for cluster in sharing]
                listed = ", ".join(e.endpoint_id for e in endpoints)
                self._endpoints |= dict.fromkeys((cluster.cluster_id for cluster in sharing), listed)
        return found

    def _draw_sandbox(self, state: FormState) -> None:
        offered = state.no_credentials and self._start_sandbox is not None
        self.sandbox.layout.display = "" if offered else "none"
        # Without keys there is nothing to choose from.
        self._chooser.layout.display = "none" if state.no_credentials and not state.clusters.items else ""
        self.sandbox.disabled = state.clicks is Clicks.IGNORE

    def _try_sandbox(self) -> None:
        """Start the sandbox, and list its clusters; in the worker's thread."""
        if self._start_sandbox is None:
            return
        self._session.store.update(activity="Starting the sandbox", progress="")
        try:
            self._start_sandbox(self._session.worker.cancelled)
        except WaitCancelled as error:
            self.list.outcome.value = fragments.error(error, requested=True)
            return
        except TidbPeError as error:
            self.list.outcome.value = fragments.error(error)
            return
        line = command("sandbox", SandboxRequest.of(action="start"))
        self._session.summary.add("sandbox", line, "ok", "Sandbox started")
        self._load()

    def _show_list_failure(self, error: Exception) -> None:
        self._session.store.update(no_credentials=isinstance(error, MissingCredentials))

    def _offer_clusters(self) -> None:
        """List the usable clusters that match the filter."""
        words = self.filter.value.casefold().split()
        usable = [cluster for cluster in self._session.state.clusters if cluster.restriction is None]
        offers = [
            offer for offer in map(self._offer, usable) if all(word in offer[0].casefold() for word in words)
        ]
        self.cluster.offer(offers)
        if words and not offers:
            self.cluster.show_error("No usable cluster matches the filter.")
        if self.cluster.value is None:
            self.use.command.value = ""
        self.use.draw()

    def _offer(self, cluster: model.Cluster) -> Offer:
        endpoints = self._endpoints.get(cluster.cluster_id)
        parts = [cluster.display_name, cluster.region_id, cluster.plan.capitalize(), cluster.cluster_id]
        if endpoints:
            parts.append(f"has {endpoints}")
        return one_line(" · ".join(parts)), command_name(cluster, self._session.state.clusters)

    def _choose(self, cluster: model.Cluster) -> None:
        name = command_name(cluster, self._session.state.clusters)
        self._session.store.change(lambda state: state.with_cluster(cluster, name))
        self._on_chosen()


def _values(cluster: model.Cluster) -> str:
    """Return the values that the tutorial asks for, as fields to copy."""
    service = cluster.service
    if service is None:
        return ""
    return fragments.success(f"Cluster {cluster.display_name} can be used.") + fragments.values(
        (
            ("Service Name", service.service_name),
            ("Availability Zone ID", ", ".join(service.zones)),
            ("Region ID", service.region_id),
            ("Port", str(service.port)),
        )
    )


def _unusable_clusters(clusters: model.Clusters) -> str:
    """Return the unusable clusters, each with its reason."""
    excluded = [cluster for cluster in clusters if cluster.restriction]
    usable = len(clusters) - len(excluded)
    reasons = tuple(Mark("aside", f"{c.restriction.reason}.") for c in excluded if c.restriction)
    hosts = f"API hosts: {', '.join(clusters.via)}, not the clouds' own." if clusters.via else ""
    via = (Mark("aside", hosts),) if hosts else ()
    title = f"{usable} of {len(clusters)} clusters can be used"
    if not (reasons or via):
        return fragments.hint(f"{title}.")
    why = "Why not the others?" if reasons else "Details"
    return fragments.fold(f"{title}. {why}", as_html(View(title="", notes=(*reasons, *via))))
