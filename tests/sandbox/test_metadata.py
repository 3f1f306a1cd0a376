"""The emulated metadata service answers as an ECS instance's does, and verifies its token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS, ForeignPage, MetadataService
from tidb_pe_magic.sandbox.alibaba.network_seed import seed
from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN_PATH = "/latest/api/token"
TTL, TOKEN = "X-aliyun-ecs-metadata-token-ttl-seconds", "X-aliyun-ecs-metadata-token"
VPC_ID = "/latest/meta-data/vpc-id"


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Provide the service's clock."""
    return Clock()


@pytest.fixture
def service(clock: Clock) -> MetadataService:
    """Provide the service of an instance in the seed's network."""
    return MetadataService(seed(), clock)


@pytest.fixture
def http(service: MetadataService) -> Iterator[httpx.Client]:
    """Provide a client of the running service."""
    with HttpServer(service.app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def new_token(http: httpx.Client, ttl: str = "60") -> str:
    """Request a token."""
    answer = http.put(TOKEN_PATH, headers={TTL: ttl})
    assert answer.status_code == 200
    return answer.text


def test_it_begins_in_the_vpc_of_the_tutorials_run(http: httpx.Client) -> None:
    """Region, zone, VPC, vSwitch and address belong to one instance of the emulated network."""
    told = {
        item: http.get(f"/latest/meta-data/{item}").text
        for item in http.get("/latest/meta-data/").text.split()
    }
    assert (told["region-id"], told["zone-id"]) == ("ap-southeast-1", "ap-southeast-1a")
    assert (told["vpc-id"], told["vswitch-id"]) == ("vpc-t4nanalytics0k3m7x", "vsw-t4na1")
    assert told["private-ipv4"] == "10.20.1.77"
    vswitch = next(v for v in seed().vswitches if v.vswitch_id == told["vswitch-id"])
    assert (vswitch.vpc_id, vswitch.zone_id) == (told["vpc-id"], told["zone-id"])
    assert (told["vswitch-cidr-block"], told["vpc-cidr-block"]) == ("10.20.1.0/24", "10.20.0.0/16")


def test_an_item_that_does_not_exist_is_not_found(http: httpx.Client) -> None:
    """Security groups and paths outside the items are not found."""
    for path in ("/latest/meta-data/security-groups", "/latest/meta-data", "/vpc-id", "/"):
        assert http.get(path).status_code == 404


@pytest.mark.parametrize("ttl", ["1", "21600"])
def test_a_token_is_given_for_a_lifetime_within_the_range(http: httpx.Client, ttl: str) -> None:
    """One second and six hours are both valid lifetimes."""
    assert len(new_token(http, ttl)) > 20


@pytest.mark.parametrize("ttl", [None, "", "0", "21601", "-1", "1.5", "abc", "１"])  # noqa: RUF001 - a digit, not an ASCII one
def test_no_token_is_given_for_another_lifetime(http: httpx.Client, ttl: str | None) -> None:
    """Without the header, or outside its range, the service returns no token."""
    headers = {} if ttl is None else {TTL.encode(): ttl.encode()}
    assert http.put(TOKEN_PATH, headers=headers).status_code == 400


def test_a_token_is_taken_by_put_alone(http: httpx.Client) -> None:
    """A GET does not return a token, because a forged request could send one."""
    assert http.get(TOKEN_PATH, headers={TTL: "60"}).status_code == 405
    assert http.put(VPC_ID).status_code == 405


def test_an_instance_that_demands_tokens_refuses_without(
    service: MetadataService, http: httpx.Client
) -> None:
    """With token_required the same question is answered with a token and refused without."""
    assert http.get(VPC_ID).status_code == 200
    service.place = replace(ANALYTICS, token_required=True)
    assert http.get(VPC_ID).status_code == 403
    assert http.get(VPC_ID, headers={TOKEN: new_token(http)}).text == ANALYTICS.vpc_id


@pytest.mark.parametrize("required", [True, False])
def test_a_wrong_token_is_refused_whatever_is_demanded(
    service: MetadataService, http: httpx.Client, *, required: bool
) -> None:
    """An unknown token is always refused."""
    service.place = replace(ANALYTICS, token_required=required)
    assert http.get(VPC_ID, headers={TOKEN: "made-up"}).status_code == 403


def test_a_token_ends_with_its_lifetime(http: httpx.Client, clock: Clock) -> None:
    """A token is valid until the second before its end."""
    token = new_token(http, "60")
    clock.now += 59
    assert http.get(VPC_ID, headers={TOKEN: token}).status_code == 200
    clock.now += 1
    assert http.get(VPC_ID, headers={TOKEN: token}).status_code == 403


def test_off_ecs_everything_is_not_found(service: MetadataService, http: httpx.Client) -> None:
    """Without an instance, the service accepts the connection and finds nothing."""
    service.place = None
    assert http.get(VPC_ID).status_code == 404
    assert http.put(TOKEN_PATH, headers={TTL: "60"}).status_code == 404


def test_a_foreign_page_answers_every_question(service: MetadataService, http: httpx.Client) -> None:
    """A captive portal returns its page for a GET and for a PUT."""
    service.place = ForeignPage("<h1>Sign in</h1>")
    assert http.get(VPC_ID).text == http.put(TOKEN_PATH).text == "<h1>Sign in</h1>"


def test_every_request_is_recorded(service: MetadataService, http: httpx.Client) -> None:
    """Method and path are recorded in order, and the token is not."""
    http.get(VPC_ID, headers={TOKEN: new_token(http)})
    assert [(call.method, call.operation) for call in service.requests] == [
        ("PUT", TOKEN_PATH),
        ("GET", VPC_ID),
    ]
    assert not any(call.params for call in service.requests)
