"""The RAM actions whose lack leaves a gap in what is known."""

from __future__ import annotations

from enum import StrEnum


class RamAction(StrEnum):
    """What an access key's owner has to be allowed, each for one part of networks or endpoints."""

    VPCS = "vpc:DescribeVpcs"
    VSWITCHES = "vpc:DescribeVSwitches"
    SECURITY_GROUPS = "ecs:DescribeSecurityGroups"
    ENDPOINTS = "privatelink:ListVpcEndpoints"
    ENDPOINT_ZONES = "privatelink:ListVpcEndpointZones"
    ENDPOINT_SECURITY_GROUPS = "privatelink:ListVpcEndpointSecurityGroups"
