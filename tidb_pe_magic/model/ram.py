"""The RAM (Resource Access Management) permission of each API call of this package.

Actions and resources are those of the "Authorization information" of each operation in the API
references of PrivateLink 2020-04-15, VPC 2016-04-28 and ECS 2014-05-26. If a reference does not
state the resource clearly, it is `*`, because an error for a too narrow policy does not name the resource.
"""

from __future__ import annotations

import re
from enum import StrEnum

ANY = "*"
_ENDPOINT = "acs:privatelink:{region}:*:vpcendpoint/*"
_SERVICE = "acs:privatelink:{region}:*:vpcendpointservice/*"

# The calls of `verify`, `networks`, `plan`, `create`, `wait` and `connect`.
NEEDED: dict[str, tuple[str, ...]] = {
    # One action on four resources; it needs no ecs: or vpc: action.
    "privatelink:CreateVpcEndpoint": (
        _ENDPOINT,
        "acs:vpc:{region}:*:vpc/*",
        "acs:vpc:{region}:*:vswitch/*",
        "acs:ecs:{region}:*:securitygroup/*",
    ),
    "privatelink:TagResources": (_ENDPOINT,),
    "privatelink:GetVpcEndpointAttribute": (_ENDPOINT,),
    "privatelink:ListVpcEndpointServicesByEndUser": (_SERVICE,),
    "privatelink:CheckProductOpen": (ANY,),
    "privatelink:ListVpcEndpoints": (ANY,),
    "privatelink:ListVpcEndpointZones": (ANY,),
    "privatelink:ListVpcEndpointSecurityGroups": (ANY,),
    "vpc:DescribeVpcs": (ANY,),
    "vpc:DescribeVSwitches": (ANY,),
    "ecs:DescribeSecurityGroups": (ANY,),
    "ecs:DescribeSecurityGroupAttribute": (ANY,),
}
# The additional calls of `delete`.
CLEAN_UP: dict[str, tuple[str, ...]] = {
    "privatelink:RemoveZoneFromVpcEndpoint": (_ENDPOINT,),
    "privatelink:DeleteVpcEndpoint": (_ENDPOINT,),
}
_EVERY = {**NEEDED, **CLEAN_UP}
_BY_OPERATION = {action.partition(":")[2]: action for action in _EVERY}
_ACTION = re.compile(r"[a-z0-9-]{1,40}:[A-Za-z0-9]{1,80}")


def action_of(operation: str) -> str:
    """Return the RAM action of an API operation; empty if this package does not call it."""
    return _BY_OPERATION.get(operation, "")


def is_action(text: object) -> bool:
    """Return whether this text has the format of a RAM action, because an answer can contain any text."""
    return isinstance(text, str) and bool(_ACTION.fullmatch(text))


def resources(action: str, region_id: str = ANY) -> tuple[str, ...]:
    """Return the resources on which the action is checked, in any account; empty if unknown."""
    return tuple(each.format(region=region_id or ANY) for each in _EVERY.get(action, ()))


class RamAction(StrEnum):
    """The permissions that an access key's owner needs, each for one kind of networks or endpoints."""

    VPCS = "vpc:DescribeVpcs"
    VSWITCHES = "vpc:DescribeVSwitches"
    SECURITY_GROUPS = "ecs:DescribeSecurityGroups"
    ENDPOINTS = "privatelink:ListVpcEndpoints"
    ENDPOINT_ZONES = "privatelink:ListVpcEndpointZones"
    ENDPOINT_SECURITY_GROUPS = "privatelink:ListVpcEndpointSecurityGroups"
