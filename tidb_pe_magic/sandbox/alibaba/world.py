"""The state of the emulated Alibaba Cloud account: its network and its VPC endpoints."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba.endpoint_states import DELETED, Endpoint, EndpointZone
from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService, Network, Permission, seed
from tidb_pe_magic.sandbox.alibaba.security_groups import lets_in
from tidb_pe_magic.sandbox.alibaba.transitions import Transitions
from tidb_pe_magic.sandbox.alibaba.world_state import Mode, WorldState
from tidb_pe_magic.sandbox.network.loopback import LoopbackAddresses

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["Endpoint", "EndpointZone", "Mode", "World"]

_ID_CHARACTERS = string.ascii_lowercase + string.digits


def _new_id(prefix: str, service: EndpointService) -> str:
    # Real ids of one region share three characters after the prefix.
    region_code = service.service_id.removeprefix("epsrv-")[:3]
    return f"{prefix}-{region_code}" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(17))


class World(Transitions):
    """Endpoints and their network, with the changes by their owner, the service's owner and the provider."""

    def __init__(
        self,
        *,
        mode: Mode = "immediate",
        seconds: float = 6.0,
        clock: Callable[[], float] = time.monotonic,
        port: int,
        network: Network | None = None,
    ) -> None:
        """Start without endpoints; every endpoint's service listens on `port`."""
        super().__init__(mode, seconds, clock)
        self.port = port
        self.network = seed() if network is None else network
        #: False makes PrivateLink answer NeedOpenProduct, as for an account that never activated it.
        self.product_open = True
        #: The domain of each new endpoint, instead of its own address.
        self.domain = ""
        #: RAM actions that are denied to the key's owner, such as `privatelink:CreateVpcEndpoint`.
        self.denied_actions: set[str] = set()
        #: True makes PrivateLink refuse a second endpoint for a service and VPC. It is [GUESS] whether and
        # when the
        #: real one does; with False, tests can detect a client that creates two.
        self.single_endpoints = False
        #: True limits the calls of each region and API, by `call_limits`.
        self.limits_calls = False
        self._services = {service.service_id: service for service in self.network.services}
        self._deleted_services: dict[str, EndpointService] = {}
        self._addresses = LoopbackAddresses(port)

    # Reading

    @property
    def services(self) -> tuple[EndpointService, ...]:
        """The services that are visible to the account."""
        return tuple(service for service in self.every_service if service.authorized)

    @property
    def every_service(self) -> tuple[EndpointService, ...]:
        """All services, including those that the account may not use."""
        with self._lock:
            return tuple(self._services.values())

    @property
    def deleted_services(self) -> tuple[EndpointService, ...]:
        """The deleted services."""
        with self._lock:
            return tuple(self._deleted_services.values())

    def free_addresses(self, vswitch_id: str) -> int:
        """Return the number of a vSwitch's addresses that endpoints do not use."""
        with self._lock:
            free = next(v.free for v in self.network.vswitches if v.vswitch_id == vswitch_id)
            zones = (zone for endpoint in self._endpoints.values() for zone in endpoint.zones)
            return free - sum(zone.vswitch_id == vswitch_id for zone in zones)

    def lets_in(self, endpoint: Endpoint, source: str, *, member_of: Collection[str] = ()) -> bool:
        """Return whether the endpoint's security groups allow TCP from an IPv4 address to its port."""
        groups = self.network.security_groups
        own = [group for group in groups if group.security_group_id in endpoint.security_groups]
        return lets_in(own, source, endpoint.port, member_of=member_of)

    # The endpoint's owner

    def create_endpoint(  # noqa: PLR0913 - one keyword for each attribute an owner chooses
        self,
        *,
        service: EndpointService,
        vpc_id: str,
        zones: Iterable[tuple[str, ...]],
        security_groups: Iterable[str] = (),
        name: str = "",
        description: str = "",
        tags: Mapping[str, str] = MappingProxyType({}),
        protected: bool = False,
        resource_group_id: str = "",
        policy_document: str = "",
        create_time: str = "",
    ) -> Endpoint:
        """Create an endpoint and return its first state.

        `zones` are the IDs of zone and vSwitch, and the fixed address if requested.
        """
        with self.exclusive_change():
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

    def add_zone(self, endpoint_id: str, zone_id: str, vswitch_id: str, fixed_ip: str = "") -> None:
        """Add a network interface in another zone to the endpoint."""
        with self.exclusive_change():
            endpoint = self._endpoints[endpoint_id]
            zone = self._new_zone(endpoint.service, zone_id, vswitch_id, fixed_ip)
            self._begin(replace(endpoint, zones=(*endpoint.zones, zone)))

    def remove_zone(self, endpoint_id: str, zone_id: str) -> None:
        """Start to remove a zone from the endpoint."""
        with self.exclusive_change():
            endpoint = self._endpoints[endpoint_id]
            zones = tuple(
                replace(zone, zone_status="Deleting") if zone.zone_id == zone_id else zone
                for zone in endpoint.zones
            )
            self._begin(replace(endpoint, zones=zones))

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Start to delete the endpoint."""
        self._change(endpoint_id, endpoint_status="Deleting", connection_status="Deleting")

    def set_security_group(self, endpoint_id: str, group_id: str, status: str) -> None:
        """Start to attach (`Attaching`) or to detach (`Detaching`) a security group."""
        with self.exclusive_change():
            groups = {**self._endpoints[endpoint_id].security_groups, group_id: status}
            self._change(endpoint_id, endpoint_status="Pending", security_groups=groups)

    def update_endpoint(self, endpoint_id: str, **changes: str) -> None:
        """Start to change the endpoint's name, description, or policy document."""
        self._change(endpoint_id, endpoint_status="Pending", **changes)

    def set_resource_group(self, endpoint_id: str, resource_group_id: str) -> None:
        """Move the endpoint to another resource group, with immediate effect."""
        self._change(endpoint_id, resource_group_id=resource_group_id)

    def set_tags(self, endpoint_id: str, tags: Mapping[str, str]) -> None:
        """Replace the endpoint's tags, with immediate effect."""
        self._change(endpoint_id, tags=MappingProxyType(dict(tags)))

    def set_rules(self, group_id: str, *rules: Permission, inner_access: str = "") -> None:
        """Replace a security group's rules, as its owner, with immediate effect on its endpoints."""
        with self.exclusive_change():
            self.network = self.network.with_rules(group_id, rules, inner_access)
            self.announce()

    # The service's owner and the provider

    def accept(self, endpoint_id: str) -> None:
        """Accept the endpoint's connection, as the service's owner."""
        self._change(endpoint_id, accepted=True)

    def reject(self, endpoint_id: str) -> None:
        """Refuse a connection that is waiting, as the service's owner."""
        self.disconnect(endpoint_id)

    def disconnect(self, endpoint_id: str) -> None:
        """End an established connection, as the service's owner."""
        self._change(endpoint_id, accepted=False)

    def remove_service(self, service_id: str) -> None:
        """Delete a service although it has endpoints."""
        with self.exclusive_change():
            self._deleted_services[service_id] = self._services.pop(service_id)
            for endpoint in list(self._endpoints.values()):
                if endpoint.service.service_id == service_id:
                    self._begin(replace(endpoint, accepted=False, connection_status="ServiceDeleted"))

    def add_service(self, service: EndpointService) -> None:
        """Add a service for the account."""
        with self.exclusive_change():
            self._services[service.service_id] = service

    def change_service(self, service_id: str, **changes: object) -> None:
        """Change a service's attributes, for new endpoints."""
        with self.exclusive_change():
            self._services[service_id] = replace(self._services[service_id], **changes)  # type: ignore[arg-type]

    def set_business_status(self, endpoint_id: str, status: str) -> None:
        """Set `Normal` or `FinancialLocked`, as the provider does when a bill is overdue."""
        self._change(endpoint_id, business_status=status)

    # Snapshots

    def state(self) -> WorldState:
        """Return the current state."""
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
                deleted_services=tuple(self._deleted_services.values()),
                single_endpoints=self.single_endpoints,
                limits_calls=self.limits_calls,
            )

    def restore(self, state: WorldState) -> None:
        """Restore a state; endpoints listen on this world's port, and the observers are called."""
        with self.exclusive_change():
            self.mode, self._step = state.mode, state.step
            self.product_open, self.domain = state.product_open, state.domain
            self.denied_actions = set(state.denied_actions)
            self.network = state.network
            self._services = {service.service_id: service for service in state.services}
            self._deleted_services = {service.service_id: service for service in state.deleted_services}
            self.single_endpoints, self.limits_calls = state.single_endpoints, state.limits_calls
            before, now = self._endpoints, self._clock()
            self._endpoints = {e.endpoint_id: replace(e, port=self.port) for e in state.endpoints}
            self._due = {endpoint_id: now + seconds for endpoint_id, seconds in state.due.items()}
            gone = (e for endpoint_id, e in before.items() if endpoint_id not in self._endpoints)
            self._events.extend(replace(endpoint, endpoint_status=DELETED) for endpoint in gone)
            for endpoint in self._endpoints.values():
                self._addresses.keep(endpoint.domain, *(zone.eni_ip for zone in endpoint.zones))
            self._start_timer()
            self.announce()

    def _new_zone(
        self, service: EndpointService, zone_id: str, vswitch_id: str, fixed_ip: str = ""
    ) -> EndpointZone:
        eni_id, eni_ip = _new_id("eni", service), self._addresses.take()
        return EndpointZone(zone_id, vswitch_id, eni_id, eni_ip, fixed_ip=fixed_ip)
