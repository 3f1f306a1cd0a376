"""The HTTP servers of both clouds' APIs and of the metadata service, with the faults of their calls."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Final, Self

from tidb_pe_magic.sandbox.alibaba import app as alibaba
from tidb_pe_magic.sandbox.alibaba.keys import Keys
from tidb_pe_magic.sandbox.alibaba.metadata import MetadataService
from tidb_pe_magic.sandbox.faults import Faults, Service
from tidb_pe_magic.sandbox.faults.wsgi import FaultyApp
from tidb_pe_magic.sandbox.http_server import HttpServer
from tidb_pe_magic.sandbox.startable import Startable
from tidb_pe_magic.sandbox.tidb_cloud import app as tidb_cloud

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from tidb_pe_magic.sandbox.alibaba.client_tokens import ClientTokens
    from tidb_pe_magic.sandbox.alibaba.roles import Roles
    from tidb_pe_magic.sandbox.alibaba.world import World
    from tidb_pe_magic.sandbox.clock import CloudClock
    from tidb_pe_magic.sandbox.request_log import RequestLog
    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
    from tidb_pe_magic.sandbox.tidb_cloud.rate_limit import RateLimiter

#: Routes are compiled with ast.parse, which raises SystemError in CPython 3.11 when two threads are in it.
_ONE_BY_ONE: Final = threading.Lock()


class CloudServers(Startable):
    """The servers of one sandbox's clouds.

    Attributes:
        keys: The keys that both clouds accept.
        metadata: The metadata service of the notebook's ECS instance.
        client_tokens: The answers that Alibaba Cloud repeats for a token.
        rate_limiter: The counter of requests to TiDB Cloud.
        faults: The staged faults of calls and SQL statements.
    """

    def __init__(
        self, world: World, clusters: ClusterStore, clock: CloudClock, roles: Roles, requests: RequestLog
    ) -> None:
        """Create the servers; `start` opens their ports."""
        self.keys = Keys()
        with _ONE_BY_ONE:
            tidb_cloud_app = tidb_cloud.create_app(clusters, self.keys.tidb_cloud, clock, log=requests)
            alibaba_app = alibaba.create_app(world, self.keys.alibaba, clock, log=requests, roles=roles)
            self.metadata = MetadataService(world.network, roles=roles, log=requests)
        self.client_tokens: ClientTokens = alibaba_app.config["client_tokens"]
        self.rate_limiter: RateLimiter = tidb_cloud_app.config["rate_limiter"]
        operations = {
            Service.TIDB_CLOUD: tidb_cloud.operations(tidb_cloud_app),
            Service.ALIBABA: alibaba.OPERATIONS,
        }
        self.faults = Faults(operations, requests)
        self._apis = (
            FaultyApp(
                tidb_cloud_app,
                Service.TIDB_CLOUD,
                self.faults,
                operation=functools.partial(tidb_cloud.operation_of, tidb_cloud_app),
                clock=clock,
                expire_nonces=tidb_cloud_app.config["authenticator"].expire,
            ),
            FaultyApp(
                alibaba_app,
                Service.ALIBABA,
                self.faults,
                operation=alibaba.operation_of,
                clock=clock,
            ),
        )
        apps: tuple[WSGIApplication, ...] = (*self._apis, self.metadata.app)
        self._servers = tuple(map(HttpServer, apps))
        self._running = contextlib.ExitStack()

    def start(self) -> Self:
        """Start the servers."""
        with contextlib.ExitStack() as stack:
            for server in self._servers:
                stack.enter_context(server)
            # End the faults first, because a black hole blocks a server's thread.
            stack.callback(self.faults.close)
            self._running = stack.pop_all()
        return self

    def stop(self) -> None:
        """End the faults and stop the servers; may be called twice."""
        self._running.close()

    def forget(self) -> None:
        """End the lists that never end, a fault of both APIs."""
        for api in self._apis:
            api.forget()

    def environment(self) -> dict[str, str]:
        """Return the environment variables with the servers' addresses and the keys."""
        tidb_cloud_url, alibaba_url, metadata_url = (server.url for server in self._servers)
        return {
            **self.keys.environment(),
            "TIDBCLOUD_SERVERLESS_ENDPOINT": tidb_cloud_url,
            "TIDBCLOUD_IAM_ENDPOINT": tidb_cloud_url,
            "TIDB_PE_ALIBABA_ENDPOINT": alibaba_url,
            "TIDB_PE_METADATA_ENDPOINT": metadata_url,
        }
