"""The emulated PrivateLink API, called with Alibaba Cloud's own Python SDK."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from alibabacloud_privatelink20200415 import models
from alibabacloud_tea_openapi.exceptions._client import ClientException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidb_pe_magic.sandbox.alibaba import privatelink_checks
from tidb_pe_magic.sandbox.alibaba.call_limits import CallLimits
from tidb_pe_magic.sandbox.alibaba.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alibabacloud_privatelink20200415.client import Client
    from sandbox.conftest import Cloud, StartCloud

    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

REGION = "ap-southeast-1"
PREFIX = f"com.aliyuncs.privatelink.{REGION}."
DEMO = f"{PREFIX}epsrv-t4ndemo7c1x0qk2p9s8e"
REPORTING = f"{PREFIX}epsrv-t4nreport5w8z2m6k1v0"
VPC = "vpc-t4nanalytics0k3m7x"
ZONES = {"ap-southeast-1a": "vsw-t4na1", "ap-southeast-1b": "vsw-t4nb1"}


def zone_list(zones: dict[str, str]) -> list[models.CreateVpcEndpointRequestZone]:
    """Write zones as the SDK wants them."""
    return [models.CreateVpcEndpointRequestZone(zone_id=z, v_switch_id=v) for z, v in zones.items()]


def create_request(**changes: Any) -> models.CreateVpcEndpointRequest:
    """Return a valid request to create an endpoint, with changes to it."""
    fields: dict[str, Any] = {
        "region_id": REGION,
        "vpc_id": VPC,
        "service_name": DEMO,
        "security_group_id": ["sg-t4nanalytics"],
        "zone": zone_list(ZONES),
        "endpoint_name": "tidb-pe",
    }
    return models.CreateVpcEndpointRequest(**{**fields, **changes})


def create_tag(key: str) -> models.CreateVpcEndpointRequestTag:
    """Return a tag of a creation."""
    return models.CreateVpcEndpointRequestTag(key=key, value="x")


def create(client: Client, **changes: Any) -> str:
    """Create an endpoint and return its id."""
    endpoint_id: str = client.create_vpc_endpoint(create_request(**changes)).body.endpoint_id
    return endpoint_id


def attribute(client: Client, endpoint_id: str) -> models.GetVpcEndpointAttributeResponseBody:
    """Return an endpoint's attributes."""
    return client.get_vpc_endpoint_attribute(
        models.GetVpcEndpointAttributeRequest(region_id=REGION, endpoint_id=endpoint_id)
    ).body


def zones_of(client: Client, endpoint_id: str) -> dict[str, str]:
    """Return the status of each zone of an endpoint."""
    request = models.ListVpcEndpointZonesRequest(region_id=REGION, endpoint_id=endpoint_id)
    return {zone.zone_id: zone.zone_status for zone in client.list_vpc_endpoint_zones(request).body.zones}


def remove_zone(client: Client, endpoint_id: str, zone_id: str) -> None:
    """Remove a zone."""
    client.remove_zone_from_vpc_endpoint(
        models.RemoveZoneFromVpcEndpointRequest(region_id=REGION, endpoint_id=endpoint_id, zone_id=zone_id)
    )


def delete(client: Client, endpoint_id: str) -> None:
    """Delete an endpoint."""
    client.delete_vpc_endpoint(models.DeleteVpcEndpointRequest(region_id=REGION, endpoint_id=endpoint_id))


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """Return the HTTP status and code with which a call is refused."""
    with pytest.raises(ClientException) as caught:
        call()
    data = caught.value.data
    assert {"RequestId", "HostId", "Code", "Message", "Recommend"} <= data.keys()
    return caught.value.status_code, caught.value.code


# Services


def test_a_service_is_verified_by_its_name(cloud: Cloud) -> None:
    """A visible service answers with its zones, its payer and whether it auto-accepts."""
    body = (
        cloud.client()
        .list_vpc_endpoint_services_by_end_user(
            models.ListVpcEndpointServicesByEndUserRequest(region_id=REGION, service_name=REPORTING)
        )
        .body
    )
    assert body.total_count == "1"
    (service,) = body.services
    assert service.service_name == REPORTING
    assert service.zones == ["ap-southeast-1a", "ap-southeast-1b"]
    assert service.auto_accept_enabled is False
    assert service.payer == "Endpoint"
    assert service.service_domain == "epsrv-t4nreport5w8z2m6k1v0.ap-southeast-1.privatelink.aliyuncs.com"


@pytest.mark.parametrize(
    ("region", "name"), [(REGION, f"{DEMO}x"), ("ap-southeast-5", DEMO)], ids=["typo", "other region"]
)
def test_an_invisible_service_is_an_empty_answer(cloud: Cloud, region: str, name: str) -> None:
    """A name with a typo and a service of another region both give an empty list without an error."""
    request = models.ListVpcEndpointServicesByEndUserRequest(region_id=region, service_name=name)
    body = cloud.client().list_vpc_endpoint_services_by_end_user(request).body
    assert (body.services, body.total_count) == ([], "0")


@pytest.mark.parametrize("size", [1, 3, 50])
def test_services_are_paged(cloud: Cloud, size: int) -> None:
    """Following NextToken walks every service of the region once, whatever the page size."""
    names: list[str] = []
    token = None
    while token != "":
        request = models.ListVpcEndpointServicesByEndUserRequest(
            region_id=REGION, max_results=size, next_token=token
        )
        body = cloud.client().list_vpc_endpoint_services_by_end_user(request).body
        assert len(body.services) <= size
        names += [service.service_name for service in body.services]
        token = body.next_token or ""
    expected = {s.service_name for s in cloud.world.services if s.region_id == REGION}
    assert len(names) == len(set(names))
    assert set(names) == expected


# Creation


def test_an_endpoint_is_created_and_then_connected(cloud: Cloud) -> None:
    """The answer to the creation shows the first state, the next query the last one."""
    client = cloud.client()
    created = client.create_vpc_endpoint(create_request()).body
    assert (created.endpoint_status, created.connection_status) == ("Creating", "Disconnected")
    body = attribute(client, created.endpoint_id)
    assert (body.endpoint_status, body.connection_status) == ("Active", "Connected")
    assert body.endpoint_business_status == "Normal"
    assert body.endpoint_domain == created.endpoint_domain
    assert body.endpoint_domain.startswith("127.")
    assert (body.endpoint_name, body.vpc_id, body.service_name) == ("tidb-pe", VPC, DEMO)
    assert body.payer == "Endpoint"
    assert zones_of(client, created.endpoint_id) == dict.fromkeys(ZONES, "Connected")


def test_a_client_token_makes_one_endpoint(cloud: Cloud) -> None:
    """The same token with the same parameters gives the same endpoint each time."""
    client = cloud.client()
    ids = {create(client, client_token="token-1") for _ in range(2)}
    ids.add(create(client, client_token="token-1", dry_run=False))
    assert len(ids) == 1
    assert len(cloud.world.endpoints) == 1
    assert len({call.request_id for call in cloud.calls}) == 3


def test_equal_requests_at_the_same_time_make_one_endpoint(cloud: Cloud) -> None:
    """Of simultaneous requests with one token, one creates; the others return its endpoint, or must wait."""
    client = cloud.client()
    ids: list[str] = []
    codes: list[str] = []

    def attempt() -> None:
        try:
            ids.append(create(client, client_token="race"))
        except ClientException as error:
            codes.append(error.code)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) + len(codes) == 8
    assert set(ids) == set(cloud.world.endpoints)
    assert set(codes) <= {"OperationFailed.IdempotentTokenProcessing"}


def test_a_call_in_the_midst_of_one_with_its_token_has_to_wait(cloud: Cloud) -> None:
    """A request repeated before the first one is answered is refused, and creates nothing."""
    client = cloud.client()
    refusals: list[tuple[int, str]] = []

    def observer(_: Endpoint) -> None:
        if not refusals:
            refusals.append(refusal(lambda: create(client, client_token="token-1")))

    cloud.world.subscribe(observer)
    made = create(client, client_token="token-1")
    assert refusals == [(400, "OperationFailed.IdempotentTokenProcessing")]
    assert create(client, client_token="token-1") == made
    assert set(cloud.world.endpoints) == {made}


def test_a_client_token_with_other_parameters_is_refused(cloud: Cloud) -> None:
    """A token that was used for another request is refused and changes nothing."""
    client = cloud.client()
    create(client, client_token="token-1")
    refused = refusal(lambda: create(client, client_token="token-1", endpoint_name="other"))
    assert refused == (400, "IdempotentParameterMismatch")
    assert len(cloud.world.endpoints) == 1


def test_a_failed_creation_does_not_use_up_its_token(cloud: Cloud) -> None:
    """A token of a refused request can be used for the corrected one."""
    client = cloud.client()
    refusal(lambda: create(client, client_token="token-1", vpc_id="vpc-none"))
    assert create(client, client_token="token-1") in cloud.world.endpoints


def test_a_dry_run_is_refused_with_its_own_code(cloud: Cloud) -> None:
    """A dry run that passes answers DryRunOperation, creates nothing and leaves the token unused."""
    client = cloud.client()
    refused = refusal(lambda: create(client, dry_run=True, client_token="token-1"))
    assert refused == (400, "DryRunOperation")
    assert not cloud.world.endpoints
    assert create(client, client_token="token-1") in cloud.world.endpoints


def test_a_dry_run_gives_the_errors_of_a_creation(cloud: Cloud) -> None:
    """A dry run of a request that would fail gives that request's error."""
    refused = refusal(lambda: create(cloud.client(), dry_run=True, vpc_id="vpc-none"))
    assert refused == (400, "VpcNotFound")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"region_id": None}, "MissingRegionId"),
        ({"region_id": "mars-1"}, "InvalidRegionId.NotFound"),
        ({"vpc_id": None}, "MissingVpcId"),
        ({"vpc_id": "vpc-k1ajakarta4h8n2v"}, "VpcNotFound"),
        ({"service_name": None}, "MissingParam.ServiceName"),
        ({"service_name": f"{DEMO}x"}, "EndpointServiceNotFound"),
        (
            {"service_name": "com.aliyuncs.privatelink.ap-southeast-5.epsrv-k1ajakarta3n7b5x9q2w"},
            "EndpointServiceNotFound",
        ),
        (
            {"service_name": REPORTING, "zone": zone_list({"ap-southeast-1c": "vsw-t4nc1"})},
            "EndpointServiceNotSupportedZone",
        ),
        ({"zone": zone_list({"ap-southeast-1a": "vsw-t4nb1"})}, "VSwitchNotFound"),
        ({"zone": zone_list({"ap-southeast-1a": "vsw-t4noa1"})}, "VSwitchNotFound"),
        ({"zone": zone_list({"ap-southeast-1c": "vsw-t4nc1"})}, "ResourceNotEnough.VSwitchIp"),
        ({"zone": zone_list(ZONES) + zone_list({"ap-southeast-1a": "vsw-t4na2"})}, "EndpointZoneDuplicated"),
        (
            {"zone": [zone_list({f"zone-{n}": "vsw-t4na1"})[0] for n in range(11)]},
            "QuotaExceeded.epZonePerEndpoint",
        ),
        ({"zone_private_ip_address_count": 2}, "QuotaExceeded.IpQuotaPerEp"),
        (
            {"zone": [models.CreateVpcEndpointRequestZone(zone_id="ap-southeast-1a")]},
            "MissingParam.VSwitchId",
        ),
        ({"security_group_id": ["sg-none"]}, "SecurityGroupNotFound"),
        ({"security_group_id": ["sg-t4nother"]}, "SecurityGroupNotFound"),
        (
            {"security_group_id": ["sg-t4nanalytics", "sg-t4nenterprise"]},
            "SecurityGroupTypeOnlySingleTypeSupporteded",
        ),
        ({"security_group_id": None}, "EndpointMustContainSecurityGroup"),
        ({"endpoint_name": "x"}, "IllegalParamFormat.EndpointName"),
        ({"endpoint_name": "1st"}, "IllegalParamFormat.EndpointName"),
        ({"endpoint_name": "with space"}, "IllegalParamFormat.EndpointName"),
        ({"endpoint_description": "http://somewhere"}, "IllegalParamFormat.EndpointDescription"),
        ({"endpoint_type": "Reverse"}, "Mismatch.EndpointType"),
        ({"endpoint_type": "Sideways"}, "IllegalParamFormat.EndpointType"),
        ({"tag": [create_tag("acs:owner")]}, "IllegalParamFormat.Tag.Key"),
        ({"tag": [create_tag("k" * 65)]}, "IllegalParamFormat.Tag.Key"),
        ({"tag": [create_tag("k"), create_tag("k")]}, "DuplicatedTagKey"),
        ({"client_token": "é"}, "IllegalParamFormat.ClientToken"),
        ({"client_token": "t" * 65}, "IllegalParamFormat.ClientToken"),
    ],
)
def test_a_wrong_creation_is_refused(cloud: Cloud, changes: dict[str, Any], code: str) -> None:
    """Each wrong or missing parameter of a creation has its code, with status 400, and creates nothing."""
    assert refusal(lambda: create(cloud.client(), **changes)) == (400, code)
    assert not cloud.world.endpoints


def test_a_fixed_address_must_lie_in_the_vswitch(cloud: Cloud) -> None:
    """A zone's given address is accepted if it is in the vSwitch, and refused otherwise."""
    client = cloud.client()

    def zone(address: str) -> list[models.CreateVpcEndpointRequestZone]:
        fields = {"zone_id": "ap-southeast-1a", "v_switch_id": "vsw-t4na1", "ip": address}
        return [models.CreateVpcEndpointRequestZone(**fields)]

    assert create(client, zone=zone("10.20.1.9")) in cloud.world.endpoints
    assert refusal(lambda: create(client, zone=zone("10.20.1.9"))) == (400, "EniIpUnavailable")
    assert refusal(lambda: create(client, zone=zone("10.99.1.9"))) == (400, "IllegalParamFormat.ip")
    assert refusal(lambda: create(client, zone=zone("no address"))) == (400, "IllegalParamFormat.ip")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"authorized": False}, "EndpointServiceNotAuthorized"),
        ({"zone_ids": ()}, "EndpointServiceResourceNotFound"),
        ({"status": "Pending"}, "IncorrectStatus.VpcEndpointService"),
        ({"policy_supported": False}, "OperationDenied.EndpointPolicyNotSupport"),
        (None, "EndpointServiceDeleted"),
    ],
)
def test_a_service_that_takes_no_endpoint_has_its_code(
    cloud: Cloud, changes: dict[str, Any] | None, code: str
) -> None:
    """Each problem with the service has its code, and a deleted service is remembered."""
    service_id = DEMO.removeprefix(PREFIX)
    if changes is None:
        cloud.world.remove_service(service_id)
    else:
        cloud.world.change_service(service_id, **changes)
    assert refusal(lambda: create(cloud.client(), policy_document="{}")) == (400, code)
    assert not cloud.world.endpoints


def test_an_unusable_item_of_a_vpc_has_its_code(cloud: Cloud) -> None:
    """A vSwitch in creation, and a security group of an unknown kind, are refused."""
    network = cloud.world.network
    vswitches = tuple(replace(vswitch, status="Pending") for vswitch in network.vswitches)
    cloud.world.network = replace(network, vswitches=vswitches)
    assert refusal(lambda: create(cloud.client())) == (400, "VSwitchStatusNotAllowed")
    groups = tuple(replace(group, kind="managed") for group in network.security_groups)
    cloud.world.network = replace(network, security_groups=groups)
    assert refusal(lambda: create(cloud.client())) == (400, "SecurityGroupTypeNotSupport")


def test_a_second_endpoint_can_be_refused(start_cloud: StartCloud) -> None:
    """For a service with one endpoint per VPC, the code reveals whether the first one is ready."""
    cloud = start_cloud("manual")
    cloud.world.single_endpoints = True
    client = cloud.client()
    create(client)
    assert refusal(lambda: create(client)) == (400, "EndpointDuplicated")
    cloud.world.tick()
    assert refusal(lambda: create(client)) == (400, "EndpointExist")
    assert create(client, service_name=REPORTING) in cloud.world.endpoints


def test_idle_endpoints_have_a_quota(cloud: Cloud) -> None:
    """An account may have at most ten endpoints that wait for acceptance."""
    client = cloud.client()
    for _ in range(10):
        create(client, service_name=REPORTING, zone=None)
    assert refusal(lambda: create(client)) == (400, "QuotaExceeded.totalIdleEndpoint")
    cloud.world.accept(next(iter(cloud.world.endpoints)))
    assert create(client) in cloud.world.endpoints


def test_the_endpoints_of_a_vpc_have_a_quota(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for the quota of endpoints in a VPC includes the usage."""
    monkeypatch.setattr(privatelink_checks, "_MOST_IN_VPC", 2)
    client = cloud.client()
    for _ in range(2):
        create(client, zone=None)
    with pytest.raises(ClientException, match=r"usage 2/2") as caught:
        create(client)
    assert caught.value.code == "QuotaExceeded.totalEpPerVpc"


def test_calls_can_be_limited(start_cloud: StartCloud) -> None:
    """With limits on, each region and API allows 200 changes and 1,000 lookups per minute."""
    now = [1_800_000_000.0]
    limits = CallLimits(lambda: now[0])
    for changes, most in ((True, 200), (False, 1000)):
        for _ in range(most):
            limits.spend(REGION, f"vpc:{changes}", changes=changes)
        with pytest.raises(ApiError, match=r"Throttling\.User"):
            limits.spend(REGION, f"vpc:{changes}", changes=changes)
        limits.spend("ap-southeast-5", f"vpc:{changes}", changes=changes)
    now[0] += 60
    limits.spend(REGION, "vpc:True", changes=True)
    cloud = start_cloud()
    cloud.world.limits_calls = True
    client = cloud.client()
    request = models.DeleteVpcEndpointRequest(region_id=REGION, endpoint_id="ep-none")
    codes = {refusal(lambda: client.delete_vpc_endpoint(request))[1] for _ in range(201)}
    assert codes == {"EndpointNotFound", "Throttling.User"}
    assert client.check_product_open().body.success is True


# States


def test_the_states_can_be_watched(start_cloud: StartCloud) -> None:
    """In mode manual the API shows each state that an endpoint passes through."""
    cloud = start_cloud("manual")
    client = cloud.client()
    endpoint_id = create(client)
    seen = []
    moved = True
    while moved:
        body = attribute(client, endpoint_id)
        seen.append((body.endpoint_status, body.connection_status))
        moved = cloud.world.tick()
    assert seen == [
        ("Creating", "Disconnected"),
        ("Active", "Disconnected"),
        ("Active", "Connecting"),
        ("Active", "Connected"),
    ]


def test_a_service_without_auto_accept_needs_its_owner(cloud: Cloud) -> None:
    """Without auto-accept, an endpoint is Disconnected until the service's owner accepts."""
    client = cloud.client()
    endpoint_id = create(client, service_name=REPORTING)
    assert attribute(client, endpoint_id).connection_status == "Disconnected"
    cloud.world.accept(endpoint_id)
    assert attribute(client, endpoint_id).connection_status == "Connected"


def test_changes_are_denied_while_an_operation_is_under_way(start_cloud: StartCloud) -> None:
    """An endpoint in creation, or while connecting, refuses changes with retryable codes."""
    cloud = start_cloud("manual")
    client = cloud.client()
    endpoint_id = create(client)

    def remove() -> None:
        remove_zone(client, endpoint_id, "ap-southeast-1a")

    assert refusal(remove) == (400, "EndpointOperationDenied")
    assert refusal(lambda: delete(client, endpoint_id)) == (400, "EndpointOperationDenied")
    cloud.world.tick()
    cloud.world.tick()
    assert refusal(remove) == (400, "EndpointConnectionOperationDenied")
    cloud.world.tick()
    remove()
    assert zones_of(client, endpoint_id)["ap-southeast-1a"] == "Deleting"
    assert refusal(remove) == (400, "EndpointOperationDenied")


def test_a_withdrawn_service_and_an_unpaid_bill_show(cloud: Cloud) -> None:
    """The endpoint's owner sees ServiceDeleted and FinancialLocked."""
    client = cloud.client()
    endpoint_id = create(client)
    cloud.world.set_business_status(endpoint_id, "FinancialLocked")
    cloud.world.remove_service("epsrv-t4ndemo7c1x0qk2p9s8e")
    body = attribute(client, endpoint_id)
    assert body.endpoint_business_status == "FinancialLocked"
    assert body.connection_status == "ServiceDeleted"


# Deletion


def test_zones_go_before_the_endpoint(cloud: Cloud) -> None:
    """An endpoint with zones cannot be deleted. Without them it is deleted, and then not found."""
    client = cloud.client()
    endpoint_id = create(client)
    assert refusal(lambda: delete(client, endpoint_id)) == (400, "EndpointDependenceViolation")
    for zone_id in ZONES:
        remove_zone(client, endpoint_id, zone_id)
    assert zones_of(client, endpoint_id) == {}
    gone = refusal(lambda: remove_zone(client, endpoint_id, "ap-southeast-1a"))
    assert gone == (400, "EndpointZoneNotFound")
    delete(client, endpoint_id)
    calls: list[Callable[[Client, str], object]] = [attribute, zones_of, delete]
    for call in calls:
        assert refusal(partial(call, client, endpoint_id)) == (400, "EndpointNotFound")


def test_deletion_takes_its_time(start_cloud: StartCloud) -> None:
    """A deleted endpoint is Deleting first, refuses a second deletion, and then is not found."""
    cloud = start_cloud("manual")
    client = cloud.client()
    endpoint_id = create(client, zone=None)
    while cloud.world.tick():
        pass
    delete(client, endpoint_id)
    assert attribute(client, endpoint_id).endpoint_status == "Deleting"
    assert refusal(lambda: delete(client, endpoint_id)) == (400, "EndpointOperationDenied")
    cloud.world.tick()
    assert refusal(lambda: attribute(client, endpoint_id)) == (400, "EndpointNotFound")


def test_an_endpoint_of_another_region_is_not_found(cloud: Cloud) -> None:
    """An endpoint is known in its own region only."""
    client = cloud.client()
    endpoint_id = create(client)
    request = models.GetVpcEndpointAttributeRequest(region_id="ap-southeast-5", endpoint_id=endpoint_id)
    assert refusal(lambda: client.get_vpc_endpoint_attribute(request)) == (400, "EndpointNotFound")


# Changes


def test_a_zone_is_added(cloud: Cloud) -> None:
    """A zone can be added once to an endpoint, and connects."""
    client = cloud.client()
    endpoint_id = create(client, zone=zone_list({"ap-southeast-1a": "vsw-t4na1"}))
    request = models.AddZoneToVpcEndpointRequest(
        region_id=REGION, endpoint_id=endpoint_id, zone_id="ap-southeast-1b", v_switch_id="vsw-t4nb1"
    )
    client.add_zone_to_vpc_endpoint(request)
    assert zones_of(client, endpoint_id) == dict.fromkeys(ZONES, "Connected")
    assert refusal(lambda: client.add_zone_to_vpc_endpoint(request)) == (400, "EndpointZoneDuplicated")


def test_security_groups_are_attached_and_detached(start_cloud: StartCloud) -> None:
    """A group is Attaching while the endpoint is Pending, then Attached; detaching mirrors this."""
    cloud = start_cloud("manual")
    client = cloud.client()
    endpoint_id = create(client)
    while cloud.world.tick():
        pass
    named = {"region_id": REGION, "endpoint_id": endpoint_id}
    group = {**named, "security_group_id": "sg-t4nclosed"}

    def groups() -> dict[str, str]:
        request = models.ListVpcEndpointSecurityGroupsRequest(**named)
        listed = client.list_vpc_endpoint_security_groups(request).body.security_groups
        return {item.security_group_id: item.security_group_status for item in listed}

    client.attach_security_group_to_vpc_endpoint(models.AttachSecurityGroupToVpcEndpointRequest(**group))
    assert groups() == {"sg-t4nanalytics": "Attached", "sg-t4nclosed": "Attaching"}
    assert attribute(client, endpoint_id).endpoint_status == "Pending"
    other = models.AttachSecurityGroupToVpcEndpointRequest(**{**named, "security_group_id": "sg-t4nmanaged"})
    assert refusal(lambda: client.attach_security_group_to_vpc_endpoint(other)) == (400, "EndpointLocked")
    cloud.world.tick()
    assert groups()["sg-t4nclosed"] == "Attached"
    once_more = models.AttachSecurityGroupToVpcEndpointRequest(**group)
    assert refusal(lambda: client.attach_security_group_to_vpc_endpoint(once_more)) == (
        400,
        "SecurityGroupExist",
    )
    again = models.DetachSecurityGroupFromVpcEndpointRequest(**group)
    client.detach_security_group_from_vpc_endpoint(again)
    assert groups()["sg-t4nclosed"] == "Detaching"
    cloud.world.tick()
    assert groups() == {"sg-t4nanalytics": "Attached"}
    assert refusal(lambda: client.detach_security_group_from_vpc_endpoint(again)) == (
        400,
        "SecurityGroupNotFound",
    )
    last = models.DetachSecurityGroupFromVpcEndpointRequest(
        **{**named, "security_group_id": "sg-t4nanalytics"}
    )
    assert refusal(lambda: client.detach_security_group_from_vpc_endpoint(last)) == (
        400,
        "EndpointMustContainSecurityGroup",
    )


def test_name_and_description_are_updated(cloud: Cloud) -> None:
    """An update changes the given fields and keeps the others."""
    client = cloud.client()
    endpoint_id = create(client, endpoint_description="an endpoint")
    client.update_vpc_endpoint_attribute(
        models.UpdateVpcEndpointAttributeRequest(
            region_id=REGION,
            endpoint_id=endpoint_id,
            endpoint_name="renamed",
            policy_document='{"Version": "1"}',
        )
    )
    body = attribute(client, endpoint_id)
    assert (body.endpoint_name, body.endpoint_description) == ("renamed", "an endpoint")
    assert body.policy_document == '{"Version": "1"}'
    moved = models.ChangeResourceGroupRequest(
        resource_id=endpoint_id, resource_group_id="rg-other", resource_type="vpcendpoint"
    )
    client.change_resource_group(moved)
    assert attribute(client, endpoint_id).resource_group_id == "rg-other"


def test_one_update_at_a_time_in_an_account(start_cloud: StartCloud) -> None:
    """While one endpoint is being updated, another update is refused."""
    cloud = start_cloud("manual")
    client = cloud.client()
    first, second = create(client), create(client)
    while cloud.world.tick():
        pass

    def update(endpoint_id: str) -> None:
        named = {"region_id": REGION, "endpoint_id": endpoint_id}
        client.update_vpc_endpoint_attribute(
            models.UpdateVpcEndpointAttributeRequest(**named, endpoint_name="renamed")
        )

    update(first)
    assert refusal(lambda: update(second)) == (400, "ConcurrentCallNotSupported")
    cloud.world.tick()
    update(second)


def test_tags_travel_in_a_form(cloud: Cloud) -> None:
    """Tags can be given at creation, added and removed; the SDK sends the latter in the body."""
    client = cloud.client()
    endpoint_id = create(client, tag=[models.CreateVpcEndpointRequestTag(key="owner", value="tidb_pe_magic")])
    target = {"region_id": REGION, "resource_type": "vpcendpoint", "resource_id": [endpoint_id]}

    def tags() -> dict[str, str]:
        listed = client.list_tag_resources(models.ListTagResourcesRequest(**target)).body.tag_resources
        return {tag.tag_key: tag.tag_value for tag in listed}

    assert tags() == {"owner": "tidb_pe_magic"}
    client.tag_resources(
        models.TagResourcesRequest(**target, tag=[models.TagResourcesRequestTag(key="a b+c", value="é/~*")])
    )
    assert tags() == {"owner": "tidb_pe_magic", "a b+c": "é/~*"}
    client.untag_resources(models.UntagResourcesRequest(**target, tag_key=["owner"]))
    assert tags() == {"a b+c": "é/~*"}
    client.untag_resources(models.UntagResourcesRequest(**target, all=True))
    assert tags() == {}
    many = [models.TagResourcesRequestTag(key=f"k{n}", value="x") for n in range(11)]
    client.tag_resources(models.TagResourcesRequest(**target, tag=many))
    more = [models.TagResourcesRequestTag(key=f"more{n}", value="x") for n in range(10)]
    assert refusal(lambda: client.tag_resources(models.TagResourcesRequest(**target, tag=more))) == (
        400,
        "QuotaExceed.TagsPerResource",
    )
    nobody = models.TagResourcesRequest(**{**target, "resource_id": ["ep-none"]}, tag=more)
    assert refusal(lambda: client.tag_resources(nobody)) == (400, "InvalidResourceId.NotFound")


# Lists


def test_endpoints_are_found_by_every_filter(cloud: Cloud) -> None:
    """Each filter of the list finds exactly the matching endpoint."""
    client = cloud.client()
    wanted = create(client, tag=[models.CreateVpcEndpointRequestTag(key="owner", value="us")])
    other = create(
        client,
        endpoint_name="other",
        service_name=REPORTING,
        vpc_id="vpc-t4nother5d9r1z",
        zone=None,
        security_group_id=["sg-t4nother"],
    )
    filters: list[dict[str, Any]] = [
        {"endpoint_id": wanted},
        {"endpoint_name": "tidb-pe"},
        {"connection_status": "Connected"},
        {"service_name": DEMO},
        {"vpc_id": VPC},
        {"service_name": DEMO, "vpc_id": VPC, "endpoint_status": "Active"},
        {"tag": [models.ListVpcEndpointsRequestTag(key="owner", value="us")]},
        {"tag": [models.ListVpcEndpointsRequestTag(key="owner")]},
    ]

    def found(**fields: Any) -> list[str]:
        request = models.ListVpcEndpointsRequest(region_id=REGION, **fields)
        body = client.list_vpc_endpoints(request).body
        assert body.total_count == len(body.endpoints)
        return [endpoint.endpoint_id for endpoint in body.endpoints]

    assert found() == [wanted, other]
    for fields in filters:
        assert found(**fields) == [wanted], fields
    assert found(tag=[models.ListVpcEndpointsRequestTag(key="owner", value="them")]) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 8))
def test_any_page_size_lists_each_endpoint_once(cloud: Cloud, size: int) -> None:
    """Following NextToken lists every endpoint once, whatever the page size."""
    client = cloud.client()
    while len(cloud.world.endpoints) < 7:
        create(client, zone=None)
    seen: list[str] = []
    token = None
    while token != "":
        body = client.list_vpc_endpoints(
            models.ListVpcEndpointsRequest(region_id=REGION, max_results=size, next_token=token)
        ).body
        seen += [endpoint.endpoint_id for endpoint in body.endpoints]
        token = body.next_token or ""
    assert seen == list(cloud.world.endpoints)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"max_results": 0}, "MaxResults"),
        ({"max_results": 1001}, "MaxResults"),
        ({"next_token": "!"}, "NextToken"),
    ],
)
def test_a_page_out_of_bounds_is_refused(cloud: Cloud, changes: dict[str, Any], name: str) -> None:
    """A page size outside the documented bounds and an invented token are refused."""
    request = models.ListVpcEndpointsRequest(region_id=REGION, **changes)
    refused = refusal(lambda: cloud.client().list_vpc_endpoints(request))
    assert refused == (400, f"IllegalParamFormat.{name}")


# The product


def test_an_account_without_the_product_is_reported(cloud: Cloud) -> None:
    """CheckProductOpen succeeds, and without the activated product every call reports it."""
    client = cloud.client()
    assert client.check_product_open().body.success is True
    cloud.world.product_open = False
    assert refusal(client.check_product_open) == (400, "NeedOpenProduct")
    assert refusal(lambda: create(client)) == (400, "NeedOpenProduct")


def test_regions_and_zones_are_listed(cloud: Cloud) -> None:
    """Regions and their zones come as the doubly nested lists of the API."""
    client = cloud.client()
    regions = client.describe_regions(models.DescribeRegionsRequest()).body.regions.region
    assert [region.region_id for region in regions] == [REGION, "ap-southeast-5"]
    zones = client.describe_zones(models.DescribeZonesRequest(region_id="ap-southeast-5")).body.zones.zone
    assert [zone.zone_id for zone in zones] == ["ap-southeast-5a", "ap-southeast-5b"]


def test_an_unknown_action_is_not_found(cloud: Cloud) -> None:
    """An unsupported action answers InvalidAction.NotFound with status 404."""
    request = models.EnableVpcEndpointConnectionRequest(region_id=REGION)
    refused = refusal(lambda: cloud.client().enable_vpc_endpoint_connection(request))
    assert refused == (404, "InvalidAction.NotFound")


def test_the_asynchronous_sdk_works(cloud: Cloud) -> None:
    """The SDK's asynchronous calls, which add an unsigned header, are served too."""
    client = cloud.client()
    endpoint_id = create(client)
    request = models.GetVpcEndpointAttributeRequest(region_id=REGION, endpoint_id=endpoint_id)
    body = asyncio.run(client.get_vpc_endpoint_attribute_async(request)).body
    assert body.connection_status == "Connected"


def test_each_call_is_recorded_without_secrets(cloud: Cloud) -> None:
    """The application records requests and answers, without any part of the key."""
    client = cloud.client()
    endpoint_id = create(client)
    refusal(lambda: delete(client, endpoint_id))
    created, deleted = cloud.calls
    assert (created.operation, created.status, created.code) == ("CreateVpcEndpoint", 200, "")
    assert created.params["Zone.1.VSwitchId"] == "vsw-t4na1"
    assert (deleted.operation, deleted.status) == ("DeleteVpcEndpoint", 400)
    assert deleted.code == "EndpointDependenceViolation"
    assert "a-secret-of-thirty" not in repr(list(cloud.calls)) + str(cloud.calls)


def test_group_and_policy_are_stored(cloud: Cloud) -> None:
    """An endpoint has its resource group and policy from the creation, in either answer."""
    client = cloud.client()
    policy = '{"Version":"1","Statement":[]}'
    given = attribute(client, create(client, resource_group_id="rg-1", policy_document=policy))
    assert (given.resource_group_id, given.policy_document) == ("rg-1", policy)
    listed = client.list_vpc_endpoints(models.ListVpcEndpointsRequest(region_id=REGION)).body.endpoints[0]
    assert (listed.resource_group_id, listed.policy_document) == ("rg-1", policy)


def test_without_a_group_there_is_the_accounts_own(cloud: Cloud) -> None:
    """Every endpoint has a resource group; only one created with a policy answers with a policy."""
    client = cloud.client()
    plain = attribute(client, create(client))
    assert plain.resource_group_id.startswith("rg-")
    assert plain.policy_document is None
