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
    plan_with_clusters,
    request_creation,
)
from tidb_pe_magic.steps.preflight.checks import is_unsure
from tidb_pe_magic.steps.preflight.facts import answer_of, look_up
from tidb_pe_magic.threads import interruptible_sleep

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import CreateRequest, Placement
    from tidb_pe_magic.model import EndpointPlan, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


_OPERATION = "CreateVpcEndpoint"
_LOOK_AGAIN = (1.0, 2.0, 3.0, 0.0)  # seconds between two look-ups, and none after the last
_MAYBE_CREATED = Advice(
    "The endpoint may exist now, and is billed if it does. Run the same command again to adopt it.",
    Suggestion("endpoints"),
)
_EXISTS_UNLISTED = Advice(
    "An endpoint with other options already exists. The RAM action that would find it is missing: "
    "privatelink:ListVpcEndpoints. Find it in the console (VPC > Endpoints), or ask for the permission.",
    Suggestion("permissions"),
)
_NOT_CREATED = "Nothing was created. Run the same command again to create it."
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
    created = _create_or_adopt(context, planned, request)
    context.endpoint_id = created.endpoint.endpoint_id
    return created


def _create_or_adopt(context: Context, planned: EndpointPlan, request: Placement) -> CreatedEndpoint:
    endpoint = planned.existing
    if endpoint is None:
        with exclusively(context, plan_name(context, planned), "creating this endpoint"):
            # Another kernel may have created it in the meantime.
            planned = _current_plan(context, planned, request)
            endpoint = planned.existing
            if endpoint is None:
                if context.cancel.is_set():
                    raise errors.WaitCancelled(
                        "stopped before the creation request was sent.", advice=_NOT_CREATED
                    )
                try:
                    created = _create(context, planned)
                except errors.Conflict as refusal:
                    if refusal.code not in ALREADY_EXISTS:
                        raise
                    planned, endpoint = _find_existing(context, planned, request, refusal)
                else:
                    endpoint = replace(created, clusters=planned.clusters)
                    return CreatedEndpoint(endpoint=endpoint, adopted=False)
    context.journal.conclude_as_created(plan_name(context, planned), endpoint.endpoint_id)
    return CreatedEndpoint(endpoint=endpoint, adopted=True, differences=planned.differences)


def _current_plan(context: Context, planned: EndpointPlan, request: Placement) -> EndpointPlan:
    """Return the plan, or the one that adopts an endpoint which exists by now."""
    listed = answer_of(look_up(lambda: existing_endpoints(context, planned.cluster)))
    existing = [endpoint for endpoint in listed if endpoint.vpc_id == planned.vpc.vpc_id]
    if not existing:
        return planned
    existing[0] = with_details(context.alibaba(planned.cluster.region_id), existing[0])
    found = adoption(planned.cluster, planned.service, planned.vpc, existing, request)
    return plan_with_clusters(found, planned.clusters)


def _find_existing(
    context: Context, planned: EndpointPlan, request: Placement, refusal: errors.Conflict
) -> tuple[EndpointPlan, VpcEndpoint]:
    """Return the endpoint that caused a refused creation, and the plan that adopts it.

    Raises:
        Conflict: the refusal, if no list contains the endpoint.
    """
    for pause in _LOOK_AGAIN:
        found = _current_plan(context, planned, request)
        if found.existing is not None:
            return found, found.existing
        if is_unsure(planned):
            refusal.advise(_EXISTS_UNLISTED)
            break
        _pause(context, pause)
    raise refusal


def _create(context: Context, planned: EndpointPlan) -> VpcEndpoint:
    name = plan_name(context, planned)
    known = _created_before(context, planned, name)
    if known is not None:
        return known
    opened, own = context.journal.open_token(name), _token_without_list(context, planned, name)
    created_before = {change.resource for change in context.journal.mutations()} if own else set[str]()
    created = _create_with_token(context, planned, opened or own or new_token())
    is_old = bool(opened) or created.endpoint_id in created_before
    # If endpoints cannot be listed, the token may also have been used on another machine.
    while (is_old or own) and _does_not_exist(context, created):
        if not is_old:
            raise errors.EndpointFailed(
                f"Alibaba Cloud reports {created.endpoint_id} as created, but it does not exist. "
                "It may have been deleted elsewhere.",
                last=created,
                advice="Run the same command again. If the endpoint is still missing, a new one is created.",
            )
        # An earlier call succeeded, and its endpoint has been deleted since: the cloud only repeated its
        # answer. If endpoints cannot be listed, the next caller would use the same token again.
        token = digest(repr((own, created.endpoint_id))) if own else new_token()
        created, own = _create_with_token(context, planned, token), own and token
        is_old = created.endpoint_id in created_before
    return created


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
        advice = _EXISTS_UNLISTED if is_unsure(planned) else _NOT_LISTED_YET
        raise errors.Conflict(f"{ident} exists.", operation=_OPERATION, advice=advice)
    return found


def _is_as_planned(found: VpcEndpoint, planned: EndpointPlan) -> bool:
    """Return whether the endpoint has the plan's options, as far as they can be looked up."""
    hidden = found.missing_actions
    zones = {(zone.zone_id, zone.vswitch_id) for zone in found.zones}
    asked = {(zone.zone_id, zone.vswitch_id) for zone in planned.zones}
    groups = set(found.security_group_ids)
    return (
        found.name == planned.name
        and (RamAction.ENDPOINT_ZONES in hidden or zones == asked)
        and (RamAction.ENDPOINT_SECURITY_GROUPS in hidden or groups == set(planned.security_group_ids))
    )


def _create_with_token(context: Context, planned: EndpointPlan, token: str) -> VpcEndpoint:
    resource = f"{planned.name} in {planned.vpc.vpc_id}"
    region_id, plan = planned.cluster.region_id, plan_name(context, planned)
    try:
        with context.journal.change(
            _OPERATION, resource, region_id=region_id, plan=plan, token=token
        ) as change:
            created = request_creation(context, planned, token=token, dry_run=False)
            if created is None:
                msg = "CreateVpcEndpoint returned nothing although it was not a dry run"
                raise AssertionError(msg)
            change.resource, change.request_id = created.endpoint_id, created.request_id
    except errors.ServiceUnavailable as failure:
        failure.advise(_MAYBE_CREATED)
        raise
    except errors.Conflict as refusal:
        if refusal.code == MISMATCH and is_unsure(planned):
            refusal.advise(_EXISTS_UNLISTED)
        raise
    except (KeyboardInterrupt, errors.WaitCancelled):
        raise errors.WaitCancelled(
            "stopped while the endpoint was being created.", advice=_MAYBE_CREATED
        ) from None
    return created


def _does_not_exist(context: Context, created: VpcEndpoint) -> bool:
    """Return whether it was deleted; a new endpoint may not be visible immediately."""
    for pause in _LOOK_AGAIN:
        try:
            found = context.alibaba(created.region_id).refresh(created)
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
        raise errors.WaitCancelled("stopped while looking for the created endpoint.", advice=_MAYBE_CREATED)


def _token_without_list(context: Context, planned: EndpointPlan, name: str) -> str:
    """Return the plan's ClientToken if endpoints cannot be listed; otherwise empty.

    It does not depend on the zones, because the first endpoint may have changed the default zones.
    """
    if not is_unsure(planned):
        return ""
    return context.journal.used_token(name) or digest(repr(("unlisted", name)))
