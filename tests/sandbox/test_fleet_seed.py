"""The sandbox's additional clusters and VPCs, for fleets."""

from __future__ import annotations

import pytest

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.fleet_seed import GROUPS, VPCS


def test_the_further_clusters_share_the_regions_service() -> None:
    """Names, IDs and prefixes differ; the service is shared with every other cluster of the region."""
    sandbox = Sandbox(fleet=120)
    services = {service.service_name: service for service in sandbox.world.services}
    fleet = [c for c in sandbox.clusters.clusters.values() if c.display_name.startswith("fleet-")]
    assert [cluster.display_name for cluster in fleet] == [f"fleet-{number}" for number in range(1, 121)]
    assert len({cluster.user_prefix for cluster in fleet}) == len({c.cluster_id for c in fleet}) == 120
    assert all(services[cluster.service_name or ""].zone_ids == cluster.zones for cluster in fleet)
    every = sandbox.clusters.clusters.values()
    (demo,) = (cluster for cluster in every if cluster.display_name == "demo")
    assert {cluster.service_name for cluster in fleet} == {demo.service_name}
    assert all(cluster.accepts_sql for cluster in fleet)


def test_each_further_vpc_has_room_in_every_zone() -> None:
    """Each additional VPC has a security group, and in each zone a vSwitch with free addresses."""
    network = Sandbox(fleet=1).world.network
    for vpc_id, group_id in zip(VPCS, GROUPS, strict=True):
        vswitches = [vswitch for vswitch in network.vswitches if vswitch.vpc_id == vpc_id]
        assert {vswitch.zone_id for vswitch in vswitches} == set(network.services[0].zone_ids)
        assert all(vswitch.free > 1000 for vswitch in vswitches)
        assert [g.security_group_id for g in network.security_groups if g.vpc_id == vpc_id] == [group_id]


def test_without_a_fleet_there_is_nothing_more() -> None:
    """Without a fleet the network and the clusters are the seed's alone."""
    plain = Sandbox()
    assert not {vpc.vpc_id for vpc in plain.world.network.vpcs} & set(VPCS)
    assert not any(c.display_name.startswith("fleet-") for c in plain.clusters.clusters.values())


def test_an_exclusive_cluster_has_its_own_service_and_no_prefix() -> None:
    """Names are patterns, the account sees the services with IDs of twenty characters, and users are bare."""
    sandbox = Sandbox(fleet=3, exclusive=("fleet-[12]", "reporting"))
    clusters = {c.display_name: c for c in sandbox.clusters.clusters.values()}
    own = [clusters[name] for name in ("fleet-1", "fleet-2", "reporting")]
    assert len({cluster.service_name for cluster in (*own, clusters["demo"])}) == 4
    assert clusters["fleet-3"].service_name == clusters["demo"].service_name
    for cluster in own:
        assert cluster.user_prefix == cluster.to_json()["userPrefix"] == ""
        assert len((cluster.service_name or "").rpartition("epsrv-")[2]) == 20
        assert [user.user_name for user in sandbox.clusters.list_sql_users(cluster.cluster_id)] == ["root"]
        assert any(each.service_name == cluster.service_name for each in sandbox.world.services)


def test_an_exclusive_cluster_has_to_exist() -> None:
    """A name that matches no cluster with a private endpoint service is refused."""
    with pytest.raises(ValueError, match="cluster 'nobody' with a private endpoint service does not exist"):
        Sandbox(exclusive=("nobody",))
