"""The composition of the sandbox: the state, two HTTP servers, the database and the gate before it."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import secrets
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tidb_pe_magic.sandbox import scenarios, tidb_cloud
from tidb_pe_magic.sandbox.alibaba import app as alibaba
from tidb_pe_magic.sandbox.clock import CloudClock
from tidb_pe_magic.sandbox.cluster_store import ClusterStore
from tidb_pe_magic.sandbox.faults import Faults, Service, schedule
from tidb_pe_magic.sandbox.faults.wsgi import FaultyApp
from tidb_pe_magic.sandbox.gate import Gate
from tidb_pe_magic.sandbox.http_server import HttpServer
from tidb_pe_magic.sandbox.metadata import MetadataService, Place
from tidb_pe_magic.sandbox.request_log import RequestLog
from tidb_pe_magic.sandbox.startable import Startable
from tidb_pe_magic.sandbox.world import Mode, World

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from tidb_pe_magic.sandbox.database import FlightsDatabase
    from tidb_pe_magic.sandbox.impostors import Impostor
    from tidb_pe_magic.sandbox.metadata import ForeignPage
    from tidb_pe_magic.sandbox.world import Endpoint

Address = tuple[str, int]

PUBLIC_KEY: Final = "sandbox-public"
# Below the ports that systems give to outgoing connections.
_PORTS: Final = range(20000, 30000)
_PORT_ATTEMPTS: Final = 200
_UPSTREAM_SECONDS: Final = 5.0
_LOOPBACK: Final = "127.0.0.1"
#: Routes are compiled with ast.parse, which raises SystemError in CPython 3.11 when two threads are in it.
_ONE_BY_ONE: Final = threading.Lock()


class Sandbox(Startable):
    """Everything that a run of the tutorial needs, on 127.0.0.1; a context manager.

    Attributes:
        world: The emulated Alibaba Cloud account.
        clusters: The emulated TiDB Cloud organization.
        clock: What both clouds take for the time.
        faults: What goes wrong with calls and SQL statements.
        requests: The log of everything that both clouds, the metadata service and the database were asked.
        database: The embedded database; None with an upstream.
        gate: What stands between an endpoint's addresses and the database; once started.
        ca: File of the authority behind the database's certificate, for `--ca`; empty where there is none.
    """

    world: World
    clusters: ClusterStore
    database: FlightsDatabase | None
    gate: Gate

    def __init__(  # noqa: PLR0913 - each is one choice of whoever starts it
        self,
        *,
        mode: Mode = "immediate",
        seconds: float = 6.0,
        upstream: str | None = None,
        flights: int | None = None,
        scenario: str | None = None,
        fault_seed: int | None = None,
    ) -> None:
        """Prepare a sandbox; nothing listens before `start`.

        Args:
            mode: When an endpoint changes its state: at once, by `tick`, or with time.
            seconds: From the creation of an endpoint to Connected, in mode "time".
            upstream: HOST:PORT of a MySQL-protocol server to use in the place of the embedded database.
            flights: How many rows of the flights table to load; None for all of them.
            scenario: The name of what shall go wrong, of those in `scenarios.SCENARIOS`.
            fault_seed: Stages the faults of `faults.schedule` for this seed.

        Raises:
            ValueError: The upstream is no address, or there is no such scenario.
        """
        self._scenario = None if scenario is None else scenarios.find(scenario)
        self._upstream = None if upstream is None else parse_address(upstream)
        port = _free_port()
        self._public_key, self._private_key = PUBLIC_KEY, secrets.token_urlsafe(24)
        self._access_key = "LTAI5tSandbox" + secrets.token_hex(6)
        self._access_secret = secrets.token_urlsafe(24)
        self._password = secrets.token_urlsafe(12)
        self.world = World(mode=mode, seconds=seconds, port=port)
        self.clusters = ClusterStore(port=port, root_password=self._password)
        self.clock = CloudClock()
        self.requests = RequestLog()
        self.database = None
        if self._upstream is None:
            # Imported here: with an upstream neither DuckDB nor mysql-mimic is needed.
            from tidb_pe_magic.sandbox.database import FlightsDatabase  # noqa: PLC0415 - see above

            self.database = FlightsDatabase(
                users=self.clusters.sql_logins, readers=self.clusters.sql_readers, flights=flights
            )
        with _ONE_BY_ONE:
            self._tidb_cloud = tidb_cloud.create_app(
                self.clusters, {self._public_key: self._private_key}, self.clock, log=self.requests
            )
            keys = {self._access_key: self._access_secret}
            self._alibaba = alibaba.create_app(self.world, keys, self.clock, log=self.requests)
            self._metadata = MetadataService(self.world.network, log=self.requests)
        self.faults = Faults(
            {
                Service.TIDB_CLOUD: tidb_cloud.operations(self._tidb_cloud),
                Service.ALIBABA: alibaba.OPERATIONS,
            },
            self.requests,
        )
        if fault_seed is not None:
            self.faults.add(*schedule(fault_seed))
        apps: tuple[WSGIApplication, ...] = (*self._faulty_apps(), self._metadata.app)
        self._servers = tuple(map(HttpServer, apps))
        self.ca = ""
        self._routed = True
        self._reachable: dict[str, frozenset[Address]] = {}
        self._admitted: dict[str, frozenset[Address]] = {}
        self._filtered: frozenset[Address] = frozenset()
        self._running = contextlib.ExitStack()
        self._state = "new"

    def start(self) -> Self:
        """Start everything; returns when all of it accepts, or raises with nothing left running."""
        if self._state == "running":
            return self
        if self._state == "stopped":
            msg = "a stopped sandbox is not started again: its endpoints are gone, make a new one"
            raise RuntimeError(msg)
        with contextlib.ExitStack() as stack:
            stack.callback(self.world.close)
            self.gate = stack.enter_context(Gate(self._start_database(stack), self.faults))
            self.world.subscribe(self._follow)
            for server in self._servers:
                stack.enter_context(server)
            # Ended first: a black hole keeps a server's thread.
            stack.callback(self.faults.close)
            self._running = stack
            if self._scenario is not None:
                self._scenario.stage(self)
            self._running = stack.pop_all()
        self._state = "running"
        return self

    def stop(self) -> None:
        """Stop everything and join every thread; may be called twice."""
        self._state = "stopped"
        self._running.close()

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point a user of both clouds at this sandbox."""
        tidb_cloud_url, alibaba_url, metadata_url = (server.url for server in self._servers)
        variables = {
            "TIDBCLOUD_PUBLIC_KEY": self._public_key,
            "TIDBCLOUD_PRIVATE_KEY": self._private_key,
            "TIDBCLOUD_SERVERLESS_ENDPOINT": tidb_cloud_url,
            "TIDBCLOUD_IAM_ENDPOINT": tidb_cloud_url,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": self._access_key,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": self._access_secret,
            "TIDB_PE_ALIBABA_ENDPOINT": alibaba_url,
            "TIDB_PE_METADATA_ENDPOINT": metadata_url,
        }
        if self._upstream is None:
            variables["TIDB_PASSWORD"] = self._password
        if self.ca:
            variables["TIDB_PE_SANDBOX_CA"] = self.ca
        return variables

    @property
    def place(self) -> Place | ForeignPage | None:
        """Where the notebook is, as the metadata service tells it; None: on no ECS instance."""
        return self._metadata.place

    @place.setter
    def place(self, place: Place | ForeignPage | None) -> None:
        self._metadata.place = place
        self.world.announce()

    @property
    def routed(self) -> bool:
        """Whether a route leads from the notebook's VPC to every other one (VPC peering, CEN)."""
        return self._routed

    @routed.setter
    def routed(self, routed: bool) -> None:
        self._routed = routed
        self.world.announce()

    def tick(self) -> bool:
        """Advance every endpoint by one transition, in mode "manual"; True if anything moved."""
        return self.world.tick()

    def accept(self, endpoint_id: str) -> None:
        """Accept an endpoint's connection, as the owner of the service does."""
        self.world.accept(endpoint_id)

    def impersonate(self, impostor: Impostor) -> None:
        """Have the gate forward to this server from now on; it ends with the sandbox."""
        self.gate.upstream = self._running.enter_context(impostor).address

    def hand_out(self, authority: bytes) -> None:
        """Write an authority's certificate, in PEM form, to the file `ca`; it goes with the sandbox."""
        directory = self._running.enter_context(tempfile.TemporaryDirectory(prefix="tidb_pe_sandbox-"))
        path = Path(directory) / "authority.pem"
        path.write_bytes(authority)
        self.ca = str(path)

    def _faulty_apps(self) -> tuple[FaultyApp, FaultyApp]:
        authenticator = self._tidb_cloud.config["authenticator"]
        return (
            FaultyApp(
                self._tidb_cloud,
                Service.TIDB_CLOUD,
                self.faults,
                operation=functools.partial(tidb_cloud.operation_of, self._tidb_cloud),
                clock=self.clock,
                expire_nonces=authenticator.expire,
            ),
            FaultyApp(
                self._alibaba,
                Service.ALIBABA,
                self.faults,
                operation=alibaba.operation_of,
                clock=self.clock,
            ),
        )

    def _start_database(self, stack: contextlib.ExitStack) -> Address:
        if self.database is not None:
            return stack.enter_context(self.database).address
        if self._upstream is None:
            msg = "neither a database nor an upstream"
            raise AssertionError(msg)
        # Asked once and early: a mistyped address would show up as a broken endpoint only much later.
        with socket.create_connection(self._upstream, timeout=_UPSTREAM_SECONDS):
            return self._upstream

    def _follow(self, endpoint: Endpoint) -> None:
        """Open the gate at a connected endpoint's addresses, and close it where none is connected."""
        own = frozenset((host, endpoint.port) for host in endpoint.addresses if _is_address(host))
        self._reachable[endpoint.endpoint_id] = own
        self._admitted[endpoint.endpoint_id] = own if self._admits(endpoint) else frozenset()
        # Where there is one loopback address only, the endpoints share it: it closes with the last of them,
        # and answers if one of them does.
        wanted = frozenset[Address]().union(*self._reachable.values())
        filtered = wanted.difference(*self._admitted.values())
        self.gate.close((self.gate.open_addresses - wanted) | (filtered ^ self._filtered))
        self._filtered = filtered
        if wanted - self.gate.open_addresses:
            self.gate.open(wanted, filtered=filtered)

    def _admits(self, endpoint: Endpoint) -> bool:
        """Tell whether what the notebook sends arrives: a route leads there, and the groups let it in."""
        place = self.place
        if not isinstance(place, Place):
            # On no ECS instance it is this machine itself that asks, by a loopback address.
            return self.world.lets_in(endpoint, _LOOPBACK)
        if not self._routed and place.vpc_id != endpoint.vpc_id:
            return False
        return self.world.lets_in(endpoint, place.private_ip, member_of=place.security_group_ids)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_address(text: str) -> Address:
    """Return host and port of "HOST:PORT"; an IPv6 host stands in brackets."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - TCP's
        msg = f"{text!r} is not HOST:PORT, as in 127.0.0.1:3306"
        raise ValueError(msg)
    return host, int(port)


def _free_port() -> int:
    """Return a port that is free on every address of this machine, for each endpoint has its own address."""
    for _ in range(_PORT_ATTEMPTS):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                # Bound to everything for a moment, but never listening.
                probe.bind(("0.0.0.0", port))  # noqa: S104 - see above
            except OSError:
                continue
            return port
    msg = "no free TCP port"
    raise OSError(msg)
