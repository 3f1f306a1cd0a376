"""PrivateLink 2020-04-15: the operations that read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Query
    from tidb_pe_magic.sandbox.alibaba.parameters import Page, T
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

_RESOURCE_TYPES = ("slb", "alb", "nlb", "gwlb")
_DEFAULT_RESOURCE_GROUP = "rg-acfmsandbox0000"
#: Valid resource types of tag operations: the provider's tools use both.
TAGGED_RESOURCE_TYPES = frozenset({"vpcendpoint", "vpc_endpoint"})


def find_endpoint(call: Call) -> Endpoint:
    """Return the endpoint of RegionId and EndpointId."""
    region_id = call.region().region_id
    endpoint = call.world.endpoints.get(call.parameters.required("EndpointId"))
    if endpoint is None or endpoint.region_id != region_id:
        raise errors.ApiError(errors.ENDPOINT_NOT_FOUND)
    return endpoint


def created_fields(endpoint: Endpoint) -> dict[str, object]:
    """Return the fields that the answer to CreateVpcEndpoint has."""
    return {
        "AddressIpVersion": "IPv4",
        "Bandwidth": 1024,
        "ConnectionStatus": endpoint.connection_status,
        "CreateTime": endpoint.create_time,
        "EndpointBusinessStatus": endpoint.business_status,
        "EndpointDescription": endpoint.description,
        "EndpointDomain": endpoint.domain,
        "EndpointId": endpoint.endpoint_id,
        "EndpointName": endpoint.name,
        "EndpointStatus": endpoint.endpoint_status,
        "ServiceId": endpoint.service.service_id,
        "ServiceName": endpoint.service.service_name,
        "ServiceRegionId": endpoint.service.region_id,
        "VpcId": endpoint.vpc_id,
        "ZoneAffinityEnabled": False,
    }


def _listed_fields(endpoint: Endpoint) -> dict[str, object]:
    # Only an endpoint with a policy returns one.
    policy = {"PolicyDocument": endpoint.policy_document} if endpoint.policy_document else {}
    return {
        **created_fields(endpoint),
        **policy,
        "EndpointType": "Interface",
        "ProtectedEnabled": endpoint.protected,
        "RegionId": endpoint.region_id,
        "ResourceGroupId": endpoint.resource_group_id or _DEFAULT_RESOURCE_GROUP,
        "ResourceOwner": False,
    }


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _paging_fields(page: Page[T]) -> dict[str, object]:
    fields: dict[str, object] = {"MaxResults": page.max_results, "TotalCount": page.total}
    if page.next_token:
        fields["NextToken"] = page.next_token
    return fields


def _list_services(call: Call) -> Body:
    parameters = call.parameters
    region_id = call.region().region_id
    parameters.one_of("ServiceType", ("Interface",))
    wanted_region = parameters.text("ServiceRegionId") or region_id
    wanted_name, wanted_id = parameters.text("ServiceName"), parameters.text("ServiceId")
    services = [
        service
        for service in call.world.services
        if service.region_id == region_id == wanted_region
        and wanted_name in {"", service.service_name}
        and wanted_id in {"", service.service_id}
    ]
    page = parameters.page(services, default=50, high=1000)
    return {
        **_paging_fields(page),
        # A string only in this operation.
        "TotalCount": str(page.total),
        "Services": [
            {
                "AddressIpVersion": service.address_version,
                "AutoAcceptEnabled": service.auto_accept,
                "Payer": service.payer,
                "ServiceDomain": service.service_domain,
                "ServiceId": service.service_id,
                "ServiceName": service.service_name,
                "ServiceResourceType": "nlb",
                "ServiceSupportIPv6": service.address_version != "IPv4",
                "ServiceType": "Interface",
                "Tags": [],
                "VpcEndpointPolicySupported": service.policy_supported,
                "ZoneAffinityEnabled": False,
                "Zones": list(service.zone_ids),
            }
            for service in page.items
        ],
    }


def _list_owned_services(call: Call) -> Body:
    """List the account's own services: none."""
    call.region()
    return {**_paging_fields(call.parameters.page((), default=50, high=1000)), "Services": []}


def _list_connections(call: Call) -> Body:
    """List the connections to the account's own services: none."""
    call.region()
    return {**_paging_fields(call.parameters.page((), default=50, high=1000)), "Connections": []}


def _get_endpoint(call: Call) -> Body:
    endpoint = find_endpoint(call)
    return {**_listed_fields(endpoint), "Payer": endpoint.service.payer, "ZonePrivateIpAddressCount": 1}


def _list_endpoints(call: Call) -> Body:
    parameters = call.parameters
    region_id = call.region().region_id
    filters = {
        name: parameters.text(name)
        for name in (
            "EndpointId",
            "EndpointName",
            "EndpointStatus",
            "ConnectionStatus",
            "EndpointType",
            "ServiceName",
            "ServiceRegionId",
            "VpcId",
        )
        if parameters.text(name)
    }
    tags = [(tag.required("Key"), tag.text("Value")) for tag in parameters.records("Tag", most=20)]

    def matches(endpoint: Endpoint) -> bool:
        fields = _listed_fields(endpoint)
        return all(fields[name] == value for name, value in filters.items()) and all(
            key in endpoint.tags and value in {"", endpoint.tags[key]} for key, value in tags
        )

    endpoints = [e for e in call.world.endpoints.values() if e.region_id == region_id and matches(e)]
    page = parameters.page(endpoints, default=50, high=1000)
    listed = [{**_listed_fields(endpoint), "Tags": _tag_list(endpoint.tags)} for endpoint in page.items]
    return {**_paging_fields(page), "Endpoints": listed}


def _list_zones(call: Call) -> Body:
    endpoint = find_endpoint(call)
    page = call.parameters.page(endpoint.zones, default=50, high=1000)
    zones = [
        {
            "EniId": zone.eni_id,
            "EniIp": zone.eni_ip,
            "RegionId": endpoint.region_id,
            "VSwitchId": zone.vswitch_id,
            "ZoneDomain": zone.zone_domain,
            "ZoneId": zone.zone_id,
            "ZoneStatus": zone.zone_status,
        }
        for zone in page.items
    ]
    return {**_paging_fields(page), "Zones": zones}


def _list_security_groups(call: Call) -> Body:
    groups = list(find_endpoint(call).security_groups.items())
    page = call.parameters.page(groups, default=50, high=50)
    listed = [{"SecurityGroupId": group, "SecurityGroupStatus": status} for group, status in page.items]
    return {**_paging_fields(page), "SecurityGroups": listed}


def _list_tags(call: Call) -> Body:
    region_id = call.region().region_id
    check_resource_type(call)
    wanted = set(call.parameters.strings("ResourceId", most=50))
    tags = [(tag.text("Key"), tag.text("Value")) for tag in call.parameters.records("Tag", most=20)]
    rows = [
        {"ResourceId": e.endpoint_id, "ResourceType": "vpcendpoint", "TagKey": key, "TagValue": value}
        for e in call.world.endpoints.values()
        if e.region_id == region_id and (not wanted or e.endpoint_id in wanted)
        for key, value in e.tags.items()
        if not tags or any(k in {"", key} and v in {"", value} for k, v in tags)
    ]
    page = call.parameters.page(rows, default=50, high=1000)
    fields: dict[str, object] = {"NextToken": page.next_token} if page.next_token else {}
    return {**fields, "TagResources": list(page.items)}


def check_resource_type(call: Call) -> None:
    """Refuse tags on resources that are not endpoints."""
    if call.parameters.required("ResourceType").lower() not in TAGGED_RESOURCE_TYPES:
        raise call.parameters.wrong("ResourceType")


def _check_product_open(_: Call) -> Body:
    # An account that has not activated the product was refused before any operation ran.
    return {"Success": True}


def _describe_regions(call: Call) -> Body:
    wanted = call.parameters.text("RegionId")
    regions = [
        {
            "RegionId": region.region_id,
            "LocalName": region.local_name,
            "RegionEndpoint": f"privatelink.{region.region_id}.aliyuncs.com",
            "ServiceResourceTypes": {"ServiceResourceType": list(_RESOURCE_TYPES)},
        }
        for region in call.world.network.regions
        if wanted in {"", region.region_id}
    ]
    return {"Regions": {"Region": regions}}


def _describe_zones(call: Call) -> Body:
    zones = [
        {"ZoneId": zone_id, "LocalName": f"Zone {zone_id[-1].upper()}"} for zone_id in call.region().zone_ids
    ]
    return {"Zones": {"Zone": zones}}


QUERIES: Mapping[str, Query] = MappingProxyType(
    {
        "CheckProductOpen": _check_product_open,
        "DescribeRegions": _describe_regions,
        "DescribeZones": _describe_zones,
        "GetVpcEndpointAttribute": _get_endpoint,
        "ListTagResources": _list_tags,
        "ListVpcEndpointConnections": _list_connections,
        "ListVpcEndpointSecurityGroups": _list_security_groups,
        "ListVpcEndpointServices": _list_owned_services,
        "ListVpcEndpointServicesByEndUser": _list_services,
        "ListVpcEndpointZones": _list_zones,
        "ListVpcEndpoints": _list_endpoints,
    }
)
