"""Servers for the cloud clients: an emulated cloud, and a server with faulty answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tidb_pe_magic.clouds.alibaba.api import Alibaba
from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient
from tidb_pe_magic.credentials.secrets import Key, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tidb_pe_magic.sandbox.alibaba.world import World
    from tidb_pe_magic.sandbox.request_log import RequestLog

REGION = "ap-southeast-1"
KEY = Key("LTAI5tSandboxKey", Secret("hunter2-alibaba-secret"))


@dataclass
class Cloud:
    """A running emulated cloud, its request log, and the product's client for it."""

    world: World
    url: str
    calls: RequestLog
    alibaba: Alibaba

    def client(self, key: Key = KEY, region_id: str = REGION) -> Alibaba:
        """Return another client."""
        return Alibaba(AlibabaClient(region_id, key, endpoint=self.url))


@dataclass
class Answer:
    """One HTTP answer; `body` is sent unchanged."""

    body: str
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class OddServer:
    """Gives its answers in order, repeats the last one, and counts the calls."""

    answers: list[Answer]
    queries: list[str] = field(default_factory=list)
    url: str = ""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer every request."""
        self.queries.append(environ["QUERY_STRING"])
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        body = answer.body.encode()
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *answer.headers]
        start_response(answer.status, head)
        return [body]


def noting(pauses: list[float]) -> Callable[[float], bool]:
    """Return a sleep that takes no time and records the requested seconds."""

    def sleep(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    return sleep


class Answering(Protocol):
    """Starts a server that ends with the test."""

    def __call__(self, *answers: Answer) -> tuple[Alibaba, OddServer]:
        """Return a client of the server, and the server."""
