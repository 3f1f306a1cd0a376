"""The step `create`: create the planned endpoint exactly once, or reuse the existing one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clouds.alibaba.codes import ALREADY_EXISTS
from tidb_pe_magic.model import (
    CreatedEndpoint,
    EndpointPlan,
    EndpointStatus,
    RamAction,
    Severity,
    VpcEndpoint,
)
from tidb_pe_magic.runtime.journal import MISMATCH, new_token
from tidb_pe_magic.runtime.lock import exclusively
from tidb_pe_magic.steps.background_imports import load_in_background
from tidb_pe_magic.steps.connections import with_open_connection
from tidb_pe_magic.steps.endpoints import unlisted_endpoint, with_details
from tidb_pe_magic.steps.plan import (
    adoption,
    digest,
    existing_endpoints,
    make_plan,
    plan_name,
    request_creation,
    with_clusters,
)
from tidb_pe_magic.steps.preflight.checks import is_unsure
from tidb_pe_magic.steps.preflight.facts import answer_of, look_up
from tidb_pe_magic.threads import interruptible_sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.commands.requests import CreateRequest, Placement
    from tidb_pe_magic.model import EndpointPlan, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


_OPERATION = "CreateVpcEndpoint"
_LOOK_AGAIN = (1.0, 2.0, 3.0, 0.0)  # seconds between two look-ups, and none after the last
_PERHAPS_MADE = Advice(
    "The endpoint may exist now, and is billed if it does. Run the same command again to adopt it.",
    Suggestion("endpoints"),
)
_MADE_UNSEEN = Advice(
    "An endpoint with other options already exists. The RAM action that would find it is missing: "
    "privatelink:ListVpcEndpoints. Find it in the console (VPC > Endpoints), or ask for the permission.",
    Suggestion("permissions"),
)
_NOT_MADE = "Nothing was created. Run the same command again to create it."
_NOT_LISTED_YET = (
    "It has other options and is not listed yet. Run the same command again in a minute to adopt it."
)


def create(context: Context, request: CreateRequest, on_event: EventHook) -> CreatedEndpoint:  # noqa: ARG001
    """Create the endpoint, or adopt the existing one for this service and VPC, unchanged.

    Raises:
        InvalidRequest: a VPC, vSwitch, zone or security group cannot be used.
        NotEligible: it is not in the cluster's region, or the service is not in the zone.
        PreflightFailed: the preflight reports a stop, and --force is not set.
        JournalError: the intent cannot be recorded; nothing was created.
        ApiError: the API refuses.
        EndpointFailed: endpoints cannot be listed, and the endpoint that the cloud reports no longer exists.
        WaitCancelled: the stop button; the endpoint may have been created.
    """
    planned = make_plan(context, request, tolerant=request.force)
    refuse_stops(planned, force=request.force)
    load_in_background(context)
    created = execute_plan(context, planned, request)
    created = replace(created, endpoint=with_open_connection(context, planned.cluster, created.endpoint))
    if created.adopted:  # nothing was created, so findings would be useless
        return created
    return replace(created, findings=tuple(f for f in planned.findings if f.severity != Severity.OK))


def refuse_stops(planned: EndpointPlan, *, force: bool) -> None:
    """Refuse a plan with a stop, unless `force` is set.

    Raises:
        PreflightFailed: the preflight reports a stop, and `force` is not set.
    """
    if planned.stops and not force:
        raise errors.PreflightFailed(planned.findings)


def execute_plan(context: Context, planned: EndpointPlan, request: Placement) -> CreatedEndpoint:
    """Execute the plan once, or adopt an endpoint that exists by now.

    Raises:
        JournalError: the intent cannot be recorded; nothing was created.
        ApiError: the API refuses.
        EndpointFailed: endpoints cannot be listed, and the endpoint that the cloud reports no longer exists.
        WaitCancelled: the stop button; the endpoint may have been created.
    """

    def look_again() -> EndpointPlan:
        listed = answer_of(look_up(lambda: existing_endpoints(context, planned.cluster)))
        existing = [endpoint for endpoint in listed if endpoint.vpc_id == planned.vpc.vpc_id]
        if not existing:
            return planned
        existing[0] = with_details(context.alibaba(planned.cluster.region_id), existing[0])
        found = adoption(planned.cluster, planned.service, planned.vpc, existing, request)
        return with_clusters(found, planned.clusters)

    created = make_once(context, planned, look_again)
    context.endpoint_id = created.endpoint.endpoint_id
    return created


def make_once(
    context: Context, planned: EndpointPlan, look_again: Callable[[], EndpointPlan]
) -> CreatedEndpoint:
    """Execute the plan, or adopt an existing endpoint.

    Args:
        context: the clients, the journal and the state directory.
        planned: the plan.
        look_again: returns the current plan; another kernel may have created the endpoint in the meantime.

    Raises:
        JournalError: the intent cannot be recorded; nothing was created.
        ApiError: the API refuses.
        EndpointFailed: endpoints cannot be listed, and the endpoint that the cloud reports no longer exists.
        WaitCancelled: the stop button; the endpoint may have been created.
    """
    endpoint = planned.existing
    if endpoint is None:
        with exclusively(context, plan_name(context, planned), "creating this endpoint"):
            planned = look_again()
            endpoint = planned.existing
            if endpoint is None:
                if context.cancel.is_set():
                    raise errors.WaitCancelled(
                        "stopped before the creation request was sent.", advice=_NOT_MADE
                    )
                try:
                    made = _make(context, planned)
                except errors.Conflict as refusal:
                    if refusal.code not in ALREADY_EXISTS:
                        raise
                    planned, endpoint = _found_after_all(context, planned, refusal, look_again)
                else:
                    return CreatedEndpoint(endpoint=replace(made, clusters=planned.clusters), adopted=False)
    context.journal.conclude_as_created(plan_name(context, planned), endpoint.endpoint_id)
    return CreatedEndpoint(endpoint=endpoint, adopted=True, differences=planned.differences)


def _found_after_all(
    context: Context, planned: EndpointPlan, refusal: errors.Conflict, look_again: Callable[[], EndpointPlan]
) -> tuple[EndpointPlan, VpcEndpoint]:
    """Return the endpoint that caused a refused creation, and the plan that reuses it.

    Raises:
        Conflict: the refusal, if no list contains the endpoint.
    """
    for pause in _LOOK_AGAIN:
        found = look_again()
        if found.existing is not None:
            return found, found.existing
        if is_unsure(planned):
            refusal.advise(_MADE_UNSEEN)
            break
        _pause(context, pause)
    raise refusal


def _make(context: Context, planned: EndpointPlan) -> VpcEndpoint:
    name = plan_name(context, planned)
    known = _created_before(context, planned, name)
    if known is not None:
        return known
    opened, own = context.journal.open_token(name), _token_without_list(context, planned, name)
    made_before = {change.resource for change in context.journal.mutations()} if own else set[str]()
    made = _make_with(context, planned, opened or own or new_token())
    is_old = bool(opened) or made.endpoint_id in made_before
    # If endpoints cannot be listed, the token may also have been used on another machine.
    while (is_old or own) and _does_not_exist(context, made):
        if not is_old:
            raise errors.EndpointFailed(
                f"Alibaba Cloud reports {made.endpoint_id} as created, but it does not exist. "
                "It may have been deleted elsewhere.",
                last=made,
                advice="Run the same command again. If the endpoint is still missing, a new one is created.",
            )
        # An earlier call succeeded, and its endpoint has been deleted since: the cloud only repeated its
        # answer. If endpoints cannot be listed, the next caller would use the same token again.
        token = digest(repr((own, made.endpoint_id))) if own else new_token()
        made, own = _make_with(context, planned, token), own and token
        is_old = made.endpoint_id in made_before
    return made


def _created_before(context: Context, planned: EndpointPlan, name: str) -> VpcEndpoint | None:
    """Return the endpoint that was last created here for the plan, if it exists although no list contains it.

    A list may lag or be denied. The token alone is not enough, because the cloud forgets it after an unknown
    time.

    Raises:
        Conflict: it has other options.
    """
    ident = context.journal.last_created(name)
    if not ident:
        return None
    found = unlisted_endpoint(context.alibaba(planned.cluster.region_id), ident)
    if found is None or found.endpoint_status == EndpointStatus.DELETING:
        return None
    if not _is_as_planned(found, planned):
        advice = _MADE_UNSEEN if is_unsure(planned) else _NOT_LISTED_YET
        raise errors.Conflict(f"{ident} exists.", operation=_OPERATION, advice=advice)
    return found


def _is_as_planned(found: VpcEndpoint, planned: EndpointPlan) -> bool:
    """Return the differences, as far as they can be looked up."""
    hidden = found.missing_actions
    zones = {(zone.zone_id, zone.vswitch_id) for zone in found.zones}
    asked = {(zone.zone_id, zone.vswitch_id) for zone in planned.zones}
    groups = set(found.security_group_ids)
    return (
        found.name == planned.name
        and (RamAction.ENDPOINT_ZONES in hidden or zones == asked)
        and (RamAction.ENDPOINT_SECURITY_GROUPS in hidden or groups == set(planned.security_group_ids))
    )


def _make_with(context: Context, planned: EndpointPlan, token: str) -> VpcEndpoint:
    resource = f"{planned.name} in {planned.vpc.vpc_id}"
    region_id, plan = planned.cluster.region_id, plan_name(context, planned)
    try:
        with context.journal.change(
            _OPERATION, resource, region_id=region_id, plan=plan, token=token
        ) as change:
            made = request_creation(context, planned, token=token, dry_run=False)
            if made is None:
                msg = "CreateVpcEndpoint returned nothing although it was not a dry run"
                raise AssertionError(msg)
            change.resource, change.request_id = made.endpoint_id, made.request_id
    except errors.ServiceUnavailable as failure:
        failure.advise(_PERHAPS_MADE)
        raise
    except errors.Conflict as refusal:
        if refusal.code == MISMATCH and is_unsure(planned):
            refusal.advise(_MADE_UNSEEN)
        raise
    except (KeyboardInterrupt, errors.WaitCancelled):
        raise errors.WaitCancelled(
            "stopped while the endpoint was being created.", advice=_PERHAPS_MADE
        ) from None
    return made


def _does_not_exist(context: Context, made: VpcEndpoint) -> bool:
    """Return whether it was deleted; a new endpoint may not be visible immediately."""
    for pause in _LOOK_AGAIN:
        try:
            found = context.alibaba(made.region_id).refresh(made)
        except errors.NotFound:
            _pause(context, pause)
        except errors.PermissionDenied:
            return False
        else:
            return found.endpoint_status == EndpointStatus.DELETING
    return True


def _pause(context: Context, seconds: float) -> None:
    try:
        cancelled = interruptible_sleep(seconds, context.cancel, context.sleep)
    except KeyboardInterrupt:
        cancelled = True
    if cancelled:
        raise errors.WaitCancelled("stopped while looking for the created endpoint.", advice=_PERHAPS_MADE)


def _token_without_list(context: Context, planned: EndpointPlan, name: str) -> str:
    """Return the plan's ClientToken if endpoints cannot be listed; otherwise empty.

    It does not depend on the zones, because the first endpoint may have changed the default zones.
    """
    if not is_unsure(planned):
        return ""
    return context.journal.used_token(name) or digest(repr(("unlisted", name)))
