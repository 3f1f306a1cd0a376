"""PrivateLink's resources: endpoint services as a consumer sees them, endpoints and their zones."""

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
"""The tag of endpoints that this package created."""


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
        zones: zones in which the service is available for this account.
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
        ipv6_address: its IPv6 address, if the endpoint is dual-stack.
    """

    zone_id: str
    vswitch_id: str
    eni_ip: str = ""
    ipv6_address: str = ""
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """States of an endpoint that a wait observed first at this moment.

    Attributes:
        elapsed: seconds since the wait began.
        endpoint_status: `gone` if the endpoint no longer exists; so is `connection_status`.
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
    """Further attributes of an endpoint from GetVpcEndpointAttribute; None if the answer lacks them.

    ListVpcEndpoints returns all of them except the payer and the number of addresses.

    Attributes:
        service_id: `epsrv-…`.
        endpoint_type: `Interface`, `Reverse` or `GatewayLoadBalancer`.
        payer: `Endpoint` (the endpoint's owner pays) or `EndpointService`.
        protected_enabled: with an STS token, only its creator may change or delete it.
        resource_owner: the endpoint and the service belong to the same account.
        policy_document: a RAM policy, as JSON text.
        address_version: `IPv4` or `DualStack`.
        bandwidth: of the connection, in Mbit/s.
        cross_region_bandwidth: in Mbit/s, if the service is in another region.
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
        business_status: `Normal`, or `FinancialLocked` if a payment is overdue.
        ours: it has the tag that `create` adds to new endpoints.
        created: creation time in the cloud's format.
        changes: the states that `wait` observed, in order; empty without a wait.
        missing_actions: RAM actions that the key's owner lacks; the values that they return are missing.
        tags: in the answer's order.
        attributes: further attributes, used only by exports.
        request_id: request ID of the answer, if it was about this endpoint only.
        clusters: clusters of this TiDB Cloud account that it serves: all that share its service; None if
            they were not looked up.
        alias: open connection of this kernel to the requested cluster over this endpoint; empty for none.
        first_query: a SELECT for a cell of that connection; may be empty.
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
    alias: str = field(default="", repr=False, compare=False, metadata={"plain": False})
    first_query: str = field(default="", repr=False, compare=False, metadata={"plain": False})

    def authorization(self, *, cluster: str = "") -> Authorization:
        """Return the rule that allows this endpoint in the Authorized Networks of the named cluster."""
        return Authorization(
            cluster=cluster,
            service_name=self.service_name,
            rule_name=self.name or "tidb-pe",
            endpoint_id=self.endpoint_id,
        )

    def states(self) -> str:
        """Return both states in words."""
        return f"{self.endpoint_status}, connection {self.connection_status}"

    def is_locked(self) -> bool:
        """Return whether a payment is overdue; older API documents spell the status FinacialLocked."""
        return self.business_status in {"FinancialLocked", "FinacialLocked"}

    @property
    def ready(self) -> bool:
        """Active and Connected: the private host answers."""
        return (
            self.endpoint_status == EndpointStatus.ACTIVE
            and self.connection_status == ConnectionStatus.CONNECTED
        )


@dataclass(frozen=True, kw_only=True)
class Endpoints(Result):
    """This account's endpoints: those for a cluster's service, or all that this package created in a region.

    Attributes:
        cluster: the cluster whose service they use; None for a region.
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
    """The plan of `create`.

    Attributes:
        existing: the endpoint that would be adopted instead of creating one.
        differences: how the adopted endpoint differs from the request.
        payer: who pays for the endpoint.
        findings: findings of the preflight, the most severe first.
        dry_run: the API's answer to a dry run; empty without a dry run: if an endpoint would be adopted, or
            the preflight reports a stop.
        clusters: the clusters of this account that the endpoint serves or will serve; None if they could not
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
        """The findings that make `create` refuse."""
        return tuple(finding for finding in self.findings if finding.severity == Severity.STOP)

    @property
    def billed(self) -> bool:
        """Whether this account pays for the endpoint that `create` would create, as far as is known."""
        return self.existing is None and self.service.payer != "EndpointService" and not self.emulated

    @property
    def billed_zones(self) -> int:
        """Number of zones that this account pays for, per hour from creation until deletion."""
        return len(self.zones) if self.existing is None and self.service.payer == "Endpoint" else 0


@dataclass(frozen=True, kw_only=True)
class CreatedEndpoint(Result):
    """The endpoint that `create` created or adopted.

    Attributes:
        adopted: it already existed and was not changed.
        differences: how it differs from the request.
        findings: the warnings of a created endpoint's preflight.
    """

    endpoint: VpcEndpoint
    adopted: bool
    differences: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Deletion(Result):
    """The result of `delete`.

    Attributes:
        found: False if the endpoint did not exist, so nothing was done.
        zones: the zones that were removed before the endpoint.
        aliases: aliases of the SQL connections over this endpoint that were closed.
        clusters: the clusters of this account that it served; None if they were not looked up.
    """

    endpoint_id: str
    region_id: str
    found: bool = True
    zones: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    clusters: tuple[ServedCluster, ...] | None = None
