"""The step `networks`: the region's VPCs, vSwitches and security groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.model import (
    Cluster,
    Networks,
    SecurityRules,
    Vpc,
)
from tidb_pe_magic.steps.clusters import eligible_cluster
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, answer_of, look_up
from tidb_pe_magic.steps.preflight.inbound import with_inbound

if TYPE_CHECKING:
    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.commands import requests
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def networks(context: Context, request: requests.NetworksRequest, on_event: EventHook) -> Networks:  # noqa: ARG001
    """List the region's networks, usable ones first."""
    cluster = eligible_cluster(context, request.cluster)
    found = region_networks(context, cluster)
    usable, known = {vpc.vpc_id for vpc in found.usable_vpcs()}, dict[str, SecurityRules | DeniedLookup]()
    return replace(
        found,
        vpcs=tuple(
            with_inbound(context, cluster, vpc, known) if vpc.vpc_id in usable else vpc for vpc in found.vpcs
        ),
    )


def region_networks(context: Context, cluster: Cluster) -> Networks:
    """Return the networks of the cluster's region, usable ones first, as far as permissions allow."""
    vpcs, missing = _vpcs(context.alibaba(cluster.region_id))
    found = Networks(cluster=cluster, vpcs=vpcs, here=context.whereabouts(), missing_actions=missing)
    ordered = sorted(
        found.vpcs,
        key=lambda vpc: (bool(found.vpc_obstacle(vpc)), not found.is_here(vpc), vpc.name, vpc.vpc_id),
    )
    return replace(
        found,
        vpcs=tuple(
            replace(
                vpc,
                vswitches=tuple(
                    sorted(
                        vpc.vswitches,
                        key=lambda v: (bool(found.vswitch_obstacle(v)), v.zone_id, -v.available_ip_count),
                    )
                ),
                security_groups=tuple(
                    sorted(
                        vpc.security_groups, key=lambda g: (g.service_managed, g.name, g.security_group_id)
                    )
                ),
            )
            for vpc in ordered
        ),
    )


def _vpcs(alibaba: Alibaba) -> tuple[tuple[Vpc, ...], tuple[str, ...]]:
    """Return the VPCs with vSwitches and security groups, and the missing RAM actions.

    If VPCs cannot be looked up, return the VPCs of the vSwitches and security groups.
    """
    vpcs, vswitches, groups = (
        look_up(alibaba.vpcs),
        look_up(alibaba.vswitches),
        look_up(alibaba.security_groups),
    )
    missing = tuple(found.action for found in (vpcs, vswitches, groups) if isinstance(found, DeniedLookup))
    vswitches, groups = answer_of(vswitches), answer_of(groups)
    if isinstance(vpcs, DeniedLookup):
        named = dict.fromkeys((*(v.vpc_id for v in vswitches), *(g.vpc_id for g in groups)))
        vpcs = tuple(vpc_with_id(vpc_id, alibaba.region_id) for vpc_id in named)
    return tuple(
        replace(
            vpc,
            vswitches=tuple(v for v in vswitches if v.vpc_id == vpc.vpc_id),
            security_groups=tuple(g for g in groups if g.vpc_id == vpc.vpc_id),
        )
        for vpc in vpcs
    ), missing


def vpc_with_id(vpc_id: str, region_id: str) -> Vpc:
    """Return a VPC with only its ID."""
    return Vpc(vpc_id=vpc_id, name="", region_id=region_id, cidr_block="", status="")
