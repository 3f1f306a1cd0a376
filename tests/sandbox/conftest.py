"""Fixtures of the emulated Alibaba Cloud: a real server on a port, and the official SDK on it."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from alibabacloud_privatelink20200415.client import Client as PrivateLinkClient
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.client import Client as OpenApiClient
from alibabacloud_tea_openapi.utils import Utils
from darabonba.runtime import RuntimeOptions
from support.certificates import few_authorities
from support.ports import free_port

from tidb_pe_magic.sandbox.alibaba.app import create_app
from tidb_pe_magic.sandbox.alibaba.roles import Roles
from tidb_pe_magic.sandbox.alibaba.world import Mode, World
from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.sandbox.request_log import RequestLog

# The tests' common helpers: test modules are imported by path, so a plain import would not find them.
sys.path.insert(0, str(Path(__file__).parents[1]))

ACCESS_KEY_ID = "LTAI5tSandboxKey"
ACCESS_KEY_SECRET = "a-secret-of-thirty-characters!"
STS_KEY_ID = "STS.NSandboxKey"
STS_SECRET = "another-secret-of-30-characters"
STS_TOKEN = "CAIS-token/with+signs=="


@dataclass
class Cloud:
    """A running emulated Alibaba Cloud, and the official SDK's clients for it."""

    world: World
    url: str
    calls: RequestLog
    roles: Roles

    @property
    def host(self) -> str:
        """The server's host and port."""
        return self.url.removeprefix("http://")

    def config(
        self, key_id: str = ACCESS_KEY_ID, secret: str = ACCESS_KEY_SECRET, token: str | None = None
    ) -> utils_models.Config:
        """Return the SDK's configuration for a key."""
        return utils_models.Config(
            access_key_id=key_id,
            access_key_secret=secret,
            security_token=token,
            endpoint=self.host,
            protocol="HTTP",
            region_id="ap-southeast-1",
        )

    def client(
        self, key_id: str = ACCESS_KEY_ID, secret: str = ACCESS_KEY_SECRET, token: str | None = None
    ) -> PrivateLinkClient:
        """Return the official PrivateLink client."""
        return PrivateLinkClient(self.config(key_id, secret, token))

    def rpc(self, action: str, version: str, /, **query: object) -> dict[str, Any]:
        """Make the official SDK's generic call and return the answer's body."""
        parameters = utils_models.Params(
            action=action,
            version=version,
            protocol="HTTP",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        request = utils_models.OpenApiRequest(query=Utils.query(query))
        body: dict[str, Any] = OpenApiClient(self.config()).call_api(parameters, request, RuntimeOptions())[
            "body"
        ]
        return body


class StartCloud(Protocol):
    """Starts an emulated cloud that ends with the test."""

    def __call__(
        self, mode: Mode = "immediate", *, seconds: float = 6.0, clock: Callable[[], float] = time.time
    ) -> Cloud:
        """Start the cloud; `clock` is the wall clock of its API."""


@pytest.fixture(scope="module", autouse=True)
def _few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the clients of these tests a small store: they need none of the system's authorities."""
    with few_authorities(tmp_path_factory.mktemp("authorities")):
        yield


@pytest.fixture
def start_cloud() -> Iterator[StartCloud]:
    """Return a function that starts an emulated cloud in any mode."""
    # Importing the SDK adds a handler that would write to stderr.
    logging.getLogger("darabonba-core").handlers.clear()
    with contextlib.ExitStack() as stack:

        def start(
            mode: Mode = "immediate", *, seconds: float = 6.0, clock: Callable[[], float] = time.time
        ) -> Cloud:
            world = stack.enter_context(World(mode=mode, seconds=seconds, port=free_port()))
            keys = {ACCESS_KEY_ID: ACCESS_KEY_SECRET, STS_KEY_ID: STS_SECRET}
            roles = Roles(clock)
            app = create_app(world, keys, clock, security_tokens={STS_KEY_ID: STS_TOKEN}, roles=roles)
            server = stack.enter_context(HttpServer(app))
            return Cloud(world, server.url, app.config["requests"], roles)

        yield start


@pytest.fixture
def cloud(start_cloud: StartCloud) -> Cloud:
    """Provide an emulated cloud in mode `immediate`."""
    return start_cloud()
