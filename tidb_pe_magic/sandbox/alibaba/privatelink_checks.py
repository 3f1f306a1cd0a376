"""PrivateLink 2020-04-15: the checks before an endpoint is changed."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba.privatelink_queries import check_resource_type, find_endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.sandbox.alibaba.call import Call
    from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService, SecurityGroup, VSwitch
    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint, World

# Quotas, by "Quotas and limits" and "Billing" of the PrivateLink documentation.
MOST_ZONES, ZONE_QUOTA = 10, "epZonePerEndpoint"
_MOST_IN_VPC, _MOST_IDLE = 1000, 10
_MOST_RECORDS = 100
_MOST_TAGS = 20
_MOST_TAGGED = 50

#: 2 to 128 characters; a letter or a Chinese character first.
_NAME = re.compile(r"[A-Za-z\u4e00-\u9fff][A-Za-z0-9_\u4e00-\u9fff-]{1,127}")
_DESCRIPTION = re.compile(r"(?!https?://).{2,256}", re.DOTALL)
_TAG_KEY = re.compile(r"(?!aliyun|acs:)(?!.*https?://).{1,64}", re.DOTALL)
_TAG_VALUE = re.compile(r"(?!.*https?://).{0,128}", re.DOTALL)

_TYPES = frozenset({"Interface", "Reverse", "GatewayLoadBalancer"})


def check_not_changing(endpoint: Endpoint) -> None:
    """Refuse while the endpoint is being created, changed or deleted."""
    if endpoint.endpoint_status != "Active":
        raise errors.ApiError(errors.OPERATION_DENIED)


def check_not_locked(endpoint: Endpoint) -> None:
    """Refuse to attach or detach a group while the endpoint is being changed, which locks it [GUESS]."""
    if endpoint.endpoint_status == "Pending":
        raise errors.ApiError(errors.ENDPOINT_LOCKED)
    check_not_changing(endpoint)


def check_type(parameters: Parameters) -> None:
    """Refuse another type than the service's; all services of the sandbox are Interface."""
    kind = parameters.text("EndpointType") or "Interface"
    if kind not in _TYPES:
        raise parameters.wrong("EndpointType")
    if kind != "Interface":
        raise errors.ApiError(errors.ENDPOINT_TYPE_MISMATCH)


def check_policy(parameters: Parameters, service: EndpointService) -> None:
    """Refuse a policy document if the service does not support one."""
    if parameters.text("PolicyDocument") and not service.policy_supported:
        raise errors.ApiError(errors.POLICY_NOT_SUPPORTED)


def check_quotas(parameters: Parameters, world: World, vpc_id: str, service: EndpointService) -> None:
    """Refuse to exceed the account's quotas, and a second endpoint if it is not allowed."""
    addresses = parameters.integer("ZonePrivateIpAddressCount", default=1, low=1, high=10)
    if addresses > 1:
        raise errors.ApiError(errors.over_quota("IpQuotaPerEp", addresses, 1))
    here = [each for each in world.endpoints.values() if each.vpc_id == vpc_id]
    if len(here) >= _MOST_IN_VPC:
        raise errors.ApiError(errors.over_quota("totalEpPerVpc", len(here), _MOST_IN_VPC))
    idle = sum(each.idle for each in world.endpoints.values())
    if idle >= _MOST_IDLE:
        raise errors.ApiError(errors.over_quota("totalIdleEndpoint", idle, _MOST_IDLE))
    same = [each for each in here if each.service.service_id == service.service_id]
    if world.single_endpoints and same:
        settled = same[0].endpoint_status == "Active"
        raise errors.ApiError(errors.ENDPOINT_EXISTS if settled else errors.ENDPOINT_DUPLICATED)


def settled_endpoint(call: Call) -> Endpoint:
    """Return the endpoint, which must not have a transition in progress."""
    endpoint = find_endpoint(call)
    check_not_changing(endpoint)
    moving = {"Connecting", "Disconnecting"}
    if endpoint.connection_status in moving or any(z.zone_status in moving for z in endpoint.zones):
        raise errors.ApiError(errors.CONNECTION_OPERATION_DENIED)
    if endpoint.zone_in_progress:
        raise errors.ApiError(errors.OPERATION_DENIED)
    return endpoint


def service(call: Call, region_id: str) -> EndpointService:
    """Return the named service, which must accept endpoints of this account."""
    name, service_id = call.parameters.text("ServiceName"), call.parameters.text("ServiceId")
    if not name and not service_id:
        raise errors.ApiError(errors.missing_part("ServiceName"))

    def named(service: EndpointService) -> bool:
        same = name in {"", service.service_name} and service_id in {"", service.service_id}
        return same and service.region_id == region_id

    if any(map(named, call.world.deleted_services)):
        raise errors.ApiError(errors.SERVICE_DELETED)
    service = next(filter(named, call.world.every_service), None)
    if service is None:
        raise errors.ApiError(errors.SERVICE_NOT_FOUND)
    if not service.authorized:
        raise errors.ApiError(errors.SERVICE_NOT_AUTHORIZED)
    if service.status != "Active":
        raise errors.ApiError(errors.SERVICE_STATUS)
    if not service.zone_ids:
        raise errors.ApiError(errors.SERVICE_WITHOUT_RESOURCE)
    return service


def zones(call: Call, service: EndpointService, vpc_id: str) -> list[tuple[str, str, str]]:
    """Return zone, vSwitch and fixed address of each requested network interface."""
    records = call.parameters.records("Zone", most=_MOST_RECORDS)
    zone_ids = [record.text("ZoneId") for record in records]
    if len(set(zone_ids)) < len(zone_ids):
        raise errors.ApiError(errors.ZONE_TWICE)
    if len(records) > MOST_ZONES:
        raise errors.ApiError(errors.over_quota(ZONE_QUOTA, len(records), MOST_ZONES))
    return [zone(call, record, service, vpc_id) for record in records]


def zone(call: Call, record: Parameters, service: EndpointService, vpc_id: str) -> tuple[str, str, str]:
    """Return zone, vSwitch and fixed address (empty: any) of a network interface that can be created."""
    zone_id, vswitch_id = record.text("ZoneId"), record.text("VSwitchId")
    for name, value in (("ZoneId", zone_id), ("VSwitchId", vswitch_id)):
        if not value:
            raise errors.ApiError(errors.missing_part(name))
    if zone_id not in service.zone_ids:
        raise errors.ApiError(errors.ZONE_NOT_SUPPORTED)
    vswitches = {v.vswitch_id: v for v in call.world.network.vswitches if v.vpc_id == vpc_id}
    vswitch = vswitches.get(vswitch_id)
    # The table has no code for a vSwitch of another zone [GUESS].
    if vswitch is None or vswitch.zone_id != zone_id:
        raise errors.ApiError(errors.VSWITCH_NOT_FOUND)
    if vswitch.status != "Available":
        raise errors.ApiError(errors.VSWITCH_STATUS)
    if call.world.free_addresses(vswitch_id) < 1:
        raise errors.ApiError(errors.ADDRESSES_NOT_ENOUGH)
    return zone_id, vswitch_id, _fixed_address(call, record, vswitch)


def _fixed_address(call: Call, record: Parameters, vswitch: VSwitch) -> str:
    fixed = record.text("ip")
    if not fixed:
        return ""
    try:
        inside = ipaddress.IPv4Address(fixed) in ipaddress.IPv4Network(vswitch.cidr_block)
    except ipaddress.AddressValueError:
        raise record.wrong("ip") from None
    if not inside:
        raise record.wrong("ip", "It must be an address of the vSwitch.")
    taken = {
        zone.fixed_ip
        for endpoint in call.world.endpoints.values()
        for zone in endpoint.zones
        if zone.vswitch_id == vswitch.vswitch_id
    }
    if fixed in taken:
        raise errors.ApiError(errors.ADDRESS_IN_USE)
    return fixed


def security_group(call: Call, vpc_id: str, group_id: str) -> SecurityGroup:
    """Return a security group of the VPC."""
    for group in call.world.network.security_groups:
        if (group.security_group_id, group.vpc_id) == (group_id, vpc_id):
            return group
    raise errors.ApiError(errors.SECURITY_GROUP_NOT_FOUND)


def check_one_kind(groups: Sequence[SecurityGroup]) -> None:
    """Refuse groups of different or unsupported kinds."""
    if any(group.kind not in {"normal", "enterprise"} for group in groups):
        raise errors.ApiError(errors.SECURITY_GROUP_TYPE)
    if len({group.kind for group in groups}) > 1:
        raise errors.ApiError(errors.SECURITY_GROUP_TYPES_MIXED)


def name_and_description(parameters: Parameters) -> tuple[str, str]:
    """Return the endpoint's name and description; empty if they are not given."""
    name, description = parameters.text("EndpointName"), parameters.text("EndpointDescription")
    if name and not _NAME.fullmatch(name):
        raise parameters.wrong("EndpointName")
    if description and not _DESCRIPTION.fullmatch(description):
        raise parameters.wrong("EndpointDescription")
    return name, description


def tags(parameters: Parameters) -> dict[str, str]:
    """Return the tags by key."""
    tags: dict[str, str] = {}
    for record in parameters.records("Tag", most=_MOST_TAGS):
        key, value = record.text("Key"), record.text("Value")
        if not key:
            raise errors.ApiError(errors.missing_part("Tag.Key"))
        if key in tags:
            raise errors.ApiError(errors.TAG_KEY_TWICE)
        if not _TAG_KEY.fullmatch(key):
            raise parameters.wrong("Tag.Key")
        if not _TAG_VALUE.fullmatch(value):
            raise parameters.wrong("Tag.Value")
        tags[key] = value
    return tags


def tagged_endpoints(call: Call) -> list[Endpoint]:
    """Return the endpoints of a tag operation."""
    region_id = call.region().region_id
    check_resource_type(call)
    ids = call.parameters.strings("ResourceId", most=_MOST_TAGGED)
    if not ids:
        raise errors.ApiError(errors.missing_parameter("ResourceId"))
    known = call.world.endpoints
    if any(i not in known or known[i].region_id != region_id for i in ids):
        raise errors.ApiError(errors.RESOURCE_ID_NOT_FOUND)
    return [known[i] for i in ids]
