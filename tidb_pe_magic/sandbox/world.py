"""The state of the emulated Alibaba Cloud account: its network and its VPC endpoints.

Three modes decide when a transition happens: `immediate` (all of them before the call returns),
`manual` (one for each `World.tick`) and `time` (spread over seconds by one timer thread).
"""

from __future__ import annotations

import contextlib
import secrets
import string
import threading
import time
from collections import deque
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from tidb_pe_magic.sandbox.endpoint_states import DELETED, Endpoint, EndpointZone, advance
from tidb_pe_magic.sandbox.loopback import LoopbackAddresses
from tidb_pe_magic.sandbox.network_seed import EndpointService, Network, Permission, seed
from tidb_pe_magic.sandbox.security_groups import lets_in
from tidb_pe_magic.sandbox.world_state import Mode, WorldState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from types import TracebackType

__all__ = ["Endpoint", "EndpointZone", "Mode", "World"]

#: Transitions between Creating and Connected, among which the seconds of mode `time` are shared out.
_STEPS_TO_CONNECTED = 3
_ID_CHARACTERS = string.ascii_lowercase + string.digits


def _new_id(prefix: str, service: EndpointService) -> str:
    # Real ids of one region share three characters after the prefix.
    region_code = service.service_id.removeprefix("epsrv-")[:3]
    return f"{prefix}-{region_code}" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(17))


class World:
    """Endpoints and their network, with observers that are told of each change.

    Every method may be called from any thread. Observers run outside the lock, in the order of the
    changes, in the thread that made them (in mode `time` also in the timer's); a mutating method
    returns after they have run.
    """

    def __init__(
        self,
        *,
        mode: Mode = "immediate",
        seconds: float = 6.0,
        clock: Callable[[], float] = time.monotonic,
        port: int,
        network: Network | None = None,
    ) -> None:
        """Start with no endpoint; `port` is where every endpoint's service listens."""
        self.mode: Mode = mode
        self.port = port
        self.network = seed() if network is None else network
        #: False makes PrivateLink answer NeedOpenProduct, as for an account that never activated it.
        self.product_open = True
        #: What the domain of each new endpoint is, instead of an address of its own.
        self.domain = ""
        #: RAM actions that the key's owner is not allowed, such as `privatelink:CreateVpcEndpoint`.
        self.denied_actions: set[str] = set()
        self._clock = clock
        self._step = seconds / _STEPS_TO_CONNECTED
        self._services = {service.service_id: service for service in self.network.services}
        self._endpoints: dict[str, Endpoint] = {}
        self._addresses = LoopbackAddresses(port)
        self._observers: list[Callable[[Endpoint], None]] = []
        self._events: deque[Endpoint] = deque()
        self._due: dict[str, float] = {}
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._delivery = threading.RLock()
        self._depth = 0
        self._changes = 0
        self._closed = False
        self._timer: threading.Thread | None = None

    # Reading

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """The endpoints by id, as they are now; later changes do not show in it."""
        with self._lock:
            return MappingProxyType(dict(self._endpoints))

    @property
    def services(self) -> tuple[EndpointService, ...]:
        """The services that the account may see."""
        with self._lock:
            return tuple(self._services.values())

    def free_addresses(self, vswitch_id: str) -> int:
        """Count the addresses of a vSwitch that no endpoint has taken."""
        with self._lock:
            free = next(v.free for v in self.network.vswitches if v.vswitch_id == vswitch_id)
            zones = (zone for endpoint in self._endpoints.values() for zone in endpoint.zones)
            return free - sum(zone.vswitch_id == vswitch_id for zone in zones)

    def lets_in(self, endpoint: Endpoint, source: str, *, member_of: Collection[str] = ()) -> bool:
        """Tell whether the endpoint's security groups let TCP in from an IPv4 address, to its port."""
        groups = self.network.security_groups
        own = [group for group in groups if group.security_group_id in endpoint.security_groups]
        return lets_in(own, source, endpoint.port, member_of=member_of)

    def subscribe(self, observer: Callable[[Endpoint], None]) -> None:
        """Have `observer` called after each state change, the last with status `Deleted`."""
        with self._lock:
            self._observers.append(observer)

    def subscribe_only(self, observer: Callable[[Endpoint], None]) -> None:
        """Have it called, and nobody else any more."""
        with self._lock:
            self._observers = [observer]

    # The endpoint's owner

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the state still, so that a check and the change that it allows are one.

        Where nothing was changed, the observers of other changes are not waited for.
        """
        deliver = False
        try:
            with self._lock:
                self._depth += 1
                before = self._changes
                try:
                    yield
                finally:
                    self._depth -= 1
                    deliver = self._depth == 0 and self._changes != before
                    self._wake.notify_all()
        finally:
            if deliver:
                self._deliver()

    def create_endpoint(  # noqa: PLR0913 - one keyword for each attribute an owner chooses
        self,
        *,
        service: EndpointService,
        vpc_id: str,
        zones: Iterable[tuple[str, str]],
        security_groups: Iterable[str] = (),
        name: str = "",
        description: str = "",
        tags: Mapping[str, str] = MappingProxyType({}),
        protected: bool = False,
        resource_group_id: str = "",
        policy_document: str = "",
        create_time: str = "",
    ) -> Endpoint:
        """Make an endpoint and return its first state; `zones` are pairs of zone and vSwitch ids."""
        with self.changing():
            endpoint = Endpoint(
                endpoint_id=_new_id("ep", service),
                name=name,
                description=description,
                service=service,
                vpc_id=vpc_id,
                domain=self.domain or self._addresses.take(),
                port=self.port,
                create_time=create_time,
                accepted=service.auto_accept,
                zones=tuple(self._new_zone(service, *zone) for zone in zones),
                security_groups=MappingProxyType(dict.fromkeys(security_groups, "Attached")),
                tags=MappingProxyType(dict(tags)),
                protected=protected,
                resource_group_id=resource_group_id,
                policy_document=policy_document,
            )
            self._begin(endpoint)
            return endpoint

    def add_zone(self, endpoint_id: str, zone_id: str, vswitch_id: str) -> None:
        """Give the endpoint a network interface in one more zone."""
        with self.changing():
            endpoint = self._endpoints[endpoint_id]
            zone = self._new_zone(endpoint.service, zone_id, vswitch_id)
            self._begin(replace(endpoint, zones=(*endpoint.zones, zone)))

    def remove_zone(self, endpoint_id: str, zone_id: str) -> None:
        """Begin to take a zone away from the endpoint."""
        with self.changing():
            endpoint = self._endpoints[endpoint_id]
            zones = tuple(
                replace(zone, zone_status="Deleting") if zone.zone_id == zone_id else zone
                for zone in endpoint.zones
            )
            self._begin(replace(endpoint, zones=zones))

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Begin to delete the endpoint."""
        self._change(endpoint_id, endpoint_status="Deleting", connection_status="Deleting")

    def set_security_group(self, endpoint_id: str, group_id: str, status: str) -> None:
        """Begin to attach (`Attaching`) or to detach (`Detaching`) a security group."""
        with self.changing():
            groups = {**self._endpoints[endpoint_id].security_groups, group_id: status}
            self._change(endpoint_id, endpoint_status="Pending", security_groups=groups)

    def rename(self, endpoint_id: str, *, name: str, description: str) -> None:
        """Begin to change the endpoint's name and description."""
        self._change(endpoint_id, endpoint_status="Pending", name=name, description=description)

    def set_tags(self, endpoint_id: str, tags: Mapping[str, str]) -> None:
        """Replace the endpoint's tags, which takes effect at once."""
        self._change(endpoint_id, tags=MappingProxyType(dict(tags)))

    def set_rules(self, group_id: str, *rules: Permission, inner_access: str = "") -> None:
        """Replace a security group's rules, as its owner does; endpoints that have it follow at once."""
        with self.changing():
            self.network = self.network.with_rules(group_id, rules, inner_access)
            self.announce()

    def announce(self) -> None:
        """Have the observers told of every endpoint as it is, since what is around it has changed."""
        with self.changing():
            self._events.extend(self._endpoints.values())
            self._changes += 1

    def set_pace(self, mode: Mode, seconds: float) -> None:
        """Choose when transitions happen from now on; `seconds` lie between Creating and Connected."""
        with self.changing():
            self.mode, self._step = mode, seconds / _STEPS_TO_CONNECTED

    # The service's owner and the provider

    def accept(self, endpoint_id: str) -> None:
        """Accept the endpoint's connection, as the service's owner."""
        self._change(endpoint_id, accepted=True)

    def reject(self, endpoint_id: str) -> None:
        """Refuse a connection that is waiting, as the service's owner."""
        self.disconnect(endpoint_id)

    def disconnect(self, endpoint_id: str) -> None:
        """End a connection that stands, as the service's owner."""
        self._change(endpoint_id, accepted=False)

    def remove_service(self, service_id: str) -> None:
        """Withdraw a service from under its endpoints."""
        with self.changing():
            self._services.pop(service_id)
            for endpoint in list(self._endpoints.values()):
                if endpoint.service.service_id == service_id:
                    self._begin(replace(endpoint, accepted=False, connection_status="ServiceDeleted"))

    def change_service(self, service_id: str, **changes: object) -> None:
        """Change what a service is, for endpoints that are made from now on."""
        with self.changing():
            self._services[service_id] = replace(self._services[service_id], **changes)  # type: ignore[arg-type]

    def set_business_status(self, endpoint_id: str, status: str) -> None:
        """Set `Normal` or `FinancialLocked`, as the provider does when a bill is overdue."""
        self._change(endpoint_id, business_status=status)

    # Snapshots

    def state(self) -> WorldState:
        """Return what there is now."""
        with self._lock:
            now = self._clock()
            return WorldState(
                mode=self.mode,
                step=self._step,
                port=self.port,
                product_open=self.product_open,
                domain=self.domain,
                denied_actions=frozenset(self.denied_actions),
                network=self.network,
                services=tuple(self._services.values()),
                endpoints=tuple(self._endpoints.values()),
                due=MappingProxyType({endpoint_id: due - now for endpoint_id, due in self._due.items()}),
            )

    def restore(self, state: WorldState) -> None:
        """Return to a state; endpoints listen on the port of this world, and the observers are told."""
        with self.changing():
            self.mode, self._step = state.mode, state.step
            self.product_open, self.domain = state.product_open, state.domain
            self.denied_actions = set(state.denied_actions)
            self.network = state.network
            self._services = {service.service_id: service for service in state.services}
            before, now = self._endpoints, self._clock()
            self._endpoints = {e.endpoint_id: replace(e, port=self.port) for e in state.endpoints}
            self._due = {endpoint_id: now + seconds for endpoint_id, seconds in state.due.items()}
            gone = (e for endpoint_id, e in before.items() if endpoint_id not in self._endpoints)
            self._events.extend(replace(endpoint, endpoint_status=DELETED) for endpoint in gone)
            for endpoint in self._endpoints.values():
                self._addresses.keep(endpoint.domain, *(zone.eni_ip for zone in endpoint.zones))
            self._start_timer()
            self.announce()

    # Time

    def tick(self) -> bool:
        """Advance every endpoint by one transition; say whether anything moved."""
        with self.changing():
            before = dict(self._endpoints)
            for endpoint in before.values():
                self._advance_one(endpoint)
            return before != self._endpoints

    def run_due(self) -> None:
        """Make the transitions whose time has come by the clock (mode `time`)."""
        with self.changing():
            now = self._clock()
            while self._due and min(self._due.values()) <= now:
                endpoint_id = min(self._due, key=self._due.__getitem__)
                due = self._due.pop(endpoint_id)
                moved = self._advance_one(self._endpoints[endpoint_id])
                if advance(moved) is not moved:
                    # From the instant that was due, not from now: a late wake-up must not add up.
                    self._due[endpoint_id] = due + self._step

    def close(self) -> None:
        """Stop the timer of mode `time`; the state can still be read."""
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join()

    def __enter__(self) -> Self:
        """Return the world itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the timer."""
        self.close()

    def _run_timer(self) -> None:
        while True:
            with self._wake:
                while not self._closed:
                    wait = min(self._due.values()) - self._clock() if self._due else None
                    if wait is not None and wait <= 0:
                        break
                    self._wake.wait(wait)
                if self._closed:
                    return
            self.run_due()

    # State; each of these needs the lock

    def _change(self, endpoint_id: str, **changes: object) -> None:
        with self.changing():
            self._begin(replace(self._endpoints[endpoint_id], **changes))  # type: ignore[arg-type]

    def _begin(self, endpoint: Endpoint) -> None:
        self._store(endpoint)
        if self.mode == "immediate":
            while (moved := advance(endpoint)) is not endpoint:
                self._store(moved)
                if moved.endpoint_status == DELETED:
                    return
                endpoint = moved
        elif self.mode == "time" and advance(endpoint) is not endpoint:
            self._due.setdefault(endpoint.endpoint_id, self._clock() + self._step)
            self._start_timer()

    def _start_timer(self) -> None:
        if self._due and self._timer is None and not self._closed:
            self._timer = threading.Thread(target=self._run_timer, name="sandbox-world", daemon=True)
            self._timer.start()

    def _advance_one(self, endpoint: Endpoint) -> Endpoint:
        moved = advance(endpoint)
        if moved is not endpoint:
            self._store(moved)
        return moved

    def _store(self, endpoint: Endpoint) -> None:
        if endpoint.endpoint_status == DELETED:
            del self._endpoints[endpoint.endpoint_id]
            self._due.pop(endpoint.endpoint_id, None)
        else:
            self._endpoints[endpoint.endpoint_id] = endpoint
        self._events.append(endpoint)
        self._changes += 1

    def _deliver(self) -> None:
        # The delivery lock keeps the order of changes when two threads deliver at once.
        with self._delivery:
            while True:
                with self._lock:
                    if not self._events:
                        return
                    endpoint, observers = self._events.popleft(), tuple(self._observers)
                for observer in observers:
                    observer(endpoint)

    def _new_zone(self, service: EndpointService, zone_id: str, vswitch_id: str) -> EndpointZone:
        return EndpointZone(zone_id, vswitch_id, _new_id("eni", service), self._addresses.take())
