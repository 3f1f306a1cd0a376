"""The TiDB Cloud client over an injected transport."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from clouds.servers import noting
from hypothesis import given
from hypothesis import strategies as st
from support.secrets_in_traceback import holders

from tidb_pe_magic.clouds.retries import Retries
from tidb_pe_magic.clouds.tidb_cloud import TidbCloud
from tidb_pe_magic.clouds.tidb_cloud_iam import TidbCloudIam
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Throttled,
)
from tidb_pe_magic.model import Cluster, EndpointService
from tidb_pe_magic.sandbox.tidb_cloud.filters import parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = "hunter2-private-key"
KEY = Key("public-key", Secret(PRIVATE))
CHALLENGE = {"www-authenticate": 'Digest realm="tidb", nonce="n0nce", qop="auth", algorithm=MD5'}

WIRE: dict[str, Any] = {
    "name": "clusters/1",
    "clusterId": "1",
    "displayName": "demo",
    "region": {
        "name": "regions/alicloud-ap-southeast-1",
        "regionId": "alicloud-ap-southeast-1",
        "cloudProvider": "alicloud",
        "displayName": "Singapore (ap-southeast-1)",
    },
    "endpoints": {
        "public": {"host": "gateway.example.com", "port": 4000},
        "private": {
            "host": "gateway-private.example.com",
            "port": 4001,
            "alicloud": {"serviceName": "com.aliyuncs.privatelink.x", "availabilityZone": ["z-a", "z-b"]},
        },
    },
    "userPrefix": "3pTAoNNegb47Uc8",
    "state": "ACTIVE",
    "clusterPlan": "STARTER",
    "version": "v8.5.0",
}


class Api:
    """An API that sends a challenge, then its answers in order, and repeats the last one."""

    def __init__(self, *answers: httpx.Response) -> None:
        """Take the answers to requests with a digest."""
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        # A copy: the client adds the digest to the challenged request.
        self.requests.append(httpx.Request(request.method, request.url, headers=request.headers))
        if not request.headers.get("authorization", "").startswith("Digest "):
            return httpx.Response(401, headers=CHALLENGE)
        return self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)

    def client(self, base_url: str = "https://api.example.com") -> TidbCloud:
        """Return a client of this API."""
        return TidbCloud(base_url, KEY, transport=httpx.MockTransport(self))


def page(*clusters: object, token: object = "") -> httpx.Response:
    """Return an answer of ListClusters."""
    return httpx.Response(200, json={"clusters": list(clusters), "nextPageToken": token})


def failure(api: Callable[[httpx.Request], httpx.Response]) -> ApiError:
    """Return the error of listing the clusters, after checking that it does not contain the private key."""
    with pytest.raises(ApiError) as caught:
        TidbCloud("https://api.example.com", KEY, transport=httpx.MockTransport(api)).clusters()
    assert holders(caught.value, PRIVATE) == []
    assert caught.value.operation == "ListClusters"
    return caught.value


def test_a_cluster_is_read_as_the_tutorial_notes_it() -> None:
    """A cluster has service name, zones, bare region, port, user prefix and gateway names."""
    [found] = Api(page(WIRE)).client().clusters()
    assert found == Cluster(
        cluster_id="1",
        display_name="demo",
        provider="alicloud",
        region_id="ap-southeast-1",
        plan="STARTER",
        state="ACTIVE",
        user_prefix="3pTAoNNegb47Uc8",
        service=EndpointService(
            service_name="com.aliyuncs.privatelink.x",
            zones=("z-a", "z-b"),
            region_id="ap-southeast-1",
            port=4001,
        ),
        gateway_names=("gateway-private.example.com", "gateway.example.com"),
        version="v8.5.0",
    )
    assert found.restriction is None


@pytest.mark.parametrize(
    ("changes", "restriction"),
    [
        ({"region": {"regionId": "aws-us-east-1", "cloudProvider": "aws"}}, "provider"),
        ({"region": {"regionId": "aws-us-east-1", "provider": "aws"}}, "provider"),
        ({"clusterPlan": None, "servicePlan": "Premium"}, "plan"),
        ({"clusterPlan": "STARTER", "servicePlan": "Premium"}, "plan"),
        ({"clusterPlan": "STARTER", "servicePlan": None}, None),
        *(({"state": state}, "state") for state in ("CREATING", "RESTORING", "DELETED", "PAUSED", "", "NEW")),
        ({"endpoints": {"private": {"host": "h", "port": 4000}}}, "service"),
        ({"endpoints": {"private": {"port": 4000, "aws": {"serviceName": "s"}}}}, "service"),
        ({"endpoints": {"private": {"alicloud": {"serviceName": "s"}}}}, "service"),
        ({"clusterPlan": None, "servicePlan": "Essential"}, None),
    ],
)
def test_restrictions_are_read_from_the_wire(changes: dict[str, Any], restriction: str | None) -> None:
    """The API's answer reveals each restriction of the tutorial."""
    [found] = Api(page({**WIRE, **changes})).client().clusters()
    assert (found.restriction.name if found.restriction else None) == restriction


def test_pages_are_followed_with_the_same_parameters() -> None:
    """Every page is requested with the first request's size, and the clusters keep their order."""
    api = Api(page(WIRE, token="t/1"), page(token="t 2"), page({**WIRE, "clusterId": "2"}))
    assert [cluster.cluster_id for cluster in api.client().clusters()] == ["1", "2"]
    asked = [dict(request.url.params) for request in api.requests[1:]]
    assert asked == [
        {"pageSize": "100"},
        {"pageSize": "100", "pageToken": "t/1"},
        {"pageSize": "100", "pageToken": "t 2"},
    ]


@given(st.text(min_size=1))
def test_a_name_is_filtered_by_the_server(name: str) -> None:
    """Whatever a cluster's name, the filter is one string, which the sandbox's API reads as that name."""
    api = Api(page(WIRE))
    api.client().clusters(display_name=name)
    asked = dict(api.requests[-1].url.params)
    assert asked["pageSize"] == "100"
    matches: Callable[[Any], bool] = parse_filter(asked["filter"])
    assert matches(SimpleNamespace(display_name=name))
    assert not matches(SimpleNamespace(display_name=name + "x"))


def test_a_list_can_be_cut_short() -> None:
    """Reading stops once the wanted number of clusters has arrived."""
    api = Api(page(WIRE, token="a"), page(WIRE, token="b"), page(WIRE))
    assert len(api.client().clusters(pages=2)) == 2
    assert len(api.requests) == 3


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"]])
def test_a_page_token_that_comes_again_ends_in_an_error(tokens: list[str]) -> None:
    """A repeated page token is the service's failure."""
    api = Api(*(page(WIRE, token=token) for token in tokens))
    assert isinstance(failure(api), ServiceUnavailable)
    assert len(api.requests) == 1 + len(tokens)


def test_one_challenge_serves_every_call() -> None:
    """Three calls cost four requests: only the first is challenged, and the counter increases."""
    api = Api(page(WIRE))
    client = api.client()
    for _ in range(3):
        client.clusters()
    client.close()
    headers = [request.headers.get("authorization", "") for request in api.requests]
    counters = [found[1] if (found := re.search(r"nc=(\d+)", header)) else None for header in headers]
    assert counters == [None, "00000001", "00000002", "00000003"]
    assert not any(PRIVATE in header for header in headers)


def test_a_stale_nonce_is_replaced() -> None:
    """A server that forgets its nonce sends a new challenge, and the call still succeeds."""
    api = Api(page(WIRE), httpx.Response(401, headers=CHALLENGE), page(WIRE))
    client = api.client()
    assert client.clusters() == client.clusters()
    assert len(api.requests) == 4


def test_one_cluster_is_asked_for_by_its_id() -> None:
    """The ID is part of the path and cannot leave it."""
    api = Api(httpx.Response(200, json=WIRE))
    client = api.client()
    assert client.cluster("1").display_name == "demo"
    client.cluster("../projects?x=#")
    paths = [request.url.raw_path.decode() for request in api.requests[1:]]
    assert paths == ["/v1beta1/clusters/1?view=FULL", "/v1beta1/clusters/..%2Fprojects%3Fx%3D%23?view=FULL"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_nothing_is_sent_elsewhere(status: int) -> None:
    """The digest goes only to the configured host, and a redirect is refused."""
    api = Api(httpx.Response(status, headers={"location": "https://elsewhere.example.com/x"}))
    error = failure(api)
    assert not error.transient
    assert "elsewhere.example.com" in str(error)
    assert {request.url.host for request in api.requests} == {"api.example.com"}
    assert len(api.requests) == 2


def test_a_redirect_before_the_challenge_is_refused_too() -> None:
    """A redirect before the challenge is refused too, without a request to another host."""
    seen: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(302, headers={"location": "https://elsewhere.example.com/"})

    assert not failure(redirect).transient
    assert seen == ["api.example.com"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationFailed),
        (403, PermissionDenied),
        (404, NotFound),
        (429, Throttled),
        (500, ServiceUnavailable),
        (503, ServiceUnavailable),
        (400, ApiError),
        (418, ApiError),
    ],
)
def test_the_status_decides_the_error(status: int, kind: type[ApiError]) -> None:
    """The error has the API's message, the status as its code, and advice if the error is known."""
    error = failure(Api(httpx.Response(status, json={"code": 5, "message": "because.", "details": []})))
    assert type(error) is kind
    assert error.code == f"HTTP {status}"
    assert "because." in str(error)
    assert bool(error.full_advice) == (kind is not ApiError)


def test_a_wrong_key_costs_two_requests() -> None:
    """A wrong key costs two requests: a refused digest is not retried."""
    api = Api(httpx.Response(401, headers=CHALLENGE))
    assert isinstance(failure(api), AuthenticationFailed)
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("headers", "seconds", "advice"),
    [
        ({"x-ratelimit-reset": "37", "x-ratelimit-remaining-minute": "0"}, 37.0, "in 37 s"),
        ({"retry-after": "5", "x-ratelimit-reset": "37"}, 5.0, "in 5 s"),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "x-ratelimit-reset": "37"}, 37.0, "in 37 s"),
        ({"retry-after": "-3"}, None, "in a minute"),
        ({}, None, "in a minute"),
    ],
)
def test_throttling_says_when_to_come_back(
    headers: dict[str, str], seconds: float | None, advice: str
) -> None:
    """The seconds of throttling come from the headers, if present."""
    body = {"details": [], "code": 49900007, "message": "The request exceeded the limit of 100 times."}
    error = failure(Api(httpx.Response(429, json=body, headers=headers)))
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds
    assert advice in error.advice
    assert "exceeded the limit" in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b'{"clusters": [{"clusterId": "1"'),
        (200, b"<html>sign in</html>"),
        (200, b"[]"),
        (200, b"null"),
        (200, b"\xff\xfe\x00"),
        (200, b"[" * 100_000),
        (200, b'{"totalSize": ' + b"9" * 5000 + b"}"),
        (502, b"<html>bad gateway</html>"),
        (500, b'"text"'),
    ],
    ids=["empty", "truncated", "html", "list", "null", "not utf-8", "deep", "huge number", "502", "500"],
)
def test_an_answer_without_a_json_object_is_the_services_failure(status: int, body: bytes) -> None:
    """A proxy's page, a truncated body and other JSON give one line, not a traceback."""
    error = failure(Api(httpx.Response(status, content=body)))
    assert isinstance(error, ServiceUnavailable)
    assert error.code == f"HTTP {status}"


@pytest.mark.parametrize(
    "challenge",
    [
        "Digest",
        "Digest nonsense",
        'Digest realm="x", nonce="n", qop="auth", algorithm=SHA-512-256',
        'Digest realm="x", nonce="n", qop="auth-int", algorithm=MD5',
        'Digest realm="x", nonce="n", qop="other"',
        'Basic realm="x"',
    ],
)
def test_a_challenge_that_cannot_be_met_is_an_error_of_the_api(challenge: str) -> None:
    """A malformed challenge, and one that the HTTP client does not support, each give one line."""
    error = failure(lambda _: httpx.Response(401, headers={"www-authenticate": challenge}))
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "cause",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("timed out"),
        httpx.RemoteProtocolError("closed"),
        httpx.ConnectTimeout(""),
    ],
    ids=lambda cause: type(cause).__name__,
)
def test_no_answer_is_the_services_failure_without_the_key(cause: httpx.HTTPError) -> None:
    """The error names host and reason. Neither the error nor its causes contain the private key."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise cause

    error = failure(fail)
    assert isinstance(error, ServiceUnavailable)
    assert "api.example.com did not answer" in str(error)
    assert (str(cause) or type(cause).__name__) in str(error)


def test_a_failure_after_the_digest_does_not_hold_the_key() -> None:
    """The frames that computed the digest cannot be reached from the error."""

    def fail(request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            msg = "closed"
            raise httpx.ReadError(msg)
        return httpx.Response(401, headers=CHALLENGE)

    assert isinstance(failure(fail), ServiceUnavailable)


def test_unknown_fields_and_states_are_not_a_failure() -> None:
    """A new field is ignored and a new state is displayed unchanged."""
    [found] = Api(page({**WIRE, "novelty": {"x": 1}, "state": "DREAMING"})).client().clusters()
    assert found.state == "DREAMING"


def test_an_answer_may_lack_everything() -> None:
    """Missing fields are empty, and the cluster shows a restriction instead of an error."""
    [found] = Api(page({})).client().clusters()
    assert (found.cluster_id, found.service, found.gateway_names) == ("", None, ())
    assert found.restriction is not None
    assert Api(httpx.Response(200, json={})).client().clusters() == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(WIRE)), inner),
    max_leaves=8,
)
odd_clusters = st.fixed_dictionaries(
    {},
    optional={
        **{name: json_values for name in WIRE if name != "endpoints"},
        "endpoints": json_values
        | st.fixed_dictionaries(
            {
                "private": json_values
                | st.fixed_dictionaries(
                    {},
                    optional={
                        "port": json_values,
                        "alicloud": json_values
                        | st.fixed_dictionaries(
                            {"serviceName": json_values, "availabilityZone": json_values}
                        ),
                    },
                )
            }
        ),
    },
)


@given(st.lists(odd_clusters, max_size=3))
def test_a_cluster_of_any_shape_is_read(clusters: list[dict[str, Any]]) -> None:
    """Whatever JSON a field contains, reading gives a cluster whose texts are strings."""
    answer = httpx.Response(200, content=json.dumps({"clusters": clusters}))
    found = Api(answer).client().clusters()
    assert len(found) == len(clusters)
    for cluster in found:
        assert isinstance(cluster.display_name, str)
        assert cluster.service is None or (cluster.service.port and cluster.service.service_name)


@given(st.binary(max_size=200), st.sampled_from([200, 201, 400, 401, 404, 429, 500]))
def test_any_body_is_clusters_or_an_error_of_the_api(body: bytes, status: int) -> None:
    """Every body gives clusters or one of the client's own errors."""
    try:
        Api(httpx.Response(status, content=body)).client().clusters()
    except ApiError as error:
        assert str(status) in error.code  # noqa: PT017 - either outcome is right


def test_an_interrupted_call_does_not_hold_the_key() -> None:
    """The stop button's KeyboardInterrupt does not hold the frames with the private key."""

    def interrupted(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    client = TidbCloud("https://api.example.com", KEY, transport=httpx.MockTransport(interrupted))
    with pytest.raises(KeyboardInterrupt) as caught:
        client.clusters()
    assert holders(caught.value, PRIVATE) == []


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_wrong_input(
    environment: Callable[[dict[str, str]], None], proxy: str
) -> None:
    """An invalid proxy is invalid input. The error names the variables and omits the key."""
    environment({"HTTPS_PROXY": proxy})
    with pytest.raises(InvalidRequest) as caught:
        TidbCloud("https://api.example.com", KEY)
    assert "HTTPS_PROXY" in caught.value.field
    assert holders(caught.value, PRIVATE) == []


def test_the_rate_limit_is_waited_out() -> None:
    """After 429 the same page is requested once the time in the header has passed."""
    pauses: list[float] = []
    limited = httpx.Response(429, json={"message": "limit."}, headers={"x-ratelimit-reset": "37"})
    api = Api(limited, httpx.Response(502, content=b"<html>"), page(WIRE))
    retries = Retries(sleep=noting(pauses))
    client = TidbCloud("https://api.example.com", KEY, transport=httpx.MockTransport(api), retries=retries)
    assert [cluster.cluster_id for cluster in client.clusters()] == ["1"]
    assert 37.0 <= pauses[0] <= 38.0
    assert len(pauses) == 2


def test_a_date_says_when_to_come_back() -> None:
    """Retry-After may be a date (RFC 9110)."""
    headers = {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    api = Api(httpx.Response(429, json={}, headers=headers))
    now = datetime(2026, 10, 21, 7, 27, 45, tzinfo=UTC).timestamp()
    client = TidbCloud("https://api.example.com", KEY, transport=httpx.MockTransport(api), now=lambda: now)
    with pytest.raises(Throttled) as caught:
        client.clusters()
    assert caught.value.retry_after == 15.0


def test_an_expired_nonce_is_not_a_wrong_key() -> None:
    """A challenge with stale=true leads to another call; a challenge without it is a refused key."""
    stale = httpx.Response(401, headers={"www-authenticate": CHALLENGE["www-authenticate"] + ", stale=true"})
    api = Api(stale, page(WIRE))
    retries = Retries(sleep=lambda _: False)
    client = TidbCloud("https://api.example.com", KEY, transport=httpx.MockTransport(api), retries=retries)
    assert len(client.clusters()) == 1
    wrong = Api(httpx.Response(401, headers=CHALLENGE))
    refused = TidbCloud("https://api.example.com", KEY, transport=httpx.MockTransport(wrong), retries=retries)
    with pytest.raises(AuthenticationFailed):
        refused.clusters()
    assert len(wrong.requests) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"code": "X", "error": {}, "msgPrefix": "the user exists", "status": 400}, "the user exists"),
        ({"msgPrefix": "the user exists: ", "error": {"message": "root"}}, "the user exists: root"),
        ({"msgPrefix": "the user exists", "error": "root"}, "the user exists: root"),
        ({"error": "the user exists"}, "the user exists"),
        ({"message": "the user exists", "error": None}, "the user exists"),
        ({"error": {}, "msgPrefix": ""}, "Bad Request"),
    ],
)
def test_an_error_of_the_iam_api_keeps_its_reason(body: dict[str, object], reason: str) -> None:
    """The reason comes from msgPrefix. `error` is an object, or a string in older answers."""
    transport = httpx.MockTransport(lambda _: httpx.Response(400, json=body))
    client = TidbCloudIam("http://127.0.0.1", KEY, transport=transport)
    with pytest.raises(ApiError, match=rf"\(HTTP 400\): {re.escape(reason)}$"):
        client.sql_users("1")
