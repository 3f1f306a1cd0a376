"""The sandbox's cluster API: listing, filtering, paging, describing, regions."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidb_pe_magic.sandbox.alibaba import network_seed
from tidb_pe_magic.sandbox.tidb_cloud.app import create_app
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
from tidb_pe_magic.sandbox.tidb_cloud.clusters import Cluster, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO, ARCHIVE = "10430185274093617152", "10430185274093617156"
NAMES = [
    *("demo", "reporting", "jakarta", "aws-sales", "archive", "no-private", "premium-hr", "twin", "twin"),
    *("staging-1", "staging-2", "staging-3", "staging-4"),
]
PROJECT = "1372813089454525000"


class Ticking:
    """A clock that advances a second per reading, so that tests stay below the rate limit."""

    def __init__(self) -> None:
        """Start at a fixed time."""
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        """Return the time, a second later than before."""
        self.now += 1
        return self.now


class Api:
    """A client of the API and the store behind it."""

    def __init__(self) -> None:
        """Start with the seed."""
        self.store = ClusterStore(port=15432)
        app = create_app(self.store, {"key": "secret"}, Ticking())
        self.calls = app.config["requests"]
        self.client = httpx.Client(
            transport=httpx.WSGITransport(app=app),
            base_url="http://sandbox/v1beta1",
            auth=httpx.DigestAuth("key", "secret"),
        )

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return the body of a success."""
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def refused(self, path: str, **params: Any) -> tuple[int, int, str]:
        """Return status, code and message of an error."""
        answer = self.client.get(path, params=params)
        body = answer.json()
        assert body["details"] == []
        return answer.status_code, body["code"], body["message"]

    def names(self, **params: Any) -> list[str]:
        """Return the display names of a listing of one page."""
        return [cluster["displayName"] for cluster in self.get("/clusters", **params)["clusters"]]


@pytest.fixture
def api() -> Iterator[Api]:
    """Return a new API."""
    made = Api()
    with made.client:
        yield made


@pytest.fixture
def often_switching() -> Iterator[None]:
    """Switch threads often enough to reveal a missing lock."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """Return an API for tests that change nothing."""
    made = Api()
    with made.client:
        yield made


def test_the_first_page_has_ten_clusters(shared: Api) -> None:
    """Without a page size ten of the thirteen come first, and the token leads to the other three."""
    first = shared.get("/clusters")
    assert [cluster["displayName"] for cluster in first["clusters"]] == NAMES[:10]
    assert first["totalSize"] == 13
    second = shared.get("/clusters", pageToken=first["nextPageToken"])
    assert [cluster["displayName"] for cluster in second["clusters"]] == NAMES[10:]
    assert second["nextPageToken"] == ""


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 2**31 - 1) | st.integers(1, 20),
    skip=st.integers(0, 15),
    order=st.sampled_from(["", "displayName", "createTime desc", "displayName desc, createTime"]),
)
def test_any_page_size_walks_all_clusters_once(shared: Api, size: int, skip: int, order: str) -> None:
    """Whatever page size, skip and order, the pages together contain each unskipped cluster once."""
    whole = shared.get("/clusters", pageSize=100, orderBy=order)["clusters"]
    params: dict[str, Any] = {"pageSize": size, "skip": skip, "orderBy": order}
    walked: list[dict[str, Any]] = []
    while True:
        page = shared.get("/clusters", **params)
        assert page["totalSize"] == 13
        assert len(page["clusters"]) <= (size or 10)
        walked += page["clusters"]
        if not page["nextPageToken"]:
            break
        assert page["clusters"]
        params["pageToken"] = page["nextPageToken"]
    assert walked == whole[skip:]


def test_a_page_has_at_most_100_clusters(api: Api) -> None:
    """A page size above 100 is cut to 100."""
    for number in range(120):
        api.store.add(Cluster(str(number), f"more-{number}", f"prefix{number}"))
    page = api.get("/clusters", pageSize=1000)
    assert (len(page["clusters"]), page["totalSize"]) == (100, 133)


@pytest.mark.parametrize("params", [{"pageSize": "-1"}, {"pageSize": "x"}, {"pageSize": ""}, {"skip": "-1"}])
def test_a_malformed_number_is_refused(shared: Api, params: dict[str, str]) -> None:
    """A page size or skip that is not a natural number is INVALID_ARGUMENT."""
    status, code, message = shared.refused("/clusters", **params)
    assert (status, code) == (400, 3)
    assert next(iter(params)) in message


@pytest.mark.parametrize(
    "changed",
    [{"pageSize": 3}, {"filter": 'state="RESTORING"'}, {"orderBy": "displayName"}, {"skip": 1}],
    ids=str,
)
def test_a_page_token_is_good_for_the_same_parameters_only(shared: Api, changed: dict[str, Any]) -> None:
    """A token with parameters other than the first request's is refused."""
    params = {"pageSize": 2, "filter": 'state="ACTIVE"', "orderBy": "createTime", "skip": 0}
    token = shared.get("/clusters", **params)["nextPageToken"]
    shared.get("/clusters", **params, pageToken=token)
    status, code, message = shared.refused("/clusters", **(params | changed), pageToken=token)
    assert (status, code) == (400, 3)
    assert "must match the original request" in message


@pytest.mark.parametrize("token", ["x", "MTAuYQ==", "\u00fc", "10", "MC4wLjA="])
def test_a_page_token_of_ones_own_making_is_refused(shared: Api, token: str) -> None:
    """An invented token is INVALID_ARGUMENT."""
    assert shared.refused("/clusters", pageToken=token) == (400, 3, "invalid pageToken")


def test_skipping_beyond_the_end_is_an_empty_list(shared: Api) -> None:
    """A skip larger than the number of clusters succeeds without clusters or token."""
    page = shared.get("/clusters", skip=14)
    assert (page["clusters"], page["nextPageToken"], page["totalSize"]) == ([], "", 13)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('region.provider="aws"', ["aws-sales"]),
        ("region.cloudProvider=aws", ["aws-sales"]),
        ('region.name="regions/alicloud-ap-southeast-5"', ["jakarta"]),
        ("region.regionId=alicloud-ap-southeast-5", ["jakarta"]),
        ('region.provider="alicloud" AND state="RESTORING"', ["archive"]),
        ('displayName="twin"', ["twin", "twin"]),
        ("displayName = 'demo'", ["demo"]),
        (f"clusterId={DEMO},{ARCHIVE}", ["demo", "archive"]),
        (f'clusterId="{DEMO}, {ARCHIVE}" AND state = ACTIVE', ["demo"]),
        (f"projectId={PROJECT}", NAMES[:9]),
        ('labels.tidb.cloud/project="1372813089454525001"', NAMES[9:]),
        ('labels."tidb.cloud/project"=1372813089454525001 AND displayName=staging-2', ["staging-2"]),
        ("labels.nothing=1", []),
        ("displayName=nobody", []),
        ('displayName="demo,twin"', []),
        ('  state="RESTORING"  ', ["archive"]),
    ],
)
def test_a_filter_keeps_what_it_says(shared: Api, expression: str, names: list[str]) -> None:
    """Each documented field filters with `=`, AND joins terms, and several IDs are allowed."""
    page = shared.get("/clusters", filter=expression, pageSize=100)
    assert [cluster["displayName"] for cluster in page["clusters"]] == names
    assert page["totalSize"] == len(names)


@pytest.mark.parametrize(
    "expression",
    [
        *("state", "state=", '="ACTIVE"', 'state="ACTIVE', "state==ACTIVE", "state!=ACTIVE", "state>ACTIVE"),
        *(
            "state=ACTIVE displayName=demo",
            'state="ACTIVE"displayName=demo',
            "state=ACTIVE AND",
            "AND state=ACTIVE",
            "state=ACTIVE and state=RESTORING",
        ),
        *("state=ACTIVE OR state=RESTORING", "(state=ACTIVE)", "NOT state=ACTIVE", "colour=red", "labels.=x"),
        *("state=active", "region.provider=alibaba", "displayName=a AND AND state=ACTIVE"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(shared: Api, expression: str) -> None:
    """A malformed filter, an unknown field or an unknown enum value is INVALID_ARGUMENT, never ignored."""
    status, code, message = shared.refused("/clusters", filter=expression)
    assert (status, code) == (400, 3)
    assert "invalid filter" in message


def test_a_quoted_value_may_hold_quotes(api: Api) -> None:
    """In a quoted value a backslash escapes a quote or another backslash."""
    api.store.update(DEMO, labels={"note": 'say "a\\b" AND go'})
    assert api.names(filter=r'labels.note="say \"a\\b\" AND go"') == ["demo"]


@settings(max_examples=100, deadline=None)
@given(expression=st.text(alphabet="state=ACTIVE \"AND\\.labels'x", max_size=40) | st.text(max_size=40))
def test_any_filter_is_answered(shared: Api, expression: str) -> None:
    """Any filter text gives a listing or INVALID_ARGUMENT."""
    assert shared.client.get("/clusters", params={"filter": expression}).status_code in (200, 400)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("createTime desc", NAMES[::-1]),
        ("displayName", sorted(NAMES)),
        ("displayName asc", sorted(NAMES)),
        ("displayName desc", sorted(NAMES, reverse=True)),
    ],
)
def test_order_by_sorts(shared: Api, order: str, names: list[str]) -> None:
    """Clusters are ordered by name or time of creation, in either direction."""
    assert shared.names(orderBy=order, pageSize=100) == names


def test_order_by_sorts_by_several_fields(shared: Api) -> None:
    """The second field decides where the first is equal."""
    twins = shared.get("/clusters", orderBy="displayName desc, createTime desc", pageSize=2)["clusters"]
    assert [cluster["clusterId"] for cluster in twins] == ["10430185274093617160", "10430185274093617159"]


@pytest.mark.parametrize("order", ["state", "displayName down", "displayName,", "displayName asc desc"])
def test_an_unknown_order_is_refused(shared: Api, order: str) -> None:
    """An order by an unknown field or direction is INVALID_ARGUMENT."""
    assert shared.refused("/clusters", orderBy=order)[:2] == (400, 3)


def test_a_parameter_given_twice_is_refused(shared: Api) -> None:
    """A single-valued parameter with two values is INVALID_ARGUMENT."""
    assert shared.refused("/clusters", pageSize=[1, 2])[:2] == (400, 3)


def test_a_cluster_is_described_as_the_tutorial_reads_it(shared: Api) -> None:
    """Service name, zones, region, prefix and the sandbox's port are in the real API's fields."""
    cluster = shared.get(f"/clusters/{DEMO}")
    private = cluster["endpoints"]["private"]
    assert private["port"] == 15432
    assert private["alicloud"] == {
        "serviceName": "com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo7c1x0qk2p9s8e",
        "availabilityZone": ["ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c"],
    }
    assert cluster["region"]["regionId"] == "alicloud-ap-southeast-1"
    assert (cluster["userPrefix"], cluster["servicePlan"]) == ("2vKmPqRsTuWxYzA", "Starter")
    assert "clusterPlan" not in cluster


def test_the_seed_holds_each_restriction(shared: Api) -> None:
    """The seed has clusters with another provider, without a private service, in another state and plan."""
    every = {each["displayName"]: each for each in shared.get("/clusters", pageSize=100)["clusters"]}
    assert "aws" in every["aws-sales"]["endpoints"]["private"]
    assert "alicloud" not in every["no-private"]["endpoints"]["private"]
    assert every["archive"]["state"] == "RESTORING"
    assert every["premium-hr"]["servicePlan"] == "Premium"
    assert every["premium-hr"]["servicePlan"] == "Premium"


def test_every_private_service_exists_on_alibaba_cloud(shared: Api) -> None:
    """Clusters and the sandbox's Alibaba Cloud agree on each service's name, region and zones."""
    services = {service.service_name: service for service in network_seed.seed().services}
    private = [cluster for cluster in shared.store.clusters.values() if cluster.service_name in services]
    assert len(private) == 11
    for cluster in private:
        service = services[str(cluster.service_name)]
        assert (service.region_id, service.zone_ids) == (cluster.region.code, cluster.zones)


def test_an_unknown_cluster_is_not_found(shared: Api) -> None:
    """A missing cluster ID is 404 with google.rpc's code 5."""
    assert shared.refused("/clusters/1") == (404, 5, "cluster 1 not found")


def test_the_basic_view_leaves_settings_out(shared: Api) -> None:
    """BASIC is FULL without the cluster's settings, and the default is FULL."""
    basic = shared.get(f"/clusters/{DEMO}", view="BASIC")
    full = shared.get(f"/clusters/{DEMO}", view="FULL")
    assert basic.items() < full.items()
    assert "spendingLimit" in full.keys() - basic.keys()
    assert shared.get(f"/clusters/{DEMO}") == full


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (f"/clusters/{DEMO}", {"view": "HALF"}),
        ("/clusters:batchGet", {"clusterIds": DEMO, "view": "basic"}),
        ("/regions", {"cloudProvider": "alibaba"}),
        ("/regions", {"servicePlan": "starter"}),
    ],
)
def test_a_value_outside_an_enum_is_refused(shared: Api, path: str, params: dict[str, str]) -> None:
    """A parameter value outside the Swagger file's enum is INVALID_ARGUMENT."""
    assert shared.refused(path, **params)[:2] == (400, 3)


def test_batch_get_returns_clusters_as_asked(shared: Api) -> None:
    """Several clusters come in the order of their ids in the request."""
    answer = shared.get("/clusters:batchGet", clusterIds=[ARCHIVE, DEMO], view="BASIC")
    assert [cluster["displayName"] for cluster in answer["clusters"]] == ["archive", "demo"]


def test_batch_get_is_all_or_nothing(shared: Api) -> None:
    """One unknown id fails the batch."""
    assert shared.refused("/clusters:batchGet", clusterIds=[DEMO, "1"])[:2] == (404, 5)


@pytest.mark.parametrize("ids", [[], [DEMO] * 1001], ids=["none", "too many"])
def test_batch_get_takes_1_to_1000_ids(shared: Api, ids: list[str]) -> None:
    """A batch without ids or with more than a thousand is INVALID_ARGUMENT."""
    assert shared.refused("/clusters:batchGet", clusterIds=ids)[:2] == (400, 3)


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"cloudProvider": "aws"}, ["aws-us-east-1", "aws-eu-central-1"]),
        ({"servicePlan": "Premium"}, ["alicloud-ap-southeast-1", "aws-us-east-1"]),
        ({"cloudProvider": "alicloud", "servicePlan": "Premium"}, ["alicloud-ap-southeast-1"]),
        ({"cloudProvider": "azure"}, []),
    ],
    ids=str,
)
def test_regions_are_filtered(shared: Api, params: dict[str, str], ids: list[str]) -> None:
    """Regions come by cloud provider, by service plan, or by both."""
    assert [region["regionId"] for region in shared.get("/regions", **params)["regions"]] == ids


def test_cloud_providers_are_those_of_the_regions(shared: Api) -> None:
    """The providers are listed once each."""
    assert shared.get("/regions:listCloudProviders") == {"cloudProviders": ["alicloud", "aws"]}


def test_an_unsupported_call_is_unimplemented_or_not_found(shared: Api) -> None:
    """A known path with another method is UNIMPLEMENTED, an unknown path is NOT_FOUND."""
    answer = shared.client.post("/clusters", json={"displayName": "more"})
    assert (answer.status_code, answer.json()["code"]) == (501, 12)
    assert shared.refused("/branches")[:2] == (404, 5)


def test_an_update_shows_in_the_next_answer(api: Api) -> None:
    """A cluster changed by a test appears in the next answer, with the time of the change."""
    before = api.get(f"/clusters/{DEMO}")
    api.store.update(DEMO, state="RESTORING", display_name="rested")
    after = api.get(f"/clusters/{DEMO}")
    assert (after["state"], after["displayName"]) == ("RESTORING", "rested")
    assert after["updateTime"] > before["updateTime"]
    assert after["createTime"] == before["createTime"]


def test_an_update_of_nothing_known_is_an_error(api: Api) -> None:
    """A misspelled field or cluster in an update is an error."""
    with pytest.raises(TypeError, match="colour"):
        api.store.update(DEMO, colour="red")
    with pytest.raises(RefusedError, match="not found"):
        api.store.update("1", state="RESTORING")


@pytest.mark.usefixtures("often_switching")
def test_concurrent_updates_lose_nothing(api: Api) -> None:
    """A field set by one thread keeps its value while others set other fields."""
    fields = ("state", "display_name", "version", "gateway")
    together = threading.Barrier(len(fields))

    def change(field: str) -> list[str]:
        together.wait()
        seen = []
        for number in range(500):
            api.store.update(DEMO, **{field: str(number)})
            seen.append(getattr(api.store.clusters[DEMO], field))
        return seen

    with ThreadPoolExecutor(len(fields)) as pool:
        runs = [pool.submit(change, field) for field in fields]
        assert [run.result() for run in runs] == [[str(number) for number in range(500)]] * len(fields)


def test_calls_are_recorded(api: Api) -> None:
    """Each request is recorded with its parameters, caller, outcome and ID."""
    answer = api.client.get("/clusters/1", params={"view": "FULL"})
    challenged, call = api.calls
    assert (challenged.status, challenged.key) == (401, None)
    assert (call.operation, call.params, call.key) == ("GetCluster", {"view": "FULL"}, "key")
    assert (call.status, call.code) == (404, "5")
    assert call.request_id == answer.headers["X-Debug-Trace-Id"]
