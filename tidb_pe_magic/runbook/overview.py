"""The whole way at once: where one stands, and everything in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.model import (
    Cluster,
    FinishedStep,
    PlanShown,
    RunbookStatus,
    RunReport,
    StepFinished,
    StepStarted,
    StepStatus,
    VpcEndpoint,
)
from tidb_pe_magic.runbook import creation, discovery
from tidb_pe_magic.runtime.waiter import describe
from tidb_pe_magic.steps import connect, wait
from tidb_pe_magic.steps.preflight import survey
from tidb_pe_magic.steps.preflight.facts import gap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.commands.requests import RunRequest, StatusRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context

_T = TypeVar("_T")
# Errors that mean "this step is not done yet", as against "it could not be asked".
_NOT_DONE = (errors.StepOrderError, errors.NotEligible, errors.NotFound)


def status(context: Context, request: StatusRequest, on_event: EventHook) -> RunbookStatus:  # noqa: ARG001
    """Ask the clouds for each step's state; the first step that is not done gives the next command.

    What may not be looked up is neither done nor undone, and what follows it is looked at all the same.

    Raises:
        InvalidRequest: no cluster has this name or ID, or several endpoints exist and none is named.
    """
    steps: list[StepStatus] = []

    def check(step: str, look: Callable[[], tuple[_T, str]]) -> _T | None:
        try:
            found, detail = look()
        except _NOT_DONE as error:
            steps.append(StepStatus(step=step, done=False, detail=error.message))
            return None
        except errors.PermissionDenied as error:
            steps.append(StepStatus(step=step, done=None, detail=f"cannot tell: {gap(error)}"))
            return None
        steps.append(StepStatus(step=step, done=True, detail=detail))
        return found

    def finish(next_command: str, *aliases: str) -> RunbookStatus:
        done = {step.step for step in steps}
        steps.extend(
            StepStatus(step=step, done=None, detail="not reached")
            for step in ("cluster", "verify", "create", "wait", "connect")
            if step not in done
        )
        return RunbookStatus(
            steps=tuple(steps), next_command=next_command, cluster=cluster, endpoint=endpoint, aliases=aliases
        )

    endpoint: VpcEndpoint | None = None
    cluster = check("cluster", lambda: _noted(context, request))
    if cluster is None:
        return finish("%tidb_pe clusters")
    aliases = _aliases(context, cluster)
    check("verify", lambda: _verified(context, cluster))
    if steps[-1].done is False:
        return finish("%tidb_pe verify")
    endpoint = check("create", lambda: _created(context, cluster, request))
    if endpoint is None:
        denied = steps[-1].done is None
        return finish(_without_endpoint(aliases, denied=denied), *aliases)
    steps.append(StepStatus(step="wait", done=endpoint.ready, detail=describe(endpoint)))
    if not endpoint.ready:
        return finish(f"%tidb_pe {discovery.for_endpoint('wait', request.endpoint)}")
    aliases = _aliases(context, cluster, endpoint.endpoint_id)
    if not aliases:
        steps.append(StepStatus(step="connect", done=False, detail="no connection in this kernel"))
        return finish(f"%tidb_pe {discovery.for_endpoint('connect', request.endpoint)}")
    steps.append(StepStatus(step="connect", done=True, detail="as " + ", ".join(aliases)))
    return finish(f"%%sql {aliases[-1]}", *aliases)


def _without_endpoint(aliases: Sequence[str], *, denied: bool) -> str:
    """Return the next command where no endpoint is known."""
    if not denied:
        return "%tidb_pe networks"  # which names what `create` needs
    return f"%%sql {aliases[-1]}" if aliases else "%tidb_pe permissions"


def _aliases(context: Context, cluster: Cluster, endpoint_id: str | None = None) -> list[str]:
    """Return the open connections to the cluster, by this endpoint or by any."""
    return [
        connection.alias
        for connection in tuple(context.connections.values())
        if connection.cluster.cluster_id == cluster.cluster_id
        and endpoint_id in {None, connection.endpoint_id}
        and connect.is_registered(connection)
    ]


def _noted(context: Context, request: StatusRequest) -> tuple[Cluster, str]:
    cluster = discovery.eligible_cluster(context, request.cluster)
    return cluster, f"{cluster.display_name} ({cluster.cluster_id}) in {cluster.region_id}"


def _verified(context: Context, cluster: Cluster) -> tuple[object, str]:
    service = discovery.visible_service(context, cluster)
    return service, f"{service.service_name} in {', '.join(service.zones)}"


def _created(context: Context, cluster: Cluster, request: StatusRequest) -> tuple[VpcEndpoint, str]:
    endpoint = discovery.chosen_endpoint(context, cluster, request.endpoint)
    origin = "" if endpoint.ours else " (not made here)"
    zones = "".join(f", {zone.zone_id} {zone.eni_ip} {zone.status}".rstrip() for zone in endpoint.zones)
    return endpoint, f"{endpoint.endpoint_id} in {endpoint.vpc_id}{origin}{zones}"


class _Progress:
    """Reports the steps of a run, with the seconds that each took."""

    def __init__(self, context: Context, on_event: EventHook) -> None:
        self._clock = context.clock
        self._on_event = on_event
        self._started = 0.0
        self.steps: list[FinishedStep] = []

    def start(self, step: str) -> None:
        """Begin a step."""
        self._started = self._clock()
        self._on_event(StepStarted(step=step))

    def finish(self, step: str, detail: str, *, skipped: bool = False) -> None:
        """End the step that was begun last."""
        finished = FinishedStep(
            step=step, detail=detail, seconds=self._clock() - self._started, skipped=skipped
        )
        self.steps.append(finished)
        self._on_event(StepFinished(finished=finished))


def run(context: Context, request: RunRequest, on_event: EventHook) -> RunReport:
    """Show the plan, then do every step in order, skipping what is done.

    Raises:
        MissingCredentials: the login has no password, and nobody could be asked; nothing was made.
        TidbPeError: what the step that failed raises; those before it stay done.
    """
    progress = _Progress(context, on_event)
    progress.start("cluster")
    cluster = survey.planned_cluster(context, request.cluster, tolerant=request.force, field="NAME_OR_ID")
    progress.finish("cluster", f"{cluster.display_name} in {cluster.region_id}")

    endpoint = _create(context, request, progress, on_event)

    progress.start("wait")
    was_ready = endpoint.ready
    command = discovery.for_endpoint("wait", endpoint.endpoint_id)
    endpoint = wait.wait_for(context, endpoint, request.timeout, on_event, command=command)
    progress.finish("wait", describe(endpoint), skipped=was_ready)

    progress.start("connect")
    kept = connect.kept_connection(context, cluster, endpoint, request)
    connection = kept or connect.open_connection(context, cluster, endpoint, request)
    progress.finish(
        "connect", f"{connection.alias} at {connection.host}:{connection.port}", skipped=kept is not None
    )
    return RunReport(steps=tuple(progress.steps), endpoint=endpoint, connection=connection)


def _create(context: Context, request: RunRequest, progress: _Progress, on_event: EventHook) -> VpcEndpoint:
    """Show the plan, then make or adopt the endpoint."""
    progress.start("verify")
    planned = creation.make_plan(context, request, tolerant=request.force)
    progress.finish(
        "verify", f"{planned.service.service_name} is visible in {', '.join(planned.service.zones)}"
    )
    on_event(PlanShown(plan=planned))

    if request.force or not planned.stops:
        # What is made is billed: a login that cannot be is refused before.
        connect.check_password(context, planned, request)

    progress.start("create")
    creation.refuse_stops(planned, force=request.force)
    created = creation.create_planned(context, planned, request)
    detail = f"{created.endpoint.endpoint_id} in {created.endpoint.vpc_id}"
    if created.differences:
        detail += "; it differs: " + "; ".join(created.differences)
    progress.finish("create", detail, skipped=created.adopted)
    return created.endpoint
