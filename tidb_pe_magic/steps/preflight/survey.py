"""The preflight's look-ups; a denied look-up is recorded and does not cause an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.alibaba.codes import CLOCK_REFUSED
from tidb_pe_magic.steps.clusters import eligible_cluster, named_cluster, not_eligible, service_of
from tidb_pe_magic.steps.networks import region_networks
from tidb_pe_magic.steps.preflight.checks import findings
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, Facts, Survey, look_up
from tidb_pe_magic.steps.preflight.inbound import inbound_rules

if TYPE_CHECKING:
    from tidb_pe_magic.model import Cluster, EndpointPlan, Finding, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


def survey(context: Context, cluster: Cluster) -> Survey:
    """Look up the facts for a plan in both clouds.

    Raises:
        ApiError: a look-up fails, except because of a missing permission or the clock.
    """
    alibaba = context.alibaba(cluster.region_id)
    clock_ahead, here = context.tidb_cloud().clock_ahead, context.whereabouts()
    try:
        product_open = look_up(alibaba.product_open)
    except errors.AuthenticationFailed as error:
        if not error.code.startswith(CLOCK_REFUSED):
            raise
        return Survey(cluster=cluster, clock_ahead=clock_ahead, clock_refused=True, here=here)
    name = service_of(cluster).service_name
    return Survey(
        cluster=cluster,
        clock_ahead=clock_ahead,
        product_open=product_open,
        networks=region_networks(context, cluster),
        service=None if product_open is False else look_up(lambda: alibaba.service(name)),
        here=here,
    )


def planned_cluster(
    context: Context, name_or_id: str | None, *, tolerant: bool, field: str = "--cluster"
) -> Cluster:
    """Return the requested cluster.

    Args:
        context: the clients.
        name_or_id: default: the cluster used last.
        field: the option with the name.
        tolerant: accept a cluster that is not ACTIVE, because it has a service and a region.

    Raises:
        NotEligible: a restriction of the tutorial applies to it.
    """
    if not tolerant:
        return eligible_cluster(context, name_or_id, field=field)
    before = context.cluster_id
    found = named_cluster(context, name_or_id, field=field)
    if found.restriction is not None:
        context.cluster_id = before  # an unusable cluster must not become the default of the next step
        if found.restriction.name != "state" or found.service is None:
            raise not_eligible(found.restriction)
    return found


def plan_findings(  # noqa: PLR0913 - one for each source of facts
    context: Context,
    known: Survey,
    planned: EndpointPlan,
    *,
    zones_asked: bool,
    denied: DeniedLookup | None,
    elsewhere: tuple[VpcEndpoint, ...],
) -> tuple[Finding, ...]:
    """Return the preflight's findings for the plan.

    Args:
        context: the clients.
        known: the look-ups.
        planned: the plan.
        zones_asked: the request has zones.
        denied: the missing permission for the look-up of endpoints; None if it was answered.
        elsewhere: the service's endpoints in other VPCs.
    """
    groups = () if known.clock_refused else planned.security_group_ids
    return findings(
        Facts(
            survey=known,
            planned=planned,
            zones_asked=zones_asked,
            rules=inbound_rules(context, known.cluster, groups, known.rules),
            denied=denied,
            elsewhere=elsewhere,
        )
    )
