"""The emulated Alibaba Cloud works with Alibaba Cloud's unmodified SDK for Node."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.requirements import need, unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.conftest import Cloud

PACKAGE = "@alicloud/openapi-client@^0.4"
#: Reads a list of calls from its input and writes a list of answers.
SCRIPT = """
const { default: Client, Config, OpenApiRequest, Params } = require('@alicloud/openapi-client');
const { default: Util } = require('@alicloud/openapi-util');
const { RuntimeOptions } = require('@alicloud/tea-util');

async function main() {
  const { config, calls } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const client = new Client(new Config(config));
  const answers = [];
  for (const [action, version, query, body] of calls) {
    const params = new Params({
      action, version, protocol: 'HTTP', pathname: '/', method: 'POST', authType: 'AK', style: 'RPC',
      reqBodyType: 'formData', bodyType: 'json',
    });
    const request = new OpenApiRequest({ query: Util.query(query), body: body || undefined });
    try {
      const answer = await client.callApi(params, request, new RuntimeOptions({}));
      answers.push({ status: answer.statusCode, body: answer.body });
    } catch (error) {
      answers.push({ status: error.data && error.data.statusCode, code: error.code });
    }
  }
  process.stdout.write(JSON.stringify(answers));
}
main();
"""
REGION = "ap-southeast-1"
PRIVATELINK, VPC, ECS = "2020-04-15", "2016-04-28", "2014-05-26"
DEMO = f"com.aliyuncs.privatelink.{REGION}.epsrv-t4ndemo7c1x0qk2p9s8e"

SECRET = "a-secret-of-thirty-characters!"

Call = list[Any]
Answer = dict[str, Any]


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install Alibaba Cloud's SDK for Node into a separate directory."""
    need("node", apt="nodejs")
    npm = need("npm", apt="npm")
    directory = tmp_path_factory.mktemp("node-sdk")
    (directory / "package.json").write_text('{"private": true}', encoding="utf-8")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        unavailable(f"the npm registry did not answer: {' '.join(command)}")
    if done.returncode != 0:
        unavailable(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
    (directory / "calls.js").write_text(SCRIPT, encoding="utf-8")
    return directory


def make_calls(sdk: Path, cloud: Cloud, calls: list[Call], *, secret: str = SECRET) -> list[Answer]:
    """Make calls with the SDK, one after the other."""
    config = {
        "accessKeyId": "LTAI5tSandboxKey",
        "accessKeySecret": secret,
        "endpoint": cloud.host,
        "regionId": REGION,
    }
    done = subprocess.run(
        ["node", "calls.js"],
        cwd=sdk,
        input=json.dumps({"config": config, "calls": calls}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def test_the_node_sdk_takes_an_endpoint_through_its_life(sdk: Path, cloud: Cloud) -> None:
    """The SDK for Node verifies a service, chooses a network, creates an endpoint and removes it."""
    verify = [PRIVATELINK, {"RegionId": REGION, "ServiceName": DEMO}]
    verified, vpcs, vswitches, groups, created = make_calls(
        sdk,
        cloud,
        [
            ["ListVpcEndpointServicesByEndUser", *verify],
            ["DescribeVpcs", VPC, {"RegionId": REGION, "PageSize": 50}],
            ["DescribeVSwitches", VPC, {"VpcId": "vpc-t4nanalytics0k3m7x"}],
            ["DescribeSecurityGroups", ECS, {"RegionId": REGION, "VpcId": "vpc-t4nanalytics0k3m7x"}],
            [
                "CreateVpcEndpoint",
                PRIVATELINK,
                {
                    "RegionId": REGION,
                    "ServiceName": DEMO,
                    "VpcId": "vpc-t4nanalytics0k3m7x",
                    "EndpointDescription": "a b+c/~*é %",
                    "SecurityGroupId": ["sg-t4nanalytics"],
                    "Zone": [{"ZoneId": "ap-southeast-1a", "VSwitchId": "vsw-t4na1"}],
                },
            ],
        ],
    )
    assert [service["ServiceName"] for service in verified["body"]["Services"]] == [DEMO]
    assert verified["body"]["TotalCount"] == "1"
    assert len(vpcs["body"]["Vpcs"]["Vpc"]) == 3
    assert len(vswitches["body"]["VSwitches"]["VSwitch"]) == 4
    assert len(groups["body"]["SecurityGroups"]["SecurityGroup"]) == 4
    endpoint = {"RegionId": REGION, "EndpointId": created["body"]["EndpointId"]}
    tag = {"RegionId": REGION, "ResourceType": "vpcendpoint", "ResourceId.1": endpoint["EndpointId"]}
    zone = {**endpoint, "ZoneId": "ap-southeast-1a"}
    answers = make_calls(
        sdk,
        cloud,
        [
            ["GetVpcEndpointAttribute", PRIVATELINK, endpoint],
            ["TagResources", PRIVATELINK, {}, {**tag, "Tag.1.Key": "a b+c", "Tag.1.Value": "é/~*"}],
            ["ListTagResources", PRIVATELINK, tag],
            ["DeleteVpcEndpoint", PRIVATELINK, endpoint],
            ["RemoveZoneFromVpcEndpoint", PRIVATELINK, zone],
            ["DeleteVpcEndpoint", PRIVATELINK, endpoint],
            ["GetVpcEndpointAttribute", PRIVATELINK, endpoint],
        ],
    )
    attribute, _, tags = answers[0]["body"], answers[1], answers[2]["body"]
    assert (attribute["EndpointStatus"], attribute["ConnectionStatus"]) == ("Active", "Connected")
    assert attribute["EndpointDescription"] == "a b+c/~*é %"
    assert [(t["TagKey"], t["TagValue"]) for t in tags["TagResources"]] == [("a b+c", "é/~*")]
    assert [answer["status"] for answer in answers] == [200, 200, 200, 400, 200, 200, 400]
    assert answers[3]["code"] == "EndpointDependenceViolation"
    assert answers[6]["code"] == "EndpointNotFound"


def test_the_node_sdk_is_refused_with_a_wrong_secret(sdk: Path, cloud: Cloud) -> None:
    """With a wrong secret the SDK for Node gets SignatureDoesNotMatch, without data."""
    (answer,) = make_calls(sdk, cloud, [["CheckProductOpen", PRIVATELINK, {}]], secret="wrong")
    assert (answer["status"], answer["code"]) == (400, "SignatureDoesNotMatch")
