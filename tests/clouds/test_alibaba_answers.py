"""How the Alibaba Cloud client handles faulty answers, and its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from clouds.servers import KEY, REGION, Answer, noting
from support.ports import free_port
from support.secrets_in_traceback import frames, holders

from tidb_pe_magic.clouds.alibaba.api import Alibaba
from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient
from tidb_pe_magic.clouds.retries import Retries
from tidb_pe_magic.clouds.tidb_cloud import TidbCloud
from tidb_pe_magic.credentials.search import Chain, KeyMatch
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import ApiError, PermissionDenied, ServiceUnavailable, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clouds.servers import Answering, Cloud

    SetEnvironment = Callable[[dict[str, str]], None]

LOOKS = {"privatelink": Alibaba.endpoints, "lookup": Alibaba.vpcs}
both_ways = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)


def refusal(code: str, message: str = "Because.", **more: object) -> str:
    """Write the body of a refusal."""
    return json.dumps({"Code": code, "Message": message, "RequestId": "R-1", **more})


def failure(alibaba: Alibaba, look: Callable[[Alibaba], object]) -> ApiError:
    """Return the error of a call, after checking that it does not contain the secret."""
    with pytest.raises(ApiError) as caught:
        look(alibaba)
    assert holders(caught.value, KEY.private.reveal()) == []
    return caught.value


@both_ways
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("x-acs-retry-after", "2500"),), 2.5),
        ((("x-acs-retry-after", "0"),), None),
        ((("x-acs-retry-after", "soon"),), None),
        ((), None),
    ],
)
def test_throttling_is_recognized_with_and_without_its_header(
    answering: Answering,
    look: Callable[[Alibaba], object],
    headers: tuple[tuple[str, str], ...],
    seconds: float | None,
) -> None:
    """The header's milliseconds become seconds. Without the header the code identifies throttling."""
    alibaba, odd = answering(
        Answer(refusal("Throttling.User", "Denied by flow control."), "400 Bad", headers)
    )
    error = failure(alibaba, look)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds
    assert error.code == "Throttling.User"
    assert len(odd.queries) == 1


@both_ways
@pytest.mark.parametrize(
    "answer",
    [
        Answer("<html>bad gateway</html>", "502 Bad Gateway"),
        Answer("", "502 Bad Gateway"),
        Answer('{"Endpoints": [{"Endpoi'),
        Answer("<html>sign in</html>"),
        Answer("[]", "400 Bad Request"),
    ],
    ids=["html", "empty", "truncated", "html with 200", "a list"],
)
def test_an_answer_without_a_json_object_is_the_services_failure(
    answering: Answering, look: Callable[[Alibaba], object], answer: Answer
) -> None:
    """A proxy's page and a truncated body give one line that says what to check."""
    error = failure(answering(answer)[0], look)
    assert isinstance(error, ServiceUnavailable)
    assert "no usable answer" in str(error)
    assert error.full_advice


@both_ways
@pytest.mark.parametrize(
    "body",
    [
        "null",
        '"text"',
        "7",
        '{"Endpoints": "text", "Vpcs": "text"}',
        '{"Endpoints": [7], "Vpcs": {"Vpc": [7]}}',
        '{"Endpoints": {}, "Vpcs": {"Vpc": {}}}',
    ],
)
def test_json_of_another_shape_causes_no_traceback(
    answering: Answering, look: Callable[[Alibaba], object], body: str
) -> None:
    """An answer of the wrong shape is an empty list or the service's failure, never a traceback."""
    alibaba, _ = answering(Answer(body))
    try:
        assert look(alibaba) == ()
    except ServiceUnavailable as error:
        assert error.operation  # noqa: PT017 - either outcome is right


@both_ways
@pytest.mark.parametrize("status", ["500 Error", "503 Busy"])
def test_a_server_error_is_the_services_failure(
    answering: Answering, look: Callable[[Alibaba], object], status: str
) -> None:
    """A server error preserves the cloud's code, message and request ID."""
    error = failure(answering(Answer(refusal("InternalError"), status))[0], look)
    assert isinstance(error, ServiceUnavailable)
    assert (error.code, error.request_id) == ("InternalError", "R-1")


@both_ways
def test_an_error_without_a_code_shows_the_status(
    answering: Answering, look: Callable[[Alibaba], object]
) -> None:
    """For an error without a code, such as an empty object, the HTTP status replaces the code."""
    assert failure(answering(Answer("{}", "503 Busy"))[0], look).code == "HTTP 503"
    assert failure(answering(Answer("{}", "400 Bad"))[0], look).code == "HTTP 400"


@both_ways
@pytest.mark.parametrize(
    ("detail", "advice"),
    [
        ({"AccessDeniedDetail": {"AuthAction": "vpc:Look"}}, "Ask for the RAM action vpc:Look."),
        ({"AccessDeniedDetail": '{"AuthAction": "vpc:Look"}'}, "Ask for the RAM action vpc:Look."),
        # If the answer names no action, the operation's own action applies.
        ({"AccessDeniedDetail": "{broken"}, "Ask for the RAM action "),
        ({}, "Ask for the RAM action "),
    ],
    ids=["object", "string", "broken", "absent"],
)
def test_a_denial_names_the_required_action(
    answering: Answering, look: Callable[[Alibaba], object], detail: dict[str, Any], advice: str
) -> None:
    """The RAM action is read from every form of the detail."""
    error = failure(answering(Answer(refusal("NoPermission", **detail), "403 Forbidden"))[0], look)
    assert isinstance(error, PermissionDenied)
    assert error.advice.startswith(advice)


@both_ways
def test_a_closed_connection_is_the_services_failure(
    closing_url: str, look: Callable[[Alibaba], object]
) -> None:
    """A server that hangs up and a closed port each give one line."""
    for url in (closing_url, f"http://127.0.0.1:{free_port()}"):
        assert isinstance(
            failure(Alibaba(AlibabaClient(REGION, KEY, endpoint=url)), look), ServiceUnavailable
        )


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"]])
def test_a_page_token_that_comes_again_ends_in_an_error(answering: Answering, tokens: list[str]) -> None:
    """A repeated page token is the service's failure, for endpoints and for security groups."""
    alibaba, odd = answering(*(Answer(json.dumps({"TotalCount": 0, "NextToken": t})) for t in tokens))
    error = failure(alibaba, Alibaba.endpoints)
    assert isinstance(error, ServiceUnavailable)
    assert "repeats a page" in str(error)
    assert len(odd.queries) == len(tokens)
    alibaba, odd = answering(*(Answer(json.dumps({"TotalCount": 0, "NextToken": t})) for t in tokens))
    assert "repeats a page" in str(failure(alibaba, Alibaba.security_groups))


def test_networks_are_read_page_by_page(answering: Answering) -> None:
    """VSwitches and VPCs are counted up to their total; security groups follow their token."""
    rest = {"ZoneId": "z", "Status": "Available", "AvailableIpAddressCount": 1}

    def page(outer: str, inner: str, item: dict[str, str], **more: object) -> Answer:
        return Answer(json.dumps({outer: {inner: [{**rest, **item}]}, **more}))

    alibaba, odd = answering(
        page("VSwitches", "VSwitch", {"VSwitchId": "vsw-1", "VpcId": "vpc-1"}, TotalCount=2),
        page("VSwitches", "VSwitch", {"VSwitchId": "vsw-2", "VpcId": "vpc-2"}, TotalCount="2"),
        page("SecurityGroups", "SecurityGroup", {"SecurityGroupId": "sg-1", "VpcId": "vpc-2"}, NextToken="t"),
        page("SecurityGroups", "SecurityGroup", {"SecurityGroupId": "sg-2", "VpcId": "vpc-2"}, NextToken=""),
        page("Vpcs", "Vpc", {"VpcId": "vpc-1"}, TotalCount=2),
        page("Vpcs", "Vpc", {"VpcId": "vpc-2"}, TotalCount=2),
    )
    assert [vswitch.vswitch_id for vswitch in alibaba.vswitches()] == ["vsw-1", "vsw-2"]
    assert [group.security_group_id for group in alibaba.security_groups()] == ["sg-1", "sg-2"]
    assert [vpc.vpc_id for vpc in alibaba.vpcs()] == ["vpc-1", "vpc-2"]
    asked = [dict(parse_qsl(query)) for query in odd.queries]
    assert [query.get("PageNumber", query.get("NextToken")) for query in asked] == [
        "1",
        "2",
        None,
        "t",
        "1",
        "2",
    ]


ENDPOINT = {"EndpointId": "ep-1", "ServiceName": "s", "VpcId": "vpc-1", "EndpointStatus": "Active"}


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"TotalCount": 1},
        {"Endpoints": []},
        *({"TotalCount": 1, "Endpoints": [{**ENDPOINT, name: None}]} for name in list(ENDPOINT)[:3]),
    ],
    ids=str,
)
def test_an_incomplete_list_is_not_an_empty_list(answering: Answering, wire: dict[str, object]) -> None:
    """An incomplete list is requested again, because an empty list would lead to a second endpoint."""
    alibaba, odd = answering(Answer(json.dumps(wire)), Answer(json.dumps({"TotalCount": 0})))
    with pytest.raises(ServiceUnavailable, match="lacks"):
        alibaba.endpoints(service_name="s", vpc_id="vpc-1")
    retrying = Alibaba(AlibabaClient(REGION, KEY, endpoint=odd.url, retries=Retries(sleep=lambda _: False)))
    assert retrying.endpoints(service_name="s", vpc_id="vpc-1") == ()


def test_a_created_endpoint_without_its_id_is_asked_for_again(answering: Answering) -> None:
    """A created endpoint without an ID is requested again; the same token returns the same endpoint."""
    _, odd = answering(Answer("{}"), Answer(json.dumps(ENDPOINT)))
    retrying = Alibaba(AlibabaClient(REGION, KEY, endpoint=odd.url, retries=Retries(sleep=lambda _: False)))
    made = retrying.create_endpoint(
        service_name="s", vpc_id="vpc-1", zones=(), security_group_ids=(), name="n", client_token="t"
    )
    assert made is not None
    assert made.endpoint_id == "ep-1"
    tokens = [dict(parse_qsl(query))["ClientToken"] for query in odd.queries]
    assert tokens == ["t", "t"]


def test_an_endpoint_without_its_id_is_asked_for_again(answering: Answering) -> None:
    """An answer without an endpoint ID is requested again, because it cannot be matched to an endpoint."""
    _, odd = answering(Answer('{"EndpointStatus": "Active"}'), Answer(json.dumps(ENDPOINT)))
    retrying = Alibaba(AlibabaClient(REGION, KEY, endpoint=odd.url, retries=Retries(sleep=lambda _: False)))
    assert retrying.endpoint("ep-1").endpoint_status == "Active"
    assert len(odd.queries) == 2


def test_numbered_pages_that_repeat_end_in_an_error(answering: Answering) -> None:
    """Repeated numbered pages end in an error, and each vSwitch is counted once, whatever the total."""
    vswitch = {
        "VSwitchId": "vsw-1",
        "VpcId": "vpc-1",
        "ZoneId": "z",
        "Status": "Available",
        "AvailableIpAddressCount": 1,
    }
    alibaba, odd = answering(
        Answer(json.dumps({"TotalCount": 10**6, "VSwitches": {"VSwitch": [vswitch]}})),
    )
    assert "repeats a page" in str(failure(alibaba, Alibaba.vswitches))
    assert len(odd.queries) == 2


def test_a_total_that_is_never_reached_ends_with_an_empty_page(answering: Answering) -> None:
    """A total that is too high ends the list at the first empty page."""
    alibaba, odd = answering(Answer('{"TotalCount": 100, "VSwitches": {"VSwitch": []}}'))
    assert alibaba.vswitches() == ()
    assert len(odd.queries) == 1


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    cloud: Cloud, answering: Answering, environment: SetEnvironment
) -> None:
    """With HTTP_PROXY at a dead port both clients still reach loopback, and the variables stay set."""
    dead = f"http://127.0.0.1:{free_port()}"
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")
    environment(dict.fromkeys(names, dead))
    assert len(cloud.client().vpcs()) == 3
    assert cloud.client().endpoints() == ()
    alibaba, odd = answering(Answer('{"clusters": [], "TotalCount": 0}'))
    assert alibaba.endpoints() == ()
    tidb_cloud = TidbCloud(odd.url, Key("public", Secret("private")))
    assert tidb_cloud.clusters() == ()
    tidb_cloud.close()
    assert len(odd.queries) == 2
    assert {name: os.environ[name] for name in names} == dict.fromkeys(names, dead)


def test_a_proxy_of_the_environment_is_used_for_the_real_cloud(environment: SetEnvironment) -> None:
    """The environment's proxy is used for every host beyond this machine."""
    environment({"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "", "no_proxy": ""})
    tidb_cloud = TidbCloud("https://serverless.tidbapi.com", Key("public", Secret("private")))
    with pytest.raises(ServiceUnavailable, match="did not answer"):
        tidb_cloud.clusters()
    tidb_cloud.close()
    with pytest.raises(ServiceUnavailable, match="no usable answer"):
        Alibaba(AlibabaClient(REGION, KEY)).endpoints()


def test_the_sdk_prints_nothing_even_with_debug(cloud: Cloud) -> None:
    """A fresh process with DEBUG=sdk makes both kinds of call without printing the signed headers."""
    program = (
        "import os\n"
        "from tidb_pe_magic.clouds.alibaba.api import Alibaba\n"
        "from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient\n"
        "from tidb_pe_magic.credentials.secrets import Key, Secret\n"
        "key = Key(os.environ['ID'], Secret(os.environ['SECRET']))\n"
        f"alibaba = Alibaba(AlibabaClient({REGION!r}, key, endpoint={cloud.url!r}))\n"
        "assert len(alibaba.vpcs()) == 3 and alibaba.endpoints() == ()\n"
        "assert alibaba.vswitches() and alibaba.security_groups()\n"
    )
    environ = {**os.environ, "DEBUG": "sdk", "ID": KEY.public, "SECRET": KEY.private.reveal()}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert len(cloud.calls) == 4


@both_ways
def test_a_token_that_cannot_be_sent_is_not_quoted(cloud: Cloud, look: Callable[[Alibaba], object]) -> None:
    """The error for a token that cannot be sent omits the header that the HTTP library's error repeats."""
    token = "hunter2-sts-token"
    alibaba = cloud.client(Key(KEY.public, KEY.private, Secret(f"{token}\n")))
    error = failure(alibaba, look)
    assert "cannot be sent" in str(error)
    assert holders(error, token) == []


def test_an_interrupted_call_leaves_no_frame_of_the_sdk() -> None:
    """The stop button's KeyboardInterrupt does not hold the frames with the key."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        AlibabaClient(REGION, KEY)._translate("Operation", interrupted)
    assert "interrupted" not in {frame.f_code.co_name for frame in frames(caught.value)}


@both_ways
@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_a_redirect_is_refused_and_nothing_is_sent_elsewhere(
    answering: Answering, look: Callable[[Alibaba], object], status: str
) -> None:
    """Neither signature nor STS token nor key ID goes to the host named in a redirect."""
    _, elsewhere = answering(Answer("{}"))
    alibaba, odd = answering(Answer("{}", status, (("Location", elsewhere.url + "/x"),)))
    error = failure(alibaba, look)
    assert elsewhere.queries == []
    assert len(odd.queries) == 1
    assert not error.transient
    assert f"redirects to {elsewhere.url}/x; not followed" in str(error)


def test_an_sts_that_redirects_gets_no_token_sent_elsewhere(answering: Answering, tmp_path: Path) -> None:
    """The SDK's credential providers do not follow redirects either, and the error contains no token."""
    (tmp_path / "token").write_text("hunter2-token", encoding="utf-8")
    _, elsewhere = answering(Answer("{}"))
    _, odd = answering(Answer("{}", "307 T", (("Location", elsewhere.url + "/x"),)))
    chain = Chain(kind="oidc", role="acs:ram::1:role/r", identity_provider="p", path=str(tmp_path / "token"))
    alibaba = Alibaba(AlibabaClient(REGION, KeyMatch(place="a role", chain=chain), endpoint=odd.url))
    with pytest.raises(ServiceUnavailable, match="not followed") as caught:
        alibaba.caller()
    assert (elsewhere.queries, len(odd.queries)) == ([], 1)
    assert not caught.value.transient
    assert holders(caught.value, "hunter2-token") == []


def test_transient_failures_of_the_first_calls_are_retried(answering: Answering) -> None:
    """One lookup survives throttling with its header, an HTML page and a truncated body."""
    throttled = Answer(refusal("Throttling.User"), "400 Bad", (("x-acs-retry-after", "2500"),))
    page, cut = Answer("<html>Bad Gateway</html>", "502 Bad Gateway"), Answer('{"Endpoints": [')
    _, odd = answering(throttled, page, cut, Answer('{"Endpoints": [], "TotalCount": 0}'))
    pauses: list[float] = []
    retries = Retries(sleep=noting(pauses))
    assert Alibaba(AlibabaClient(REGION, KEY, endpoint=odd.url, retries=retries)).endpoints() == ()
    assert len(odd.queries) == 4
    assert 2.5 <= pauses[0] <= 3.0


@pytest.mark.parametrize(
    "code", ["ConcurrentCallNotSupported", "EndpointLocked", "EndpointOperationDenied", "SignatureNonceUsed"]
)
def test_a_creation_on_a_busy_cloud_keeps_its_token(answering: Answering, code: str) -> None:
    """A busy cloud is asked again, and each request carries the same ClientToken."""
    _, odd = answering(Answer(refusal(code), "400 Bad"), Answer('{"EndpointId": "ep-1"}'))
    alibaba = Alibaba(AlibabaClient(REGION, KEY, endpoint=odd.url, retries=Retries(sleep=lambda _: False)))
    made = alibaba.create_endpoint(
        service_name="s", vpc_id="vpc-1", zones=(), security_group_ids=(), name="n", client_token="t-1"
    )
    assert made is not None
    assert made.endpoint_id == "ep-1"
    assert [dict(parse_qsl(query))["ClientToken"] for query in odd.queries] == ["t-1"] * 2


def test_a_change_without_a_token_is_not_retried(answering: Answering) -> None:
    """A change without a token is sent once, whatever the retry policy."""
    _, odd = answering(Answer("<html>Bad Gateway</html>", "502 Bad Gateway"))
    client = AlibabaClient(REGION, KEY, endpoint=odd.url, retries=Retries(sleep=lambda _: False))
    with pytest.raises(ServiceUnavailable):
        client.privatelink("CreateVpcEndpoint", {"VpcId": "vpc-1"}, dict)
    assert len(odd.queries) == 1


def test_a_host_that_refuses_is_not_asked_again() -> None:
    """A host that refuses the connection is an error immediately."""
    retries = Retries(sleep=lambda _: pytest.fail("unexpected pause"))
    with pytest.raises(ServiceUnavailable):
        Alibaba(
            AlibabaClient(REGION, KEY, endpoint=f"http://127.0.0.1:{free_port()}", retries=retries)
        ).endpoints()


def test_a_dual_stack_zone_has_both_addresses(answering: Answering) -> None:
    """A zone's IPv6 address comes from its network interface, and is empty without one."""
    zones = [
        {"ZoneId": "z-a", "EniIp": "10.0.1.7", "ZoneIpv6Address": "2408:4005::7"},
        {"ZoneId": "z-b", "EniIp": "10.0.2.7"},
    ]
    alibaba, _ = answering(Answer(json.dumps({"Zones": zones})))
    read = [(zone.eni_ip, zone.ipv6_address) for zone in alibaba.zones("ep-1")]
    assert read == [("10.0.1.7", "2408:4005::7"), ("10.0.2.7", "")]
