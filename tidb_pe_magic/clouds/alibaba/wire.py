"""Convert Alibaba Cloud's answers to the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.clouds.json_fields import mapping, mappings, number, string_at, text, truth, whole
from tidb_pe_magic.clouds.pages import unusable
from tidb_pe_magic.model import (
    OUR_TAG,
    EndpointAttributes,
    EndpointTag,
    SecurityGroup,
    SecurityRule,
    SecurityRules,
    VpcEndpoint,
    VSwitch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def endpoint_reader(operation: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the reader of an answer about one endpoint.

    It raises `ServiceUnavailable` if the answer has no ID, since nothing could be done without it.
    """

    def read(body: dict[str, Any]) -> dict[str, Any]:
        if not text(body, "EndpointId"):
            raise unusable(operation, "it lacks EndpointId")
        return body

    return read


def request_id(body: dict[str, Any]) -> str:
    """Return the request ID of the answer; may be empty."""
    return text(body, "RequestId")


def endpoint(wire: dict[str, Any], region_id: str) -> VpcEndpoint:
    """Return the endpoint, without its zones and security groups."""
    return VpcEndpoint(
        endpoint_id=text(wire, "EndpointId"),
        name=text(wire, "EndpointName"),
        service_name=text(wire, "ServiceName"),
        vpc_id=text(wire, "VpcId"),
        region_id=region_id,
        domain=text(wire, "EndpointDomain"),
        endpoint_status=text(wire, "EndpointStatus") or "unknown",
        connection_status=text(wire, "ConnectionStatus") or "unknown",
        business_status=text(wire, "EndpointBusinessStatus") or "Normal",
        created=text(wire, "CreateTime"),
        attributes=_attributes(wire),
        request_id=text(wire, "RequestId"),
    )


def _attributes(wire: dict[str, Any]) -> EndpointAttributes:
    return EndpointAttributes(
        service_id=string_at(wire, "ServiceId"),
        service_region_id=string_at(wire, "ServiceRegionId"),
        description=string_at(wire, "EndpointDescription"),
        endpoint_type=string_at(wire, "EndpointType"),
        payer=string_at(wire, "Payer"),
        resource_group_id=string_at(wire, "ResourceGroupId"),
        policy_document=string_at(wire, "PolicyDocument"),
        address_version=string_at(wire, "AddressIpVersion"),
        bandwidth=whole(wire, "Bandwidth"),
        cross_region_bandwidth=whole(wire, "CrossRegionBandwidth"),
        zone_private_ip_address_count=whole(wire, "ZonePrivateIpAddressCount"),
        protected_enabled=truth(wire, "ProtectedEnabled"),
        resource_owner=truth(wire, "ResourceOwner"),
        zone_affinity_enabled=truth(wire, "ZoneAffinityEnabled"),
    )


def listed_endpoint(wire: dict[str, Any], region_id: str) -> VpcEndpoint:
    """Return an endpoint of a list, which includes its tags, but not its zones and security groups."""
    tags = tuple(
        EndpointTag(key=text(tag, "Key"), value=text(tag, "Value")) for tag in mappings(wire.get("Tags"))
    )
    ours = EndpointTag(key=OUR_TAG[0], value=OUR_TAG[1]) in tags
    return replace(endpoint(wire, region_id), ours=ours, tags=tags)


def vswitch(wire: dict[str, Any]) -> VSwitch:
    """Return the vSwitch."""
    return VSwitch(
        vswitch_id=text(wire, "VSwitchId"),
        name=text(wire, "VSwitchName"),
        zone_id=text(wire, "ZoneId"),
        vpc_id=text(wire, "VpcId"),
        cidr_block=text(wire, "CidrBlock"),
        available_ip_count=number(wire, "AvailableIpAddressCount"),
        status=text(wire, "Status"),
    )


def security_group(wire: dict[str, Any]) -> SecurityGroup:
    """Return the security group, without its rules."""
    return SecurityGroup(
        security_group_id=text(wire, "SecurityGroupId"),
        name=text(wire, "SecurityGroupName"),
        vpc_id=text(wire, "VpcId"),
        group_type=text(wire, "SecurityGroupType"),
        service_managed=wire.get("ServiceManaged") is True,
    )


def read_rules(group_id: str, pages: Iterable[dict[str, Any]]) -> SecurityRules:
    """Collect the rules of one group, which can span several answers."""
    inner_access, rules = "", list[SecurityRule]()
    for page in pages:
        inner_access = inner_access or text(page, "InnerAccessPolicy")
        for item in mappings(mapping(page.get("Permissions")).get("Permission")):
            # The request asks only for inbound rules; an answer that ignores this must not affect the check.
            if (text(item, "Direction") or "ingress").lower() == "ingress":
                rules.append(_rule(group_id, item))
    return SecurityRules(security_group_id=group_id, inner_access=inner_access, rules=tuple(rules))


def _rule(group_id: str, wire: dict[str, Any]) -> SecurityRule:
    priority = wire.get("Priority")
    return SecurityRule(
        security_group_id=group_id,
        policy=text(wire, "Policy"),
        # Documented as a string; a number is accepted as well.
        priority=str(priority) if isinstance(priority, int) else text(wire, "Priority"),
        protocol=text(wire, "IpProtocol"),
        port_range=text(wire, "PortRange"),
        source_port_range=text(wire, "SourcePortRange"),
        source_cidr=text(wire, "SourceCidrIp"),
        source_ipv6_cidr=text(wire, "Ipv6SourceCidrIp"),
        source_group_id=text(wire, "SourceGroupId"),
        source_prefix_list_id=text(wire, "SourcePrefixListId"),
        port_list_id=text(wire, "PortRangeListId"),
    )
