"""HTTP Digest of the sandbox's TiDB Cloud API, with real clients and with handwritten headers."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.request import parse_http_list, parse_keqv_list

import httpx
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.auth import HTTPDigestAuth

from tidb_pe_magic.sandbox.http_server import HttpServer
from tidb_pe_magic.sandbox.tidb_cloud.app import create_app
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
from tidb_pe_magic.sandbox.tidb_cloud.digest import NONCE_SECONDS, DigestAuthenticator, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

KEY, SECRET = "sandbox-public", "sandbox-private"
PATH = "/v1beta1/clusters"
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class Clock:
    """A clock that a test sets; it advances `step` seconds per reading."""

    def __init__(self, step: float = 0.0) -> None:
        """Start in the middle of a minute."""
        self.now = 1_790_000_010.0
        self.step = step

    def __call__(self) -> float:
        """Return the time."""
        self.now += self.step
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def app(clock: Clock) -> Flask:
    """Return the API with one key."""
    return create_app(ClusterStore(port=4000), {KEY: SECRET}, clock)


@pytest.fixture
def plain(app: Flask) -> Iterator[httpx.Client]:
    """Return a client without Digest support."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://sandbox") as client:
        yield client


class YieldingText(str):
    """A text that yields to other threads at each lookup, so that a missing lock shows."""

    __slots__ = ()

    def __hash__(self) -> int:
        """Yield to other threads, then hash as text does."""
        time.sleep(0)
        return super().__hash__()


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """Serve the API over TCP, with a clock so fast that the rate limit is never reached."""
    app = create_app(ClusterStore(port=4000), {KEY: SECRET}, Clock(step=1.0))
    with HttpServer(app) as running:
        yield running


def parameters(challenge: str) -> dict[str, str]:
    """Return the parameters of a Digest challenge."""
    scheme, _, rest = challenge.partition(" ")
    assert scheme == "Digest"
    return parse_keqv_list(parse_http_list(rest))


def challenge_of(answer: httpx.Response, algorithm: str = "SHA-256") -> dict[str, str]:
    """Return the challenge of a 401 for one algorithm."""
    assert answer.status_code == 401
    every = [parameters(value) for value in answer.headers.get_list("WWW-Authenticate")]
    return next(each for each in every if each["algorithm"] == algorithm)


def credentials(  # noqa: PLR0913 - each is a thing that a test gets wrong
    challenge: dict[str, str],
    *,
    uri: str = PATH,
    count: int = 1,
    key: str = KEY,
    private: str = SECRET,
    method: str = "GET",
    **replaced: str | None,
) -> dict[str, str | None]:
    """Answer a challenge by RFC 7616. `replaced` changes parameters before hashing; None omits one."""
    values: dict[str, str | None] = {
        "username": key,
        "realm": challenge["realm"],
        "nonce": challenge["nonce"],
        "uri": uri,
        "algorithm": challenge["algorithm"],
        "qop": "auth",
        "nc": f"{count:08x}",
        "cnonce": "0a4f113b",
        **replaced,
    }

    def hashed(*parts: str | None) -> str:
        text = ":".join(str(part) for part in parts).encode()
        return HASHES[challenge["algorithm"]](text).hexdigest()

    values["response"] = hashed(
        hashed(key, values["realm"], private),
        *(values[name] for name in ("nonce", "nc", "cnonce", "qop")),
        hashed(method, values["uri"]),
    )
    return values


def header(values: dict[str, str | None]) -> dict[str, str]:
    """Return credentials as a request header."""
    text = ", ".join(f'{name}="{value}"' for name, value in values.items() if value is not None)
    return {"Authorization": f"Digest {text}"}


def test_without_credentials_the_answer_is_a_challenge_for_each_algorithm(plain: httpx.Client) -> None:
    """A request without a key gets 401, the gateway's own code, and SHA-256 before MD5."""
    answer = plain.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (401, 49900001)
    every = [parameters(value) for value in answer.headers.get_list("WWW-Authenticate")]
    assert [each["algorithm"] for each in every] == ["SHA-256", "MD5"]
    assert all(each["qop"] == "auth" and "stale" not in each for each in every)


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_a_handwritten_header_is_accepted(plain: httpx.Client, algorithm: str) -> None:
    """Independently computed credentials are accepted, with either algorithm."""
    challenge = challenge_of(plain.get(PATH), algorithm)
    assert plain.get(PATH, headers=header(credentials(challenge))).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"private": "other"},
        {"key": "unknown"},
        {"method": "POST"},
        {"realm": "elsewhere"},
        {"qop": "auth-int"},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-512-256"},
        {"nc": None},
        {"nc": "00000000"},
        {"nc": "1"},
        {"cnonce": None},
    ],
    ids=str,
)
def test_credentials_with_one_fault_are_refused(plain: httpx.Client, wrong: dict[str, Any]) -> None:
    """Credentials with a single fault give a 401 without stale, and do not use up the count."""
    challenge = challenge_of(plain.get(PATH))
    refused = plain.get(PATH, headers=header(credentials(challenge, **wrong)))
    assert "stale" not in challenge_of(refused)
    assert plain.get(PATH, headers=header(credentials(challenge))).status_code == 200


@pytest.mark.parametrize("uri", [f"{PATH}/1", f"{PATH}?pageSize=2", f"{PATH}?pageSize=10&skip=0", "/"])
def test_a_header_for_another_uri_is_refused(plain: httpx.Client, uri: str) -> None:
    """Credentials for another path or query are refused, because the uri is compared."""
    asked = f"{PATH}?pageSize=10"
    stolen = credentials(challenge_of(plain.get(asked)), uri=uri)
    assert plain.get(asked, headers=header(stolen)).status_code == 401
    assert plain.get(asked, headers=header(stolen | {"uri": asked})).status_code == 401


def test_a_whole_url_as_uri_is_compared_by_path_and_query(plain: httpx.Client) -> None:
    """An absolute uri parameter, as proxies get it, is compared by path and query."""
    challenge = challenge_of(plain.get(PATH))
    good = credentials(challenge, uri=f"http://sandbox{PATH}?skip=1")
    bad = credentials(challenge, uri=f"http://sandbox{PATH}?skip=2", count=2)
    assert plain.get(f"{PATH}?skip=1", headers=header(good)).status_code == 200
    assert plain.get(f"{PATH}?skip=1", headers=header(bad)).status_code == 401


def test_a_nonce_count_is_good_once(app: Flask, plain: httpx.Client) -> None:
    """A replayed header is refused, while unused counts of the nonce are accepted in any order."""
    challenge = challenge_of(plain.get(PATH))
    statuses = [
        plain.get(PATH, headers=header(credentials(challenge, count=count))).status_code
        for count in (3, 1, 3, 1, 2)
    ]
    assert statuses == [200, 200, 401, 401, 200]
    assert app.config["requests"][3].refusal == "replayed nonce count"


@pytest.mark.parametrize(
    ("name", "value"),
    [("realm", "elsewhere"), ("qop", "auth-int"), ("nc", "00000002"), ("cnonce", "1"), ("algorithm", "MD5")],
)
def test_credentials_changed_after_hashing_are_refused(plain: httpx.Client, name: str, value: str) -> None:
    """A parameter that differs from the hashed one is refused."""
    sent = credentials(challenge_of(plain.get(PATH)))
    assert plain.get(PATH, headers=header(sent | {name: value})).status_code == 401


def test_of_several_threads_with_one_header_one_is_accepted(clock: Clock) -> None:
    """Of simultaneous replays with one header, exactly one is accepted."""
    authenticator = DigestAuthenticator({KEY: SECRET}, clock=clock)
    challenge = parameters(authenticator.challenges(Verdict())[0])
    nonce = YieldingText(challenge["nonce"])
    every = [credentials(challenge, count=count) | {"nonce": nonce} for count in range(1, 51)]
    together = threading.Barrier(4)

    def let_in_now(each: dict[str, str | None]) -> bool:
        together.wait()
        return authenticator.judge("GET", PATH, each).refusal is None

    def send_all() -> list[bool]:
        return [let_in_now(each) for each in every]

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(send_all) for _ in range(4)]
        let_in = [run.result() for run in runs]
    assert [sum(each) for each in zip(*let_in, strict=True)] == [1] * len(every)


def test_an_old_nonce_is_called_stale(plain: httpx.Client, clock: Clock) -> None:
    """An expired nonce is refused with stale=true, and the new one of that answer works."""
    challenge = challenge_of(plain.get(PATH))
    clock.now += NONCE_SECONDS
    assert plain.get(PATH, headers=header(credentials(challenge))).status_code == 200
    clock.now += 1
    again = challenge_of(plain.get(PATH, headers=header(credentials(challenge, count=2))))
    assert again["stale"] == "true"
    assert plain.get(PATH, headers=header(credentials(again))).status_code == 200


def test_an_old_nonce_with_a_wrong_secret_is_not_called_stale(plain: httpx.Client, clock: Clock) -> None:
    """A wrong secret never gets stale, which would mean that the secret was right."""
    challenge = challenge_of(plain.get(PATH))
    clock.now += NONCE_SECONDS + 1
    refused = plain.get(PATH, headers=header(credentials(challenge, private="other")))
    assert "stale" not in challenge_of(refused)


@pytest.mark.parametrize("forged", ["", "x", "0.1790000010000.1.00.00", "\u00fc", "...."], ids=ascii)
def test_a_nonce_that_is_not_ours_is_stale(clock: Clock, forged: str) -> None:
    """A nonce without the server's signature is refused as stale, so a client with the secret may retry."""
    authenticator = DigestAuthenticator({KEY: SECRET}, clock=clock)
    challenge = parameters(authenticator.challenges(Verdict())[0])
    sent = credentials(challenge | {"nonce": forged})
    assert authenticator.judge("GET", PATH, sent) == Verdict(KEY, "stale nonce", stale=True)


def test_the_record_of_used_counts_is_bounded_and_forgets_nothing(clock: Clock) -> None:
    """When the record is full every nonce becomes stale, so a used count is never accepted again."""
    authenticator = DigestAuthenticator({KEY: SECRET}, clock=clock, remembered=3)
    challenge = parameters(authenticator.challenges(Verdict())[0])

    def send(count: int) -> Verdict:
        return authenticator.judge("GET", PATH, credentials(challenge, count=count))

    assert [send(count).refusal for count in (1, 2, 3, 4)] == [None] * 4
    assert all(send(count).stale for count in (1, 2, 3, 4, 5))
    challenge = parameters(authenticator.challenges(Verdict())[0])
    assert [send(count).refusal for count in (1, 1)] == [None, "replayed nonce count"]


def test_counts_of_old_nonces_make_room(clock: Clock) -> None:
    """The counts of expired nonces are dropped before those of a valid nonce."""
    authenticator = DigestAuthenticator({KEY: SECRET}, clock=clock, remembered=3)
    old = parameters(authenticator.challenges(Verdict())[0])
    for count in (1, 2, 3):
        assert authenticator.judge("GET", PATH, credentials(old, count=count)).refusal is None
    clock.now += NONCE_SECONDS + 1
    young = parameters(authenticator.challenges(Verdict())[0])
    for count in (1, 2):
        assert authenticator.judge("GET", PATH, credentials(young, count=count)).refusal is None
    assert authenticator.judge("GET", PATH, credentials(young, count=2)).refusal == "replayed nonce count"


def test_httpx_reuses_one_challenge_for_many_calls(app: Flask) -> None:
    """One DigestAuth object causes a single 401 for all calls, and each further call is one request."""
    transport = httpx.WSGITransport(app=app)
    auth = httpx.DigestAuth(KEY, SECRET)
    with httpx.Client(transport=transport, base_url="http://sandbox", auth=auth) as client:
        assert [client.get(PATH, params={"skip": n}).status_code for n in range(5)] == [200] * 5
    assert [call.status for call in app.config["requests"]] == [401] + [200] * 5


def test_httpx_continues_when_its_nonce_is_stale(app: Flask, clock: Clock) -> None:
    """An httpx client that was idle for longer than a nonce's lifetime sees no error."""
    transport = httpx.WSGITransport(app=app)
    auth = httpx.DigestAuth(KEY, SECRET)
    with httpx.Client(transport=transport, base_url="http://sandbox", auth=auth) as client:
        client.get(PATH)
        clock.now += NONCE_SECONDS + 1
        assert client.get(PATH).status_code == 200
    assert [call.refusal for call in app.config["requests"]] == [
        "no digest credentials",
        None,
        "stale nonce",
        None,
    ]


def test_httpx_with_a_wrong_key_gets_401(app: Flask) -> None:
    """A client with a wrong private key ends with 401 instead of retrying forever."""
    auth = httpx.DigestAuth(KEY, "wrong")
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://sandbox", auth=auth) as client:
        assert client.get(PATH).status_code == 401
    assert app.config["requests"][-1].refusal == "wrong response"


def test_basic_credentials_are_refused(plain: httpx.Client) -> None:
    """The right key as Basic authentication is refused, because the real API accepts only Digest."""
    assert plain.get(PATH, auth=(KEY, SECRET)).status_code == 401


def test_unknown_paths_are_hidden_without_a_key(plain: httpx.Client) -> None:
    """A request without a key gets the same answer for existing and missing paths."""
    assert plain.get("/v1beta1/nothing").status_code == 401


def test_requests_is_accepted(server: HttpServer) -> None:
    """The requests library, which reads the last challenge, is accepted over TCP, also with a query."""
    auth = HTTPDigestAuth(KEY, SECRET)
    for query in ("", "?pageSize=2&filter=displayName%3D%22demo%22"):
        assert requests.get(f"{server.url}{PATH}{query}", auth=auth, timeout=30).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs the curl command: apt-get install curl")
@pytest.mark.parametrize(("secret", "status"), [(SECRET, "200"), ("wrong", "401")])
def test_curl_is_accepted_with_the_right_key_only(server: HttpServer, secret: str, status: str) -> None:
    """The curl command of TiDB Cloud's documentation works, and fails with a wrong private key."""
    command = ["curl", "--silent", "--digest", "--user", f"{KEY}:{secret}", "--write-out", "%{http_code}"]
    command += ["--output", "-", "--url", f"{server.url}{PATH}?pageSize=1"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ended.stdout.endswith(status)


@settings(max_examples=40, deadline=None)
@given(label=st.text(max_size=30))
def test_any_query_is_compared_as_it_was_sent(server: HttpServer, label: str) -> None:
    """Whatever percent-encoded query a client sends, its uri is recognized over TCP."""
    quoted = label.replace("\\", "\\\\").replace('"', '\\"')
    with httpx.Client(base_url=server.url, auth=httpx.DigestAuth(KEY, SECRET)) as client:
        answer = client.get(PATH, params={"filter": f'labels.note="{quoted}"', "skip": "0"})
    assert (answer.status_code, answer.json().get("totalSize")) == (200, 0)
