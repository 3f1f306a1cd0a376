"""VPC endpoints and their state transitions, as data.

Status names are those of the Alibaba Cloud API reference (PrivateLink 2020-04-15). One step advances each
part of an endpoint (itself, its connection, its zones, its security groups) by at most one transition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService  # noqa: TC001 - of a field, as a snapshot's file needs it

#: The final state: a part with this status no longer exists and is not listed.
DELETED = "Deleted"

Moves = Mapping[str, str]


def _table(**moves: str) -> Moves:
    return MappingProxyType(moves)


#: EndpointStatus -> the next one, regardless of the connection.
ENDPOINT_MOVES: Moves = _table(Creating="Active", Pending="Active", Deleting=DELETED)

#: Whether the service's owner accepts the connection -> ConnectionStatus -> the next one.
CONNECTION_MOVES: Mapping[bool, Moves] = MappingProxyType(
    {
        True: _table(Disconnected="Connecting", Connecting="Connected", Disconnecting="Disconnected"),
        False: _table(Connecting="Disconnecting", Connected="Disconnecting", Disconnecting="Disconnected"),
    }
)

_ZONE_APART = _table(
    Creating="Wait", Connecting="Disconnecting", Connected="Disconnecting", Disconnecting="Disconnected"
)

#: ConnectionStatus -> ZoneStatus -> the next one; a zone follows the connection.
ZONE_MOVES: Mapping[str, Moves] = MappingProxyType(
    {
        "Disconnected": _ZONE_APART,
        "Disconnecting": _ZONE_APART,
        "ServiceDeleted": _ZONE_APART,
        "Deleting": _ZONE_APART,
        "Connecting": _table(Creating="Wait", Wait="Connecting", Disconnected="Connecting"),
        "Connected": _table(
            Creating="Wait", Wait="Connecting", Disconnected="Connecting", Connecting="Connected"
        ),
    }
)

#: SecurityGroupStatus -> the next one.
GROUP_MOVES: Moves = _table(Attaching="Attached", Detaching=DELETED)

#: EndpointStatus values in which the connection may change.
_CONNECTING_ALLOWED = frozenset({"Active", "Pending"})


@dataclass(frozen=True, slots=True)
class EndpointZone:
    """An endpoint's network interface in one zone.

    `fixed_ip` is the requested address; the listening address on this machine is `eni_ip`.
    """

    zone_id: str
    vswitch_id: str
    eni_id: str
    eni_ip: str
    zone_status: str = "Creating"
    fixed_ip: str = ""

    @property
    def zone_domain(self) -> str:
        """The host of this zone only: its address, so that it needs no name resolution."""
        return self.eni_ip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One state of a VPC endpoint; a change creates a new object."""

    endpoint_id: str
    name: str
    description: str
    service: EndpointService
    vpc_id: str
    domain: str
    port: int
    create_time: str
    accepted: bool
    zones: tuple[EndpointZone, ...]
    security_groups: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    resource_group_id: str = ""
    policy_document: str = ""
    endpoint_status: str = "Creating"
    connection_status: str = "Disconnected"
    business_status: str = "Normal"

    @property
    def region_id(self) -> str:
        """The region of the endpoint, which is that of its service."""
        return self.service.region_id

    @property
    def connected(self) -> bool:
        """Whether SQL connections work: the connection is Connected and at least one zone is ready."""
        return bool(self.addresses)

    @property
    def addresses(self) -> frozenset[str]:
        """The loopback addresses at which the service answers on `port`; empty while it must not answer."""
        up = self.connection_status == "Connected" and self.endpoint_status in _CONNECTING_ALLOWED
        if not up or self.business_status != "Normal":
            return frozenset()
        open_zones = {zone.eni_ip for zone in self.zones if zone.zone_status == "Connected"}
        return frozenset({self.domain, *open_zones}) if open_zones else frozenset()

    @property
    def idle(self) -> bool:
        """Whether it is created and its connection is not accepted, or was ended."""
        disconnected = self.connection_status in {"Disconnected", "ServiceDeleted"}
        return self.endpoint_status == "Active" and disconnected and not self.accepted

    @property
    def zone_in_progress(self) -> bool:
        """Whether a zone is being created or removed."""
        return any(zone.zone_status in {"Creating", "Deleting"} for zone in self.zones)


def advance(endpoint: Endpoint) -> Endpoint:
    """Advance every part by one transition; return the same object if nothing changes."""
    connection = endpoint.connection_status
    if endpoint.endpoint_status in _CONNECTING_ALLOWED:
        connection = CONNECTION_MOVES[endpoint.accepted].get(connection, connection)
    zone_moves = ZONE_MOVES[connection]
    zones = tuple(
        replace(zone, zone_status=zone_moves.get(zone.zone_status, zone.zone_status))
        for zone in endpoint.zones
        if zone.zone_status != "Deleting"
    )
    groups = {
        group: GROUP_MOVES.get(status, status)
        for group, status in endpoint.security_groups.items()
        if GROUP_MOVES.get(status) != DELETED
    }
    moved = replace(
        endpoint,
        endpoint_status=ENDPOINT_MOVES.get(endpoint.endpoint_status, endpoint.endpoint_status),
        connection_status=connection,
        zones=zones,
        security_groups=MappingProxyType(groups),
    )
    return endpoint if moved == endpoint else moved
