"""A proxy of both emulated clouds that changes the JSON of their answers."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from tidb_pe_magic.sandbox import Sandbox

CLOUDS = ("TIDBCLOUD_SERVERLESS_ENDPOINT", "TIDB_PE_ALIBABA_ENDPOINT")
HOSTILE = '<script>alert(1)</script>\x1b[2J\x07\r\n\u202e\u2066\u200f\u2028\ud800\' OR "1"="1` ;$(id)'
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**40,
    1e308,
    "",
    HOSTILE,
    "x" * 5000,
    "../../etc/passwd",
    "http://elsewhere.example.com/",
    [],
    {},
    [[]],
    {"a": {"b": []}},
)
_OF_THE_HOP = {"connection", "content-encoding", "content-length", "transfer-encoding"}


def mutation(value: Any, chance: random.Random, rate: float) -> Any:
    """Return JSON with some parts removed or replaced."""
    if chance.random() < rate:
        return chance.choice(_VALUES)
    if isinstance(value, dict):
        return {
            name: mutation(inner, chance, rate) for name, inner in value.items() if chance.random() > rate / 2
        }
    if isinstance(value, list):
        return [mutation(inner, chance, rate) for inner in value] * (1 + (chance.random() < rate))
    return value


@contextmanager
def mutated(sandbox: Sandbox, change: Callable[[Any], Any]) -> Iterator[dict[str, str]]:
    """Return an environment in which every JSON answer of both clouds is changed."""
    environment = sandbox.environment()
    first, second = (HttpServer(_app(environment[cloud], change)) for cloud in CLOUDS)
    with first, second:
        yield {**environment, CLOUDS[0]: first.url, CLOUDS[1]: second.url}


def _app(target: str, change: Callable[[Any], Any]) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_CONNECTION"
        }
        path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}".removesuffix("?")
        answer = requests.request(
            environ["REQUEST_METHOD"], target + path, headers=headers, timeout=30, allow_redirects=False
        )
        body = answer.content
        # The challenge belongs to HTTP; only the API's answers are changed.
        if answer.status_code != requests.codes.unauthorized:
            body = json.dumps(change(answer.json())).encode()
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_HOP]
        start_response(f"{answer.status_code} {answer.reason}", [*kept, ("Content-Length", str(len(body)))])
        return [body]

    return app
