"""The fields of GetVpcEndpointAttribute, and the Terraform argument of each.

The arguments are those of the provider's schema of alicloud_privatelink_vpc_endpoint (aliyun/alicloud 1.289).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.model import VpcEndpoint

Value = str | int | bool


@dataclass(frozen=True)
class Attribute:
    """A field of the answer.

    Attributes:
        name: in the API.
        read: returns its value for an endpoint; None if it was not reported.
        argument: the argument of the provider's resource; empty if there is none.
        why: why there is none.
    """

    name: str
    read: Callable[[VpcEndpoint], Value | None]
    argument: str = ""
    why: str = ""


_NEVER_READ = "the resource sets protected_enabled but never reads it: an import would always change it"
_UNKNOWN = "the resource does not have it"


def _read_only(attribute: str) -> str:
    return f"the cloud decides it; the resource reports it as {attribute}"


ATTRIBUTES = (
    Attribute("ServiceName", lambda e: e.service_name, "service_name"),
    Attribute("ServiceId", lambda e: e.attributes.service_id, "service_id"),
    Attribute("ServiceRegionId", lambda e: e.attributes.service_region_id, "service_region_id"),
    Attribute("VpcId", lambda e: e.vpc_id, "vpc_id"),
    Attribute("EndpointName", lambda e: e.name, "vpc_endpoint_name"),
    Attribute("EndpointDescription", lambda e: e.attributes.description, "endpoint_description"),
    Attribute("EndpointType", lambda e: e.attributes.endpoint_type, "endpoint_type"),
    Attribute("AddressIpVersion", lambda e: e.attributes.address_version, "address_ip_version"),
    Attribute(
        "ZonePrivateIpAddressCount",
        lambda e: e.attributes.zone_private_ip_address_count,
        "zone_private_ip_address_count",
    ),
    Attribute("ResourceGroupId", lambda e: e.attributes.resource_group_id, "resource_group_id"),
    # The argument is only for a service in another region; bandwidth 0 is not a value to request.
    Attribute(
        "CrossRegionBandwidth",
        lambda e: e.attributes.cross_region_bandwidth or None,
        "cross_region_bandwidth",
    ),
    Attribute("PolicyDocument", lambda e: e.attributes.policy_document, "policy_document"),
    Attribute("EndpointId", lambda e: e.endpoint_id, why="the import block contains it"),
    Attribute("RegionId", lambda e: e.region_id, why="the provider block contains it"),
    Attribute("EndpointDomain", lambda e: e.domain, why=_read_only("endpoint_domain")),
    Attribute("EndpointStatus", lambda e: e.endpoint_status, why=_read_only("status")),
    Attribute("ConnectionStatus", lambda e: e.connection_status, why=_read_only("connection_status")),
    Attribute(
        "EndpointBusinessStatus", lambda e: e.business_status, why=_read_only("endpoint_business_status")
    ),
    Attribute("Bandwidth", lambda e: e.attributes.bandwidth, why=_read_only("bandwidth")),
    Attribute("ProtectedEnabled", lambda e: e.attributes.protected_enabled, why=_NEVER_READ),
    Attribute("CreateTime", lambda e: e.created or None, why=_read_only("create_time")),
    Attribute("Payer", lambda e: e.attributes.payer, why=_UNKNOWN),
    Attribute("ResourceOwner", lambda e: e.attributes.resource_owner, why=_UNKNOWN),
    Attribute("ZoneAffinityEnabled", lambda e: e.attributes.zone_affinity_enabled, why=_UNKNOWN),
    Attribute("RequestId", lambda _: None, why="it belongs to the answer, not the endpoint"),
)


def arguments(endpoint: VpcEndpoint) -> Iterator[tuple[Attribute, Value]]:
    """Yield the known fields that are arguments of the resource, in order."""
    return ((each, value) for each, value in _known_values(endpoint) if each.argument)


def read_only(endpoint: VpcEndpoint) -> Iterator[tuple[str, str]]:
    """Yield name and value of the known fields that cannot be set."""
    return ((each.name, format_value(value)) for each, value in _known_values(endpoint) if not each.argument)


def all_attributes(endpoint: VpcEndpoint) -> Iterator[tuple[str, str]]:
    """Yield name and value of every known field."""
    return ((each.name, format_value(value)) for each, value in _known_values(endpoint))


def _known_values(endpoint: VpcEndpoint) -> Iterator[tuple[Attribute, Value]]:
    for attribute in ATTRIBUTES:
        value = attribute.read(endpoint)
        if value is not None:
            yield attribute, value


def format_value(value: Value) -> str:
    """Return the value as the API's JSON has it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)
