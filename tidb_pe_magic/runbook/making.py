"""Making a planned endpoint once, whatever fails on the way and whoever else runs the same plan."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.model import CreatedEndpoint, EndpointStatus
from tidb_pe_magic.runbook.exclusive import exclusively
from tidb_pe_magic.runbook.journal import new_token
from tidb_pe_magic.runbook.preflight import UNSURE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.model import EndpointPlan, VpcEndpoint
    from tidb_pe_magic.runbook.context import Context

_OPERATION = "CreateVpcEndpoint"
_DIGITS = 48
_PERHAPS_MADE = (
    "It may have been made, and is billed then: run the same command again, which adopts it; "
    "%tidb_pe endpoints lists it."
)


def make_once(
    context: Context, planned: EndpointPlan, look_again: Callable[[], EndpointPlan]
) -> CreatedEndpoint:
    """Carry the plan out, or adopt what is there.

    Args:
        context: the clients, the journal and the state directory.
        planned: what shall be made.
        look_again: returns the plan as it is now; another kernel may have made the endpoint meanwhile.

    Raises:
        JournalError: the intent cannot be written down; nothing was made.
        ApiError: the API refuses.
        WaitCancelled: the stop button; the endpoint may have been made.
    """
    if planned.existing is None:
        with exclusively(context, _plan_name(context, planned), "making this endpoint"):
            planned = look_again()
            if planned.existing is None:
                return CreatedEndpoint(endpoint=_make(context, planned), adopted=False)
    endpoint = planned.existing
    context.journal.conclude_found(_plan_name(context, planned), endpoint.endpoint_id)
    return CreatedEndpoint(endpoint=endpoint, adopted=True, differences=planned.differences)


def dry_run(context: Context, planned: EndpointPlan) -> None:
    """Have the API check the plan; nothing is made.

    Raises:
        ApiError: the API refuses.
    """
    _call(context, planned, token=new_token(), dry_run=True)


def _make(context: Context, planned: EndpointPlan) -> VpcEndpoint:
    name = _plan_name(context, planned)
    token = context.journal.open_token(name)
    if not token and _is_unsure(planned):
        token = context.journal.used_token(name)
    made = _make_with(context, planned, token or _token(planned, name))
    if token and _is_gone(context, made):
        # The earlier call was carried out, and what it made has been deleted since: the cloud only
        # repeated its answer.
        made = _make_with(context, planned, new_token())
    return made


def _make_with(context: Context, planned: EndpointPlan, token: str) -> VpcEndpoint:
    resource = f"{planned.name} in {planned.vpc.vpc_id}"
    region_id, plan = planned.cluster.region_id, _plan_name(context, planned)
    try:
        with context.journal.change(
            _OPERATION, resource, region_id=region_id, plan=plan, token=token
        ) as change:
            made = _call(context, planned, token=token, dry_run=False)
            if made is None:
                msg = "CreateVpcEndpoint made nothing though it was no dry run"
                raise AssertionError(msg)
            change.resource, change.request_id = made.endpoint_id, made.request_id
    except errors.ServiceUnavailable as failure:
        failure.advice = _PERHAPS_MADE
        raise
    except (KeyboardInterrupt, errors.WaitCancelled):
        raise errors.WaitCancelled(
            "stopped while the endpoint was being made.", advice=_PERHAPS_MADE
        ) from None
    return made


def _call(context: Context, planned: EndpointPlan, *, token: str, dry_run: bool) -> VpcEndpoint | None:
    return context.alibaba(planned.cluster.region_id).create_endpoint(
        service_name=planned.service.service_name,
        vpc_id=planned.vpc.vpc_id,
        zones=planned.zones,
        security_group_ids=planned.security_group_ids,
        name=planned.name,
        client_token=token,
        dry_run=dry_run,
    )


def _is_gone(context: Context, made: VpcEndpoint) -> bool:
    try:
        found = context.alibaba(made.region_id).refreshed(made)
    except errors.NotFound:
        return True
    except errors.PermissionDenied:
        return False
    return found.endpoint_status == EndpointStatus.DELETING


def _plan_name(context: Context, planned: EndpointPlan) -> str:
    """Return what is the same wherever the same endpoint would be made: a VPC belongs to one account."""
    host = hosts.override(context.environ, hosts.ALIBABA)
    said = (host, planned.cluster.region_id, planned.service.service_name, planned.vpc.vpc_id)
    return _digest(repr(said))


def _is_unsure(planned: EndpointPlan) -> bool:
    """Say whether its endpoint may be there already, though none was found."""
    return any(finding.check == UNSURE for finding in planned.findings)


def _token(planned: EndpointPlan, name: str) -> str:
    """Return a new token, or the plan's own where it cannot be told whether its endpoint was made already."""
    if _is_unsure(planned):
        return _digest(repr((name, planned.zones, planned.security_group_ids, planned.name)))
    return new_token()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
