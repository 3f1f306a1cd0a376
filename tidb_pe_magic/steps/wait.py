"""The step `wait`: wait for the endpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.model import changes_with
from tidb_pe_magic.runtime.waiter import is_connected
from tidb_pe_magic.steps.background_imports import load_in_background
from tidb_pe_magic.steps.clusters import eligible_cluster
from tidb_pe_magic.steps.connections import with_open_connection
from tidb_pe_magic.steps.endpoints import chosen_endpoint, current_state, for_endpoint, with_details
from tidb_pe_magic.steps.served_clusters import with_clusters

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.advice import Suggestion
    from tidb_pe_magic.commands.requests import WaitRequest
    from tidb_pe_magic.model import Event, EventHook, StateChange, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


def wait(context: Context, request: WaitRequest, on_event: EventHook) -> VpcEndpoint:
    """Wait until the endpoint is Active and its connection Connected.

    Raises:
        StepOrderError: the endpoint does not exist yet.
        WaitTimeout: the time limit was reached; the cloud's work continues.
        WaitCancelled: the stop button; the cloud's work continues.
        EndpointFailed: the endpoint will never be connected.
    """
    load_in_background(context)
    cluster = eligible_cluster(context, request.cluster)
    endpoint = with_clusters(context, chosen_endpoint(context, cluster, request.endpoint))
    command = for_endpoint("wait", request.endpoint)
    ready = wait_for(context, endpoint, request.timeout, on_event, command=command)
    return with_open_connection(context, cluster, ready)


def wait_for(  # noqa: PLR0913 - the differences between waits
    context: Context,
    endpoint: VpcEndpoint,
    timeout: float,
    on_event: EventHook,
    *,
    command: Suggestion,
    reached: Callable[[VpcEndpoint | None], bool] = is_connected,
) -> VpcEndpoint:
    """Wait for this endpoint, and return it with its current zones and its state changes.

    Args:
        context: the step's context.
        endpoint: the endpoint.
        timeout: seconds.
        on_event: receives each observation.
        command: the command that resumes the wait.
        reached: returns whether the goal is reached; default: the endpoint is Active and Connected.
    """
    alibaba = context.alibaba(endpoint.region_id)
    changes: tuple[StateChange, ...] = ()

    def listen(event: Event) -> None:
        nonlocal changes
        changes = changes_with(changes, event)
        on_event(event)

    def observe() -> VpcEndpoint | None:
        try:
            return current_state(alibaba, endpoint)
        except errors.NotFound:
            return None

    context.waiter.until(
        observe,
        reached=reached,
        goal="Active and Connected",
        command=command,
        timeout=timeout,
        on_event=listen,
    )
    ready = with_details(alibaba, current_state(alibaba, endpoint))
    return replace(ready, changes=changes, clusters=endpoint.clusters)
