"""This machine's location, reported by an ECS instance's metadata service in half a second per answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidb_pe_magic.clouds.metadata import DEFAULT_METADATA, whereabouts
from tidb_pe_magic.model import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TOKEN_PATH = "/latest/api/token"
TOLD = {
    "region-id": "ap-southeast-1",
    "zone-id": "ap-southeast-1a",
    "vpc-id": "vpc-t4nabc123",
    "vswitch-id": "vsw-t4nabc123",
    "private-ipv4": "10.0.1.7",
}
HERE = Whereabouts(
    region_id="ap-southeast-1",
    zone_id="ap-southeast-1a",
    vpc_id="vpc-t4nabc123",
    vswitch_id="vsw-t4nabc123",
    private_ip="10.0.1.7",
)
PATIENT = 30.0  # seconds; even a busy machine answers sooner


class Service(httpx.AsyncBaseTransport):
    """A metadata service without a network. It records the questions."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        """Answer with what `answer` returns."""
        self.requests: list[httpx.Request] = []
        self.answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        self.requests.append(request)
        answer = self.answer(request)
        if not answer.is_stream_consumed:
            return answer
        # As from the network: not read yet.
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )


def instance(changes: Mapping[str, str | None] = MappingProxyType({}), *, token: str = "") -> Service:
    """Return an instance's service. It requires `token` if given, and omits the items that are None."""
    told = {**TOLD, **changes}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKEN_PATH:
            return httpx.Response(200 if token else 404, text=token)
        if token and request.headers.get("X-aliyun-ecs-metadata-token") != token:
            return httpx.Response(403)
        value = told.get(request.url.path.removeprefix("/latest/meta-data/"))
        return httpx.Response(404) if value is None else httpx.Response(200, text=value)

    return Service(answer)


def asked(service: httpx.AsyncBaseTransport) -> Whereabouts | None:
    """Look up the location without a network."""
    return whereabouts(transport=service, timeout=PATIENT)


def test_an_instance_that_demands_a_token_is_asked_with_one() -> None:
    """The token comes first, by PUT with a lifetime that the service accepts, and then with each question."""
    service = instance(token="t-123")
    assert asked(service) == HERE
    first, *others = service.requests
    assert (first.method, str(first.url)) == ("PUT", DEFAULT_METADATA + TOKEN_PATH)
    assert 1 <= int(first.headers["X-aliyun-ecs-metadata-token-ttl-seconds"]) <= 21600
    assert {request.method for request in others} == {"GET"}
    assert len(others) == len(TOLD)


def test_an_instance_that_knows_no_token_is_asked_without() -> None:
    """Without an available token, the questions carry no token header."""
    service = instance()
    assert asked(service) == HERE
    assert not any("X-aliyun-ecs-metadata-token" in request.headers for request in service.requests)


def test_a_page_in_the_place_of_a_token_is_not_sent_back() -> None:
    """A page in place of a token never becomes a header value, even with status 200."""
    told = instance()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKEN_PATH:
            return httpx.Response(200, text="<html>a b\r\nX-Injected: 1</html>")
        return told.answer(request)

    service = Service(answer)
    assert asked(service) == HERE
    assert not any("X-Injected" in request.headers for request in service.requests)


def test_a_missing_address_is_empty() -> None:
    """The location is known without the machine's own address."""
    found = asked(instance({"private-ipv4": None}))
    assert found is not None
    assert (found.vpc_id, found.private_ip) == ("vpc-t4nabc123", "")


@pytest.mark.parametrize(
    ("region", "zone"),
    [
        ("cn-hangzhou", "cn-hangzhou-b"),
        ("cn-north-2-gov-1", "cn-north-2-gov-1a"),
        ("cn-shenzhen-finance-1", "cn-shenzhen-finance-1a"),
        ("us-west-1", "us-west-1b"),
    ],
)
def test_every_form_of_region_and_zone_is_known(region: str, zone: str) -> None:
    """Older zones with a hyphen before the letter and regions without a final number are recognized."""
    found = asked(instance({"region-id": region, "zone-id": zone}))
    assert found is not None
    assert (found.region_id, found.zone_id) == (region, zone)


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("region-id", "cn-hangzhou"),
        ("region-id", "eastus"),
        ("region-id", ""),
        ("region-id", None),
        ("zone-id", "ap-southeast-1"),
        ("zone-id", "ap-southeast-5a"),
        ("zone-id", "ap-southeast-1ab"),
        ("zone-id", None),
        ("vpc-id", "vpc-"),
        ("vpc-id", "vpc-0abc\nvpc-1"),
        ("vpc-id", "i-0abc"),
        ("vpc-id", "vpc-" + "a" * 65),
        ("vpc-id", "<html>vpc-t4nabc123</html>"),
        ("vpc-id", None),
        ("vswitch-id", "subnet-0abc"),
        ("vswitch-id", None),
        ("private-ipv4", "10.0.1"),
        ("private-ipv4", "fd00::1"),
        ("private-ipv4", "127.0.0.1"),
        ("private-ipv4", "100.64.0.9"),
        ("private-ipv4", "169.254.169.254"),
        ("private-ipv4", "224.0.0.1"),
        ("private-ipv4", "0.0.0.0"),  # noqa: S104 - nothing is bound to it
        ("private-ipv4", "<html>"),
    ],
)
def test_one_value_of_another_shape_discredits_the_whole_answer(item: str, value: str | None) -> None:
    """A value that does not fit Alibaba Cloud means "not on ECS", as other clouds use the same address."""
    assert asked(instance({item: value})) is None


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 500, 502])
def test_another_status_than_200_is_not_an_answer(status: int) -> None:
    """A refusal, a failure and a redirect mean "not on ECS", and redirects are not followed."""
    service = Service(lambda _: httpx.Response(status, headers={"Location": "http://elsewhere.example/"}))
    assert asked(service) is None
    assert {request.url.host for request in service.requests} == {"100.100.100.200"}


def test_no_redirect_is_followed_to_a_right_answer() -> None:
    """Even a redirect to a valid answer is not followed."""
    told = instance()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host != "elsewhere.example":
            location = f"http://elsewhere.example{request.url.path}"
            return httpx.Response(302, headers={"Location": location})
        return told.answer(request)

    assert asked(Service(answer)) is None


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("odd")]
)
def test_a_failed_exchange_is_not_an_error(error: httpx.HTTPError) -> None:
    """A refused, unreachable, late or malformed answer means "not on ECS", without an error."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    assert asked(Service(fail)) is None


def test_only_the_beginning_of_a_long_answer_is_read() -> None:
    """Reading a body without an end stops after about a kilobyte."""
    sent: list[int] = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204 - an endless stream
            while True:
                sent.append(512)
                yield b"x" * 512

    assert asked(Service(lambda _: httpx.Response(200, stream=Endless()))) is None
    assert sum(sent) <= 2 * 3 * 512


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), min_size=5, max_size=5), st.binary(max_size=40))
def test_any_answer_is_a_location_of_the_right_shape_or_none(values: list[str], token: bytes) -> None:
    """Every answer gives a valid location or none, but never an error."""
    told = dict(zip(TOLD, values, strict=True))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKEN_PATH:
            return httpx.Response(200, content=token)
        return httpx.Response(200, text=told[request.url.path.removeprefix("/latest/meta-data/")])

    found = asked(Service(answer))
    assert found is None or found.vpc_id.removeprefix("vpc-").isalnum()


@contextlib.contextmanager
def server(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve each connection in its own thread until the test ends."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection, ended)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not ended.is_set():
                threads.append(threading.Thread(target=one, args=(listener.accept()[0],), daemon=True))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, args=(listener,), daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for thread in threads:
            thread.join()


def silent(_: socket.socket, ended: threading.Event) -> None:
    """Take the request and never answer."""
    ended.wait()


def trickling(connection: socket.socket, ended: threading.Event) -> None:
    """Answer one header byte at a time, so that each single read is in time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not ended.wait(0.02):
        connection.sendall(b"x")


def garbled(connection: socket.socket, _: threading.Event) -> None:
    """Answer with something that is not HTTP."""
    connection.recv(4096)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize("serve", [silent, trickling, garbled])
def test_a_server_that_hangs_or_speaks_something_else_is_left(
    serve: Callable[[socket.socket, threading.Event], None],
) -> None:
    """The deadline covers the entire answer, and the call returns while the server is still sending."""
    with server(serve) as url:
        assert whereabouts(url, timeout=0.3) is None


@pytest.mark.parametrize(("seconds", "place"), [(PATIENT * 0.6, HERE), (PATIENT * 1.1, None)])
def test_each_answer_has_its_time(seconds: float, place: Whereabouts | None) -> None:
    """Six answers of a busy instance may take longer than one answer may.

    A single late answer is discarded.
    """
    told = instance()

    class Slow(Service):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            loop = asyncio.get_running_loop()
            now = loop.time
            # The loop's clock jumps, so that the test does not wait.
            loop.time = lambda: now() + seconds  # type: ignore[method-assign]
            for _ in range(3):  # late tasks are found and cancelled
                await asyncio.sleep(0)
            return await super().handle_async_request(request)

    assert asked(Slow(told.answer)) == place


def whole(body: bytes) -> bytes:
    """Return an answer with its length, behind an interim one."""
    return b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def in_pieces(body: bytes) -> bytes:
    """Return an answer without a length."""
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % pieces


def old(body: bytes) -> bytes:
    """Return an answer that ends with its connection."""
    return b"HTTP/1.0 200 OK\r\n\r\n" + body


@pytest.mark.parametrize("answer", [whole, in_pieces, old])
@pytest.mark.parametrize("requests", [1, 2, 100])
def test_every_form_of_an_answer_is_read(answer: Callable[[bytes], bytes], requests: int) -> None:
    """An answer may have a length, chunks, or an end; a server may close a connection after any answer."""
    connections: list[list[str]] = []

    def serve(connection: socket.socket, _: threading.Event) -> None:
        connections.append(asked := [])
        for _number in range(requests if answer is not old else 1):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            path = head.split(b" ")[1].decode()
            asked.append(path)
            connection.sendall(answer(TOLD.get(path.removeprefix("/latest/meta-data/"), "").encode()))

    with server(serve) as url:
        assert whereabouts(url, timeout=PATIENT) == HERE
    assert list(chain(*connections)) == [TOKEN_PATH, *(f"/latest/meta-data/{item}" for item in TOLD)]
    assert len([each for each in connections if each]) == -(-6 // (requests if answer is not old else 1))


def test_the_thread_that_asks_ends_with_the_deadline() -> None:
    """The thread that asks ends with the deadline, even if the server never answers."""
    with server(silent) as url:
        assert whereabouts(url, timeout=0.2) is None
        left = [thread for thread in threading.enumerate() if thread.name == "ecs-metadata"]
        for thread in left:
            thread.join(PATIENT)
        assert not any(thread.is_alive() for thread in left)


def test_a_closed_address_is_not_an_error() -> None:
    """A refused connection means "not on ECS", without an error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert whereabouts(f"http://127.0.0.1:{port}", timeout=PATIENT) is None


def test_no_proxy_is_asked(environment: Callable[[dict[str, str]], None]) -> None:
    """The metadata request bypasses the proxy, which would answer for its own machine."""
    proxied: list[bytes] = []

    def proxy(connection: socket.socket, _: threading.Event) -> None:
        proxied.append(connection.recv(4096))

    def direct(connection: socket.socket, _: threading.Event) -> None:
        head = connection.recv(4096).split(b" ")
        item = head[1].decode().removeprefix("/latest/meta-data/")
        body = TOLD.get(item, "").encode()
        status = b"200 OK" if body else b"404 Not Found"
        connection.sendall(
            b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
        )

    with server(proxy) as proxy_url, server(direct) as url:
        environment({"HTTP_PROXY": proxy_url, "http_proxy": proxy_url, "ALL_PROXY": proxy_url})
        assert whereabouts(url, timeout=PATIENT) == HERE
    assert proxied == []
