"""The sandbox's TiDB Cloud API allows 100 requests per API key and minute."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.sandbox.tidb_cloud.app import create_app
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
from tidb_pe_magic.sandbox.tidb_cloud.rate_limit import RateLimiter

KEYS = {"first": "secret-1", "second": "secret-2"}
PATH = "/v1beta1/regions"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        """Start 37 seconds before a full minute."""
        self.now = 1_790_000_000.0 // 60 * 60 + 23

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Api:
    """The API with its clock, and clients for it."""

    def __init__(self) -> None:
        """Start with a full allowance."""
        self.clock = Clock()
        self.app = create_app(ClusterStore(port=4000), KEYS, self.clock)

    def client(self, key: str | None = "first", secret: str | None = None) -> httpx.Client:
        """Return a client that reuses its challenge; a key of None sends no credentials."""
        auth = None if key is None else httpx.DigestAuth(key, secret or KEYS[key])
        return httpx.Client(transport=httpx.WSGITransport(app=self.app), base_url="http://sandbox", auth=auth)


@pytest.fixture
def api() -> Api:
    """Return a new API."""
    return Api()


def remaining(answer: httpx.Response) -> int:
    """Return the remaining requests that an answer reports."""
    return int(answer.headers["X-Ratelimit-Remaining-Minute"])


def test_every_answer_has_limit_rest_and_reset(api: Api) -> None:
    """Every success and error has the three headers, and each call reduces the rest by one."""
    with api.client() as client:
        answers = [client.get(path) for path in (PATH, "/v1beta1/clusters/1", "/v1beta1/nothing", PATH)]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 200]
    assert [remaining(answer) for answer in answers] == [98, 97, 96, 95]
    for answer in answers:
        assert answer.headers["X-Ratelimit-Limit-Minute"] == "100"
        assert answer.headers["X-Ratelimit-Reset"] == "37"


def test_the_challenge_carries_the_headers_at_no_cost(api: Api) -> None:
    """A request without a key shows the full allowance, however often it is sent."""
    with api.client(None) as client:
        answers = [client.get(PATH) for _ in range(3)]
    assert [(answer.status_code, remaining(answer)) for answer in answers] == [(401, 100)] * 3


def test_a_client_that_keeps_its_challenge_has_99_calls_a_minute(api: Api) -> None:
    """Of 100 requests the challenge takes one; the next is 429 with TiDB Cloud's own body."""
    with api.client() as client:
        assert [client.get(PATH).status_code for _ in range(99)] == [200] * 99
        refused = client.get(PATH)
    assert refused.status_code == 429
    assert remaining(refused) == 0
    assert refused.json() == {
        "details": [],
        "code": 49900007,
        "message": "The request exceeded the limit of 100 times per apikey per minute. For more quota, "
        "please contact us: https://support.pingcap.com/hc/en-us/requests/new?ticket_form_id=7800003722519",
    }


def test_a_client_that_is_challenged_each_time_has_50_calls_a_minute(api: Api) -> None:
    """A client that drops its challenge pays two requests for each call."""

    def call() -> int:
        with api.client() as client:
            return client.get(PATH).status_code

    assert [call() for _ in range(51)] == [200] * 50 + [429]


def test_the_next_minute_starts_afresh(api: Api) -> None:
    """The limit ends exactly with the minute that X-Ratelimit-Reset announced."""
    with api.client() as client:
        for _ in range(100):
            answer = client.get(PATH)
        api.clock.now += int(answer.headers["X-Ratelimit-Reset"]) - 1
        assert client.get(PATH).status_code == 429
        api.clock.now += 1
        assert client.get(PATH).status_code == 200


def test_keys_are_counted_apart(api: Api) -> None:
    """One key's requests do not reduce another key's allowance."""
    with api.client("first") as first, api.client("second") as second:
        for _ in range(100):
            answer = first.get(PATH)
        assert answer.status_code == 429
        assert remaining(second.get(PATH)) == 98


def test_a_wrong_secret_spends_the_minute_of_the_key_it_names(api: Api) -> None:
    """A refused request counts for the key that it names."""
    with api.client("first", "wrong") as client:
        refused = client.get(PATH)
    assert (refused.status_code, remaining(refused)) == (401, 99)


@given(
    limit=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 90, allow_nan=False), max_size=60),
    costs=st.lists(st.integers(1, 2), min_size=60, max_size=60),
)
def test_no_minute_lets_more_than_the_limit_through(
    limit: int, pauses: list[float], costs: list[int]
) -> None:
    """For any times and costs, a minute admits at most the limit, and reset is 1 to 60."""
    clock = Clock()
    limiter = RateLimiter(limit=limit, clock=clock)
    admitted: Counter[int] = Counter()
    for pause, cost in zip(pauses, costs, strict=False):
        clock.now += pause
        quota = limiter.spend("key", cost)
        assert 1 <= quota.reset <= 60
        assert 0 <= quota.remaining <= limit
        if not quota.exceeded:
            admitted[int(clock.now // 60)] += cost
    assert all(count <= limit for count in admitted.values())
