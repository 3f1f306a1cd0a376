"""What a form knows, as one frozen record that its parts observe and draw from."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model

if TYPE_CHECKING:
    from collections.abc import Callable


class Clicks(StrEnum):
    """What a click on a button does now.

    Attributes:
        START: nothing is under way; the click's work starts at once.
        FOLLOW: the form looks up what a changed field means; the click's work follows.
        IGNORE: another click's work is under way or waits; the click does nothing.
    """

    START = "start"
    FOLLOW = "follow"
    IGNORE = "ignore"


class PlanCheck(StrEnum):
    """How the plan that is shown relates to the fields.

    Attributes:
        NONE: there is no plan for the fields.
        OUTDATED: the fields have changed since; another check follows.
        RUNNING: the fields are being checked.
        CURRENT: the plan is that of the fields.
    """

    NONE = "none"
    OUTDATED = "outdated"
    RUNNING = "running"
    CURRENT = "current"


def _no_clusters() -> model.Clusters:
    return model.Clusters(items=())


@dataclass(frozen=True, kw_only=True)
class FormState:
    """What a form knows.

    Attributes:
        clicks: what a click does now.
        activity: what is under way, in words; empty while nothing is.
        progress: the latest event of it in one line.
        show_commands: each button shows the command that does the same.
        clusters: the clusters that were listed last.
        cluster: the chosen cluster; None before.
        cluster_name: how commands name it: its name, or its ID where the name is not unique.
        no_credentials: the clusters could not be listed, because no key was found.
        networks: where the cluster's endpoint can be created; None where that is not known.
        plan: what Create would do; None where there is no plan.
        plan_check: how the plan relates to the fields.
        created: the endpoint created or adopted last, until a list has it.
        endpoints: the cluster's endpoints that are not being deleted.
        endpoint: the endpoint that the form is about; None where there is none or none is chosen.
        endpoint_looked_up: where `endpoint` is None, there is none; else that is not known.
        aliases: SQL connections of this kernel over the endpoint; None where that was not looked up.
        connection: the connection that this form opened last.
        tables: the databases and tables that the connection can see; None where they were not listed.
        database: the one whose tables are shown.
    """

    clicks: Clicks = Clicks.START
    activity: str = ""
    progress: str = ""
    show_commands: bool = False
    clusters: model.Clusters = field(default_factory=_no_clusters)
    cluster: model.Cluster | None = None
    cluster_name: str = ""
    no_credentials: bool = False
    networks: model.Networks | None = None
    plan: model.EndpointPlan | None = None
    plan_check: PlanCheck = PlanCheck.NONE
    created: model.VpcEndpoint | None = None
    endpoints: tuple[model.VpcEndpoint, ...] = ()
    endpoint: model.VpcEndpoint | None = None
    endpoint_looked_up: bool = False
    aliases: tuple[str, ...] | None = None
    connection: model.Connection | None = None
    tables: model.Tables | None = None
    database: str = ""

    def with_cluster(self, cluster: model.Cluster, name: str) -> FormState:
        """Return the state after a cluster was chosen, of which nothing else is known."""
        return FormState(
            clicks=self.clicks,
            activity=self.activity,
            progress=self.progress,
            show_commands=self.show_commands,
            clusters=self.clusters,
            cluster=cluster,
            cluster_name=name,
        )

    def with_endpoint(self, endpoint: model.VpcEndpoint | None, *, looked_up: bool = True) -> FormState:
        """Return the state with an endpoint as it is now.

        Args:
            endpoint: None where there is none, or none is chosen.
            looked_up: where it is None, there is none.
        """
        before, aliases = self.endpoint, self.aliases
        if before and (endpoint is None or endpoint.endpoint_id != before.endpoint_id):
            aliases = None  # they used the other endpoint
        elif endpoint and before and not endpoint.zones:
            endpoint = replace(endpoint, zones=before.zones)  # a wait's look-up has no zones
        if endpoint and before and endpoint.endpoint_id == before.endpoint_id and endpoint.clusters is None:
            endpoint = replace(endpoint, clusters=before.clusters)
        return replace(self, endpoint=endpoint, endpoint_looked_up=looked_up, aliases=aliases)

    @property
    def plan_allows(self) -> bool:
        """Whether the plan of the fields, checked now or just before, has no finding that stops."""
        return self.plan is not None and not self.plan.stops


class Store:
    """Holds the state. Observers only draw from it: they neither ask a cloud nor start work."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.state = FormState()
        self._lock = threading.RLock()
        self._observers: list[tuple[Callable[[FormState], None], frozenset[str]]] = []

    def observe(self, observer: Callable[[FormState], None], *names: str) -> None:
        """Call the observer with the state after one of these fields has changed; without names, any."""
        self._observers.append((observer, frozenset(names)))

    def update(self, **changes: Any) -> None:
        """Change fields; each observer of a field that has another value now is called once."""
        self.change(lambda state: replace(state, **changes))

    def change(self, change: Callable[[FormState], FormState]) -> None:
        """Replace the state by what the function makes of it."""
        with self._lock:
            before = self.state
            self.state = change(before)
            changed = {
                each.name
                for each in fields(FormState)
                if getattr(before, each.name) != getattr(self.state, each.name)
            }
            for observer, names in self._observers:
                if changed and (not names or names & changed):
                    observer(self.state)
