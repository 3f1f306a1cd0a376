"""Each kind of fault on the wire, seen by a client without knowledge of it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from alibabacloud_privatelink20200415 import models
from alibabacloud_privatelink20200415.client import Client
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.exceptions._client import ClientException
from Tea.exceptions import TeaException

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.faults import KINDS, Fault, Kind, Point, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOUD_KINDS = [kind for kind in Kind if Service.SQL not in KINDS[kind].services]
LOST = [Kind.BAD_GATEWAY, Kind.SERVER_ERROR, Kind.RESET, Kind.BLACK_HOLE, Kind.THROTTLED]
REGION = "ap-southeast-1"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Provide a sandbox without a database: a listener that accepts is enough for these tests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        with Sandbox(upstream=f"{host}:{port}") as sandbox:
            yield sandbox


@pytest.fixture
def tidb_cloud(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Provide a plain HTTP client of TiDB Cloud's API that has answered its challenge."""
    environment = sandbox.environment()
    auth = httpx.DigestAuth(environment["TIDBCLOUD_PUBLIC_KEY"], environment["TIDBCLOUD_PRIVATE_KEY"])
    url = environment["TIDBCLOUD_SERVERLESS_ENDPOINT"] + "/v1beta1"
    with httpx.Client(base_url=url, auth=auth, timeout=5) as client:
        client.get("/regions").raise_for_status()
        yield client


@pytest.fixture
def alibaba(sandbox: Sandbox) -> Client:
    """Provide the official SDK's client of PrivateLink."""
    environment = sandbox.environment()
    return Client(
        utils_models.Config(
            access_key_id=environment["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            access_key_secret=environment["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            endpoint=urlsplit(environment["TIDB_PE_ALIBABA_ENDPOINT"]).netloc,
            protocol="HTTP",
            region_id=REGION,
            read_timeout=2000,
        )
    )


def create_request(sandbox: Sandbox) -> models.CreateVpcEndpointRequest:
    """Return the request for an endpoint in two zones."""
    return models.CreateVpcEndpointRequest().from_map(
        {
            "RegionId": REGION,
            "ServiceName": sandbox.world.services[0].service_name,
            "VpcId": "vpc-t4nanalytics0k3m7x",
            "Zone": [{"ZoneId": "ap-southeast-1a", "VSwitchId": "vsw-t4na1"}],
            "SecurityGroupId": ["sg-t4nanalytics"],
        }
    )


def test_a_refusal_with_and_without_a_word_on_when_to_come_back(
    sandbox: Sandbox, tidb_cloud: httpx.Client
) -> None:
    """TiDB Cloud throttles with 429, and only the kinds named for it send the retry header."""
    headers = {
        Kind.THROTTLED: None,
        Kind.THROTTLED_RETRY_AFTER: "retry-after",
        Kind.THROTTLED_RATELIMIT_RESET: "x-ratelimit-reset",
    }
    for kind, header in headers.items():
        sandbox.faults.add(Fault(kind=kind, operation="ListClusters", seconds=7))
        answer = tidb_cloud.get("/clusters")
        assert (answer.status_code, answer.json()["code"]) == (429, 49900007)
        told = {name: answer.headers.get(name) for name in headers.values() if name}
        assert told == {name: "7" if name == header else None for name in told}
    assert tidb_cloud.get("/clusters").status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "code", "retry_after"),
    [
        (Kind.THROTTLED, 400, "Throttling.User", None),
        (Kind.THROTTLED_ACS_RETRY_AFTER, 400, "Throttling.User", 7000),
        (Kind.CONCURRENT_CALL, 400, "ConcurrentCallNotSupported", None),
        (Kind.ENDPOINT_LOCKED, 400, "EndpointLocked", None),
        (Kind.REFUSED, 400, "OperationFailed.IdempotentTokenProcessing", None),
        (Kind.STS_EXPIRED, 400, "InvalidSecurityToken.Expired", None),
        (Kind.SERVER_ERROR, 500, "InternalError", None),
    ],
)
def test_the_official_sdk_recognizes_a_refusal(  # noqa: PLR0913, PLR0917 - a table's columns
    sandbox: Sandbox, alibaba: Client, kind: Kind, status: int, code: str, retry_after: int | None
) -> None:
    """Code, status, request ID and retry header arrive where the SDK reads them, and nothing is created."""
    sandbox.faults.add(Fault(kind=kind, operation="CreateVpcEndpoint", seconds=7))
    with pytest.raises(TeaException) as caught:
        alibaba.create_vpc_endpoint(create_request(sandbox))
    refused: Any = caught.value
    assert (refused.status_code, refused.code) == (status, code)
    assert getattr(refused, "retry_after", None) == retry_after
    call = sandbox.requests[-1]
    assert (call.request_id, call.status) == (refused.request_id, status)
    assert (call.operation, call.carried_out, call.answered) == ("CreateVpcEndpoint", False, True)
    assert not sandbox.world.endpoints


def test_a_page_of_html(sandbox: Sandbox, tidb_cloud: httpx.Client) -> None:
    """A gateway before the API answers 502 with HTML."""
    sandbox.faults.add(Fault(kind=Kind.BAD_GATEWAY, operation="ListClusters"))
    answer = tidb_cloud.get("/clusters")
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize("point", [Point.BEFORE, Point.AFTER])
@pytest.mark.parametrize("kind", LOST)
def test_a_lost_answer_is_one_to_a_call_that_was_carried_out(
    sandbox: Sandbox, alibaba: Client, kind: Kind, point: Point
) -> None:
    """The caller cannot know whether the endpoint was created; the cloud and the log can."""
    sandbox.faults.add(Fault(kind=kind, operation="CreateVpcEndpoint", point=point, seconds=0.05))
    with pytest.raises(TeaException):
        alibaba.create_vpc_endpoint(create_request(sandbox))
    call = sandbox.requests[-1]
    assert call.carried_out is (point is Point.AFTER)
    assert bool(sandbox.world.endpoints) is call.carried_out
    assert call.params.get("VpcId") == ("vpc-t4nanalytics0k3m7x" if call.carried_out else None)


def _raw(sandbox: Sandbox, *, timeout: float = 5.0) -> socket.socket:
    """Send a call without a key over a separate socket."""
    parts = urlsplit(sandbox.environment()["TIDB_PE_ALIBABA_ENDPOINT"])
    assert parts.hostname
    assert parts.port
    sock = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
    sock.sendall(
        b"POST /?RegionId=x HTTP/1.1\r\nHost: x\r\nx-acs-action: DescribeZones\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n"
    )
    return sock


def _everything(sock: socket.socket) -> bytes:
    with sock:
        received = b""
        while data := sock.recv(65536):
            received += data
        return received


def test_a_reset_is_one(sandbox: Sandbox) -> None:
    """The peer sends RST instead of the end of the stream; amid an answer half of the body comes first."""
    sandbox.faults.add(Fault(kind=Kind.RESET, operation="DescribeZones"))
    with pytest.raises(ConnectionResetError):
        _everything(_raw(sandbox))
    sandbox.faults.add(Fault(kind=Kind.RESET, operation="DescribeZones", point=Point.DURING))
    sock = _raw(sandbox)
    first = sock.recv(65536)
    with pytest.raises(ConnectionResetError):
        _everything(sock)
    head, _, body = first.partition(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    assert len(body) == length // 2
    assert not sandbox.requests[-1].answered


def test_a_black_hole_takes_the_call_and_says_nothing(sandbox: Sandbox) -> None:
    """The connection stays open and silent until its time is over."""
    sandbox.faults.add(Fault(kind=Kind.BLACK_HOLE, operation="DescribeZones", seconds=30))
    with pytest.raises(TimeoutError), _raw(sandbox, timeout=0.2) as sock:
        sock.recv(1)
    sandbox.faults.add(Fault(kind=Kind.BLACK_HOLE, operation="DescribeZones", seconds=0.01))
    assert _everything(_raw(sandbox)) == b""


def test_a_drip_comes_in_many_small_pieces_and_is_whole(sandbox: Sandbox) -> None:
    """A client that waits for each piece gets the correct answer, late."""
    sandbox.faults.add(Fault(kind=Kind.DRIP, operation="DescribeZones", seconds=0.2))
    pieces = []
    with _raw(sandbox) as sock:
        while data := sock.recv(65536):
            pieces.append(data)
    body = b"".join(pieces).partition(b"\r\n\r\n")[2]
    assert len(pieces) > 10
    assert json.loads(body)["Code"]
    assert sandbox.requests[-1].answered


def test_the_end_of_the_sandbox_ends_black_holes_drips_and_holds() -> None:
    """Stopping the sandbox ends every thread that waits for a fault."""
    before = set(threading.enumerate())
    with Sandbox(flights=0) as sandbox, sandbox.faults.hold(3, Point.BEFORE) as hold:
        for kind in (Kind.BLACK_HOLE, Kind.DRIP):
            sandbox.faults.add(Fault(kind=kind, operation="DescribeZones", seconds=3600))
        calls = [_raw(sandbox) for _ in range(3)]
        assert hold.reached.wait(10)
    assert set(threading.enumerate()) <= before
    for sock in calls:
        sock.close()


def test_truncated_json_looks_whole(sandbox: Sandbox, tidb_cloud: httpx.Client) -> None:
    """The length is correct, so that only a parser detects the truncation."""
    sandbox.faults.add(Fault(kind=Kind.TRUNCATED, operation="ListClusters"))
    answer = tidb_cloud.get("/clusters")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_states_and_fields_that_no_document_names(sandbox: Sandbox, tidb_cloud: httpx.Client) -> None:
    """One kind adds unknown fields and leaves the known ones; the other changes only states."""
    true = tidb_cloud.get("/clusters").json()
    sandbox.faults.add(
        Fault(kind=Kind.UNKNOWN_STATE, operation="ListClusters"),
        Fault(kind=Kind.UNKNOWN_FIELDS, operation="ListClusters"),
    )
    strange = tidb_cloud.get("/clusters").json()
    assert {each["state"] for each in strange["clusters"]} == {"Hibernating"}
    assert [each["clusterId"] for each in strange["clusters"]] == [
        each["clusterId"] for each in true["clusters"]
    ]
    grown = tidb_cloud.get("/clusters").json()
    assert grown["clusters"][0]["region"].items() > true["clusters"][0]["region"].items()
    assert grown.keys() > true.keys()


def test_which_fields_are_missing_follows_from_the_seed(sandbox: Sandbox, tidb_cloud: httpx.Client) -> None:
    """Two faults of one seed omit the same fields, another seed omits others, and each omits some."""
    answers = []
    for seed in (1, 1, 2):
        sandbox.faults.add(Fault(kind=Kind.MISSING_FIELDS, operation="ListClusters", seed=seed))
        answers.append(tidb_cloud.get("/clusters").json())
    assert answers[0] == answers[1] != answers[2]
    assert tidb_cloud.get("/clusters").json() not in answers


def test_a_page_that_repeats(sandbox: Sandbox, tidb_cloud: httpx.Client, alibaba: Client) -> None:
    """Following the token returns the same page and token forever; a new list is correct."""
    sandbox.faults.add(Fault(kind=Kind.REPEATED_PAGE, operation="ListClusters"))
    query = {"pageSize": "100"}
    pages = [tidb_cloud.get("/clusters", params=query).json()]
    for _ in range(3):
        token = pages[-1]["nextPageToken"]
        pages.append(tidb_cloud.get("/clusters", params={**query, "pageToken": token}).json())
    assert all(page == pages[0] for page in pages)
    assert tidb_cloud.get("/clusters", params=query).json()["nextPageToken"] == ""

    sandbox.faults.add(Fault(kind=Kind.REPEATED_PAGE, operation="ListVpcEndpoints"))
    tokens = [""]
    for _ in range(3):
        request = models.ListVpcEndpointsRequest(region_id=REGION, next_token=tokens[-1] or None)
        tokens.append(alibaba.list_vpc_endpoints(request).body.next_token)
    assert tokens[1] == tokens[2] == tokens[3] != ""


def test_a_clock_that_is_20_minutes_ahead(
    sandbox: Sandbox, tidb_cloud: httpx.Client, alibaba: Client
) -> None:
    """Alibaba Cloud itself refuses the signature's date; TiDB Cloud only dates its answer by that clock."""
    before = sandbox.clock()
    sandbox.faults.add(Fault(kind=Kind.CLOCK_SKEW, operation="CheckProductOpen"))
    with pytest.raises(ClientException) as caught:
        alibaba.check_product_open()
    assert caught.value.code == "InvalidTimeStamp.Expired"
    assert alibaba.check_product_open().body.success
    sandbox.faults.add(Fault(kind=Kind.CLOCK_SKEW, operation="ListClusters"))
    dates = [parsedate_to_datetime(tidb_cloud.get("/clusters").headers["date"]) for _ in range(2)]
    assert (dates[0] - dates[1]).total_seconds() > 600
    assert sandbox.clock() - before < 600


def test_an_expired_nonce_is_reported_with_stale_true(sandbox: Sandbox, tidb_cloud: httpx.Client) -> None:
    """The challenge is valid: a client that answers it succeeds with two requests."""
    sandbox.faults.add(Fault(kind=Kind.NONCE_EXPIRED, operation="ListClusters"))
    answer = tidb_cloud.get("/clusters")
    assert answer.status_code == 200
    calls = [call for call in sandbox.requests if call.operation == "ListClusters"][-2:]
    assert [call.status for call in calls] == [401, 200]
    assert sandbox.requests.to("tidb-cloud")[-2].refusal == "stale nonce"


@pytest.mark.parametrize("kind", CLOUD_KINDS)
def test_every_kind_is_over_after_its_times(sandbox: Sandbox, tidb_cloud: httpx.Client, kind: Kind) -> None:
    """Two calls are struck, and the third one is normal."""
    traits = KINDS[kind]
    operation = "ListClusters" if Service.TIDB_CLOUD in traits.services else "DescribeZones"
    sandbox.faults.add(Fault(kind=kind, operation=operation, times=2, seconds=0.01))
    for _ in range(2):
        with contextlib.suppress(httpx.HTTPError, OSError):
            if operation == "ListClusters":
                tidb_cloud.get("/clusters")
            else:
                _everything(_raw(sandbox))
    assert sandbox.faults.pending == ()
    assert tidb_cloud.get("/clusters").status_code == 200
