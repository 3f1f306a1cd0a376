"""The emulated VPC and ECS lookups, called through the official SDK's generic call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from alibabacloud_tea_openapi.exceptions._client import ClientException
from sandbox.conftest import ACCESS_KEY_ID, ACCESS_KEY_SECRET

from tidb_pe_magic.sandbox.alibaba.app import operation_of

if TYPE_CHECKING:
    from sandbox.conftest import Cloud

VPC_VERSION = "2016-04-28"
ECS_VERSION = "2014-05-26"
REGION = "ap-southeast-1"
ANALYTICS = "vpc-t4nanalytics0k3m7x"


def test_vpcs_are_listed_by_region(cloud: Cloud) -> None:
    """The VPCs of one region include their vSwitches, nested as in the API."""
    body = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId=REGION, PageSize=50)
    assert body["TotalCount"] == 3
    assert [vpc["VpcName"] for vpc in body["Vpcs"]["Vpc"]] == ["analytics", "legacy", "other"]
    assert body["Vpcs"]["Vpc"][1]["VSwitchIds"] == {"VSwitchId": ["vsw-t4nlc1"]}
    (jakarta,) = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId="ap-southeast-5")["Vpcs"]["Vpc"]
    assert (jakarta["VpcId"], jakarta["Status"]) == ("vpc-k1ajakarta4h8n2v", "Available")


def test_vpcs_are_filtered_by_several_ids(cloud: Cloud) -> None:
    """VpcId accepts several IDs separated by commas."""
    body = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId=REGION, VpcId=f"{ANALYTICS},vpc-t4nother5d9r1z")
    assert [vpc["VpcName"] for vpc in body["Vpcs"]["Vpc"]] == ["analytics", "other"]


def test_vswitches_count_the_addresses_that_endpoints_take(cloud: Cloud) -> None:
    """AvailableIpAddressCount decreases by one when an endpoint takes an address of the vSwitch."""

    def free() -> dict[str, int]:
        body = cloud.rpc("DescribeVSwitches", VPC_VERSION, VpcId=ANALYTICS)
        return {v["VSwitchId"]: v["AvailableIpAddressCount"] for v in body["VSwitches"]["VSwitch"]}

    assert free() == {"vsw-t4na1": 240, "vsw-t4na2": 12, "vsw-t4nb1": 251, "vsw-t4nc1": 0}
    service = next(s for s in cloud.world.services if s.service_id.startswith("epsrv-t4ndemo"))
    cloud.world.create_endpoint(service=service, vpc_id=ANALYTICS, zones=[("ap-southeast-1a", "vsw-t4na2")])
    assert free()["vsw-t4na2"] == 11


@pytest.mark.parametrize("size", [1, 2, 50])
def test_vswitches_are_paged_by_number(cloud: Cloud, size: int) -> None:
    """Increasing PageNumber lists every vSwitch of the region once."""
    seen: list[str] = []
    number, total = 1, 1
    while len(seen) < total:
        body = cloud.rpc("DescribeVSwitches", VPC_VERSION, RegionId=REGION, PageNumber=number, PageSize=size)
        assert (body["PageNumber"], body["PageSize"]) == (number, size)
        seen += [vswitch["VSwitchId"] for vswitch in body["VSwitches"]["VSwitch"]]
        number, total = number + 1, body["TotalCount"]
    assert len(seen) == len(set(seen)) == 7


def test_vswitches_are_filtered_by_zone(cloud: Cloud) -> None:
    """ZoneId selects the vSwitches of that zone."""
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
    """A group answers with its inbound rules and its policy for members."""
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
    """Each wrong lookup is refused with the provider's code and status."""
    with pytest.raises(ClientException) as caught:
        cloud.rpc(action, version, **query)
    assert (caught.value.status_code, caught.value.code) == (status, code)


# Requests of the Terraform provider and other foreign clients


def test_no_field_that_foreign_clients_reach_into_is_missing(cloud: Cloud) -> None:
    """UserCidrs and the route table are present, because the Terraform provider 1.289 panics without them."""
    vpcs = cloud.rpc("DescribeVpcs", VPC_VERSION, RegionId=REGION, PageSize=50)["Vpcs"]["Vpc"]
    vswitches = cloud.rpc("DescribeVSwitches", VPC_VERSION, RegionId=REGION, PageSize=50)
    tables = {vpc["VpcId"]: vpc["RouterTableIds"]["RouterTableIds"] for vpc in vpcs}
    assert all(vpc["UserCidrs"]["UserCidr"] == [] for vpc in vpcs)
    for vswitch in vswitches["VSwitches"]["VSwitch"]:
        assert [vswitch["RouteTable"]["RouteTableId"]] == tables[vswitch["VpcId"]]
    rules = cloud.rpc(
        "DescribeSecurityGroupAttribute", ECS_VERSION, RegionId=REGION, SecurityGroupId="sg-t4nanalytics"
    )["Permissions"]["Permission"]
    assert all(rule["SecurityGroupRuleId"].startswith("sgr-") for rule in rules)
    assert len({rule["SecurityGroupRuleId"] for rule in rules}) == len(rules)


def test_regions_zones_and_stock_are_listed(cloud: Cloud) -> None:
    """A provider's data sources find each zone of the region, with available stock."""
    regions = cloud.rpc("DescribeRegions", ECS_VERSION)["Regions"]["Region"]
    assert [region["RegionId"] for region in regions] == [REGION, "ap-southeast-5"]
    zones = cloud.rpc("DescribeZones", ECS_VERSION, RegionId=REGION)["Zones"]["Zone"]
    stock = cloud.rpc(
        "DescribeAvailableResource", ECS_VERSION, RegionId=REGION, DestinationResource="InstanceType"
    )["AvailableZones"]["AvailableZone"]
    assert [zone["ZoneId"] for zone in zones] == [zone["ZoneId"] for zone in stock]
    for zone, here in zip(zones, stock, strict=True):
        (available,) = here["AvailableResources"]["AvailableResource"]
        (supported,) = available["SupportedResources"]["SupportedResource"]
        assert supported["Value"] in zone["AvailableInstanceTypes"]["InstanceTypes"]


def test_the_services_of_others_are_not_the_accounts_own(cloud: Cloud) -> None:
    """An account that only uses services has neither services nor connections to them."""
    for action, items in (
        ("ListVpcEndpointServices", "Services"),
        ("ListVpcEndpointConnections", "Connections"),
    ):
        body = cloud.rpc(action, "2020-04-15", RegionId=REGION, MaxResults=50)
        assert (body[items], body["TotalCount"]) == ([], 0)


@pytest.mark.parametrize("prefix", ["", "Permissions.1."])
def test_a_rule_is_added_once_and_taken_away(cloud: Cloud, prefix: str) -> None:
    """Both forms of a rule are stored as the API writes them, and a repeated rule is not duplicated."""
    group = {"RegionId": REGION, "SecurityGroupId": "sg-t4nclosed"}
    rule = {
        "IpProtocol": "tcp",
        "PortRange": "4000/4000",
        "SourceCidrIp": "10.20.0.0/16",
        "Policy": "accept",
        "Priority": "5",
        "Description": "TiDB Cloud",
        "NicType": "intranet",
    }
    sent = {**group, **{f"{prefix}{name}": value for name, value in rule.items()}}

    def rules() -> list[dict[str, Any]]:
        body = cloud.rpc("DescribeSecurityGroupAttribute", ECS_VERSION, **group, Direction="ingress")
        permissions: list[dict[str, Any]] = body["Permissions"]["Permission"]
        return permissions

    for _ in range(2):
        cloud.rpc("AuthorizeSecurityGroup", ECS_VERSION, **sent)
    (added,) = rules()
    assert added | {"IpProtocol": "TCP", "Policy": "Accept", "Priority": "5"} == added
    assert (added["PortRange"], added["SourceCidrIp"]) == ("4000/4000", "10.20.0.0/16")
    assert added["Description"] == "TiDB Cloud"
    cloud.rpc("RevokeSecurityGroup", ECS_VERSION, **sent)
    assert rules() == []
    cloud.rpc("AuthorizeSecurityGroup", ECS_VERSION, **sent)
    rule_id = rules()[0]["SecurityGroupRuleId"]
    cloud.rpc("RevokeSecurityGroup", ECS_VERSION, **group, **{"SecurityGroupRuleId.1": rule_id})
    assert rules() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"IpProtocol": ""}, "MissingParameter"),
        ({"IpProtocol": "sctp"}, "InvalidIpProtocol.ValueNotSupported"),
        ({"PortRange": ""}, "MissingParameter"),
        ({"PortRange": "4000"}, "InvalidIpPortRange.Malformed"),
        ({"PortRange": "1/65536"}, "InvalidIpPortRange.Malformed"),
        ({"Policy": "perhaps"}, "InvalidPolicy.Malformed"),
        ({"SourceCidrIp": ""}, "MissingParameter.Source"),
        ({"SourceCidrIp": "10.20.0.0/33"}, "InvalidSourceCidrIp.Malformed"),
        ({"Priority": "101"}, "InvalidParameter"),
        ({"SecurityGroupId": "sg-none"}, "InvalidSecurityGroupId.NotFound"),
    ],
)
def test_a_wrong_rule_is_refused(cloud: Cloud, changes: dict[str, str], code: str) -> None:
    """Each wrong or missing part of a rule has its code, and changes nothing."""
    before = cloud.world.network
    rule = {"IpProtocol": "tcp", "PortRange": "4000/4000", "SourceCidrIp": "10.20.0.0/16"}
    sent = {"RegionId": REGION, "SecurityGroupId": "sg-t4nclosed", **rule, **changes}
    with pytest.raises(ClientException) as caught:
        cloud.rpc("AuthorizeSecurityGroup", ECS_VERSION, **sent)
    assert caught.value.code == code
    assert cloud.world.network == before


@pytest.mark.parametrize("where", ["query", "form"])
def test_the_older_signature_counts_in_a_form_too(cloud: Cloud, where: str) -> None:
    """A call of version 1 (HMAC-SHA1) may have its parameters in the query or in a POST form."""
    sent = {
        "Action": "DescribeVpcs",
        "Version": VPC_VERSION,
        "Format": "JSON",
        "RegionId": REGION,
        "VpcName": "analytics & more / ~ é +",
        "AccessKeyId": ACCESS_KEY_ID,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    canonical = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(sent.items()))
    text = f"POST&%2F&{quote(canonical, safe='-_.~')}"
    digest = hmac.new(f"{ACCESS_KEY_SECRET}&".encode(), text.encode(), hashlib.sha1).digest()
    sent["Signature"] = base64.b64encode(digest).decode()

    def post(parameters: dict[str, str]) -> httpx.Response:
        if where == "query":
            return httpx.post(cloud.url, params=parameters)
        return httpx.post(cloud.url, data=parameters)

    answer = post(sent)
    assert (answer.status_code, answer.json()["TotalCount"]) == (200, 0)
    assert [call.operation for call in cloud.calls] == ["DescribeVpcs"]
    form = io.BytesIO(urlencode(sent).encode())
    environ = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "wsgi.input": form}
    assert operation_of(environ) == "DescribeVpcs"
    assert form.tell() == 0
    forged = post({**sent, "RegionId": "ap-southeast-5", "SignatureNonce": uuid.uuid4().hex})
    assert forged.json()["Code"] == "SignatureDoesNotMatch"
