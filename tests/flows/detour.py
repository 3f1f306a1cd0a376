"""A proxy of the emulated Alibaba Cloud that can act before or after a call."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from tidb_pe_magic.sandbox import Sandbox


@contextmanager
def detour(
    sandbox: Sandbox,
    action: str,
    *,
    before: Callable[[], None] = lambda: None,
    lose_answers: int = 0,
    alter: Callable[[bytes], bytes] = lambda answer: answer,
) -> Iterator[dict[str, str]]:
    """Return an environment in which each call of `action` takes a detour.

    Args:
        sandbox: the clouds behind the detour.
        action: the API operation.
        before: is called before the operation is carried out.
        lose_answers: the number of gateway failures returned after the operation has run.
        alter: returns the changed answer.
    """
    environment = sandbox.environment()
    app = _app(environment["TIDB_PE_ALIBABA_ENDPOINT"], action, before, lose_answers, alter)
    with HttpServer(app) as server:
        yield {**environment, "TIDB_PE_ALIBABA_ENDPOINT": server.url}


def _app(
    target: str,
    action: str,
    before: Callable[[], None],
    lose_answers: int,
    alter: Callable[[bytes], bytes],
) -> WSGIApplication:
    left = [lose_answers]

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen = environ.get("HTTP_X_ACS_ACTION") == action
        if chosen:
            before()
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_CONNECTION"
        }
        answer = requests.post(f"{target}/?{environ['QUERY_STRING']}", headers=headers, timeout=30)
        lost = chosen and left[0] > 0
        left[0] -= lost
        body = b"<html>Bad Gateway</html>" if lost else answer.content
        body = alter(body) if chosen else body
        status = "502 Bad Gateway" if lost else f"{answer.status_code} {answer.reason}"
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return app
