"""Step 1: a cluster out of those that can be used, and what the tutorial has people note of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import ClusterRequest, ClustersRequest, EndpointsRequest
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.display.layout import Mark, View, as_html
from tidb_pe_magic.display.views import command_name
from tidb_pe_magic.errors import TidbPeError
from tidb_pe_magic.notebook.forms.session import Action
from tidb_pe_magic.notebook.forms.fields import Sheet
from tidb_pe_magic.notebook.forms.fragments import notes, success
from tidb_pe_magic.notebook.forms.pickers import ListPicker
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.notebook.forms.session import Desk
    from tidb_pe_magic.notebook.forms.pickers import Offer

# So many clusters are asked for their endpoints to find where the work was left.
_MOST_LOOKED_AT = 20


class ChooseCluster:
    """The step's controls.

    Attributes:
        title: the step's name.
        box: its controls.
        state: what was chosen, in a few words; empty before.
    """

    title = "Choose a cluster"

    def __init__(self, desk: Desk, on_chosen: Callable[[], None], wanted: str = "") -> None:
        """Show an empty list.

        Args:
            desk: the form's.
            on_chosen: is called in the worker's thread when the cluster has been noted.
            wanted: name or ID of the cluster to begin with.
        """
        self.state = ""
        self._desk, self._on_chosen, self._wanted = desk, on_chosen, wanted
        self._clusters = model.Clusters(items=())
        self._endpoints: dict[str, str] = {}
        self.filter = widgets.Text(
            description="Filter", placeholder="part of a name, an ID, a region or a plan", tooltip="Filter"
        )
        self.filter.add_class("tidb-pe-filter")
        self.filter.observe(without_values()(lambda _: self._offer()), "value")
        self.cluster = ListPicker(ClusterRequest, "cluster")
        self.note = Action(
            desk,
            "cluster",
            "Use this cluster",
            Sheet(ClusterRequest, [self.cluster]),
            given=dict,
            then=self._noted,
            remember=True,
            show=_note,
        )
        self.list = Action(
            desk,
            "clusters",
            "List again",
            Sheet(ClustersRequest),
            given=dict,
            then=self._listed,
            show=_others,
            summarize=False,
        )
        field = widgets.VBox([self.filter]).add_class("tidb-pe-field")
        self.box = widgets.VBox([field, self.cluster.box, self.note.box, self.list.box])

    def enter(self) -> None:
        """List the clusters, and take up the work where the clouds have it."""
        self._desk.worker.then(self._load)

    def _load(self) -> None:
        if self.list.do() is None:
            return
        wanted = self._wanted or self._desk.runbook.cluster_id or self._left()
        if wanted:
            self._choose(wanted)

    def _choose(self, wanted: str) -> None:
        for cluster in self._clusters:
            if (
                wanted in {cluster.cluster_id, name := command_name(cluster, self._clusters)}
                and not cluster.restriction
            ):
                self.cluster.value = name
                self.note.refresh()
                self.note.do()
                return
        # The operation says what is wrong with it.
        self.note.do(ClusterRequest.of(cluster=wanted))

    def _left(self) -> str:
        """Return the only cluster that has an endpoint; empty where it cannot be told, or one was chosen."""
        found = []
        # Clusters of one service have the same endpoints.
        services: dict[str, list[model.Cluster]] = {}
        for cluster in self._clusters:
            if cluster.restriction is None and cluster.service is not None:
                services.setdefault(cluster.service.service_name, []).append(cluster)
        for sharing in tuple(services.values())[:_MOST_LOOKED_AT]:
            name = command_name(sharing[0], self._clusters)
            try:
                endpoints = self._desk.perform("endpoints", EndpointsRequest.of(cluster=name))
            except TidbPeError as error:
                note = Mark("warn", f"Whether there are endpoints already cannot be told: {error.prose}")
                self.list.outcome.value += as_html(View(title="Endpoints", notes=(note,)))
                return ""
            if isinstance(endpoints, model.Endpoints) and endpoints.items:
                found += [command_name(cluster, self._clusters) for cluster in sharing]
                listed = ", ".join(e.endpoint_id for e in endpoints)
                self._endpoints |= dict.fromkeys((cluster.cluster_id for cluster in sharing), listed)
        self._offer()
        if self.cluster.value is not None:
            return ""  # somebody has chosen meanwhile
        return found[0] if len(found) == 1 else ""

    def _listed(self, clusters: model.Clusters) -> None:
        self._clusters = clusters
        self._offer()

    def _offer(self) -> None:
        """Offer the clusters that can be used and match the filter."""
        words = self.filter.value.casefold().split()
        usable = [cluster for cluster in self._clusters if cluster.restriction is None]
        offers = [
            offer for offer in map(self._words, usable) if all(word in offer[0].casefold() for word in words)
        ]
        self.cluster.offer(offers)
        if words and not offers:
            self.cluster.tell("no cluster that can be used matches the filter.")
        if self.cluster.value is None:
            self.note.command.value = ""
        self.note.refresh()

    def _words(self, cluster: model.Cluster) -> Offer:
        endpoints = self._endpoints.get(cluster.cluster_id)
        parts = [cluster.display_name, cluster.region_id, cluster.plan.capitalize(), cluster.cluster_id]
        if endpoints:
            parts.append(f"has {endpoints}")
        return one_line(" · ".join(parts)), command_name(cluster, self._clusters)

    def _noted(self, cluster: model.Cluster) -> None:
        self._desk.choose(cluster, command_name(cluster, self._clusters))
        self.state = f"{cluster.display_name} in {cluster.region_id}"
        self._on_chosen()


def _note(cluster: model.Cluster) -> str:
    """Return what the tutorial has people note, as fields to copy from."""
    service = cluster.service
    if service is None:
        return ""
    return success(f"Cluster {cluster.display_name} can be used.") + notes(
        (
            ("Service Name", service.service_name),
            ("Availability Zone ID", ", ".join(service.zones)),
            ("Region ID", service.region_id),
            ("Port", str(service.port)),
        )
    )


def _others(clusters: model.Clusters) -> str:
    """Return the clusters that cannot be used, each with its reason."""
    others = [cluster for cluster in clusters if cluster.restriction]
    usable = len(clusters) - len(others)
    reasons = tuple(Mark("no", f"{c.restriction.reason}.") for c in others if c.restriction)
    hosts = f"Asked by way of {', '.join(clusters.via)}, not the clouds' own hosts." if clusters.via else ""
    via = (Mark("aside", hosts),) if hosts else ()
    return as_html(View(title=f"{usable} of {len(clusters)} clusters can be used", notes=(*reasons, *via)))
