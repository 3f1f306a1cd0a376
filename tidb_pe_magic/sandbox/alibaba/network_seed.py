"""The network that every sandbox starts with: regions, VPCs, vSwitches, security groups, services.

It contains an example of each restriction: a vSwitch without free addresses, a VPC with only such a vSwitch,
a group of the other kind, a group that a cloud service manages, and a service whose owner accepts manually.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SINGAPORE = "ap-southeast-1"
JAKARTA = "ap-southeast-5"
#: The service, with its ID, of each region's gateway, which all clusters of the region share.
GATEWAY_SERVICES: Mapping[str, str] = MappingProxyType(
    {SINGAPORE: "epsrv-t4ndemo7c1x0qk2p9s8e", JAKARTA: "epsrv-k1ajakarta3n7b5x9q2w"}
)


@dataclass(frozen=True, slots=True)
class RegionZones:
    """A region and the ids of its zones."""

    region_id: str
    local_name: str
    zone_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vpc:
    """A virtual private cloud of the account."""

    vpc_id: str
    region_id: str
    name: str
    cidr_block: str


@dataclass(frozen=True, slots=True)
class VSwitch:
    """A subnet of a VPC, in one zone; `free` addresses are available before any endpoint is created."""

    vswitch_id: str
    vpc_id: str
    zone_id: str
    cidr_block: str
    free: int
    status: str = "Available"


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule of a security group."""

    port_range: str
    source_cidr_ip: str
    ip_protocol: str = "TCP"
    policy: str = "Accept"
    priority: str = "1"
    direction: str = "ingress"
    source_group_id: str = ""
    source_prefix_list_id: str = ""
    port_range_list_id: str = ""
    description: str = ""

    @property
    def rule_id(self) -> str:
        """The rule's ID, always the same for the same rule."""
        fields = "|".join(getattr(self, name) for name in sorted(self.__slots__))
        return f"sgr-{hashlib.sha256(fields.encode()).hexdigest()[:20]}"


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group; `kind` is `normal` or `enterprise`.

    An empty `inner_access` is the kind's default: members of a basic group can reach each other.
    """

    security_group_id: str
    vpc_id: str
    name: str
    kind: str = "normal"
    service_managed: bool = False
    permissions: tuple[Permission, ...] = ()
    inner_access: str = ""

    @property
    def inner_access_policy(self) -> str:
        """Whether members of the group can reach each other without a rule: `Accept` or `Drop`."""
        return self.inner_access or ("Accept" if self.kind == "normal" else "Drop")


@dataclass(frozen=True, slots=True)
class EndpointService:
    """A service that another account offers through PrivateLink.

    Attributes:
        zone_ids: empty for a service without a load balancer.
        authorized: the account is on the service's allow-list; otherwise it does not see the service.
        status: `Active`, or another status while its owner changes it.
    """

    service_id: str
    region_id: str
    zone_ids: tuple[str, ...]
    auto_accept: bool = True
    payer: str = "Endpoint"
    address_version: str = "IPv4"
    authorized: bool = True
    status: str = "Active"
    policy_supported: bool = True

    @property
    def service_name(self) -> str:
        """The name that consumers of the service enter."""
        return f"com.aliyuncs.privatelink.{self.region_id}.{self.service_id}"

    @property
    def service_domain(self) -> str:
        """The parent domain of the endpoints' domains."""
        return f"{self.service_id}.{self.region_id}.privatelink.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class Network:
    """The resources that exist before the first endpoint."""

    regions: tuple[RegionZones, ...]
    vpcs: tuple[Vpc, ...]
    vswitches: tuple[VSwitch, ...]
    security_groups: tuple[SecurityGroup, ...]
    services: tuple[EndpointService, ...]

    def with_rules(self, group_id: str, rules: tuple[Permission, ...], inner_access: str = "") -> Network:
        """Return the network with new rules in one security group."""
        groups = tuple(
            replace(group, permissions=rules, inner_access=inner_access)
            if group.security_group_id == group_id
            else group
            for group in self.security_groups
        )
        return replace(self, security_groups=groups)


_INBOUND = (Permission("1/65535", "10.0.0.0/8"), Permission("1/65535", "127.0.0.0/8"))
_A, _B, _C = (f"{SINGAPORE}{letter}" for letter in "abc")
_JAKARTA_ZONES = (f"{JAKARTA}a", f"{JAKARTA}b")


def _services() -> tuple[EndpointService, ...]:
    everywhere = (_A, _B, _C)
    return (
        EndpointService(GATEWAY_SERVICES[SINGAPORE], SINGAPORE, everywhere),
        EndpointService("epsrv-t4nreport5w8z2m6k1v0", SINGAPORE, (_A, _B), auto_accept=False),
        EndpointService(GATEWAY_SERVICES[JAKARTA], JAKARTA, _JAKARTA_ZONES),
        EndpointService("epsrv-t4npartner4r6b9y2h5j", SINGAPORE, everywhere),
        EndpointService("epsrv-t4npremiumhr1k8d4z7f", SINGAPORE, everywhere, auto_accept=False),
    )


def seed() -> Network:
    """Return the network of a new sandbox."""
    analytics, legacy, other = "vpc-t4nanalytics0k3m7x", "vpc-t4nlegacy8p2q6w", "vpc-t4nother5d9r1z"
    jakarta = "vpc-k1ajakarta4h8n2v"
    return Network(
        regions=(
            RegionZones(SINGAPORE, "Singapore", (_A, _B, _C)),
            RegionZones(JAKARTA, "Indonesia (Jakarta)", _JAKARTA_ZONES),
        ),
        vpcs=(
            Vpc(analytics, SINGAPORE, "analytics", "10.20.0.0/16"),
            Vpc(legacy, SINGAPORE, "legacy", "192.168.0.0/16"),
            Vpc(other, SINGAPORE, "other", "10.30.0.0/16"),
            Vpc(jakarta, JAKARTA, "jakarta", "10.50.0.0/16"),
        ),
        vswitches=(
            VSwitch("vsw-t4na1", analytics, _A, "10.20.1.0/24", 240),
            VSwitch("vsw-t4na2", analytics, _A, "10.20.2.0/28", 12),
            VSwitch("vsw-t4nb1", analytics, _B, "10.20.3.0/24", 251),
            VSwitch("vsw-t4nc1", analytics, _C, "10.20.4.0/28", 0),
            VSwitch("vsw-t4nlc1", legacy, _C, "192.168.1.0/28", 0),
            VSwitch("vsw-t4noa1", other, _A, "10.30.1.0/25", 90),
            VSwitch("vsw-t4nob1", other, _B, "10.30.2.0/25", 88),
            VSwitch("vsw-k1aa1", jakarta, _JAKARTA_ZONES[0], "10.50.1.0/24", 200),
            VSwitch("vsw-k1ab1", jakarta, _JAKARTA_ZONES[1], "10.50.2.0/24", 190),
        ),
        security_groups=(
            SecurityGroup("sg-t4nanalytics", analytics, "analytics", permissions=_INBOUND),
            SecurityGroup("sg-t4nclosed", analytics, "closed"),
            SecurityGroup("sg-t4nenterprise", analytics, "enterprise", "enterprise", permissions=_INBOUND),
            SecurityGroup("sg-t4nmanaged", analytics, "managed", service_managed=True, permissions=_INBOUND),
            SecurityGroup("sg-t4nother", other, "other", permissions=_INBOUND),
            SecurityGroup("sg-t4nlegacy", legacy, "legacy", permissions=_INBOUND),
            SecurityGroup("sg-k1ajakarta", jakarta, "jakarta", permissions=_INBOUND),
        ),
        services=_services(),
    )
