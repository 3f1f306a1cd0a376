"""What Alibaba Cloud's answers hold, in the model's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.clouds.pages import unusable
from tidb_pe_magic.clouds.wire import mappings, number, text
from tidb_pe_magic.model import OUR_TAG, SecurityGroup, VpcEndpoint, VSwitch

if TYPE_CHECKING:
    from collections.abc import Callable


def identified(operation: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what reads an answer about one endpoint.

    It raises `ServiceUnavailable` where the answer lacks the ID, with which nothing could be done.
    """

    def read(body: dict[str, Any]) -> dict[str, Any]:
        if not text(body, "EndpointId"):
            raise unusable(operation, "it lacks EndpointId")
        return body

    return read


def request_id(body: dict[str, Any]) -> str:
    """Return the ID of the request that was answered; may be empty."""
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
        request_id=text(wire, "RequestId"),
    )


def is_ours(wire: dict[str, Any]) -> bool:
    """Tell whether the endpoint carries our tag."""
    return any((tag.get("Key"), tag.get("Value")) == OUR_TAG for tag in mappings(wire.get("Tags")))


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
