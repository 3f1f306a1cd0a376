"""The sandbox's further clusters and VPCs, for fleets."""

from __future__ import annotations

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.fleet_seed import GROUPS, VPCS


def test_each_further_cluster_has_a_service_that_the_account_sees() -> None:
    """Names, IDs, prefixes and services differ, and the service's zones are the cluster's."""
    sandbox = Sandbox(fleet=120)
    services = {service.service_name: service for service in sandbox.world.services}
    fleet = [c for c in sandbox.clusters.clusters.values() if c.display_name.startswith("fleet-")]
    assert [cluster.display_name for cluster in fleet] == [f"fleet-{number}" for number in range(1, 121)]
    assert len({cluster.user_prefix for cluster in fleet}) == len({c.cluster_id for c in fleet}) == 120
    assert all(services[cluster.service_name or ""].zone_ids == cluster.zones for cluster in fleet)
    assert len({cluster.service_name for cluster in fleet}) == 120
    assert all(cluster.accepts_sql for cluster in fleet)


def test_each_further_vpc_has_room_in_every_zone() -> None:
    """A vSwitch with free addresses per zone of the services, and a security group."""
    network = Sandbox(fleet=1).world.network
    for vpc_id, group_id in zip(VPCS, GROUPS, strict=True):
        vswitches = [vswitch for vswitch in network.vswitches if vswitch.vpc_id == vpc_id]
        assert {vswitch.zone_id for vswitch in vswitches} == set(network.services[-1].zone_ids)
        assert all(vswitch.free > 1000 for vswitch in vswitches)
        assert [g.security_group_id for g in network.security_groups if g.vpc_id == vpc_id] == [group_id]


def test_without_a_fleet_there_is_nothing_more() -> None:
    """The network and the clusters are the seed's alone."""
    plain = Sandbox()
    assert not {vpc.vpc_id for vpc in plain.world.network.vpcs} & set(VPCS)
    assert not any(c.display_name.startswith("fleet-") for c in plain.clusters.clusters.values())
