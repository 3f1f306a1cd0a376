"""The Alibaba Cloud client against the emulated cloud, which verifies its signatures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.secrets_in_traceback import holders

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import ApiError, AuthenticationFailed, Conflict, NotFound
from tidb_pe_magic.model import EndpointAttributes, EndpointTag, EndpointZone, VerifiedService
from tidb_pe_magic.runtime.journal import new_token

if TYPE_CHECKING:
    from typing import Any

    from clouds.servers import Cloud

    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.model import VpcEndpoint

REGION = "ap-southeast-1"
KEY = Key("LTAI5tSandboxKey", Secret("hunter2-alibaba-secret"))
DEMO = f"com.aliyuncs.privatelink.{REGION}.epsrv-t4ndemo7c1x0qk2p9s8e"
PARTNER = f"com.aliyuncs.privatelink.{REGION}.epsrv-t4npartner4r6b9y2h5j"
VPC = "vpc-t4nanalytics0k3m7x"
ZONES = (
    EndpointZone(zone_id="ap-southeast-1a", vswitch_id="vsw-t4na1"),
    EndpointZone(zone_id="ap-southeast-1b", vswitch_id="vsw-t4nb1"),
)


def create(alibaba: Alibaba, **changes: Any) -> VpcEndpoint | None:
    """Create an endpoint with changes to the default parameters."""
    wanted: dict[str, Any] = {
        "service_name": DEMO,
        "vpc_id": VPC,
        "zones": ZONES,
        "security_group_ids": ("sg-t4nanalytics",),
        "name": "tidb-pe",
        "client_token": "token-1",
    }
    return alibaba.create_endpoint(**{**wanted, **changes})


def created(cloud: Cloud, **changes: Any) -> VpcEndpoint:
    """Create an endpoint that is Active and Connected."""
    endpoint = create(cloud.alibaba, **changes)
    assert endpoint is not None
    while cloud.world.tick():
        pass
    return endpoint


def test_the_service_is_seen_as_the_endpoints_owner_sees_it(cloud: Cloud) -> None:
    """Verify returns the service's ID, zones, auto-accept and payer, as the endpoint's owner sees them."""
    assert cloud.alibaba.service(DEMO) == VerifiedService(
        service_name=DEMO,
        service_id="epsrv-t4ndemo7c1x0qk2p9s8e",
        region_id=REGION,
        zones=("ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c"),
        auto_accept=True,
        payer="Endpoint",
    )


@pytest.mark.parametrize("name", [DEMO[:-1], f"{DEMO}x", "com.aliyuncs.privatelink.nowhere.epsrv-x"])
def test_a_service_that_is_not_visible_is_none(cloud: Cloud, name: str) -> None:
    """A service with a similar name is not a match."""
    assert cloud.alibaba.service(name) is None


def test_a_created_endpoint_matches_the_request_and_has_the_tag(cloud: Cloud) -> None:
    """The answer and a later lookup agree, and the created endpoint carries the product's tag."""
    endpoint = create(cloud.alibaba)
    assert endpoint is not None
    assert endpoint.endpoint_id.startswith("ep-")
    assert endpoint.domain
    assert endpoint.ours
    assert not endpoint.ready
    [listed] = cloud.alibaba.endpoints(service_name=DEMO, vpc_id=VPC)
    seen = replace(
        listed,
        zones=cloud.alibaba.zones(listed.endpoint_id),
        security_group_ids=cloud.alibaba.endpoint_security_groups(listed.endpoint_id),
    )
    assert {zone.zone_id: zone.vswitch_id for zone in seen.zones} == {z.zone_id: z.vswitch_id for z in ZONES}
    assert all(zone.eni_ip and zone.status for zone in seen.zones)
    created_zones = replace(seen, zones=ZONES, created=endpoint.created)
    assert created_zones == endpoint


def test_an_endpoint_becomes_ready(cloud: Cloud) -> None:
    """A refreshed endpoint has the cloud's states, and keeps tag, zones and groups."""
    endpoint = created(cloud)
    now = cloud.alibaba.refresh(endpoint)
    assert now.ready
    assert (now.ours, now.zones, now.security_group_ids) == (True, ZONES, ("sg-t4nanalytics",))


def test_a_dry_run_makes_nothing(cloud: Cloud) -> None:
    """The API's error for a passed dry run counts as a success, and nothing is created."""
    assert create(cloud.alibaba, dry_run=True) is None
    assert dict(cloud.world.endpoints) == {}
    assert [call.code for call in cloud.calls] == ["DryRunOperation"]


def test_a_dry_run_that_fails_is_an_error(cloud: Cloud) -> None:
    """The dry run refuses whatever creation would refuse."""
    with pytest.raises(NotFound) as caught:
        create(cloud.alibaba, dry_run=True, service_name=DEMO[:-1])
    assert caught.value.operation == "CreateVpcEndpoint"
    assert caught.value.code == "EndpointServiceNotFound"
    assert caught.value.request_id == cloud.calls[-1].request_id


def test_the_same_token_makes_one_endpoint(cloud: Cloud) -> None:
    """A repeated create with the same token returns the same endpoint; another token creates another one."""
    first, again = create(cloud.alibaba), create(cloud.client())
    assert first == again
    assert len(cloud.world.endpoints) == 1
    other = create(cloud.alibaba, client_token="token-2")
    assert other is not None
    assert first is not None
    assert other.endpoint_id != first.endpoint_id


def test_endpoints_are_found_by_service_network_and_id(cloud: Cloud) -> None:
    """Each filter, or none, returns exactly the matching endpoints."""
    demo = created(cloud)
    partner = created(cloud, service_name=PARTNER, client_token="token-2", zones=ZONES[:1])
    found = {
        "all": cloud.alibaba.endpoints(),
        "service": cloud.alibaba.endpoints(service_name=DEMO),
        "vpc": cloud.alibaba.endpoints(vpc_id="vpc-t4nother5d9r1z"),
        "id": cloud.alibaba.endpoints(endpoint_id=partner.endpoint_id),
    }
    ids = {name: {endpoint.endpoint_id for endpoint in endpoints} for name, endpoints in found.items()}
    assert ids == {
        "all": {demo.endpoint_id, partner.endpoint_id},
        "service": {demo.endpoint_id},
        "vpc": set(),
        "id": {partner.endpoint_id},
    }


def test_an_endpoint_without_our_tag_is_not_ours(cloud: Cloud) -> None:
    """An endpoint without a tag, or with another owner's tag, is not the product's."""
    endpoint = created(cloud)
    for tags in ({}, {"created-by": "someone"}, {"owner": "tidb_pe_magic"}):
        cloud.world.set_tags(endpoint.endpoint_id, tags)
        [found] = cloud.alibaba.endpoints(endpoint_id=endpoint.endpoint_id)
        assert not found.ours


def test_many_endpoints_are_listed_page_by_page(cloud: Cloud) -> None:
    """A list of several pages returns every endpoint once."""
    [service] = [service for service in cloud.world.services if service.service_name == PARTNER]
    made = {
        cloud.world.create_endpoint(service=service, vpc_id=VPC, zones=()).endpoint_id for _ in range(1020)
    }
    found = [endpoint.endpoint_id for endpoint in cloud.alibaba.endpoints(service_name=PARTNER)]
    assert len(found) == len(made)
    assert set(found) == made
    assert len(cloud.calls) == 2


def test_deletion_takes_zones_first(cloud: Cloud) -> None:
    """An endpoint with zones is a conflict. Without them it is deleted, and then not found."""
    endpoint = created(cloud)
    with pytest.raises(Conflict) as caught:
        cloud.alibaba.delete_endpoint(endpoint.endpoint_id, client_token=new_token())
    assert caught.value.code == "EndpointDependenceViolation"
    for zone in ZONES:
        cloud.alibaba.remove_zone(endpoint.endpoint_id, zone.zone_id, client_token=new_token())
        while cloud.world.tick():
            pass
    with pytest.raises(NotFound):
        cloud.alibaba.remove_zone(endpoint.endpoint_id, ZONES[0].zone_id, client_token=new_token())
    assert cloud.alibaba.zones(endpoint.endpoint_id) == ()
    cloud.alibaba.delete_endpoint(endpoint.endpoint_id, client_token=new_token())
    while cloud.world.tick():
        pass
    for look in (cloud.alibaba.endpoint, cloud.alibaba.zones, cloud.alibaba.endpoint_security_groups):
        with pytest.raises(NotFound) as gone:
            look(endpoint.endpoint_id)
        assert gone.value.code == "EndpointNotFound"


def test_networks_are_listed_with_what_is_in_them(cloud: Cloud) -> None:
    """Each vSwitch and security group of the region names its VPC."""
    vpcs = {vpc.vpc_id: vpc for vpc in cloud.alibaba.vpcs()}
    assert set(vpcs) == {VPC, "vpc-t4nlegacy8p2q6w", "vpc-t4nother5d9r1z"}
    analytics = vpcs[VPC]
    assert (analytics.name, analytics.cidr_block, analytics.status) == (
        "analytics",
        "10.20.0.0/16",
        "Available",
    )
    assert analytics.region_id == REGION
    free = {v.vswitch_id: v.available_ip_count for v in cloud.alibaba.vswitches() if v.vpc_id == VPC}
    assert free == {"vsw-t4na1": 240, "vsw-t4na2": 12, "vsw-t4nb1": 251, "vsw-t4nc1": 0}
    groups = cloud.alibaba.security_groups()
    managed = {group.security_group_id: group.service_managed for group in groups if group.vpc_id == VPC}
    assert managed == {
        "sg-t4nanalytics": False,
        "sg-t4nclosed": False,
        "sg-t4nenterprise": False,
        "sg-t4nmanaged": True,
    }
    assert {group.vpc_id for group in groups} == set(vpcs)


def test_another_region_has_its_own_networks(cloud: Cloud) -> None:
    """A client sees only the networks of its region."""
    assert [vpc.vpc_id for vpc in cloud.client(region_id="ap-southeast-5").vpcs()] == ["vpc-k1ajakarta4h8n2v"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (Key(KEY.public, Secret("hunter2-wrong")), "SignatureDoesNotMatch"),
        (Key("LTAI-unknown", Secret("hunter2-unknown")), "InvalidAccessKeyId.NotFound"),
    ],
)
def test_a_wrong_key_is_refused_and_not_shown(cloud: Cloud, key: Key, code: str) -> None:
    """PrivateLink and the lookups give the same error for a wrong key, without the secret."""
    alibaba = cloud.client(key)
    for look in (alibaba.endpoints, alibaba.vpcs):
        with pytest.raises(AuthenticationFailed) as caught:
            look()
        assert caught.value.code == code
        assert caught.value.commands == (Suggestion("whoami"),)
        assert holders(caught.value, "hunter2") == []


def test_an_account_without_privatelink_gets_advice_to_activate_it(cloud: Cloud) -> None:
    """An account without PrivateLink gets the name of the console to activate it."""
    cloud.world.product_open = False
    with pytest.raises(ApiError, match=r"NeedOpenProduct.*Activate PrivateLink in the Alibaba Cloud console"):
        create(cloud.alibaba)
    assert cloud.alibaba.product_open() is False


def test_an_unknown_region_is_an_error_of_the_api(cloud: Cloud) -> None:
    """The cloud refuses an unknown region with its own code."""
    with pytest.raises(ApiError, match=r"InvalidRegionId\.NotFound"):
        cloud.client(region_id="nowhere-1").vpcs()


def test_an_endpoint_has_its_attributes_and_tags(cloud: Cloud) -> None:
    """Both operations return their part: the attributes with the payer, or the tags.

    The other part is None.
    """
    endpoint = created(cloud)
    asked = cloud.alibaba.endpoint(endpoint.endpoint_id)
    assert asked.attributes == EndpointAttributes(
        service_id="epsrv-t4ndemo7c1x0qk2p9s8e",
        service_region_id=REGION,
        description="",
        endpoint_type="Interface",
        payer="Endpoint",
        resource_group_id="rg-acfmsandbox0000",
        address_version="IPv4",
        bandwidth=1024,
        zone_private_ip_address_count=1,
        protected_enabled=False,
        resource_owner=False,
        zone_affinity_enabled=False,
    )
    (listed,) = cloud.alibaba.endpoints(endpoint_id=endpoint.endpoint_id)
    untold = {"payer": None, "zone_private_ip_address_count": None}
    assert listed.attributes == replace(asked.attributes, **untold)
    assert listed.tags == (EndpointTag(key="created-by", value="tidb_pe_magic"),)
    assert asked.tags == ()
    assert cloud.alibaba.refresh(listed).tags == listed.tags
