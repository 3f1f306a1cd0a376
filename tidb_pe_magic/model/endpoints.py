"""PrivateLink's nouns: the service as its consumer sees it, endpoints and their zones."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tidb_pe_magic.model.authorization import Authorization
from tidb_pe_magic.model.base import Result
from tidb_pe_magic.model.clusters import Cluster, ServedCluster
from tidb_pe_magic.model.findings import Finding, Severity
from tidb_pe_magic.model.networks import Vpc

if TYPE_CHECKING:
    from collections.abc import Iterator


OUR_TAG = ("created-by", "tidb_pe_magic")
"""The tag of endpoints that were created here."""


class EndpointStatus(StrEnum):
    """EndpointStatus of GetVpcEndpointAttribute (Alibaba Cloud API reference, PrivateLink 2020-04-15)."""

    CREATING = "Creating"
    ACTIVE = "Active"
    PENDING = "Pending"
    DELETING = "Deleting"


class ConnectionStatus(StrEnum):
    """ConnectionStatus of GetVpcEndpointAttribute (Alibaba Cloud API reference, PrivateLink 2020-04-15)."""

    PENDING = "Pending"
    CONNECTING = "Connecting"
    CONNECTED = "Connected"
    DISCONNECTING = "Disconnecting"
    DISCONNECTED = "Disconnected"
    DELETING = "Deleting"
    SERVICE_DELETED = "ServiceDeleted"


@dataclass(frozen=True, kw_only=True)
class VerifiedService(Result):
    """The endpoint service as the endpoint's owner sees it (ListVpcEndpointServicesByEndUser).

    Attributes:
        service_id: `epsrv-…`.
        zones: where the service is available for this account.
        auto_accept: connections are accepted automatically.
        payer: `Endpoint` (the endpoint's owner pays) or `EndpointService`.
        address_version: `IPv4`, `IPv6` or `DualStack`.
    """

    service_name: str
    service_id: str
    region_id: str
    zones: tuple[str, ...]
    auto_accept: bool
    payer: str
    address_version: str = "IPv4"


@dataclass(frozen=True, kw_only=True)
class EndpointZone:
    """A zone of an endpoint: one network interface, billed by the hour (ListVpcEndpointZones).

    Attributes:
        eni_ip: its IPv4 address.
        ipv6_address: its IPv6 address, where the endpoint is dual-stack.
    """

    zone_id: str
    vswitch_id: str
    eni_ip: str = ""
    ipv6_address: str = ""
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """States of an endpoint that were first seen at one moment of a wait.

    Attributes:
        elapsed: seconds since the wait began.
        endpoint_status: `gone` where the endpoint is no longer there, as is `connection_status`.
    """

    elapsed: float
    endpoint_status: str
    connection_status: str


@dataclass(frozen=True, kw_only=True)
class EndpointTag:
    """A tag of an endpoint (ListVpcEndpoints)."""

    key: str
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class EndpointAttributes:
    """What else GetVpcEndpointAttribute tells of an endpoint; None where it was not answered.

    ListVpcEndpoints tells all of it but the payer and the number of addresses.

    Attributes:
        service_id: `epsrv-…`.
        endpoint_type: `Interface`, `Reverse` or `GatewayLoadBalancer`.
        payer: `Endpoint` (the endpoint's owner pays) or `EndpointService`.
        protected_enabled: under STS, only its creator may change or delete it.
        resource_owner: the endpoint and the service belong to the same account.
        policy_document: a RAM policy, as JSON text.
        address_version: `IPv4` or `DualStack`.
        bandwidth: of the connection, in Mbit/s.
        cross_region_bandwidth: in Mbit/s, where the service is in another region.
    """

    service_id: str | None = None
    service_region_id: str | None = None
    description: str | None = None
    endpoint_type: str | None = None
    payer: str | None = None
    resource_group_id: str | None = None
    policy_document: str | None = None
    address_version: str | None = None
    bandwidth: int | None = None
    cross_region_bandwidth: int | None = None
    zone_private_ip_address_count: int | None = None
    protected_enabled: bool | None = None
    resource_owner: bool | None = None
    zone_affinity_enabled: bool | None = None


@dataclass(frozen=True, kw_only=True)
class VpcEndpoint(Result):
    """An interface endpoint (Alibaba Cloud API reference, GetVpcEndpointAttribute).

    Attributes:
        domain: the endpoint's domain name: the SQL host.
        business_status: `Normal`, or `FinancialLocked` where payment is overdue.
        ours: it carries the tag that `create` puts on what it makes.
        created: creation time as the cloud writes it.
        changes: the states that `wait` saw, in their order; empty where nobody waited.
        missing_actions: RAM actions that the key's owner lacks; what they would tell is left out.
        tags: in the order of the answer.
        attributes: what is shown to nobody but those who export the endpoint.
        request_id: of the answer that told this, where it was about this endpoint alone.
        clusters: those of this TiDB Cloud account that it serves, all that are behind its service; None where
            they were not looked up.
    """

    endpoint_id: str
    name: str
    service_name: str
    vpc_id: str
    region_id: str
    domain: str
    endpoint_status: str
    connection_status: str
    business_status: str = "Normal"
    created: str = ""
    zones: tuple[EndpointZone, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    ours: bool = False
    changes: tuple[StateChange, ...] = field(default=(), repr=False, compare=False)
    missing_actions: tuple[str, ...] = ()
    tags: tuple[EndpointTag, ...] = field(default=(), repr=False, compare=False)
    attributes: EndpointAttributes = field(default=EndpointAttributes(), repr=False, compare=False)
    request_id: str = field(default="", repr=False, compare=False)
    clusters: tuple[ServedCluster, ...] | None = field(default=None, repr=False, compare=False)

    def authorization(self, *, cluster: str = "") -> Authorization:
        """Return the rule that allows this endpoint in the Authorized Networks of a cluster, by its name."""
        return Authorization(
            cluster=cluster,
            service_name=self.service_name,
            rule_name=self.name or "tidb-pe",
            endpoint_id=self.endpoint_id,
        )

    @property
    def ready(self) -> bool:
        """Active and Connected: the private host answers."""
        return (
            self.endpoint_status == EndpointStatus.ACTIVE
            and self.connection_status == ConnectionStatus.CONNECTED
        )


@dataclass(frozen=True, kw_only=True)
class Endpoints(Result):
    """This account's endpoints: for a cluster's service, or all of a region that were created here.

    Attributes:
        cluster: whose service they are for; None where a region was asked for.
    """

    cluster: Cluster | None
    region_id: str
    items: tuple[VpcEndpoint, ...]

    def __iter__(self) -> Iterator[VpcEndpoint]:
        """Iterate over the endpoints."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the endpoints."""
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class EndpointPlan(Result):
    """What `create` would do.

    Attributes:
        existing: the endpoint that would be adopted instead of making one.
        differences: how the adopted endpoint differs from what was asked.
        payer: who pays for it.
        findings: what the preflight found, the gravest first.
        dry_run: what the API said to a dry run; empty where it was not asked: where an endpoint would be
            adopted, or the preflight says stop.
        clusters: the clusters of this account that the endpoint serves, or will; None where they could not
            be looked up.
        here: this machine is in the VPC.
    """

    cluster: Cluster
    service: VerifiedService
    vpc: Vpc
    zones: tuple[EndpointZone, ...]
    security_group_ids: tuple[str, ...]
    name: str
    existing: VpcEndpoint | None = None
    differences: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    dry_run: str = ""
    clusters: tuple[ServedCluster, ...] | None = None
    here: bool = False

    @property
    def stops(self) -> tuple[Finding, ...]:
        """The findings for which `create` refuses."""
        return tuple(finding for finding in self.findings if finding.severity == Severity.STOP)

    @property
    def billed(self) -> bool:
        """What `create` would create is billed to this account, as far as is known."""
        return self.existing is None and self.service.payer != "EndpointService" and not self.emulated

    @property
    def billed_zones(self) -> int:
        """Zones that are billed to this account by the hour from creation until deletion."""
        return len(self.zones) if self.existing is None and self.service.payer == "Endpoint" else 0


@dataclass(frozen=True, kw_only=True)
class CreatedEndpoint(Result):
    """The endpoint that `create` made or adopted.

    Attributes:
        adopted: it existed already and was left as it is.
        differences: how it differs from what was asked.
        findings: the warnings of a created endpoint's preflight.
    """

    endpoint: VpcEndpoint
    adopted: bool
    differences: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Deletion(Result):
    """What `delete` removed.

    Attributes:
        found: False where there was no such endpoint, so that nothing had to be done.
        zones: the zones that were removed first.
        aliases: the SQL connections over this endpoint that were closed.
        clusters: the clusters of this account that it served; None where they were not looked up.
    """

    endpoint_id: str
    region_id: str
    found: bool = True
    zones: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    clusters: tuple[ServedCluster, ...] | None = None
