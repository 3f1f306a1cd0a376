"""Users of a sandbox: of both clouds' APIs through independent clients, and of SQL."""

from __future__ import annotations

import ssl
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpx
import pymysql
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.utils import Utils
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import TeaException

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox import Sandbox
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

REGION, VPC, GROUP = "ap-southeast-1", "vpc-t4nanalytics0k3m7x", "sg-t4nanalytics"
DEMO, PREFIX = "10430185274093617152", "2vKmPqRsTuWxYzA"
SERVICE = f"com.aliyuncs.privatelink.{REGION}.epsrv-t4ndemo7c1x0qk2p9s8e"
# Made once: both load all certificates of the machine, which takes 40 ms.
_HTTP = httpx.Client()
_TLS = ssl.create_default_context()
_TLS.check_hostname, _TLS.verify_mode = False, ssl.CERT_NONE
PRIVATELINK, VPC_API, ECS = "2020-04-15", "2016-04-28", "2014-05-26"


class Clouds:
    """Both clouds' APIs as their users call them, and SQL through an endpoint."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Use the current keys."""
        self.sandbox = sandbox
        self.environment = sandbox.environment()
        keys = self.environment["TIDBCLOUD_PUBLIC_KEY"], self.environment["TIDBCLOUD_PRIVATE_KEY"]
        self._digest = httpx.DigestAuth(*keys)

    def alibaba(self, action: str, version: str = PRIVATELINK, /, **query: object) -> Any:
        """Return Alibaba Cloud's answer without its varying parts, or a refusal's code."""
        parameters = utils_models.Params(
            action=action,
            version=version,
            protocol="HTTP",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        config = utils_models.Config(
            access_key_id=self.environment["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            access_key_secret=self.environment["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            endpoint=self.environment["TIDB_PE_ALIBABA_ENDPOINT"].removeprefix("http://"),
            protocol="HTTP",
            region_id=REGION,
        )
        request = utils_models.OpenApiRequest(query=Utils.query({"RegionId": REGION, **query}))
        try:
            body = OpenApiClient(config).call_api(parameters, request, RuntimeOptions())["body"]
        except TeaException as refused:
            return refused.code
        return {name: value for name, value in body.items() if name != "RequestId"}

    def tidb_cloud(self, method: str, path: str, **body: object) -> Any:
        """Return TiDB Cloud's answer."""
        url = f"{self.environment['TIDBCLOUD_SERVERLESS_ENDPOINT']}/v1beta1/clusters{path}"
        answer = _HTTP.request(method, url, auth=self._digest, json=body or None)
        return answer.status_code, answer.json()

    def sql(self, endpoint: Endpoint, statement: str) -> Any:
        """Return the database's rows through an endpoint."""
        connection = pymysql.connect(
            host=endpoint.domain,
            port=endpoint.port,
            user=f"{PREFIX}.root",
            password=self.sandbox.environment()["TIDB_PASSWORD"],
            autocommit=True,
            ssl=_TLS,
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def everything(self) -> Any:
        """Return the answers of every read operation, and the open addresses."""
        world = self.sandbox.world
        of_endpoints = [
            self.alibaba(action, EndpointId=endpoint_id)
            for endpoint_id in world.endpoints
            for action in (
                "GetVpcEndpointAttribute",
                "ListVpcEndpointZones",
                "ListVpcEndpointSecurityGroups",
            )
        ]
        of_account = [
            self.alibaba("ListVpcEndpoints"),
            self.alibaba("ListVpcEndpointServicesByEndUser"),
            self.alibaba("CheckProductOpen"),
            *(self.alibaba(action, VPC_API) for action in ("DescribeVpcs", "DescribeVSwitches")),
            self.alibaba("DescribeSecurityGroups", ECS),
            self.alibaba("DescribeSecurityGroupAttribute", ECS, SecurityGroupId=GROUP),
        ]
        clusters = [self.tidb_cloud("GET", path) for path in ("", f"/{DEMO}/sqlUsers")]
        logins = self.sandbox.clusters.sql_logins()
        return of_endpoints, of_account, clusters, logins, self.sandbox.route.gate.open_addresses


def make_endpoint(sandbox: Sandbox) -> Endpoint:
    """Return a new connected endpoint."""
    made = sandbox.world.create_endpoint(
        service=sandbox.world.services[0],
        vpc_id=VPC,
        zones=[("ap-southeast-1a", "vsw-t4na1")],
        security_groups=[GROUP],
    )
    return sandbox.world.endpoints[made.endpoint_id]
