"""An emulated Alibaba Cloud on a port of this machine, and servers with faulty answers."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from clouds.servers import KEY, REGION, Cloud, OddServer
from support.ports import free_port

from tidb_pe_magic.clouds.alibaba.api import Alibaba
from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient
from tidb_pe_magic.sandbox.alibaba.app import create_app
from tidb_pe_magic.sandbox.alibaba.world import World
from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clouds.servers import Answer, Answering


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Provide an emulated cloud whose endpoints advance one state per tick of its world."""
    with World(mode="manual", port=free_port()) as world:
        app = create_app(world, {KEY.public: KEY.private.reveal()})
        with HttpServer(app) as server:
            alibaba = Alibaba(AlibabaClient(REGION, KEY, endpoint=server.url))
            yield Cloud(world, server.url, app.config["requests"], alibaba)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Return a function that starts a server with these answers."""
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer) -> tuple[Alibaba, OddServer]:
            odd = OddServer(list(answers))
            odd.url = stack.enter_context(HttpServer(odd)).url
            return Alibaba(AlibabaClient(REGION, KEY, endpoint=odd.url)), odd

        yield start


@pytest.fixture
def closing_url() -> Iterator[str]:
    """Provide the address of a server that closes each connection without an answer."""
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
    """Return a function that sets environment variables until the test ends."""
    before = dict(os.environ)
    yield os.environ.update
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
