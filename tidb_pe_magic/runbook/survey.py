"""Gathering what the preflight judges: every look-up that is denied leaves a gap, not an error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.clouds import ram
from tidb_pe_magic.clouds.alibaba_errors import CLOCK_REFUSED
from tidb_pe_magic.model import EndpointZone, Networks, VerifiedService, Vpc
from tidb_pe_magic.runbook import discovery
from tidb_pe_magic.runbook.facts import Denied, Facts
from tidb_pe_magic.runbook.preflight import findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tidb_pe_magic.model import Cluster, EndpointPlan, Finding, SecurityRules, Whereabouts
    from tidb_pe_magic.runbook.context import Context
    from tidb_pe_magic.runbook.requests import Placement

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was looked up before anything was planned; the attributes are those of `Facts`.

    Attributes:
        network_denial: the look-up of networks that was denied, as the cloud put it.
    """

    cluster: Cluster
    clock_ahead: float | None
    clock_refused: bool = False
    product_open: bool | Denied | None = None
    networks: Networks | Denied | None = None
    service: VerifiedService | Denied | None = None
    here: Whereabouts | None = None
    network_denial: errors.PermissionDenied | None = None

    @property
    def closed(self) -> bool:
        """No look-up of PrivateLink would be answered."""
        return self.clock_refused or self.product_open is False

    @property
    def assumed_service(self) -> VerifiedService:
        """The service as this account sees it, or else as TiDB Cloud describes it."""
        if isinstance(self.service, VerifiedService):
            return self.service
        noted = discovery.noted_service(self.cluster)
        return VerifiedService(
            service_name=noted.service_name,
            service_id="",
            region_id=noted.region_id,
            zones=noted.zones,
            auto_accept=True,
            payer="Endpoint",
        )


def survey(context: Context, cluster: Cluster) -> Survey:
    """Ask both clouds for what a plan stands on.

    Raises:
        ApiError: a look-up fails for another reason than a missing permission or the clock.
    """
    alibaba = context.alibaba(cluster.region_id)
    clock_ahead, here = context.tidb_cloud().clock_ahead, context.whereabouts()
    try:
        product_open = look(alibaba.product_open)
    except errors.AuthenticationFailed as error:
        if not error.code.startswith(CLOCK_REFUSED):
            raise
        return Survey(cluster=cluster, clock_ahead=clock_ahead, clock_refused=True, here=here)
    denial: errors.PermissionDenied | None = None
    networks: Networks | Denied
    try:
        networks = discovery.region_networks(context, cluster)
    except errors.PermissionDenied as error:
        networks, denial = _gap(error), error
    name = discovery.noted_service(cluster).service_name
    return Survey(
        cluster=cluster,
        clock_ahead=clock_ahead,
        product_open=product_open,
        networks=networks,
        service=None if product_open is False else look(lambda: alibaba.service(name)),
        here=here,
        network_denial=denial,
    )


def planned_cluster(
    context: Context, name_or_id: str | None, *, tolerant: bool, field: str = "--cluster"
) -> Cluster:
    """Return the named cluster.

    Args:
        context: the clients.
        name_or_id: default: the last one named.
        field: where the name was typed.
        tolerant: one that is not ACTIVE is returned too; it has a service and a region to plan with.

    Raises:
        NotEligible: it meets a restriction of the tutorial.
    """
    if not tolerant:
        return discovery.eligible_cluster(context, name_or_id, field=field)
    before = context.cluster_id
    found = discovery.named_cluster(context, name_or_id, field=field)
    if found.restriction is not None and (found.restriction.name != "state" or found.service is None):
        return discovery.eligible_cluster(context, name_or_id)
    if found.restriction is not None:
        context.cluster_id = before  # what cannot be used is no default for the next step
    return found


def named_vpc(known: Survey, request: Placement) -> Vpc:
    """Return the VPC that was named, where VPCs cannot be looked up.

    Raises:
        PermissionDenied: something has to be chosen, and what there is may not be looked up.
    """
    complete = request.vpc and request.security_group and named_zones(request)
    if known.network_denial is not None and not complete:
        raise known.network_denial
    return Vpc(vpc_id=request.vpc or "", name="", region_id=known.cluster.region_id, cidr_block="", status="")


def named_zones(request: Placement) -> tuple[EndpointZone, ...]:
    """Return the zones that were named, if each has its vSwitch."""
    if not all(choice.vswitch_id for choice in request.zone):
        return ()
    return tuple(EndpointZone(zone_id=z.zone_id, vswitch_id=z.vswitch_id) for z in request.zone)


def judged(
    context: Context, known: Survey, planned: EndpointPlan, *, zones_asked: bool, existing: Denied | None
) -> tuple[Finding, ...]:
    """Return what the preflight finds in the plan.

    Args:
        context: the clients.
        known: what was looked up.
        planned: what is planned on it.
        zones_asked: the zones were named.
        existing: the permission that the look-up of endpoints lacks, if it does.
    """
    groups = () if known.clock_refused else planned.security_group_ids
    return findings(
        Facts(
            cluster=known.cluster,
            clock_ahead=known.clock_ahead,
            clock_refused=known.clock_refused,
            product_open=known.product_open,
            service=known.service,
            networks=known.networks,
            vpc=planned.vpc,
            zones=planned.zones,
            zones_asked=zones_asked,
            security_group_ids=planned.security_group_ids,
            rules=_rules(context, known.cluster, groups),
            here=known.here,
            existing=existing or planned.existing,
            name=planned.name,
        )
    )


def _rules(
    context: Context, cluster: Cluster, group_ids: Iterable[str]
) -> Mapping[str, SecurityRules | Denied]:
    alibaba = context.alibaba(cluster.region_id)
    return {group_id: look(partial(alibaba.security_rules, group_id)) for group_id in group_ids}


def look(call: Callable[[], T]) -> T | Denied:
    """Return what the look-up finds, or the permission that it lacks."""
    try:
        return call()
    except errors.PermissionDenied as error:
        return _gap(error)


def _gap(error: errors.PermissionDenied) -> Denied:
    return Denied(getattr(error, "action", "") or ram.action_of(error.operation) or error.operation)
