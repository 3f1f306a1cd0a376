"""The emulated VPC and ECS look-ups, called with the official SDK's generic call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alibabacloud_tea_openapi.exceptions._client import ClientException

if TYPE_CHECKING:
    from sandbox.conftest import Cloud

VPC_VERSION = "2016-04-28"
ECS_VERSION = "2014-05-26"
REGION = "ap-southeast-1"
ANALYTICS = "vpc-t4nanalytics0k3m7x"


def test_vpcs_are_listed_by_region(cloud: Cloud) -> None:
    """The VPCs of one region come with their vSwitches, nested as the API has them."""
    body = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId=REGION, PageSize=50)
    assert body["TotalCount"] == 3
    assert [vpc["VpcName"] for vpc in body["Vpcs"]["Vpc"]] == ["analytics", "legacy", "other"]
    assert body["Vpcs"]["Vpc"][1]["VSwitchIds"] == {"VSwitchId": ["vsw-t4nlc1"]}
    (jakarta,) = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId="ap-southeast-5")["Vpcs"]["Vpc"]
    assert (jakarta["VpcId"], jakarta["Status"]) == ("vpc-k1ajakarta4h8n2v", "Available")


def test_vpcs_are_filtered_by_several_ids(cloud: Cloud) -> None:
    """VpcId takes several ids with commas between them."""
    body = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId=REGION, VpcId=f"{ANALYTICS},vpc-t4nother5d9r1z")
    assert [vpc["VpcName"] for vpc in body["Vpcs"]["Vpc"]] == ["analytics", "other"]


def test_vswitches_count_the_addresses_that_endpoints_take(cloud: Cloud) -> None:
    """AvailableIpAddressCount goes down by one when an endpoint takes an address of the vSwitch."""

    def free() -> dict[str, int]:
        body = cloud.rpc("DescribeVSwitches", VPC_VERSION, VpcId=ANALYTICS)
        return {v["VSwitchId"]: v["AvailableIpAddressCount"] for v in body["VSwitches"]["VSwitch"]}

    assert free() == {"vsw-t4na1": 240, "vsw-t4na2": 12, "vsw-t4nb1": 251, "vsw-t4nc1": 0}
    service = next(s for s in cloud.world.services if s.service_id.startswith("epsrv-t4ndemo"))
    cloud.world.create_endpoint(service=service, vpc_id=ANALYTICS, zones=[("ap-southeast-1a", "vsw-t4na2")])
    assert free()["vsw-t4na2"] == 11


@pytest.mark.parametrize("size", [1, 2, 50])
def test_vswitches_are_paged_by_number(cloud: Cloud, size: int) -> None:
    """Counting PageNumber up lists every vSwitch of the region once."""
    seen: list[str] = []
    number, total = 1, 1
    while len(seen) < total:
        body = cloud.rpc("DescribeVSwitches", VPC_VERSION, RegionId=REGION, PageNumber=number, PageSize=size)
        assert (body["PageNumber"], body["PageSize"]) == (number, size)
        seen += [vswitch["VSwitchId"] for vswitch in body["VSwitches"]["VSwitch"]]
        number, total = number + 1, body["TotalCount"]
    assert len(seen) == len(set(seen)) == 7


def test_vswitches_are_filtered_by_zone(cloud: Cloud) -> None:
    """ZoneId leaves the vSwitches of that zone."""
    body = cloud.rpc("DescribeVSwitches", VPC_VERSION, RegionId=REGION, ZoneId="ap-southeast-1c")
    assert [v["VSwitchId"] for v in body["VSwitches"]["VSwitch"]] == ["vsw-t4nc1", "vsw-t4nlc1"]


def test_security_groups_are_paged_by_token(cloud: Cloud) -> None:
    """Following NextToken to the empty one lists every security group of a VPC."""
    seen: dict[str, tuple[str, bool]] = {}
    token = None
    while token != "":
        body = cloud.rpc(
            "DescribeSecurityGroups",
            ECS_VERSION,
            RegionId=REGION,
            VpcId=ANALYTICS,
            MaxResults=3,
            NextToken=token,
        )
        for group in body["SecurityGroups"]["SecurityGroup"]:
            seen[group["SecurityGroupId"]] = (group["SecurityGroupType"], group["ServiceManaged"])
        token = body["NextToken"]
    assert seen == {
        "sg-t4nanalytics": ("normal", False),
        "sg-t4nclosed": ("normal", False),
        "sg-t4nenterprise": ("enterprise", False),
        "sg-t4nmanaged": ("normal", True),
    }


@pytest.mark.parametrize(
    ("group_id", "inner", "sources"),
    [
        ("sg-t4nanalytics", "Accept", ["10.0.0.0/8", "127.0.0.0/8"]),
        ("sg-t4nenterprise", "Drop", ["10.0.0.0/8", "127.0.0.0/8"]),
        ("sg-t4nclosed", "Accept", []),
    ],
)
def test_the_rules_of_a_group_are_listed(cloud: Cloud, group_id: str, inner: str, sources: list[str]) -> None:
    """A group answers with its inbound rules and with how its members treat each other."""
    body = cloud.rpc(
        "DescribeSecurityGroupAttribute",
        ECS_VERSION,
        RegionId=REGION,
        SecurityGroupId=group_id,
        Direction="ingress",
    )
    rules = body["Permissions"]["Permission"]
    assert body["InnerAccessPolicy"] == inner
    assert [rule["SourceCidrIp"] for rule in rules] == sources
    for rule in rules:
        assert (rule["PortRange"], rule["IpProtocol"], rule["Policy"]) == ("1/65535", "TCP", "Accept")
        assert rule["Priority"] == "1"


@pytest.mark.parametrize(
    ("action", "version", "query", "status", "code"),
    [
        ("DescribeVpcs", VPC_VERSION, {}, 400, "MissingRegionId"),
        ("DescribeVpcs", VPC_VERSION, {"RegionId": "mars-1"}, 404, "InvalidRegionId.NotFound"),
        ("DescribeVpcs", VPC_VERSION, {"RegionId": REGION, "PageSize": 51}, 400, "InvalidParameter"),
        ("DescribeVSwitches", VPC_VERSION, {}, 400, "MissingRegionId"),
        (
            "DescribeSecurityGroups",
            ECS_VERSION,
            {"RegionId": REGION, "MaxResults": 101},
            400,
            "InvalidParameter",
        ),
        (
            "DescribeSecurityGroupAttribute",
            ECS_VERSION,
            {"RegionId": REGION, "SecurityGroupId": "sg-none"},
            404,
            "InvalidSecurityGroupId.NotFound",
        ),
        ("DescribeVpcs", ECS_VERSION, {"RegionId": REGION}, 404, "InvalidAction.NotFound"),
        ("DescribeVpcs", "1999-01-01", {"RegionId": REGION}, 400, "InvalidVersion"),
    ],
)
def test_a_wrong_look_up_is_refused(  # noqa: PLR0913, PLR0917 - one argument for each column of the table
    cloud: Cloud, action: str, version: str, query: dict[str, object], status: int, code: str
) -> None:
    """Each wrong look-up is refused with the provider's code and status."""
    with pytest.raises(ClientException) as caught:
        cloud.rpc(action, version, **query)
    assert (caught.value.status_code, caught.value.code) == (status, code)
