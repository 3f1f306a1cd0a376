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
from tidb_pe_magic.steps.endpoints import detailed, not_listed
from tidb_pe_magic.steps.loading import load_in_background
from tidb_pe_magic.steps.plan import (
    adoption,
    digest,
    existing_endpoints,
    make_plan,
    plan_name,
    request_creation,
    serving,
)
from tidb_pe_magic.steps.preflight.checks import is_unsure
from tidb_pe_magic.steps.preflight.facts import answer_of, look_up
from tidb_pe_magic.threads import paused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.commands.requests import CreateRequest, Placement
    from tidb_pe_magic.model import EndpointPlan, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


_OPERATION = "CreateVpcEndpoint"
_LOOK_AGAIN = (1.0, 2.0, 3.0, 0.0)  # seconds between two looks, and none after the last
_PERHAPS_MADE = Advice(
    "The endpoint may exist now, and is billed if it does. Run the same command again to adopt it.",
    Suggestion("endpoints"),
)
_MADE_UNSEEN = Advice(
    "An endpoint with other options already exists. The RAM action that would find it is missing: "
    "privatelink:ListVpcEndpoints. Look in the console (VPC > Endpoints), or ask for the permission.",
    Suggestion("permissions"),
)
_NOT_MADE = "Nothing was created. Run the same command again to create it."
_NOT_LISTED_YET = (
    "It has other options and is not listed yet. Run the same command again in a minute to adopt it."
)


def create(context: Context, request: CreateRequest, on_event: EventHook) -> CreatedEndpoint:  # noqa: ARG001
    """Make the endpoint, or adopt the one that exists for this service and VPC, unchanged.

    Raises:
        InvalidRequest: a VPC, vSwitch, zone or security group cannot be used.
        NotEligible: it is not in the cluster's region, or the service is not in the zone.
        PreflightFailed: the preflight says stop, and --force is not given.
        JournalError: the intent cannot be written down; nothing was created.
        ApiError: the API refuses.
        EndpointFailed: no endpoint may be listed, and what the cloud names as made is gone.
        WaitCancelled: the stop button; the endpoint may have been created.
    """
    planned = make_plan(context, request, tolerant=request.force)
    refuse_stops(planned, force=request.force)
    load_in_background(context)
    created = create_planned(context, planned, request)
    if created.adopted:  # nothing was created, so nothing is to be judged in time to undo it
        return created
    return replace(created, findings=tuple(f for f in planned.findings if f.severity != Severity.OK))


def refuse_stops(planned: EndpointPlan, *, force: bool) -> None:
    """Go on only where nothing would stop the plan, or where that is what was asked for.

    Raises:
        PreflightFailed: the preflight says stop, and `force` is not given.
    """
    if planned.stops and not force:
        raise errors.PreflightFailed(planned.findings)


def create_planned(context: Context, planned: EndpointPlan, request: Placement) -> CreatedEndpoint:
    """Carry the plan out once, or adopt what is there by now.

    Raises:
        JournalError: the intent cannot be written down; nothing was created.
        ApiError: the API refuses.
        EndpointFailed: no endpoint may be listed, and what the cloud names as made is gone.
        WaitCancelled: the stop button; the endpoint may have been created.
    """

    def look_again() -> EndpointPlan:
        listed = answer_of(look_up(lambda: existing_endpoints(context, planned.cluster)))
        existing = [endpoint for endpoint in listed if endpoint.vpc_id == planned.vpc.vpc_id]
        if not existing:
            return planned
        existing[0] = detailed(context.alibaba(planned.cluster.region_id), existing[0])
        found = adoption(planned.cluster, planned.service, planned.vpc, existing, request)
        return serving(found, planned.clusters)

    created = make_once(context, planned, look_again)
    context.endpoint_id = created.endpoint.endpoint_id
    return created


def make_once(
    context: Context, planned: EndpointPlan, look_again: Callable[[], EndpointPlan]
) -> CreatedEndpoint:
    """Carry the plan out, or adopt what is there.

    Args:
        context: the clients, the journal and the state directory.
        planned: what is to be created.
        look_again: returns the plan as it is now; another kernel may have made the endpoint meanwhile.

    Raises:
        JournalError: the intent cannot be written down; nothing was created.
        ApiError: the API refuses.
        EndpointFailed: no endpoint may be listed, and what the cloud names as made is gone.
        WaitCancelled: the stop button; the endpoint may have been created.
    """
    endpoint = planned.existing
    if endpoint is None:
        with exclusively(context, plan_name(context, planned), "making this endpoint"):
            planned = look_again()
            endpoint = planned.existing
            if endpoint is None:
                if context.cancel.is_set():
                    raise errors.WaitCancelled("stopped before an endpoint was asked for.", advice=_NOT_MADE)
                try:
                    made = _make(context, planned)
                except errors.Conflict as refusal:
                    if refusal.code not in ALREADY_EXISTS:
                        raise
                    planned, endpoint = _found_after_all(context, planned, refusal, look_again)
                else:
                    return CreatedEndpoint(endpoint=replace(made, clusters=planned.clusters), adopted=False)
    context.journal.conclude_found(plan_name(context, planned), endpoint.endpoint_id)
    return CreatedEndpoint(endpoint=endpoint, adopted=True, differences=planned.differences)


def _found_after_all(
    context: Context, planned: EndpointPlan, refusal: errors.Conflict, look_again: Callable[[], EndpointPlan]
) -> tuple[EndpointPlan, VpcEndpoint]:
    """Return the endpoint because of which a creation was refused, and the plan that reuses it.

    Raises:
        Conflict: the refusal, where no list shows that endpoint.
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
    known = _known(context, planned, name)
    if known is not None:
        return known
    opened, own = context.journal.open_token(name), _token_of_the_unlisted(context, planned, name)
    made_before = {change.resource for change in context.journal.mutations()} if own else set[str]()
    made = _make_with(context, planned, opened or own or new_token())
    is_old = bool(opened) or made.endpoint_id in made_before
    # A token of the unlisted may have been used elsewhere, too, which no journal here knows.
    while (is_old or own) and _is_gone(context, made):
        if not is_old:
            raise errors.EndpointFailed(
                f"Alibaba Cloud reports {made.endpoint_id} as created, but it does not exist. "
                "It may have been deleted elsewhere.",
                last=made,
                advice="Run the same command again. If the endpoint is still missing, a new one is created.",
            )
        # An earlier call was carried out, and what it created has been deleted since: the cloud only repeated
        # its answer. A token of the unlisted is again the same for whoever comes next.
        token = digest(repr((own, made.endpoint_id))) if own else new_token()
        made, own = _make_with(context, planned, token), own and token
        is_old = made.endpoint_id in made_before
    return made


def _known(context: Context, planned: EndpointPlan, name: str) -> VpcEndpoint | None:
    """Return what was last created here for the plan, where it still exists though no list shows it.

    A list may lag, or not be allowed; the token alone does not do, for a cloud forgets it, nobody knows when.

    Raises:
        Conflict: it has other options.
    """
    ident = context.journal.last_made(name)
    if not ident:
        return None
    found = not_listed(context.alibaba(planned.cluster.region_id), ident)
    if found is None or found.endpoint_status == EndpointStatus.DELETING:
        return None
    if not _is_as_planned(found, planned):
        advice = _MADE_UNSEEN if is_unsure(planned) else _NOT_LISTED_YET
        raise errors.Conflict(f"{ident} exists.", operation=_OPERATION, advice=advice)
    return found


def _is_as_planned(found: VpcEndpoint, planned: EndpointPlan) -> bool:
    """Compare what may be looked up."""
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
                msg = "CreateVpcEndpoint made nothing though it was no dry run"
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
            "stopped while the endpoint was being made.", advice=_PERHAPS_MADE
        ) from None
    return made


def _is_gone(context: Context, made: VpcEndpoint) -> bool:
    """Tell whether it is deleted; one that was created just now may not be shown at once."""
    for pause in _LOOK_AGAIN:
        try:
            found = context.alibaba(made.region_id).refreshed(made)
        except errors.NotFound:
            _pause(context, pause)
        except errors.PermissionDenied:
            return False
        else:
            return found.endpoint_status == EndpointStatus.DELETING
    return True


def _pause(context: Context, seconds: float) -> None:
    try:
        cancelled = paused(seconds, context.cancel, context.sleep)
    except KeyboardInterrupt:
        cancelled = True
    if cancelled:
        raise errors.WaitCancelled("stopped while looking for the created endpoint.", advice=_PERHAPS_MADE)


def _token_of_the_unlisted(context: Context, planned: EndpointPlan, name: str) -> str:
    """Return what the plan's endpoint was created with, or would be, where none can be listed; else empty.

    It is the same whatever zones are chosen: which are the default may have changed with the first endpoint.
    """
    if not is_unsure(planned):
        return ""
    return context.journal.used_token(name) or digest(repr(("unlisted", name)))
