"""Additional, identical clusters and VPCs for `%tidb_pe fleet`.

The clusters share the region's service, like the clusters of the seed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba.network_seed import (
    GATEWAY_SERVICES,
    SINGAPORE,
    Network,
    Permission,
    SecurityGroup,
    Vpc,
    VSwitch,
)
from tidb_pe_magic.sandbox.tidb_cloud.clusters import ORGANIZATION_LABEL, PROJECT_LABEL, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable

VPCS = ("vpc-t4nfleet1", "vpc-t4nfleet2")
GROUPS = ("sg-t4nfleet1", "sg-t4nfleet2")
_ZONES = tuple(f"{SINGAPORE}{letter}" for letter in "abc")
_FREE = 16_000
_LABELS = {ORGANIZATION_LABEL: "1372813089209061000", PROJECT_LABEL: "1372813089454525002"}


def add_vpcs(network: Network, clusters: int) -> Network:
    """Return the network with two more VPCs, each with room for an endpoint per cluster."""
    if not clusters:
        return network
    vpcs = tuple(
        Vpc(vpc_id, SINGAPORE, f"fleet-{place}", f"10.{100 + place}.0.0/16")
        for place, vpc_id in enumerate(VPCS, 1)
    )
    vswitches = tuple(
        VSwitch(f"vsw-t4nfleet{place}{zone[-1]}", vpc_id, zone, f"10.{100 + place}.{64 * part}.0/18", _FREE)
        for place, vpc_id in enumerate(VPCS, 1)
        for part, zone in enumerate(_ZONES)
    )
    inbound = (Permission("1/65535", "10.0.0.0/8"), Permission("1/65535", "127.0.0.0/8"))
    groups = tuple(
        SecurityGroup(group_id, vpc_id, "fleet", permissions=inbound)
        for group_id, vpc_id in zip(GROUPS, VPCS, strict=True)
    )
    return replace(
        network,
        vpcs=(*network.vpcs, *vpcs),
        vswitches=(*network.vswitches, *vswitches),
        security_groups=(*network.security_groups, *groups),
    )


def clusters(network: Network, count: int, port: int) -> Iterable[Cluster]:
    """Return this number of clusters, fleet-1 and so on, in the region of the VPCs that `add_vpcs` adds."""
    ident = GATEWAY_SERVICES[SINGAPORE]
    service = next(each for each in network.services if each.service_id == ident)
    for number in range(1, count + 1):
        yield Cluster(
            str(10430185274093700000 + number),
            f"fleet-{number}",
            f"C{number:05}StUvWxYzA",
            service_name=service.service_name,
            zones=service.zone_ids,
            private_port=port,
            labels=_LABELS,
        )
