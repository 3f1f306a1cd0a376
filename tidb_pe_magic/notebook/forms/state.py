"""The form's state, as one frozen record that the parts observe and draw."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model

if TYPE_CHECKING:
    from collections.abc import Callable


class Clicks(StrEnum):
    """The effect of a click on a button.

    Attributes:
        START: the form is idle; the operation starts immediately.
        FOLLOW: the form checks a changed field; the operation starts afterwards.
        IGNORE: another click's operation is running or waiting; the click has no effect.
    """

    START = "start"
    FOLLOW = "follow"
    IGNORE = "ignore"


class PlanCheck(StrEnum):
    """Whether the displayed plan is the plan for the fields.

    Attributes:
        NONE: the fields have not been checked.
        OUTDATED: the fields have changed since the check; another check follows.
        RUNNING: the fields are being checked.
        CURRENT: the plan is the plan for the fields.
    """

    NONE = "none"
    OUTDATED = "outdated"
    RUNNING = "running"
    CURRENT = "current"


def _no_clusters() -> model.Clusters:
    return model.Clusters(items=())


@dataclass(frozen=True, kw_only=True)
class FormState:
    """The form's state.

    Attributes:
        clicks: the effect of a click.
        activity: the current activity, in words; empty while the form is idle.
        progress: the latest event of the activity in one line.
        show_commands: each button shows the equivalent command.
        clusters: the most recent list of clusters.
        cluster: the chosen cluster; None before a choice.
        cluster_name: the cluster in commands: its name, or its ID if the name is not unique.
        no_credentials: the clusters could not be listed because no key was found.
        networks: networks in which the endpoint can be created; None if unknown.
        plan: the plan of Create; None without a plan.
        plan_check: whether the plan is the plan for the fields.
        created: the endpoint created or adopted last, until a list contains it.
        endpoints: the cluster's endpoints that are not being deleted.
        endpoint: the form's endpoint; None if none exists or none is chosen.
        endpoint_looked_up: True if the endpoints were looked up: `endpoint` is None because none exists.
        aliases: SQL connections of this kernel over the endpoint; None if not looked up.
        connection: the connection that this form opened last.
        tables: databases and tables that are visible to the connection; None if not listed.
        database: the database whose tables are shown.
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
        """Return the state after a cluster was chosen, with all other values unknown."""
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
        """Return the state with the endpoint's current state.

        Args:
            endpoint: None if none exists or none is chosen.
            looked_up: the endpoints were looked up, so None means that none exists.
        """
        before, aliases = self.endpoint, self.aliases
        if before and (endpoint is None or endpoint.endpoint_id != before.endpoint_id):
            aliases = None  # they use the other endpoint
        elif endpoint and before and not endpoint.zones:
            endpoint = replace(endpoint, zones=before.zones)  # the look-up of a wait does not include zones
        if endpoint and before and endpoint.endpoint_id == before.endpoint_id and endpoint.clusters is None:
            endpoint = replace(endpoint, clusters=before.clusters)
        return replace(self, endpoint=endpoint, endpoint_looked_up=looked_up, aliases=aliases)

    @property
    def plan_allows(self) -> bool:
        """Whether the plan for the fields, current or about to be checked again, has no stop."""
        return self.plan is not None and not self.plan.stops


class Store:
    """Holds the state. Observers only draw it; they neither call a cloud nor start work."""

    def __init__(self) -> None:
        """Create an empty state."""
        self.state = FormState()
        self._lock = threading.RLock()
        self._observers: list[tuple[Callable[[FormState], None], frozenset[str]]] = []

    def observe(self, observer: Callable[[FormState], None], *names: str) -> None:
        """Call the observer with the state after one of these fields (without names: any field) changes."""
        self._observers.append((observer, frozenset(names)))

    def update(self, **changes: Any) -> None:
        """Change fields, and call each observer of a changed field once."""
        self.change(lambda state: replace(state, **changes))

    def change(self, change: Callable[[FormState], FormState]) -> None:
        """Replace the state with the function's result."""
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
