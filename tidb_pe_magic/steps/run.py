"""The step `run`: run every step in order, and skip finished ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice
from tidb_pe_magic.commands import write
from tidb_pe_magic.model import (
    FinishedStep,
    PlanShown,
    RunReport,
    StepFinished,
    StepStarted,
)
from tidb_pe_magic.runtime.waiter import is_accepted_or_pending, is_connected
from tidb_pe_magic.steps import connect, wait
from tidb_pe_magic.steps.background_imports import load_in_background
from tidb_pe_magic.steps.create import execute_plan, refuse_stops
from tidb_pe_magic.steps.endpoints import for_endpoint
from tidb_pe_magic.steps.plan import make_plan
from tidb_pe_magic.steps.preflight import survey

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import RunRequest
    from tidb_pe_magic.model import EndpointPlan, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


class _Progress:
    """Reports the steps of a run, with their duration in seconds."""

    def __init__(self, context: Context, on_event: EventHook) -> None:
        self._clock = context.clock
        self._on_event = on_event
        self._started = 0.0
        self.steps: list[FinishedStep] = []

    def start(self, step: str) -> None:
        """Start a step."""
        self._started = self._clock()
        self._on_event(StepStarted(step=step))

    def finish(self, step: str, detail: str, *, skipped: bool = False) -> None:
        """End the current step."""
        finished = FinishedStep(
            step=step, detail=detail, seconds=self._clock() - self._started, skipped=skipped
        )
        self.steps.append(finished)
        self._on_event(StepFinished(finished=finished))


def run(context: Context, request: RunRequest, on_event: EventHook) -> RunReport:
    """Show the plan, then run every step in order, and skip finished ones.

    Raises:
        ChoiceRequired: several VPCs or security groups are possible, and the choice is not clear.
        NotConfirmed: a billed creation was not confirmed, or a prompt is not possible; nothing was created.
        MissingCredentials: the login has no password, and a prompt is not possible; nothing was created.
        StepOrderError: the service's owner must accept the connection first.
        TidbPeError: from the failed step; earlier steps stay done.
    """
    load_in_background(context)
    progress = _Progress(context, on_event)
    progress.start("cluster")
    cluster = survey.planned_cluster(context, request.cluster, tolerant=request.force, field="NAME_OR_ID")
    progress.finish("cluster", f"{cluster.display_name} in {cluster.region_id}")

    planned, endpoint = _create(context, request, progress, on_event)

    progress.start("wait")
    was_ready = endpoint.ready
    command = for_endpoint("wait", endpoint.endpoint_id)
    by_hand = not planned.service.auto_accept
    reached = is_accepted_or_pending if by_hand else is_connected
    endpoint = wait.wait_for(context, endpoint, request.timeout, on_event, command=command, reached=reached)
    if not endpoint.ready:
        raise errors.StepOrderError(
            f"the owner of the service has to accept the connection of {endpoint.endpoint_id}.",
            advice=f"Give this ID to the owner of {cluster.display_name} in TiDB Cloud. After that, run "
            f"{write.command('run', request)}",
        )
    progress.finish("wait", f"{endpoint.endpoint_status} and {endpoint.connection_status}", skipped=was_ready)

    progress.start("connect")
    kept = connect.reusable_connection(context, cluster, endpoint, request)
    connection = kept or connect.connect_over(context, cluster, endpoint, request, on_event)
    progress.finish("connect", f"as {connection.alias}", skipped=kept is not None)
    return RunReport(steps=tuple(progress.steps), endpoint=endpoint, connection=connection)


def _create(
    context: Context, request: RunRequest, progress: _Progress, on_event: EventHook
) -> tuple[EndpointPlan, VpcEndpoint]:
    """Show the plan, then create or reuse the endpoint."""
    progress.start("verify")
    planned = make_plan(context, request, tolerant=request.force)
    progress.finish("verify", f"{planned.service.service_name} is available")
    on_event(PlanShown(plan=planned))

    if request.force or not planned.stops:
        # The new endpoint is billed, so refuse an impossible login first.
        connect.check_password(context, planned, request)
        _confirm(context, planned, request)

    progress.start("create")
    refuse_stops(planned, force=request.force)
    created = execute_plan(context, planned, request)
    detail = created.endpoint.endpoint_id
    if created.differences:
        detail += "; it differs: " + "; ".join(created.differences)
    progress.finish("create", detail, skipped=created.adopted)
    return planned, created.endpoint


def _confirm(context: Context, planned: EndpointPlan, request: RunRequest) -> None:
    """Ask before creating an endpoint that is billed to this account.

    Raises:
        NotConfirmed: the user answered "no", or a prompt is not possible.
    """
    if request.yes or not planned.billed:
        return
    zones = "1 zone" if len(planned.zones) == 1 else f"{len(planned.zones)} zones"
    with_yes = write.suggestion("run", replace(request, yes=True))
    try:
        confirmed = context.confirm(f"Create this endpoint? {zones} billed by the hour until you delete it.")
    except EOFError:
        raise errors.NotConfirmed(
            f"the endpoint is billed ({zones}, by the hour), and this process has no terminal or notebook "
            "for the question.",
            advice=Advice("Add --yes to create it without a question.", with_yes),
        ) from None
    except KeyboardInterrupt:
        confirmed = False
    if not confirmed:
        raise errors.NotConfirmed(
            "nothing was created, because you answered no.",
            advice=Advice("Add --yes to create it.", with_yes),
        )
