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
    from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService, SecurityGroup
    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

_MOST_ZONES = 10
_MOST_GROUPS = 10
_MOST_TAGS = 20
_MOST_TAGGED = 50

#: 2 to 128 characters; a letter or a Chinese character first.
_NAME = re.compile(r"[A-Za-z\u4e00-\u9fff][A-Za-z0-9_\u4e00-\u9fff-]{1,127}")
_DESCRIPTION = re.compile(r"(?!https?://).{2,256}", re.DOTALL)
_TAG_KEY = re.compile(r"(?!aliyun|acs:)(?!.*https?://).{1,64}", re.DOTALL)
_TAG_VALUE = re.compile(r"(?!.*https?://).{0,128}", re.DOTALL)

_NOTHING: Mapping[str, object] = MappingProxyType({})


def _create(call: Call) -> Callable[[], Body]:
    parameters = call.parameters
    region_id = call.region().region_id
    vpc_id = parameters.required("VpcId")
    service = _service(call, region_id)
    parameters.one_of("EndpointType", ("Interface",))
    parameters.one_of("AddressIpVersion", ("IPv4",))
    parameters.integer("ZonePrivateIpAddressCount", default=1, low=1, high=1)
    name, description = _name_and_description(parameters)
    tags = _tags(parameters)
    protected = parameters.boolean("ProtectedEnabled")
    if not any(v.vpc_id == vpc_id and v.region_id == region_id for v in call.world.network.vpcs):
        raise errors.ApiError(errors.VPC_NOT_FOUND)
    zones = []
    for record in parameters.records("Zone", most=_MOST_ZONES):
        zones.append(_zone(call, record, service, vpc_id))
        if [zone_id for zone_id, _ in zones].count(zones[-1][0]) > 1:
            raise errors.ApiError(errors.invalid("Zone", "A zone is given twice."))
    group_ids = parameters.strings("SecurityGroupId", most=_MOST_GROUPS)
    groups = [_security_group(call, vpc_id, group_id) for group_id in group_ids]
    _check_one_kind(groups)

    def change() -> Body:
        endpoint = call.world.create_endpoint(
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
    zone_id, vswitch_id = _zone(call, call.parameters, endpoint.service, endpoint.vpc_id)
    if any(zone.zone_id == zone_id for zone in endpoint.zones):
        raise errors.ApiError(errors.ZONE_EXISTS)

    def change() -> Body:
        call.world.add_zone(endpoint.endpoint_id, zone_id, vswitch_id)
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
    _check_not_changing(endpoint)
    if not endpoint.security_groups:
        raise errors.ApiError(errors.NO_GROUP_TO_ADD_TO)
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
    _check_not_changing(endpoint)
    if group_id not in endpoint.security_groups:
        raise errors.ApiError(errors.SECURITY_GROUP_NOT_FOUND)

    def change() -> Body:
        call.world.set_security_group(endpoint.endpoint_id, group_id, "Detaching")
        return _NOTHING

    return change


def _update(call: Call) -> Callable[[], Body]:
    endpoint = _settled_endpoint(call)
    name, description = _name_and_description(call.parameters)

    def change() -> Body:
        call.world.rename(
            endpoint.endpoint_id,
            name=name or endpoint.name,
            description=description or endpoint.description,
        )
        return _NOTHING

    return change


def _tag(call: Call) -> Callable[[], Body]:
    endpoints = _tagged_endpoints(call)
    tags = _tags(call.parameters)
    if not tags:
        raise errors.ApiError(errors.missing("Tag"))

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


# Checks


def _check_not_changing(endpoint: Endpoint) -> None:
    if endpoint.endpoint_status != "Active":
        raise errors.ApiError(errors.OPERATION_DENIED)


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
        raise errors.ApiError(errors.missing("ServiceName"))
    for service in call.world.services:
        named = name in {"", service.service_name} and service_id in {"", service.service_id}
        if named and service.region_id == region_id:
            return service
    raise errors.ApiError(errors.SERVICE_NOT_FOUND)


def _zone(call: Call, record: Parameters, service: EndpointService, vpc_id: str) -> tuple[str, str]:
    zone_id, vswitch_id = record.required("ZoneId"), record.required("VSwitchId")
    if zone_id not in service.zone_ids:
        raise errors.ApiError(errors.ZONE_NOT_SUPPORTED)
    vswitches = {v.vswitch_id: v for v in call.world.network.vswitches if v.vpc_id == vpc_id}
    if (vswitch := vswitches.get(vswitch_id)) is None:
        raise errors.ApiError(errors.VSWITCH_NOT_FOUND)
    if vswitch.zone_id != zone_id:
        raise errors.ApiError(errors.VSWITCH_ZONE_MISMATCH)
    if fixed := record.text("ip"):
        try:
            inside = ipaddress.IPv4Address(fixed) in ipaddress.IPv4Network(vswitch.cidr_block)
        except ipaddress.AddressValueError:
            raise errors.ApiError(errors.invalid("ip")) from None
        if not inside:
            raise errors.ApiError(errors.invalid("ip", "It must be an address of the vSwitch."))
    if call.world.free_addresses(vswitch_id) < 1:
        raise errors.ApiError(errors.ADDRESSES_NOT_ENOUGH)
    return zone_id, vswitch_id


def _security_group(call: Call, vpc_id: str, group_id: str) -> SecurityGroup:
    for group in call.world.network.security_groups:
        if (group.security_group_id, group.vpc_id) == (group_id, vpc_id):
            return group
    raise errors.ApiError(errors.SECURITY_GROUP_NOT_FOUND)


def _check_one_kind(groups: Sequence[SecurityGroup]) -> None:
    if len({group.kind for group in groups}) > 1:
        raise errors.ApiError(errors.SECURITY_GROUP_TYPES_MIXED)


def _name_and_description(parameters: Parameters) -> tuple[str, str]:
    name, description = parameters.text("EndpointName"), parameters.text("EndpointDescription")
    if name and not _NAME.fullmatch(name):
        raise errors.ApiError(errors.invalid("EndpointName"))
    if description and not _DESCRIPTION.fullmatch(description):
        raise errors.ApiError(errors.invalid("EndpointDescription"))
    return name, description


def _tags(parameters: Parameters) -> dict[str, str]:
    tags: dict[str, str] = {}
    for record in parameters.records("Tag", most=_MOST_TAGS):
        key, value = record.required("Key"), record.text("Value")
        if not _TAG_KEY.fullmatch(key) or key in tags:
            raise errors.ApiError(errors.invalid("Tag.Key"))
        if not _TAG_VALUE.fullmatch(value):
            raise errors.ApiError(errors.invalid("Tag.Value"))
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
        raise errors.ApiError(errors.ENDPOINT_NOT_FOUND)
    return [known[i] for i in ids]


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "AddZoneToVpcEndpoint": _add_zone,
        "AttachSecurityGroupToVpcEndpoint": _attach,
        "CreateVpcEndpoint": _create,
        "DeleteVpcEndpoint": _delete,
        "DetachSecurityGroupFromVpcEndpoint": _detach,
        "RemoveZoneFromVpcEndpoint": _remove_zone,
        "TagResources": _tag,
        "UntagResources": _untag,
        "UpdateVpcEndpointAttribute": _update,
    }
)
