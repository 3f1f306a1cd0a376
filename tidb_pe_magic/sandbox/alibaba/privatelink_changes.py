"""PrivateLink 2020-04-15: the operations that change an endpoint.

Each checks everything first and returns a function that makes the change, so that DryRun is the same
checks without the change.
"""

from __future__ import annotations

import ipaddress
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba.privatelink_queries import (
    check_resource_type,
    created_fields,
    find_endpoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Change
    from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService, SecurityGroup, VSwitch
    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint, World

# Quotas, by "Quotas and limits" and "Billing" of the PrivateLink documentation.
_MOST_ZONES, _ZONE_QUOTA = 10, "epZonePerEndpoint"
_MOST_IN_VPC, _MOST_IDLE = 1000, 10
_MOST_RECORDS = 100
_MOST_GROUPS = 10
_MOST_TAGS = 20
_MOST_TAGGED = 50

#: 2 to 128 characters; a letter or a Chinese character first.
_NAME = re.compile(r"[A-Za-z\u4e00-\u9fff][A-Za-z0-9_\u4e00-\u9fff-]{1,127}")
_DESCRIPTION = re.compile(r"(?!https?://).{2,256}", re.DOTALL)
_TAG_KEY = re.compile(r"(?!aliyun|acs:)(?!.*https?://).{1,64}", re.DOTALL)
_TAG_VALUE = re.compile(r"(?!.*https?://).{0,128}", re.DOTALL)

_TYPES = frozenset({"Interface", "Reverse", "GatewayLoadBalancer"})
_NOTHING: Mapping[str, object] = MappingProxyType({})


def _create(call: Call) -> Callable[[], Body]:
    parameters, world = call.parameters, call.world
    region_id = call.region().region_id
    vpc_id = parameters.required("VpcId")
    service = _service(call, region_id)
    _check_type(parameters)
    _check_policy(parameters, service)
    parameters.one_of("AddressIpVersion", ("IPv4",))
    name, description = _name_and_description(parameters)
    tags = _tags(parameters)
    protected = parameters.boolean("ProtectedEnabled")
    if not any(v.vpc_id == vpc_id and v.region_id == region_id for v in world.network.vpcs):
        raise errors.ApiError(errors.VPC_NOT_FOUND)
    zones = _zones(call, service, vpc_id)
    group_ids = parameters.strings("SecurityGroupId", most=_MOST_GROUPS)
    if not group_ids:
        raise errors.ApiError(errors.NO_SECURITY_GROUP)
    _check_one_kind([_security_group(call, vpc_id, group_id) for group_id in group_ids])
    _check_quotas(parameters, world, vpc_id, service)

    def change() -> Body:
        endpoint = world.create_endpoint(
            service=service,
            vpc_id=vpc_id,
            zones=zones,
            security_groups=group_ids,
            name=name,
            description=description,
            tags=tags,
            protected=protected,
            resource_group_id=parameters.text("ResourceGroupId"),
            policy_document=parameters.text("PolicyDocument"),
            create_time=call.time,
        )
        return created_fields(endpoint)

    return change


def _add_zone(call: Call) -> Callable[[], Body]:
    endpoint = _settled_endpoint(call)
    call.parameters.required("ZoneId")
    call.parameters.required("VSwitchId")
    zone = _zone(call, call.parameters, endpoint.service, endpoint.vpc_id)
    if any(each.zone_id == zone[0] for each in endpoint.zones):
        raise errors.ApiError(errors.ZONE_TWICE)
    if len(endpoint.zones) >= _MOST_ZONES:
        raise errors.ApiError(errors.quota_exceeded(_ZONE_QUOTA, len(endpoint.zones), _MOST_ZONES))

    def change() -> Body:
        call.world.add_zone(endpoint.endpoint_id, *zone)
        return _NOTHING

    return change


def _remove_zone(call: Call) -> Callable[[], Body]:
    zone_id = call.parameters.required("ZoneId")
    endpoint = _settled_endpoint(call)
    if not any(zone.zone_id == zone_id for zone in endpoint.zones):
        raise errors.ApiError(errors.ENDPOINT_ZONE_NOT_FOUND)

    def change() -> Body:
        call.world.remove_zone(endpoint.endpoint_id, zone_id)
        return _NOTHING

    return change


def _delete(call: Call) -> Callable[[], Body]:
    endpoint = find_endpoint(call)
    _check_not_changing(endpoint)
    if endpoint.zones:
        raise errors.ApiError(errors.DEPENDENCE_VIOLATION)

    def change() -> Body:
        call.world.delete_endpoint(endpoint.endpoint_id)
        return _NOTHING

    return change


def _attach(call: Call) -> Callable[[], Body]:
    group_id = call.parameters.required("SecurityGroupId")
    endpoint = find_endpoint(call)
    _check_not_locked(endpoint)
    if group_id in endpoint.security_groups:
        raise errors.ApiError(errors.SECURITY_GROUP_EXISTS)
    attached = [_security_group(call, endpoint.vpc_id, group) for group in endpoint.security_groups]
    _check_one_kind([*attached, _security_group(call, endpoint.vpc_id, group_id)])

    def change() -> Body:
        call.world.set_security_group(endpoint.endpoint_id, group_id, "Attaching")
        return _NOTHING

    return change


def _detach(call: Call) -> Callable[[], Body]:
    group_id = call.parameters.required("SecurityGroupId")
    endpoint = find_endpoint(call)
    _check_not_locked(endpoint)
    if group_id not in endpoint.security_groups:
        raise errors.ApiError(errors.SECURITY_GROUP_NOT_FOUND)
    if len(endpoint.security_groups) == 1:
        raise errors.ApiError(errors.NO_SECURITY_GROUP)

    def change() -> Body:
        call.world.set_security_group(endpoint.endpoint_id, group_id, "Detaching")
        return _NOTHING

    return change


def _update(call: Call) -> Callable[[], Body]:
    endpoint = find_endpoint(call)
    if any(each.endpoint_status == "Pending" for each in call.world.endpoints.values()):
        raise errors.ApiError(errors.CONCURRENT_CALL)  # one at a time in the whole account
    endpoint = _settled_endpoint(call)
    name, description = _name_and_description(call.parameters)
    _check_policy(call.parameters, endpoint.service)
    policy = call.parameters.text("PolicyDocument")

    def change() -> Body:
        call.world.update_endpoint(
            endpoint.endpoint_id,
            name=name or endpoint.name,
            description=description or endpoint.description,
            policy_document=policy or endpoint.policy_document,
        )
        return _NOTHING

    return change


def _tag(call: Call) -> Callable[[], Body]:
    endpoints = _tagged_endpoints(call)
    tags = _tags(call.parameters)
    if not tags:
        raise errors.ApiError(errors.missing("Tag"))
    if any(len({*endpoint.tags, *tags}) > _MOST_TAGS for endpoint in endpoints):
        raise errors.ApiError(errors.TOO_MANY_TAGS)

    def change() -> Body:
        for endpoint in endpoints:
            call.world.set_tags(endpoint.endpoint_id, {**endpoint.tags, **tags})
        return _NOTHING

    return change


def _untag(call: Call) -> Callable[[], Body]:
    endpoints = _tagged_endpoints(call)
    keys = set(call.parameters.strings("TagKey", most=_MOST_TAGS))
    every = call.parameters.boolean("All") and not keys
    if not keys and not every:
        raise errors.ApiError(errors.missing("TagKey"))

    def change() -> Body:
        for endpoint in endpoints:
            kept = {} if every else {k: v for k, v in endpoint.tags.items() if k not in keys}
            call.world.set_tags(endpoint.endpoint_id, kept)
        return _NOTHING

    return change


def _change_resource_group(call: Call) -> Callable[[], Body]:
    # The one change that takes no RegionId.
    endpoint = call.world.endpoints.get(call.parameters.required("ResourceId"))
    group_id = call.parameters.required("ResourceGroupId")
    if endpoint is None:
        raise errors.ApiError(errors.RESOURCE_ID_NOT_FOUND)

    def change() -> Body:
        call.world.set_resource_group(endpoint.endpoint_id, group_id)
        return _NOTHING

    return change


def _open_product(call: Call) -> Callable[[], Body]:
    if call.world.product_open:
        raise errors.ApiError(errors.ORDER_OPENED)

    def change() -> Body:
        call.world.product_open = True
        return {"OrderId": "257000000000001"}

    return change


# Checks


def _check_not_changing(endpoint: Endpoint) -> None:
    if endpoint.endpoint_status != "Active":
        raise errors.ApiError(errors.OPERATION_DENIED)


def _check_not_locked(endpoint: Endpoint) -> None:
    """Refuse to attach or detach a group while the endpoint is being changed, which locks it [GUESS]."""
    if endpoint.endpoint_status == "Pending":
        raise errors.ApiError(errors.ENDPOINT_LOCKED)
    _check_not_changing(endpoint)


def _check_type(parameters: Parameters) -> None:
    """Refuse a type that the service is not of; all of the sandbox's are Interface."""
    kind = parameters.text("EndpointType") or "Interface"
    if kind not in _TYPES:
        raise parameters.wrong("EndpointType")
    if kind != "Interface":
        raise errors.ApiError(errors.ENDPOINT_TYPE_MISMATCH)


def _check_policy(parameters: Parameters, service: EndpointService) -> None:
    if parameters.text("PolicyDocument") and not service.policy_supported:
        raise errors.ApiError(errors.POLICY_NOT_SUPPORTED)


def _check_quotas(parameters: Parameters, world: World, vpc_id: str, service: EndpointService) -> None:
    """Refuse what goes beyond the account's quotas, and a second endpoint where that is not allowed."""
    addresses = parameters.integer("ZonePrivateIpAddressCount", default=1, low=1, high=10)
    if addresses > 1:
        raise errors.ApiError(errors.quota_exceeded("IpQuotaPerEp", addresses, 1))
    here = [each for each in world.endpoints.values() if each.vpc_id == vpc_id]
    if len(here) >= _MOST_IN_VPC:
        raise errors.ApiError(errors.quota_exceeded("totalEpPerVpc", len(here), _MOST_IN_VPC))
    idle = sum(each.idle for each in world.endpoints.values())
    if idle >= _MOST_IDLE:
        raise errors.ApiError(errors.quota_exceeded("totalIdleEndpoint", idle, _MOST_IDLE))
    same = [each for each in here if each.service.service_id == service.service_id]
    if world.single_endpoints and same:
        settled = same[0].endpoint_status == "Active"
        raise errors.ApiError(errors.ENDPOINT_EXISTS if settled else errors.ENDPOINT_DUPLICATED)


def _settled_endpoint(call: Call) -> Endpoint:
    endpoint = find_endpoint(call)
    _check_not_changing(endpoint)
    moving = {"Connecting", "Disconnecting"}
    if endpoint.connection_status in moving or any(z.zone_status in moving for z in endpoint.zones):
        raise errors.ApiError(errors.CONNECTION_OPERATION_DENIED)
    if endpoint.zone_in_progress:
        raise errors.ApiError(errors.OPERATION_DENIED)
    return endpoint


def _service(call: Call, region_id: str) -> EndpointService:
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


def _zones(call: Call, service: EndpointService, vpc_id: str) -> list[tuple[str, str, str]]:
    records = call.parameters.records("Zone", most=_MOST_RECORDS)
    zone_ids = [record.text("ZoneId") for record in records]
    if len(set(zone_ids)) < len(zone_ids):
        raise errors.ApiError(errors.ZONE_TWICE)
    if len(records) > _MOST_ZONES:
        raise errors.ApiError(errors.quota_exceeded(_ZONE_QUOTA, len(records), _MOST_ZONES))
    return [_zone(call, record, service, vpc_id) for record in records]


def _zone(call: Call, record: Parameters, service: EndpointService, vpc_id: str) -> tuple[str, str, str]:
    """Return zone, vSwitch and fixed address (empty: any) of a network interface that can be made."""
    zone_id, vswitch_id = record.text("ZoneId"), record.text("VSwitchId")
    for name, value in (("ZoneId", zone_id), ("VSwitchId", vswitch_id)):
        if not value:
            raise errors.ApiError(errors.missing_part(name))
    if zone_id not in service.zone_ids:
        raise errors.ApiError(errors.ZONE_NOT_SUPPORTED)
    vswitches = {v.vswitch_id: v for v in call.world.network.vswitches if v.vpc_id == vpc_id}
    vswitch = vswitches.get(vswitch_id)
    # One of another zone has no code of its own in the table [GUESS].
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


def _security_group(call: Call, vpc_id: str, group_id: str) -> SecurityGroup:
    for group in call.world.network.security_groups:
        if (group.security_group_id, group.vpc_id) == (group_id, vpc_id):
            return group
    raise errors.ApiError(errors.SECURITY_GROUP_NOT_FOUND)


def _check_one_kind(groups: Sequence[SecurityGroup]) -> None:
    if any(group.kind not in {"normal", "enterprise"} for group in groups):
        raise errors.ApiError(errors.SECURITY_GROUP_TYPE)
    if len({group.kind for group in groups}) > 1:
        raise errors.ApiError(errors.SECURITY_GROUP_TYPES_MIXED)


def _name_and_description(parameters: Parameters) -> tuple[str, str]:
    name, description = parameters.text("EndpointName"), parameters.text("EndpointDescription")
    if name and not _NAME.fullmatch(name):
        raise parameters.wrong("EndpointName")
    if description and not _DESCRIPTION.fullmatch(description):
        raise parameters.wrong("EndpointDescription")
    return name, description


def _tags(parameters: Parameters) -> dict[str, str]:
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


def _tagged_endpoints(call: Call) -> list[Endpoint]:
    region_id = call.region().region_id
    check_resource_type(call)
    ids = call.parameters.strings("ResourceId", most=_MOST_TAGGED)
    if not ids:
        raise errors.ApiError(errors.missing("ResourceId"))
    known = call.world.endpoints
    if any(i not in known or known[i].region_id != region_id for i in ids):
        raise errors.ApiError(errors.RESOURCE_ID_NOT_FOUND)
    return [known[i] for i in ids]


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "AddZoneToVpcEndpoint": _add_zone,
        "AttachSecurityGroupToVpcEndpoint": _attach,
        "ChangeResourceGroup": _change_resource_group,
        "CreateVpcEndpoint": _create,
        "DeleteVpcEndpoint": _delete,
        "DetachSecurityGroupFromVpcEndpoint": _detach,
        "OpenPrivateLinkService": _open_product,
        "RemoveZoneFromVpcEndpoint": _remove_zone,
        "TagResources": _tag,
        "UntagResources": _untag,
        "UpdateVpcEndpointAttribute": _update,
    }
)
