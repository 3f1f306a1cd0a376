"""An API host must prove its identity before anything is sent to it."""

from __future__ import annotations

import os
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
from clouds.servers import KEY, REGION
from support.certificates import write_server_certificate
from werkzeug.serving import make_server

from tidb_pe_magic.clouds.alibaba.api import Alibaba
from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient
from tidb_pe_magic.clouds.retries import Retries
from tidb_pe_magic.clouds.tidb_cloud import TidbCloud
from tidb_pe_magic.clouds.trust import Trust
from tidb_pe_magic.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from support.certificates import Authority

RETRIES = Retries(sleep=lambda _: pytest.fail("unexpected retry"))
LOOKS: dict[str, Callable[[str], object]] = {
    "tidb_cloud": lambda url: TidbCloud(url, KEY, retries=RETRIES).clusters(),
    "alibaba": lambda url: Alibaba(AlibabaClient(REGION, KEY, endpoint=url, retries=RETRIES)).endpoints(),
}


@pytest.fixture
def impostor(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, list[str]]]:
    """Provide an HTTPS server on 127.0.0.1 with a trusted certificate for another host."""
    asked: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    write_server_certificate(authority, ("other.example.com",), tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server-cert.pem", tmp_path / "server-key.pem")
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_certificate_for_another_host_ends_the_call(
    impostor: tuple[str, list[str]], look: Callable[[str], object]
) -> None:
    """A certificate for another host stops the call before digest or signature are sent, without a retry.

    The libraries set up the context that a process shares, and every later call is verified as this one.
    """
    url, asked = impostor
    contexts = [Trust.of(os.environ).context(library) for library in ("httpx", "requests")]
    before = [verification(context) for context in contexts]
    with pytest.raises(ServiceUnavailable, match=r"(?i)certificate") as refused:
        look(url)
    assert asked == []
    assert not refused.value.transient
    assert [verification(context) for context in contexts] == before


def verification(context: ssl.SSLContext) -> tuple[object, ...]:
    """Return what a context verifies."""
    return (
        context.verify_mode,
        context.check_hostname,
        context.minimum_version,
        context.verify_flags,
        context.get_ca_certs(),
    )
