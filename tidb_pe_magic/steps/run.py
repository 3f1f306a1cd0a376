"""The step `run`: every step in order, skipping what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.model import (
    FinishedStep,
    PlanShown,
    RunReport,
    StepFinished,
    StepStarted,
    VpcEndpoint,
)
from tidb_pe_magic.runtime.waiter import describe
from tidb_pe_magic.steps import connect, wait
from tidb_pe_magic.steps.create import create_planned, refuse_stops
from tidb_pe_magic.steps.endpoints import for_endpoint
from tidb_pe_magic.steps.plan import make_plan
from tidb_pe_magic.steps.preflight import survey

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import RunRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


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
    command = for_endpoint("wait", endpoint.endpoint_id)
    endpoint = wait.wait_for(context, endpoint, request.timeout, on_event, command=command)
    progress.finish("wait", describe(endpoint), skipped=was_ready)

    progress.start("connect")
    kept = connect.reusable_connection(context, cluster, endpoint, request)
    connection = kept or connect.open_connection(context, cluster, endpoint, request, on_event)
    progress.finish(
        "connect", f"{connection.alias} at {connection.host}:{connection.port}", skipped=kept is not None
    )
    return RunReport(steps=tuple(progress.steps), endpoint=endpoint, connection=connection)


def _create(context: Context, request: RunRequest, progress: _Progress, on_event: EventHook) -> VpcEndpoint:
    """Show the plan, then make or adopt the endpoint."""
    progress.start("verify")
    planned = make_plan(context, request, tolerant=request.force)
    progress.finish(
        "verify", f"{planned.service.service_name} is visible in {', '.join(planned.service.zones)}"
    )
    on_event(PlanShown(plan=planned))

    if request.force or not planned.stops:
        # What is made is billed: a login that cannot be is refused before.
        connect.check_password(context, planned, request)

    progress.start("create")
    refuse_stops(planned, force=request.force)
    created = create_planned(context, planned, request)
    detail = f"{created.endpoint.endpoint_id} in {created.endpoint.vpc_id}"
    if created.differences:
        detail += "; it differs: " + "; ".join(created.differences)
    progress.finish("create", detail, skipped=created.adopted)
    return created.endpoint
