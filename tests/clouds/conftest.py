"""An emulated Alibaba Cloud on a port of this machine, and servers that answer as they should not."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from tidb_pe_magic.clouds.alibaba import Alibaba
from tidb_pe_magic.credentials import Key, Secret
from tidb_pe_magic.sandbox.alibaba.app import create_app
from tidb_pe_magic.sandbox.http_server import HttpServer
from tidb_pe_magic.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tidb_pe_magic.sandbox.alibaba.app import RecordedCall

REGION = "ap-southeast-1"
KEY = Key("LTAI5tSandboxKey", Secret("hunter2-alibaba-secret"))


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Cloud:
    """A running emulated cloud, what it was asked, and our client for it."""

    world: World
    url: str
    calls: list[RecordedCall]
    alibaba: Alibaba

    def client(self, key: Key = KEY, region_id: str = REGION) -> Alibaba:
        """Return another client."""
        return Alibaba(region_id, key, endpoint=self.url)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Give an emulated cloud whose endpoints move one step for each tick of its world."""
    with World(mode="manual", port=free_port()) as world:
        app = create_app(world, {KEY.public: KEY.private.reveal()})
        with HttpServer(app) as server:
            alibaba = Alibaba(REGION, KEY, endpoint=server.url)
            yield Cloud(world, server.url, app.config["calls"], alibaba)


@dataclass
class Answer:
    """One HTTP answer; `body` is sent as it is."""

    body: str
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class OddServer:
    """Gives its answers one after the other, the last again and again, and counts the calls."""

    answers: list[Answer]
    queries: list[str] = field(default_factory=list)
    url: str = ""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, whatever was asked."""
        self.queries.append(environ["QUERY_STRING"])
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        body = answer.body.encode()
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *answer.headers]
        start_response(answer.status, head)
        return [body]


class Answering(Protocol):
    """Starts a server that ends with the test."""

    def __call__(self, *answers: Answer) -> tuple[Alibaba, OddServer]:
        """Return a client of the server, and the server."""


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Give a function that starts a server with these answers."""
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer) -> tuple[Alibaba, OddServer]:
            odd = OddServer(list(answers))
            odd.url = stack.enter_context(HttpServer(odd)).url
            return Alibaba(REGION, KEY, endpoint=odd.url), odd

        yield start


@pytest.fixture
def closing_url() -> Iterator[str]:
    """Give the address of a server that closes each connection without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def environment() -> Iterator[Callable[[dict[str, str]], None]]:
    """Give a function that sets environment variables until the test ends."""
    before = dict(os.environ)
    yield os.environ.update
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
