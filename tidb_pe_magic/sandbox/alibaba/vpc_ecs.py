"""VPC 2016-04-28 and ECS 2014-05-26: the look-ups for choosing a network, here and in Terraform."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba.security_group_changes import find_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Query
    from tidb_pe_magic.sandbox.alibaba.network_seed import Permission, SecurityGroup, Vpc, VSwitch

_INSTANCE_TYPE, _DISK = "ecs.g7.large", "cloud_essd"
_CREATION_TIME = "2026-01-15T02:00:00Z"
_OWNER_ID = 5123456789012345
_RESOURCE_GROUP = "rg-acfmsandbox0000"


def _region_id(call: Call) -> str:
    return call.region(errors.RESOURCE_REGION_NOT_FOUND).region_id


def _describe_vpcs(call: Call) -> Body:
    region_id = _region_id(call)
    wanted = {vpc_id for vpc_id in call.parameters.text("VpcId").split(",") if vpc_id}
    name = call.parameters.text("VpcName")
    only_default = call.parameters.boolean("IsDefault")
    vpcs = [
        vpc
        for vpc in call.world.network.vpcs
        if vpc.region_id == region_id
        and (not wanted or vpc.vpc_id in wanted)
        and name in {"", vpc.name}
        and not only_default
    ]
    page, fields = call.parameters.numbered_page(vpcs)
    vswitches = call.world.network.vswitches
    return {**fields, "Vpcs": {"Vpc": [_vpc(vpc, vswitches) for vpc in page]}}


def _vpc(vpc: Vpc, vswitches: Sequence[VSwitch]) -> dict[str, object]:
    inside = [vswitch.vswitch_id for vswitch in vswitches if vswitch.vpc_id == vpc.vpc_id]
    return {
        "VpcId": vpc.vpc_id,
        "VpcName": vpc.name,
        "RegionId": vpc.region_id,
        "CidrBlock": vpc.cidr_block,
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
        "Status": "Available",
        "IsDefault": False,
        "Description": "",
        "CreationTime": _CREATION_TIME,
        "VSwitchIds": {"VSwitchId": inside},
        # Clients read the content of these without checking that they exist.
        "UserCidrs": {"UserCidr": []},
        "Ipv6CidrBlock": "",
        "Ipv6CidrBlocks": {"Ipv6CidrBlock": []},
        "NatGatewayIds": {"NatGatewayIds": []},
        "RouterTableIds": {"RouterTableIds": [_route_table_id(vpc.vpc_id)]},
        "VRouterId": f"vrt-{vpc.vpc_id.removeprefix('vpc-')}",
        "AssociatedCens": {"AssociatedCen": []},
        "CenStatus": "Detached",
        "DhcpOptionsSetId": "",
        "DhcpOptionsSetStatus": "",
        "OwnerId": _OWNER_ID,
        "ResourceGroupId": _RESOURCE_GROUP,
        "Tags": {"Tag": []},
    }


def _route_table_id(vpc_id: str) -> str:
    return f"vtb-{vpc_id.removeprefix('vpc-')}"


def _describe_vswitches(call: Call) -> Body:
    parameters = call.parameters
    vpc_id, zone_id = parameters.text("VpcId"), parameters.text("ZoneId")
    # This operation requires only one of the two.
    region_id = "" if vpc_id and not parameters.text("RegionId") else _region_id(call)
    wanted = {vswitch_id for vswitch_id in parameters.text("VSwitchId").split(",") if vswitch_id}
    regions = {vpc.vpc_id: vpc.region_id for vpc in call.world.network.vpcs}
    vswitches = [
        vswitch
        for vswitch in call.world.network.vswitches
        if vpc_id in {"", vswitch.vpc_id}
        and region_id in {"", regions[vswitch.vpc_id]}
        and zone_id in {"", vswitch.zone_id}
        and (not wanted or vswitch.vswitch_id in wanted)
    ]
    page, fields = parameters.numbered_page(vswitches)
    listed = [
        {
            "VSwitchId": vswitch.vswitch_id,
            "VSwitchName": vswitch.vswitch_id.removeprefix("vsw-"),
            "VpcId": vswitch.vpc_id,
            "ZoneId": vswitch.zone_id,
            "CidrBlock": vswitch.cidr_block,
            "AvailableIpAddressCount": call.world.free_addresses(vswitch.vswitch_id),
            "Status": vswitch.status,
            "IsDefault": False,
            "Description": "",
            "CreationTime": _CREATION_TIME,
            "ResourceGroupId": _RESOURCE_GROUP,
            "ShareType": "",
            "Ipv6CidrBlock": "",
            "NetworkAclId": "",
            "OwnerId": _OWNER_ID,
            "RouteTable": {"RouteTableId": _route_table_id(vswitch.vpc_id), "RouteTableType": "System"},
            "Tags": {"Tag": []},
        }
        for vswitch in page
    ]
    return {**fields, "VSwitches": {"VSwitch": listed}}


def _describe_security_groups(call: Call) -> Body:
    parameters = call.parameters
    region_id = _region_id(call)
    regions = {vpc.vpc_id: vpc.region_id for vpc in call.world.network.vpcs}
    vpc_id, kind = parameters.text("VpcId"), parameters.text("SecurityGroupType")
    name = parameters.text("SecurityGroupName")
    wanted = _wanted_groups(call)
    groups = [
        group
        for group in call.world.network.security_groups
        if regions[group.vpc_id] == region_id
        and vpc_id in {"", group.vpc_id}
        and kind in {"", group.kind}
        and name in {"", group.name}
        and (not wanted or group.security_group_id in wanted)
    ]
    page = parameters.page(groups, default=10, high=100)
    listed = [_group(group) for group in page.items]
    return {
        "RegionId": region_id,
        "TotalCount": page.total,
        "NextToken": page.next_token,
        "SecurityGroups": {"SecurityGroup": listed},
    }


def _wanted_groups(call: Call) -> set[str]:
    wanted = {call.parameters.text("SecurityGroupId")} - {""}
    if text := call.parameters.text("SecurityGroupIds"):
        try:
            ids = json.loads(text)
        except json.JSONDecodeError:
            raise errors.ApiError(errors.invalid("SecurityGroupIds")) from None
        if not isinstance(ids, list):
            raise errors.ApiError(errors.invalid("SecurityGroupIds"))
        wanted |= {str(group_id) for group_id in ids}
    return wanted


def _group(group: SecurityGroup) -> dict[str, object]:
    return {
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
        "SecurityGroupType": group.kind,
        "VpcId": group.vpc_id,
        "ServiceManaged": group.service_managed,
        "Description": "",
        "CreationTime": _CREATION_TIME,
        "ResourceGroupId": _RESOURCE_GROUP,
        "Tags": {"Tag": []},
    }


def _describe_security_group_attribute(call: Call) -> Body:
    parameters = call.parameters
    group = find_group(call)
    direction = parameters.one_of("Direction", ("all", "ingress", "egress"))
    rules = [rule for rule in group.permissions if direction in {"all", rule.direction}]
    page = parameters.page(rules, default=500, low=10, high=1000)
    return {
        "RegionId": parameters.text("RegionId"),
        "SecurityGroupId": group.security_group_id,
        "SecurityGroupName": group.name,
        "Description": "",
        "VpcId": group.vpc_id,
        "InnerAccessPolicy": group.inner_access_policy,
        "NextToken": page.next_token,
        "Permissions": {"Permission": [_permission(rule) for rule in page.items]},
    }


def _permission(rule: Permission) -> dict[str, object]:
    return {
        "SecurityGroupRuleId": rule.rule_id,
        "Direction": rule.direction,
        "IpProtocol": rule.ip_protocol,
        "PortRange": rule.port_range,
        "PortRangeListId": rule.port_range_list_id,
        "SourceCidrIp": rule.source_cidr_ip,
        "SourcePortRange": "-1/-1",
        "SourceGroupId": rule.source_group_id,
        "SourceGroupOwnerAccount": "",
        "SourcePrefixListId": rule.source_prefix_list_id,
        "Ipv6SourceCidrIp": "",
        "DestCidrIp": "",
        "DestGroupId": "",
        "DestGroupOwnerAccount": "",
        "DestPrefixListId": "",
        "DestPrefixListName": "",
        "Ipv6DestCidrIp": "",
        "SourceGroupName": "",
        "SourcePrefixListName": "",
        "DestGroupName": "",
        "Policy": rule.policy,
        # A string on the wire, although it is a number.
        "Priority": rule.priority,
        "NicType": "intranet",
        "Description": rule.description,
        "CreateTime": _CREATION_TIME,
    }


def _describe_regions(call: Call) -> Body:
    regions = [
        {
            "RegionId": region.region_id,
            "LocalName": region.local_name,
            "RegionEndpoint": f"ecs.{region.region_id}.aliyuncs.com",
            "Status": "available",
        }
        for region in call.world.network.regions
    ]
    return {"Regions": {"Region": regions}}


def _describe_zones(call: Call) -> Body:
    zones = [
        {
            "ZoneId": zone_id,
            "LocalName": f"Zone {zone_id[-1].upper()}",
            "ZoneType": "AvailabilityZone",
            "AvailableResourceCreation": {"ResourceTypes": ["VSwitch", "Instance", "Disk"]},
            "AvailableInstanceTypes": {"InstanceTypes": [_INSTANCE_TYPE]},
            "AvailableDiskCategories": {"DiskCategories": [_DISK]},
            "AvailableVolumeCategories": {"VolumeCategories": []},
            "DedicatedHostGenerations": {"DedicatedHostGeneration": []},
            "AvailableDedicatedHostTypes": {"DedicatedHostType": []},
            "AvailableResources": {"ResourcesInfo": []},
        }
        for zone_id in call.region(errors.RESOURCE_REGION_NOT_FOUND).zone_ids
    ]
    return {"Zones": {"Zone": zones}}


def _describe_available_resource(call: Call) -> Body:
    region = call.region(errors.RESOURCE_REGION_NOT_FOUND)
    kind = call.parameters.required("DestinationResource")
    values = {"InstanceType": _INSTANCE_TYPE, "SystemDisk": _DISK, "DataDisk": _DISK}
    stock = {"Status": "Available", "StatusCategory": "WithStock"}
    zones = [
        {
            "RegionId": region.region_id,
            "ZoneId": zone_id,
            **stock,
            "AvailableResources": {
                "AvailableResource": [
                    {
                        "Type": kind,
                        "SupportedResources": {
                            "SupportedResource": [{"Value": values.get(kind, zone_id), **stock}]
                        },
                    }
                ]
            },
        }
        for zone_id in region.zone_ids
        if call.parameters.text("ZoneId") in {"", zone_id}
    ]
    return {"AvailableZones": {"AvailableZone": zones}}


VPC_QUERIES: Mapping[str, Query] = MappingProxyType(
    {"DescribeVSwitches": _describe_vswitches, "DescribeVpcs": _describe_vpcs}
)
ECS_QUERIES: Mapping[str, Query] = MappingProxyType(
    {
        "DescribeAvailableResource": _describe_available_resource,
        "DescribeRegions": _describe_regions,
        "DescribeZones": _describe_zones,
        "DescribeSecurityGroupAttribute": _describe_security_group_attribute,
        "DescribeSecurityGroups": _describe_security_groups,
    }
)
