"""PrivateLink 2020-04-15: the operations that change an endpoint.

Each operation checks everything first and returns a function for the change, so that DryRun makes the same
checks without the change.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba import privatelink_checks as checks
from tidb_pe_magic.sandbox.alibaba.privatelink_queries import created_fields, find_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Change

_MOST_GROUPS, _MOST_TAGS = 10, 20

_NOTHING: Mapping[str, object] = MappingProxyType({})


def _create(call: Call) -> Callable[[], Body]:
    parameters, world = call.parameters, call.world
    region_id = call.region().region_id
    vpc_id = parameters.required("VpcId")
    service = checks.service(call, region_id)
    checks.check_type(parameters)
    checks.check_policy(parameters, service)
    parameters.one_of("AddressIpVersion", ("IPv4",))
    name, description = checks.name_and_description(parameters)
    tags = checks.tags(parameters)
    protected = parameters.boolean("ProtectedEnabled")
    if not any(v.vpc_id == vpc_id and v.region_id == region_id for v in world.network.vpcs):
        raise errors.ApiError(errors.VPC_NOT_FOUND)
    zones = checks.zones(call, service, vpc_id)
    group_ids = parameters.strings("SecurityGroupId", most=_MOST_GROUPS)
    if not group_ids:
        raise errors.ApiError(errors.NO_SECURITY_GROUP)
    checks.check_one_kind([checks.security_group(call, vpc_id, group_id) for group_id in group_ids])
    checks.check_quotas(parameters, world, vpc_id, service)

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
    endpoint = checks.settled_endpoint(call)
    call.parameters.required("ZoneId")
    call.parameters.required("VSwitchId")
    zone = checks.zone(call, call.parameters, endpoint.service, endpoint.vpc_id)
    if any(each.zone_id == zone[0] for each in endpoint.zones):
        raise errors.ApiError(errors.ZONE_TWICE)
    if len(endpoint.zones) >= checks.MOST_ZONES:
        raise errors.ApiError(errors.over_quota(checks.ZONE_QUOTA, len(endpoint.zones), checks.MOST_ZONES))

    def change() -> Body:
        call.world.add_zone(endpoint.endpoint_id, *zone)
        return _NOTHING

    return change


def _remove_zone(call: Call) -> Callable[[], Body]:
    zone_id = call.parameters.required("ZoneId")
    endpoint = checks.settled_endpoint(call)
    if not any(zone.zone_id == zone_id for zone in endpoint.zones):
        raise errors.ApiError(errors.ENDPOINT_ZONE_NOT_FOUND)

    def change() -> Body:
        call.world.remove_zone(endpoint.endpoint_id, zone_id)
        return _NOTHING

    return change


def _delete(call: Call) -> Callable[[], Body]:
    endpoint = find_endpoint(call)
    checks.check_not_changing(endpoint)
    if endpoint.zones:
        raise errors.ApiError(errors.DEPENDENCE_VIOLATION)

    def change() -> Body:
        call.world.delete_endpoint(endpoint.endpoint_id)
        return _NOTHING

    return change


def _attach(call: Call) -> Callable[[], Body]:
    group_id = call.parameters.required("SecurityGroupId")
    endpoint = find_endpoint(call)
    checks.check_not_locked(endpoint)
    if group_id in endpoint.security_groups:
        raise errors.ApiError(errors.SECURITY_GROUP_EXISTS)
    attached = [checks.security_group(call, endpoint.vpc_id, group) for group in endpoint.security_groups]
    checks.check_one_kind([*attached, checks.security_group(call, endpoint.vpc_id, group_id)])

    def change() -> Body:
        call.world.set_security_group(endpoint.endpoint_id, group_id, "Attaching")
        return _NOTHING

    return change


def _detach(call: Call) -> Callable[[], Body]:
    group_id = call.parameters.required("SecurityGroupId")
    endpoint = find_endpoint(call)
    checks.check_not_locked(endpoint)
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
    endpoint = checks.settled_endpoint(call)
    name, description = checks.name_and_description(call.parameters)
    checks.check_policy(call.parameters, endpoint.service)
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
    endpoints = checks.tagged_endpoints(call)
    tags = checks.tags(call.parameters)
    if not tags:
        raise errors.ApiError(errors.missing_parameter("Tag"))
    if any(len({*endpoint.tags, *tags}) > _MOST_TAGS for endpoint in endpoints):
        raise errors.ApiError(errors.TOO_MANY_TAGS)

    def change() -> Body:
        for endpoint in endpoints:
            call.world.set_tags(endpoint.endpoint_id, {**endpoint.tags, **tags})
        return _NOTHING

    return change


def _untag(call: Call) -> Callable[[], Body]:
    endpoints = checks.tagged_endpoints(call)
    keys = set(call.parameters.strings("TagKey", most=_MOST_TAGS))
    every = call.parameters.boolean("All") and not keys
    if not keys and not every:
        raise errors.ApiError(errors.missing_parameter("TagKey"))

    def change() -> Body:
        for endpoint in endpoints:
            kept = {} if every else {k: v for k, v in endpoint.tags.items() if k not in keys}
            call.world.set_tags(endpoint.endpoint_id, kept)
        return _NOTHING

    return change


def _change_resource_group(call: Call) -> Callable[[], Body]:
    # The only change without a RegionId.
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
