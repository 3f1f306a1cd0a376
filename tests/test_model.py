"""The model's objects and their derived properties."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic import model
from tidb_pe_magic.model import (
    Cluster,
    Clusters,
    Connection,
    ConnectionStatus,
    EndpointPlan,
    Endpoints,
    EndpointService,
    EndpointStatus,
    EndpointZone,
    Networks,
    SecurityGroup,
    TlsReport,
    VerifiedService,
    Vpc,
    VpcEndpoint,
    VSwitch,
)

SERVICE = EndpointService(service_name="svc", zones=("z-a", "z-b"), region_id="r", port=4000)
CLUSTER = Cluster(
    cluster_id="1",
    display_name="demo",
    provider="alicloud",
    region_id="r",
    plan="STARTER",
    state="ACTIVE",
    user_prefix="p",
    service=SERVICE,
)
VSWITCH = VSwitch(
    vswitch_id="vsw-1",
    name="",
    zone_id="z-a",
    vpc_id="vpc-1",
    cidr_block="10.0.0.0/24",
    available_ip_count=5,
    status="Available",
)
GROUP = SecurityGroup(security_group_id="sg-1", name="", vpc_id="vpc-1", group_type="normal")
VPC = Vpc(
    vpc_id="vpc-1",
    name="main",
    region_id="r",
    cidr_block="10.0.0.0/16",
    status="Available",
    vswitches=(VSWITCH,),
    security_groups=(GROUP,),
)
ENDPOINT = VpcEndpoint(
    endpoint_id="ep-1",
    name="n",
    service_name="svc",
    vpc_id="vpc-1",
    region_id="r",
    domain="d",
    endpoint_status="Active",
    connection_status="Connected",
)
VERIFIED = VerifiedService(
    service_name="svc",
    service_id="epsrv-1",
    region_id="r",
    zones=("z-a", "z-b"),
    auto_accept=True,
    payer="Endpoint",
)

CLASSES = [kind for _, kind in inspect.getmembers(model, dataclasses.is_dataclass)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_model_class_is_frozen_and_takes_keywords_only(kind: type) -> None:
    """Results are immutable, so that they can be shared, and their fields are keyword-only."""
    assert vars(kind)["__dataclass_params__"].frozen
    kinds = {parameter.kind for parameter in inspect.signature(kind).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_a_result_cannot_be_changed() -> None:
    """Assigning to a field of a result fails."""
    with pytest.raises(FrozenInstanceError):
        CLUSTER.state = "PAUSED"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"provider": "aws"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"plan": "PREMIUM"}, "plan"),
        ({"plan": ""}, "plan"),
        ({"state": "PAUSED"}, "state"),
        ({"state": ""}, "state"),
        ({"service": None}, "service"),
        # Of several restrictions, the first in the tutorial's order is named.
        ({"provider": "aws", "plan": "PREMIUM", "state": "PAUSED", "service": None}, "provider"),
        ({"plan": "PREMIUM", "state": "PAUSED", "service": None}, "plan"),
        ({"state": "PAUSED", "service": None}, "state"),
    ],
)
def test_a_cluster_names_the_first_restriction_that_it_meets(changes: dict[str, Any], name: str) -> None:
    """Provider, plan, state and private service are checked in this order, with the cluster's name."""
    restriction = replace(CLUSTER, **changes).restriction
    assert restriction is not None
    assert restriction.name == name
    assert "demo" in restriction.reason
    assert "  " not in restriction.reason


@pytest.mark.parametrize("plan", ["STARTER", "ESSENTIAL"])
def test_an_active_starter_or_essential_cluster_has_no_restriction(plan: str) -> None:
    """Both plans of the tutorial are usable."""
    assert replace(CLUSTER, plan=plan).restriction is None


@given(
    st.sampled_from(["", "Active", "active", "Frozen", *EndpointStatus]),
    st.sampled_from(["", "Connected", "connected", "Thawing", *ConnectionStatus]),
)
def test_only_active_and_connected_is_ready(endpoint: str, connection: str) -> None:
    """No other pair of states, known or not, counts as ready."""
    seen = replace(ENDPOINT, endpoint_status=endpoint, connection_status=connection)
    assert seen.ready == (endpoint == "Active" and connection == "Connected")


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({}, ""),
        ({"status": "Pending"}, "status Pending"),
        ({"available_ip_count": 0}, "no free address"),
        ({"zone_id": "z-x"}, "the service is not in this zone"),
    ],
)
def test_a_vswitch_names_its_obstacle(changes: dict[str, Any], obstacle: str) -> None:
    """A vSwitch needs a zone of the service, the status Available and a free address."""
    networks = Networks(cluster=CLUSTER, vpcs=())
    assert networks.vswitch_obstacle(replace(VSWITCH, **changes)) == obstacle


@pytest.mark.parametrize(
    ("vpc", "obstacle"),
    [
        (VPC, ""),
        (replace(VPC, status="Pending"), "status Pending"),
        (replace(VPC, vswitches=()), "no vSwitch"),
        (replace(VPC, security_groups=()), "no security group"),
        (replace(VPC, security_groups=(replace(GROUP, service_managed=True),)), "no security group"),
        (
            replace(VPC, vswitches=(replace(VSWITCH, available_ip_count=0),)),
            "no usable vSwitch: vsw-1 (no free address)",
        ),
        # One usable vSwitch is enough.
        (replace(VPC, vswitches=(replace(VSWITCH, available_ip_count=0), VSWITCH)), ""),
    ],
)
def test_a_vpc_names_its_obstacle(vpc: Vpc, obstacle: str) -> None:
    """A VPC is usable if it has a usable vSwitch and a security group that a user can attach."""
    networks = Networks(cluster=CLUSTER, vpcs=(vpc,))
    assert networks.vpc_obstacle(vpc) == obstacle
    assert networks.usable_vpcs() == (() if obstacle else (vpc,))


def test_without_a_service_no_vpc_is_usable() -> None:
    """A cluster without a private service has no zones, and so no usable VPC."""
    networks = Networks(cluster=replace(CLUSTER, service=None), vpcs=(VPC,))
    assert networks.zones == ()
    assert networks.usable_vpcs() == ()


@pytest.mark.parametrize(
    ("existing", "payer", "billed"),
    [(None, "Endpoint", 2), (None, "EndpointService", 0), (ENDPOINT, "Endpoint", 0)],
)
def test_only_a_new_endpoint_that_its_owner_pays_is_billed(
    existing: VpcEndpoint | None, payer: str, billed: int
) -> None:
    """Adopting adds no zone, and a service whose owner pays costs nothing here."""
    plan = EndpointPlan(
        cluster=CLUSTER,
        service=replace(VERIFIED, payer=payer),
        vpc=VPC,
        zones=(
            EndpointZone(zone_id="z-a", vswitch_id="vsw-1"),
            EndpointZone(zone_id="z-b", vswitch_id="vsw-2"),
        ),
        security_group_ids=("sg-1",),
        name="n",
        existing=existing,
    )
    assert plan.billed_zones == billed


def test_lists_can_be_counted_and_iterated() -> None:
    """Clusters and Endpoints are usable as collections."""
    assert list(Clusters(items=(CLUSTER,))) == [CLUSTER]
    assert len(Clusters(items=())) == 0
    endpoints = Endpoints(cluster=CLUSTER, region_id=CLUSTER.region_id, items=(ENDPOINT, ENDPOINT))
    assert (len(endpoints), list(endpoints)) == (2, [ENDPOINT, ENDPOINT])


def test_the_api_host_in_use_is_not_part_of_a_results_value() -> None:
    """The API host in use affects neither equality nor the repr of a result."""
    elsewhere = replace(CLUSTER, via=("http://127.0.0.1:1",))
    assert elsewhere == CLUSTER
    assert repr(elsewhere) == repr(CLUSTER)


def test_a_connection_does_not_show_its_engine() -> None:
    """An engine knows the login, so the repr omits it."""
    connection = Connection(
        alias="tidb",
        cluster=CLUSTER,
        endpoint_id="ep-1",
        host="h",
        port=4000,
        user="p.root",
        database="",
        server_version="8",
        tls=TlsReport(encrypted=False, verified_name="", description=""),
        password_source="prompt",
        registered=False,
        engine="an engine",  # type: ignore[arg-type]
    )
    assert "an engine" not in repr(connection)


def test_states_compare_with_the_clouds_spelling() -> None:
    """The enums use the cloud's own spelling, so that a plain string equals its member."""
    assert {str(status) for status in EndpointStatus} == {"Creating", "Active", "Pending", "Deleting"}
    assert "ServiceDeleted" in set(ConnectionStatus)


def test_a_change_of_state_is_recorded_once() -> None:
    """Of a wait's events, only those with new states are changes, with their seconds."""
    endpoint = VpcEndpoint(
        endpoint_id="ep-1",
        name="",
        service_name="svc",
        vpc_id="vpc-1",
        region_id="r",
        domain="",
        endpoint_status="Creating",
        connection_status="Disconnected",
    )
    active = replace(endpoint, endpoint_status="Active")
    changes: tuple[model.StateChange, ...] = ()
    for elapsed, seen in enumerate([endpoint, endpoint, active, active, None]):
        observed = model.EndpointObserved(endpoint=seen, elapsed=elapsed, waiting_for="")
        changes = model.changes_with(changes, observed)
        changes = model.changes_with(changes, model.ObservationFailed(error="", elapsed=elapsed))
    assert [(c.elapsed, c.endpoint_status, c.connection_status) for c in changes] == [
        (0, "Creating", "Disconnected"),
        (2, "Active", "Disconnected"),
        (4, "gone", "gone"),
    ]
