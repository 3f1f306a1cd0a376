"""The composition of the sandbox: the state, the clouds' servers, the database and the route to it."""

from __future__ import annotations

import contextlib
import fnmatch
import secrets
import socket
from typing import TYPE_CHECKING, Final, Self

from tidb_pe_magic.sandbox import scenarios
from tidb_pe_magic.sandbox.alibaba import fleet_seed, network_seed
from tidb_pe_magic.sandbox.alibaba.keys import Environment
from tidb_pe_magic.sandbox.alibaba.metadata import InstancePlace
from tidb_pe_magic.sandbox.alibaba.roles import Roles
from tidb_pe_magic.sandbox.alibaba.world import Mode, World
from tidb_pe_magic.sandbox.clock import CloudClock
from tidb_pe_magic.sandbox.cloud_servers import CloudServers
from tidb_pe_magic.sandbox.faults import schedule
from tidb_pe_magic.sandbox.network.addresses import Address, free_port, parse_address
from tidb_pe_magic.sandbox.network.route import Route
from tidb_pe_magic.sandbox.request_log import RequestLog
from tidb_pe_magic.sandbox.snapshot import Snapshot
from tidb_pe_magic.sandbox.startable import Startable
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
from tidb_pe_magic.sandbox.tidb_cloud.clusters import exclusive as exclusive_cluster

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidb_pe_magic.sandbox.alibaba.metadata import ForeignPage
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint
    from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase
    from tidb_pe_magic.sandbox.scenarios import Scenario

_UPSTREAM_SECONDS: Final = 5.0
_LOOPBACK: Final = "127.0.0.1"


class Sandbox(Startable):
    """Both clouds and a database on 127.0.0.1, for the whole tutorial; a context manager.

    Attributes:
        world: The emulated Alibaba Cloud account.
        clusters: The emulated TiDB Cloud organization.
        clock: The clock of both clouds.
        roles: The account's RAM roles, and their issued temporary keys.
        faults: The staged faults of calls and SQL statements.
        requests: The log of all requests to both clouds, the metadata service and the database.
        database: The embedded database; None with an upstream.
        route: The route from the notebook to the database: the gate, TLS, and impostors.
    """

    world: World
    clusters: ClusterStore
    database: FlightsDatabase | None

    def __init__(  # noqa: PLR0913 - each is an option of the sandbox
        self,
        *,
        mode: Mode = "immediate",
        seconds: float = 6.0,
        upstream: str | None = None,
        flights: int | None = None,
        scenario: str | None = None,
        fault_seed: int | None = None,
        fleet: int = 0,
        exclusive: Collection[str] = (),
    ) -> None:
        """Create a sandbox; `start` opens its ports.

        Args:
            mode: When an endpoint changes its state: immediately, by `tick`, or with time.
            seconds: From the creation of an endpoint to Connected, in mode "time".
            upstream: HOST:PORT of a MySQL-protocol server to use instead of the embedded database.
            flights: Number of rows of the flights table to load; None for all of them.
            scenario: The name of a scenario in `scenarios.SCENARIOS`.
            fault_seed: Stages the faults of `faults.schedule` for this seed.
            fleet: Number of additional clusters, fleet-1 and so on, with two VPCs for all of them.
            exclusive: Names of clusters with their own endpoint service and without a user prefix, or
                patterns such as `fleet-*`; the others of a region share its service.

        Raises:
            ValueError: the upstream is not an address, or the scenario or cluster is unknown.
        """
        self._scenario = None if scenario is None else scenarios.find(scenario)
        self._upstream = None if upstream is None else parse_address(upstream)
        port = free_port()
        network = fleet_seed.add_vpcs(network_seed.seed(), fleet)
        self.world = World(mode=mode, seconds=seconds, port=port, network=network)
        self.clusters = ClusterStore(port=port, root_password=secrets.token_urlsafe(12))
        for cluster in fleet_seed.clusters(network, fleet, port):
            self.clusters.add(cluster)
        self._make_exclusive(exclusive)
        self.clock = CloudClock()
        self.roles = Roles(self.clock)
        self.requests = RequestLog()
        self.database = None if self._upstream is not None else self._new_database(flights)
        self._servers = CloudServers(self.world, self.clusters, self.clock, self.roles, self.requests)
        self.faults = self._servers.faults
        if fault_seed is not None:
            self.faults.add(*schedule(fault_seed))
        self.route = Route(self.faults, self._admits)
        self._routed = True
        self._running = contextlib.ExitStack()
        self._state = "new"

    def _new_database(self, flights: int | None) -> FlightsDatabase:
        # Imported here, because an upstream needs neither DuckDB nor pyarrow.
        from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase  # noqa: PLC0415 - see above

        return FlightsDatabase(
            users=lambda client: self.clusters.sql_logins(self._services_before(client)),
            readers=lambda client: self.clusters.sql_readers(self._services_before(client)),
            flights=flights,
            cipher=lambda client: self.route.gate.cipher(client),  # noqa: PLW0108 - there is no gate yet
        )

    def start(self) -> Self:
        """Start everything; return when all parts accept connections, or stop them all and raise."""
        if self._state == "running":
            return self
        if self._state == "stopped":
            msg = "a stopped sandbox cannot be started again. Create a new one"
            raise RuntimeError(msg)
        with contextlib.ExitStack() as stack:
            stack.callback(self.world.close)
            address = self._start_database(stack)
            names = () if self.database is None else self.clusters.certificate_names
            stack.enter_context(self.route.open(address, names))
            self.world.subscribe(self.route.follow)
            stack.enter_context(self._servers)
            self._stage(self._scenario)
            self._running = stack.pop_all()
        self._state = "running"
        return self

    def stop(self) -> None:
        """Stop everything and join every thread; may be called twice."""
        self._state = "stopped"
        self._running.close()

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._state == "running"

    def environment(self) -> Environment:
        """Return the environment variables that direct clients of both clouds to this sandbox."""
        variables = self._servers.environment()
        if self._upstream is None:
            variables["TIDB_PASSWORD"] = self.clusters.root_password
        if self.ca:
            variables["TIDB_CA"] = self.ca
        return Environment(variables)

    @property
    def ca(self) -> str:
        """File with the authority of the database's certificate, for `--ca`; empty without one."""
        return self.route.ca

    @property
    def place(self) -> InstancePlace | ForeignPage | None:
        """The notebook's location in the metadata service; None if it is not on an ECS instance."""
        return self._servers.metadata.place

    @place.setter
    def place(self, place: InstancePlace | ForeignPage | None) -> None:
        self._servers.metadata.place = place
        self.world.announce()

    @property
    def routed(self) -> bool:
        """Whether the notebook's VPC has a route to every other VPC (VPC peering, CEN)."""
        return self._routed

    @routed.setter
    def routed(self, routed: bool) -> None:
        self._routed = routed
        self.world.announce()

    def tick(self) -> bool:
        """Advance every endpoint by one transition, in mode "manual"; return True if anything changed."""
        return self.world.tick()

    def start_next_minute(self) -> None:
        """Count the requests to TiDB Cloud's API anew, as when the next minute begins."""
        self._servers.rate_limiter.restore({})

    def accept(self, endpoint_id: str) -> None:
        """Accept an endpoint's connection, as the owner of the service does."""
        self.world.accept(endpoint_id)

    def snapshot(self) -> Snapshot:
        """Return the state of both clouds and of the database, as an immutable value.

        It does not contain an upstream's content, or manual changes of the route to the database
        (`route.impersonate`, `route.gate.manner`); of the route, it contains only the scenario's name.

        Raises:
            RuntimeError: the sandbox is not running.
        """
        self._check_running()
        with self.world.exclusive_change():
            return Snapshot(
                scenario=None if self._scenario is None else self._scenario.name,
                world=self.world.state(),
                clusters=self.clusters.state(),
                roles=self.roles.state(),
                client_tokens=self._servers.client_tokens.state(),
                rate_limit=self._servers.rate_limiter.state(),
                ahead=self.clock.ahead,
                place=self.place,
                routed=self._routed,
                faults=self.faults.state(),
                database=None if self.database is None else self.database.state(),
            )

    def restore(self, snapshot: Snapshot) -> None:
        """Restore a snapshot of this sandbox or of another one; every SQL connection ends.

        Keys, port and the log of requests are not changed. The snapshot's scenario is staged again on the
        route to the database.

        Raises:
            RuntimeError: the sandbox is not running.
            ValueError: the snapshot was taken with an upstream and this sandbox has a database, or the other
                way round; or its content cannot be created.
            OSError: an endpoint's address is taken by another process.
        """
        self._check_running()
        if (snapshot.database is None) is not (self.database is None):
            kinds = ("an upstream", "the embedded database")
            taken, here = kinds if snapshot.database is None else kinds[::-1]
            raise ValueError(f"the snapshot was taken with {taken}, and this sandbox has {here}")
        scenario = None if snapshot.scenario is None else scenarios.find(snapshot.scenario)
        # Not under the world's lock, because the gate's thread may be waiting for it.
        self.route.reset()
        if self.database is not None and snapshot.database is not None:
            self.database.restore(snapshot.database)
        with self.world.exclusive_change():
            self._stage(scenario)
            self.clock.ahead = snapshot.ahead
            self._servers.metadata.place, self._routed = snapshot.place, snapshot.routed
            self.clusters.restore(snapshot.clusters, ports={snapshot.world.port: self.world.port})
            self.roles.restore(snapshot.roles)
            self._servers.client_tokens.restore(snapshot.client_tokens)
            self._servers.rate_limiter.restore(snapshot.rate_limit)
            self.faults.restore(snapshot.faults)
            self._servers.forget()
            self.world.restore(snapshot.world)

    def renew(  # noqa: PLR0913 - some of the constructor's options
        self,
        snapshot: Snapshot,
        *,
        mode: Mode = "immediate",
        seconds: float = 6.0,
        scenario: str | None = None,
        fault_seed: int | None = None,
        exclusive: Collection[str] = (),
    ) -> None:
        """Reset this sandbox to a new one: initial state, other keys, an empty log, and no observers.

        Programs that still use the old keys are refused. The arguments are those of the constructor.

        Raises:
            ValueError: the scenario does not exist, and nothing was changed; or a cluster does not exist.
            OSError: an endpoint's address is taken by another process.
        """
        found = None if scenario is None else scenarios.find(scenario)
        self._servers.keys.renew()
        self.roles.renew()
        self.world.subscribe_only(self.route.follow)
        self.restore(snapshot)
        self.requests.clear()
        self._make_exclusive(exclusive)
        self.world.set_pace(mode, seconds)
        self._stage(found)
        if fault_seed is not None:
            self.faults.add(*schedule(fault_seed))

    def _make_exclusive(self, names: Collection[str]) -> None:
        """Give these clusters their own endpoint service, without a user prefix."""
        offering = [c for c in self.clusters.clusters.values() if c.accepts_sql]
        for name in names:
            found = [c for c in offering if fnmatch.fnmatchcase(c.display_name, name)]
            if not found:
                raise ValueError(f"cluster {name!r} with a private endpoint service does not exist")
            for cluster in found:
                own, service = exclusive_cluster(cluster)
                self.world.add_service(service)
                self.clusters.add(own)

    def _services_before(self, client: Address) -> frozenset[str] | None:
        """Return the services of the endpoint that a client of the database used; None for direct clients."""
        address = self.route.gate.origin(client)
        if address is None:
            return None
        endpoints = self.world.endpoints.values()
        return frozenset(e.service.service_name for e in endpoints if address[0] in e.addresses)

    def _check_running(self) -> None:
        if not self.running:
            raise RuntimeError("the sandbox is not running: it has a state only between start and stop")

    def stage(self, name: str) -> None:
        """Stage a scenario now, as `Sandbox(scenario=...)` does from the start.

        Raises:
            ValueError: the scenario does not exist.
        """
        self._stage(scenarios.find(name))

    def _stage(self, scenario: Scenario | None) -> None:
        self._scenario = scenario
        if scenario is not None:
            scenario.stage(self)

    def _start_database(self, stack: contextlib.ExitStack) -> Address:
        if self.database is not None:
            return stack.enter_context(self.database).address
        if self._upstream is None:
            msg = "neither a database nor an upstream"
            raise AssertionError(msg)
        # Check once and early, because a mistyped address would only show later, as a broken endpoint.
        with socket.create_connection(self._upstream, timeout=_UPSTREAM_SECONDS):
            return self._upstream

    def _admits(self, endpoint: Endpoint) -> bool:
        """Return whether the notebook can reach the endpoint, by route and by security groups."""
        place = self.place
        if not isinstance(place, InstancePlace):
            # Without an ECS instance, the client is this machine, with a loopback address.
            return self.world.lets_in(endpoint, _LOOPBACK)
        if not self._routed and place.vpc_id != endpoint.vpc_id:
            return False
        return self.world.lets_in(endpoint, place.private_ip, member_of=place.security_group_ids)
