"""What the clouds hold and what the steps answer, in the clouds' own nouns; no I/O.

States are plain strings, compared with the enums below: a state that a cloud adds later is shown,
never a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

OUR_TAG = ("created-by", "tidb_pe_magic")
"""The tag that marks an endpoint that was made here."""


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


class TlsMode(StrEnum):
    """How the SQL connection is secured; `auto` verifies wherever the server offers TLS."""

    AUTO = "auto"
    OFF = "off"
    VERIFY_CA = "verify-ca"
    VERIFY_IDENTITY = "verify-identity"


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base of what the steps return.

    Attributes:
        via: API hosts that replace the clouds' own by an environment variable; empty against the real clouds.
    """

    via: tuple[str, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class EndpointService:
    """What the tutorial tells people to take a note of.

    Attributes:
        service_name: `com.aliyuncs.privatelink.<region>.<service>`.
        zones: Availability Zone IDs in which the service can be reached.
        region_id: Alibaba Cloud's region ID, such as `ap-southeast-1`.
        port: TCP port of the SQL service.
    """

    service_name: str
    zones: tuple[str, ...]
    region_id: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """Why a cluster or a network cannot be used: the restriction's name, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cluster(Result):
    """A TiDB Cloud cluster (TiDB Cloud Starter and Essential API, v1beta1).

    Attributes:
        provider: alicloud, aws, gcp or azure.
        region_id: region without the provider's prefix.
        plan: STARTER, ESSENTIAL, or another plan's name in capitals.
        state: ACTIVE, PAUSED and so on.
        user_prefix: every SQL user's name begins with it and a dot.
        service: what the tutorial notes; absent where the cluster has no private endpoint on Alibaba Cloud.
        gateway_names: host names that the cluster's own certificate can carry.
    """

    cluster_id: str
    display_name: str
    provider: str
    region_id: str
    plan: str
    state: str
    user_prefix: str
    service: EndpointService | None
    gateway_names: tuple[str, ...] = ()
    version: str = ""

    @property
    def restriction(self) -> Restriction | None:
        """The first restriction of the tutorial that this cluster meets, or None where it can be used."""
        if self.provider != "alicloud":
            return Restriction(
                name="provider",
                reason=f"cluster {self.display_name} runs on {self.provider or 'an unknown provider'}, "
                "and this runbook is for Alibaba Cloud",
            )
        if self.plan not in {"STARTER", "ESSENTIAL"}:
            return Restriction(
                name="plan",
                reason=f"cluster {self.display_name} has the plan {self.plan or 'unknown'}, "
                "and this runbook is for Starter and Essential",
            )
        if self.state != "ACTIVE":
            return Restriction(
                name="state",
                reason=f"cluster {self.display_name} is {self.state or 'in an unknown state'}, not ACTIVE",
            )
        if self.service is None:
            return Restriction(
                name="service",
                reason=f"cluster {self.display_name} has no private endpoint service on Alibaba Cloud",
            )
        return None


@dataclass(frozen=True, kw_only=True)
class Clusters(Result):
    """Every cluster that the TiDB Cloud key can see."""

    items: tuple[Cluster, ...]

    def __iter__(self) -> Iterator[Cluster]:
        """Iterate over the clusters."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the clusters."""
        return len(self.items)


@dataclass(frozen=True, kw_only=True)
class VSwitch:
    """A vSwitch: one zone's part of a VPC (Alibaba Cloud API reference, DescribeVSwitches)."""

    vswitch_id: str
    name: str
    zone_id: str
    vpc_id: str
    cidr_block: str
    available_ip_count: int
    status: str

    @property
    def obstacle(self) -> str:
        """Why no endpoint can be placed here, whatever the service; empty where one can."""
        if self.status != "Available":
            return f"status {self.status}"
        if self.available_ip_count < 1:
            return "no free address"
        return ""


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    """A security group (Alibaba Cloud API reference, DescribeSecurityGroups).

    Attributes:
        group_type: `normal` (basic) or `enterprise` (advanced).
        service_managed: made by a cloud service; the user cannot attach it.
    """

    security_group_id: str
    name: str
    vpc_id: str
    group_type: str
    service_managed: bool = False


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A VPC with its vSwitches and security groups."""

    vpc_id: str
    name: str
    region_id: str
    cidr_block: str
    status: str
    vswitches: tuple[VSwitch, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Networks(Result):
    """Where the endpoint of a cluster could be placed: usable VPCs first."""

    cluster: Cluster
    vpcs: tuple[Vpc, ...]

    @property
    def zones(self) -> tuple[str, ...]:
        """The service's zones."""
        return self.cluster.service.zones if self.cluster.service else ()

    def vswitch_obstacle(self, vswitch: VSwitch) -> str:
        """Why this service's endpoint cannot use the vSwitch; empty where it can."""
        if vswitch.zone_id not in self.zones:
            return "the service is not in this zone"
        return vswitch.obstacle

    def vpc_obstacle(self, vpc: Vpc) -> str:
        """Why this service's endpoint cannot be in the VPC; empty where it can."""
        if vpc.status != "Available":
            return f"status {vpc.status}"
        if not vpc.vswitches:
            return "no vSwitch"
        if all(self.vswitch_obstacle(vswitch) for vswitch in vpc.vswitches):
            return "no usable vSwitch: " + ", ".join(
                f"{vswitch.vswitch_id} ({self.vswitch_obstacle(vswitch)})" for vswitch in vpc.vswitches
            )
        if not self.usable_security_groups(vpc):
            return "no security group"
        return ""

    def usable_security_groups(self, vpc: Vpc) -> tuple[SecurityGroup, ...]:
        """Return the VPC's security groups that a user can attach."""
        return tuple(group for group in vpc.security_groups if not group.service_managed)

    def usable_vpcs(self) -> tuple[Vpc, ...]:
        """Return the VPCs in which the endpoint can be made."""
        return tuple(vpc for vpc in self.vpcs if not self.vpc_obstacle(vpc))


@dataclass(frozen=True, kw_only=True)
class VerifiedService(Result):
    """The endpoint service as the endpoint's owner sees it (ListVpcEndpointServicesByEndUser).

    Attributes:
        service_id: `epsrv-…`.
        zones: where the service is available for this account.
        auto_accept: the connection is made without the service owner's consent.
        payer: `Endpoint` (the endpoint's owner pays) or `EndpointService`.
    """

    service_name: str
    service_id: str
    region_id: str
    zones: tuple[str, ...]
    auto_accept: bool
    payer: str


@dataclass(frozen=True, kw_only=True)
class EndpointZone:
    """A zone of an endpoint: one network interface, billed by the hour (ListVpcEndpointZones)."""

    zone_id: str
    vswitch_id: str
    eni_ip: str = ""
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class VpcEndpoint(Result):
    """An interface endpoint (Alibaba Cloud API reference, GetVpcEndpointAttribute).

    Attributes:
        domain: the endpoint's domain name: the SQL host.
        business_status: `Normal`, or `FinancialLocked` where payment is overdue.
        ours: it carries the tag that `create` puts on what it makes.
        created: creation time as the cloud writes it.
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

    @property
    def ready(self) -> bool:
        """Active and Connected: the private host answers."""
        return (
            self.endpoint_status == EndpointStatus.ACTIVE
            and self.connection_status == ConnectionStatus.CONNECTED
        )


@dataclass(frozen=True, kw_only=True)
class Endpoints(Result):
    """Every endpoint of a cluster's service that this account owns in the region."""

    cluster: Cluster
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
        dry_run: what the API said to a dry run; empty where an endpoint would be adopted.
    """

    cluster: Cluster
    service: VerifiedService
    vpc: Vpc
    zones: tuple[EndpointZone, ...]
    security_group_ids: tuple[str, ...]
    name: str
    existing: VpcEndpoint | None = None
    differences: tuple[str, ...] = ()
    dry_run: str = ""

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
    """

    endpoint: VpcEndpoint
    adopted: bool
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TlsReport:
    """How the SQL connection is secured.

    Attributes:
        encrypted: TLS is in use.
        verified_name: the name that the server's certificate was checked against; empty where none was.
        description: one line for people.
    """

    encrypted: bool
    verified_name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Connection(Result):
    """A SQL connection over a private endpoint, registered with jupysql where there is a shell.

    Attributes:
        engine: SQLAlchemy engine, autocommit; serves `pandas.read_sql`.
        registered: `%sql` knows the alias.
        password_source: where the password came from, never the password.
    """

    alias: str
    cluster: Cluster
    endpoint_id: str
    host: str
    port: int
    user: str
    database: str
    server_version: str
    tls: TlsReport
    password_source: str
    registered: bool
    engine: Engine = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Disconnection(Result):
    """What `disconnect` found: `closed` is False where there was no such connection."""

    alias: str
    closed: bool


@dataclass(frozen=True, kw_only=True)
class Deletion(Result):
    """What `delete` removed.

    Attributes:
        found: False where there was no such endpoint, so that nothing had to be done.
        zones: the zones that were removed first.
        aliases: the SQL connections over this endpoint that were closed.
    """

    endpoint_id: str
    region_id: str
    found: bool = True
    zones: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepStatus:
    """One step as the clouds have it now: `done` is None where it cannot be told."""

    step: str
    done: bool | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class RunbookStatus(Result):
    """Each step's state, and the next command."""

    steps: tuple[StepStatus, ...]
    next_command: str


@dataclass(frozen=True, kw_only=True)
class FinishedStep:
    """A step of `run`: `skipped` where there was nothing left to do; `seconds` of wall time."""

    step: str
    detail: str
    seconds: float
    skipped: bool = False


@dataclass(frozen=True, kw_only=True)
class RunReport(Result):
    """What `run` did, and the connection at its end."""

    steps: tuple[FinishedStep, ...]
    endpoint: VpcEndpoint
    connection: Connection


@dataclass(frozen=True, kw_only=True)
class StepStarted:
    """Event: a step of `run` begins."""

    step: str


@dataclass(frozen=True, kw_only=True)
class StepFinished:
    """Event: a step of `run` has ended."""

    finished: FinishedStep


@dataclass(frozen=True, kw_only=True)
class PlanShown:
    """Event: what `run` is about to create."""

    plan: EndpointPlan


@dataclass(frozen=True, kw_only=True)
class EndpointObserved:
    """Event: a state of the endpoint was seen while waiting.

    Attributes:
        endpoint: None where it is gone.
        elapsed: seconds since the wait began.
        waiting_for: what the wait is for, in words.
    """

    endpoint: VpcEndpoint | None
    elapsed: float
    waiting_for: str


@dataclass(frozen=True, kw_only=True)
class ObservationFailed:
    """Event: the clouds could not be asked this time; the wait goes on."""

    error: str
    elapsed: float


Event = StepStarted | StepFinished | PlanShown | EndpointObserved | ObservationFailed
EventHook = Callable[[Event], None]
