"""The sandbox's TiDB Cloud answers match the Swagger files that TiDB Cloud publishes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from jsonschema import Draft4Validator, FormatChecker

from tidb_pe_magic.sandbox.tidb_cloud.app import create_app
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
from tidb_pe_magic.sandbox.tidb_cloud.clusters import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
CLUSTER_API = REFERENCE / "tidbcloud-serverless-cluster.swagger.json"
IAM_API = REFERENCE / "tidbcloud-iam.swagger.json"
pytestmark = pytest.mark.skipif(
    not (CLUSTER_API.is_file() and IAM_API.is_file()),
    reason="needs TiDB Cloud's Swagger files in ../shared/reference",
)

DEMO, ARCHIVE = "10430185274093617152", "10430185274093617156"
ROOT = "2vKmPqRsTuWxYzA.root"
USERS = "/v1beta1/clusters/{clusterId}/sqlUsers"
BODY = {"userName": "etl", "password": "12345678", "builtinRole": "role_readonly", "autoPrefix": True}


class Specification:
    """A Swagger file that validates answers."""

    def __init__(self, path: Path) -> None:
        """Read the file and close its objects."""
        self.content = json.loads(path.read_text(encoding="utf-8"))
        self.definitions = copy.deepcopy(self.content["definitions"])
        for definition in self.definitions.values():
            # An answer must not have unknown fields; Swagger leaves objects open.
            if "properties" in definition:
                definition.setdefault("additionalProperties", False)
        region = self.definitions.get("commonv1beta1Region")
        if region is not None:
            # The one deviation: the pattern of `name` excludes alicloud, while the pattern of `regionId`, a
            # part of the name, and the list of providers include it.
            assert region["properties"]["name"]["pattern"] == "^regions/(aws|gcp|azure)-(.+)$"
            region["properties"]["name"]["pattern"] = "^regions/(aws|gcp|azure|alicloud)-(.+)$"

    def check(self, path: str, answer: httpx.Response) -> None:
        """Fail unless the answer matches the file for this path, method and status."""
        responses = self.content["paths"][path][answer.request.method.lower()]["responses"]
        response = responses.get(str(answer.status_code)) or responses["default"]
        schema = response["schema"] | {"definitions": self.definitions}
        validator = Draft4Validator(schema, format_checker=FormatChecker())
        assert [error.message for error in validator.iter_errors(answer.json())] == []


@pytest.fixture(scope="module")
def cluster_api() -> Specification:
    """Return the specification of clusters and regions."""
    return Specification(CLUSTER_API)


@pytest.fixture(scope="module")
def iam_api() -> Specification:
    """Return the specification of SQL users."""
    return Specification(IAM_API)


@pytest.fixture
def store() -> ClusterStore:
    """Return the seed."""
    return ClusterStore(port=4000)


@pytest.fixture
def client(store: ClusterStore) -> Iterator[httpx.Client]:
    """Return an authenticated client with a stopped clock."""
    app = create_app(store, {"key": "secret"}, lambda: 1_790_000_000.0)
    transport = httpx.WSGITransport(app=app)
    auth = httpx.DigestAuth("key", "secret")
    with httpx.Client(transport=transport, base_url="http://sandbox", auth=auth) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "url", "status"),
    [
        ("/clusters", "/clusters", 200),
        ("/clusters", "/clusters?pageSize=100", 200),
        ("/clusters", "/clusters?skip=50", 200),
        ("/clusters", "/clusters?filter=colour%3Dred", 400),
        ("/clusters/{clusterId}", f"/clusters/{DEMO}", 200),
        ("/clusters/{clusterId}", f"/clusters/{DEMO}?view=BASIC", 200),
        ("/clusters/{clusterId}", f"/clusters/{DEMO}?view=HALF", 400),
        ("/clusters/{clusterId}", "/clusters/1", 404),
        ("/clusters:batchGet", f"/clusters:batchGet?clusterIds={DEMO}&clusterIds={ARCHIVE}", 200),
        ("/clusters:batchGet", "/clusters:batchGet", 400),
        ("/clusters:batchGet", "/clusters:batchGet?clusterIds=1", 404),
        ("/regions", "/regions", 200),
        ("/regions", "/regions?cloudProvider=nobody", 400),
        ("/regions:listCloudProviders", "/regions:listCloudProviders", 200),
    ],
)
def test_cluster_answers_are_as_published(
    client: httpx.Client, cluster_api: Specification, path: str, url: str, status: int
) -> None:
    """Every answer of the cluster API, errors included, is valid by TiDB Cloud's own file."""
    answer = client.get(f"/v1beta1{url}")
    assert answer.status_code == status
    cluster_api.check(path, answer)


def test_every_cluster_of_the_seed_is_as_published(
    client: httpx.Client, cluster_api: Specification, store: ClusterStore
) -> None:
    """Each cluster of the seed, whatever its provider, plan and state, is a valid Cluster."""
    for cluster_id in store.clusters:
        cluster_api.check("/clusters/{clusterId}", client.get(f"/v1beta1/clusters/{cluster_id}"))


def test_states_are_those_published(cluster_api: Specification) -> None:
    """The states that a filter accepts are the file's."""
    assert list(STATES) == cluster_api.content["definitions"]["commonv1beta1ClusterState"]["enum"]


def test_the_gateways_refusals_are_as_published(client: httpx.Client, cluster_api: Specification) -> None:
    """The 401 of a request without a key and the 429 of a key over its limit are valid by the file."""
    stranger = client.get("/v1beta1/clusters", auth=None)
    assert stranger.status_code == 401
    cluster_api.check("/clusters", stranger)
    for _ in range(100):
        answer = client.get("/v1beta1/clusters")
    assert answer.status_code == 429
    cluster_api.check("/clusters", answer)


def test_a_429_is_the_one_of_the_documentation(client: httpx.Client, cluster_api: Specification) -> None:
    """The documentation of the API contains the body of the 429 word for word."""
    for _ in range(100):
        answer = client.get("/v1beta1/regions")
    shown = cluster_api.content["info"]["description"]
    body = next(line for line in shown.splitlines() if line.startswith('> {"details"'))
    assert answer.json() == json.loads(body.removeprefix("> "))
    for header in ("X-Ratelimit-Limit-Minute", "X-Ratelimit-Remaining-Minute", "X-Ratelimit-Reset"):
        assert header in shown
        assert header in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "values", "body", "status"),
    [
        ("GET", USERS, {}, None, 200),
        ("GET", USERS, {"clusterId": "1"}, None, 400),
        ("POST", USERS, {}, BODY, 200),
        ("POST", USERS, {}, BODY | {"password": "short"}, 400),
        ("POST", USERS, {}, BODY | {"userName": "root"}, 400),
        ("GET", f"{USERS}/{{userName}}", {"userName": ROOT}, None, 200),
        ("GET", f"{USERS}/{{userName}}", {"userName": "nobody"}, None, 400),
        ("PATCH", f"{USERS}/{{userName}}", {"userName": ROOT}, {"password": "87654321"}, 200),
        ("PATCH", f"{USERS}/{{userName}}", {"userName": ROOT}, {}, 400),
        ("DELETE", f"{USERS}/{{userName}}", {"userName": f"{ROOT[:-4]}old"}, None, 200),
        ("DELETE", f"{USERS}/{{userName}}", {"userName": ROOT}, None, 400),
    ],
)
def test_sql_user_answers_are_as_published(  # noqa: PLR0913, PLR0917 - fixtures and the columns of the table
    client: httpx.Client,
    store: ClusterStore,
    iam_api: Specification,
    method: str,
    path: str,
    values: dict[str, str],
    body: dict[str, Any] | None,
    status: int,
) -> None:
    """Every answer about SQL users, errors included, is valid by TiDB Cloud's own file."""
    store.create_sql_user(
        DEMO,
        user_name="old",
        password="12345678",
        builtin_role="role_admin",
        auto_prefix=True,
    )
    answer = client.request(method, path.format(**({"clusterId": DEMO} | values)), json=body)
    assert answer.status_code == status
    iam_api.check(path, answer)


def test_an_invented_field_would_be_noticed(client: httpx.Client, cluster_api: Specification) -> None:
    """The check itself fails on an unknown field and on a value outside an enum."""
    answer = client.get(f"/v1beta1/clusters/{DEMO}")
    for change in ({"colour": "red"}, {"state": "ASLEEP"}, {"createTime": 1}):
        wrong = httpx.Response(200, json=answer.json() | change, request=answer.request)
        with pytest.raises(AssertionError):
            cluster_api.check("/clusters/{clusterId}", wrong)


def test_projects_are_as_published(client: httpx.Client, iam_api: Specification) -> None:
    """Each page of the list, and the refusal of an invented token, are valid by TiDB Cloud's own file."""
    path = "/v1beta1/projects"
    first = client.get(path, params={"pageSize": 1})
    second = client.get(path, params={"pageSize": 1, "pageToken": first.json()["nextPageToken"]})
    refused = client.get(path, params={"pageToken": "made-up"})
    assert [answer.status_code for answer in (first, second, refused)] == [200, 200, 400]
    assert second.json()["nextPageToken"] == ""
    for answer in (first, second, refused):
        iam_api.check(path, answer)
