"""The parameters that the Alibaba Cloud CLI 3 accepts for an export's operations: facts, without its code.

Source: metadatas/ of aliyun/aliyun-openapi-meta at 2563691 (2026-04-21), and how aliyun/aliyun-cli at eadd68d
(2026-07-30) finds a flag in them: by its whole name, or, of a RepeatList alone, as Name.N or Name.N.Member.
A parameter of type Array takes JSON in one argument, and no Name.N.Member.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LIST, ARRAY = "RepeatList", "Array"
# Flags of the CLI itself, which it sends to no API.
GLOBAL = {"region", "waiter"}
_LISTED = re.compile(r"(\w+)\.[1-9]\d*(?:\.(\w+))?")


@dataclass(frozen=True)
class Parameters:
    """An operation's parameters: single values, required ones, and lists."""

    required: set[str]
    single: set[str]
    lists: dict[str, set[str]] = field(default_factory=dict)
    arrays: set[str] = field(default_factory=set)

    def refusal(self, names: set[str]) -> str:
        """Return why the CLI refuses a command with these flags, or an empty text."""
        given = names - GLOBAL
        for name in sorted(given):
            listed = _LISTED.fullmatch(name)
            if listed:
                members = self.lists.get(listed[1])
                known = members is not None and (listed[2] or "") in (members or {""})
            else:
                known = name in self.required | self.single | self.arrays
            if not known:
                return f"'--{name}' is not a valid parameter or flag."
        missing = self.required - given
        return f"required parameters not assigned: {', '.join(sorted(missing))}" if missing else ""


_PAGED = {"MaxResults", "NextToken"}
METADATA = {
    ("ecs", "AuthorizeSecurityGroup"): Parameters(
        required={"RegionId", "SecurityGroupId"},
        single={
            "ClientToken",
            "Description",
            "DestCidrIp",
            "IpProtocol",
            "Ipv6DestCidrIp",
            "Ipv6SourceCidrIp",
            "NicType",
            "Policy",
            "PortRange",
            "Priority",
            "SourceCidrIp",
            "SourceGroupId",
            "SourceGroupOwnerAccount",
            "SourceGroupOwnerId",
            "SourcePortRange",
            "SourcePrefixListId",
        },
        arrays={"Permissions"},
    ),
    ("privatelink", "CreateVpcEndpoint"): Parameters(
        required={"RegionId", "VpcId"},
        single={
            "AddressIpVersion",
            "ClientToken",
            "CrossRegionBandwidth",
            "DryRun",
            "EndpointDescription",
            "EndpointName",
            "EndpointType",
            "PolicyDocument",
            "ProtectedEnabled",
            "ResourceGroupId",
            "ServiceId",
            "ServiceName",
            "ServiceRegionId",
            "ZoneAffinityEnabled",
            "ZonePrivateIpAddressCount",
        },
        lists={
            "SecurityGroupId": set(),
            "Tag": {"Key", "Value"},
            "Zone": {"Ipv6Address", "VSwitchId", "ZoneId", "ip"},
        },
    ),
    ("privatelink", "ListVpcEndpoints"): Parameters(
        required={"RegionId"},
        single={
            "AddressIpVersion",
            "ConnectionStatus",
            "EndpointId",
            "EndpointName",
            "EndpointStatus",
            "EndpointType",
            "ResourceGroupId",
            "ServiceName",
            "ServiceRegionId",
            "VpcId",
        }
        | _PAGED,
        arrays={"Tag"},
    ),
    ("privatelink", "GetVpcEndpointAttribute"): Parameters(required={"RegionId", "EndpointId"}, single=set()),
    ("privatelink", "ListVpcEndpointZones"): Parameters(
        required={"RegionId", "EndpointId"}, single=set(_PAGED)
    ),
    ("privatelink", "ListVpcEndpointSecurityGroups"): Parameters(
        required={"RegionId", "EndpointId"}, single=set(_PAGED)
    ),
}
