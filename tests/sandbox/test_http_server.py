"""The loopback HTTP server of both emulated clouds."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

#: The offset of tcpi_data_segs_in in linux/tcp.h's tcp_info.
DATA_SEGMENTS_IN = 152
BODY = b'{"answer": true}'


def application(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer every request alike."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]


def test_it_answers_as_soon_as_start_returns() -> None:
    """A request right after start is answered, and the port is free again after stop."""
    server = HttpServer(application)
    server.start()
    port = server.port
    assert httpx.get(server.url, trust_env=False).content == BODY
    server.stop()
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_it_starts_again_on_its_port() -> None:
    """A stopped server can start again at its previous address."""
    server = HttpServer(application)
    with server:
        first = server.url
    with server:
        assert server.url == first
        assert httpx.get(first, trust_env=False).status_code == 200


def test_a_port_that_is_taken_is_an_error() -> None:
    """A second server on the same port fails at its start."""
    with HttpServer(application) as server, pytest.raises(OSError, match="in use"):
        HttpServer(application, server.port).start()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts the segments")
def test_head_and_body_arrive_together() -> None:
    """An answer is sent in one write, so that it arrives in one segment."""
    with (
        HttpServer(application) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        information = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    assert answer.endswith(b"\r\n\r\n" + BODY)
    (segments,) = struct.unpack_from("=I", information, DATA_SEGMENTS_IN)
    assert segments <= 1


def test_a_connection_serves_requests_until_its_client_ends_it() -> None:
    """A client's requests arrive over one connection, also behind a body that the application ignores."""
    clients: list[str] = []

    def remembering(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        clients.append(str(environ["REMOTE_PORT"]))
        return application(environ, start_response)

    with HttpServer(remembering) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        for content in (b"unread", b"", b"x" * 1_000_000):
            assert client.post("/", content=content).content == BODY
        assert len(set(clients)) == 1
        assert client.get("/", headers={"Connection": "close"}).headers["connection"] == "close"
        assert client.get("/").content == BODY
    assert len(set(clients)) == 2


HEADERS = (b"Host: x", b"X-Twice: 1", b"x-twice:2 ", b"Empty:", b"Latin: \xe9\t\xa0", b"A_B: left out")


@pytest.mark.parametrize("target", [b"/", b"/a%2Fb%20c/?x=%C3%A9&y=1?2", b"//double", b"/caf\xc3\xa9"])
def test_a_plain_request_is_read_like_any_other(target: bytes) -> None:
    """The application gets the same from a plain request as from one with a folded header."""
    seen: list[dict[str, object]] = []

    def watching(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        kept = {name: value for name, value in environ.items() if name.isupper() and name != "REMOTE_PORT"}
        seen.append({**kept, "body": environ["wsgi.input"].read()})
        return application(environ, start_response)

    def ask(server: HttpServer, *head: bytes) -> list[dict[str, object]]:
        """Send a request and a last one over a connection, and return what arrived."""
        seen.clear()
        body = b"abc" if b"Content-Length: 3" in head else b""
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"\r\n".join((*head, b"", body)))
            client.sendall(b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n")
            while client.recv(65536):
                pass
        return list(seen)

    with HttpServer(watching) as server:
        for method, more, requests in (
            (b"GET", (), 2),
            (b"POST", (b"Content-Length: 3",), 2),
            (b"M-SEARCH", (b"Connection: keep-alive, x",), 2),
            (b"GET", (b"Connection: Close",), 1),
        ):
            head = (method + b" " + target + b" HTTP/1.1", *HEADERS, *more)
            plain, folded = ask(server, *head), ask(server, *head, b"X-Folded: a\r\n b")
            assert folded[0].pop("HTTP_X_FOLDED") == "a b"
            assert plain == folded
            assert len(plain) == requests


def test_an_answer_without_a_length_ends_its_connection() -> None:
    """Neither an unknown length nor an empty answer leaves a client waiting."""

    def unmeasured(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [BODY] if environ["PATH_INFO"] == "/body" else []

    with HttpServer(unmeasured) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        assert [client.get(path).content for path in ("/body", "/", "/body")] == [BODY, b"", BODY]


def test_stop_ends_a_connection_that_asks_nothing() -> None:
    """Stop does not wait for a silent client, and ends its thread."""
    before = set(threading.enumerate())
    server = HttpServer(application).start()
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        assert httpx.get(server.url, trust_env=False).status_code == 200
        server.stop()
        assert silent.recv(1) == b""
    assert set(threading.enumerate()) <= before


def test_many_clients_are_served_at_once() -> None:
    """A request that waits for another one does not block it."""
    arrived = threading.Barrier(8, timeout=30)

    def meeting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        arrived.wait()
        return application(environ, start_response)

    codes: list[int] = []
    with HttpServer(meeting) as server:
        threads = [
            threading.Thread(
                target=lambda: codes.append(httpx.get(server.url, trust_env=False, timeout=30).status_code)
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes == [200] * 8
