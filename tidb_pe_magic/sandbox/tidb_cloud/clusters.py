"""Clusters and SQL users of TiDB Cloud, and the initial clusters of each sandbox.

The clusters of a region share its gateway and the gateway's endpoint service; the user prefix determines the
cluster of a login. A cluster of the other model has its own service, and no user prefix.

A cluster is a frozen record; a change creates a new record, so that an answer never shows half of a change.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping  # noqa: TC003 - a snapshot's file resolves the fields' types
from dataclasses import dataclass, field, replace
from typing import Any

from tidb_pe_magic.sandbox.alibaba import network_seed
from tidb_pe_magic.sandbox.alibaba.network_seed import JAKARTA, SINGAPORE, EndpointService

ORGANIZATION_LABEL = "tidb.cloud/organization"
PROJECT_LABEL = "tidb.cloud/project"
STATES = (
    *("CREATING", "DELETING", "ACTIVE", "RESTORING", "MAINTENANCE", "DELETED", "INACTIVE"),
    *("UPGRADING", "IMPORTING", "MODIFYING", "PAUSING", "PAUSED", "RESUMING"),
)
AUTH_METHOD = "mysql_native_password"
ADMIN_ROLE = "role_admin"
# Only these two have the cluster's prefix: TiDB Cloud shares `role_admin` between clusters.
PREFIXED_ROLES = ("role_readonly", "role_readwrite")


class Code(enum.IntEnum):
    """The used values of google.rpc.Code."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAUTHENTICATED = 16


class RefusedError(Exception):
    """A request that TiDB Cloud answers with an error."""

    def __init__(self, code: Code, message: str) -> None:
        """Set the code and the message of the answer."""
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Region:
    """A region in which clusters can be created; `region_id` is, for example, `alicloud-ap-southeast-1`."""

    region_id: str
    place: str
    service_plans: tuple[str, ...] = ("Starter", "Essential")

    @property
    def cloud_provider(self) -> str:
        """The part of the ID before the first hyphen."""
        return self.region_id.partition("-")[0]

    @property
    def code(self) -> str:
        """The cloud provider's ID of the region."""
        return self.region_id.partition("-")[2]

    def to_json(self) -> dict[str, Any]:
        """Return the region's wire form within a cluster."""
        return {
            "name": f"regions/{self.region_id}",
            "regionId": self.region_id,
            "cloudProvider": self.cloud_provider,
            "displayName": f"{self.place} ({self.code})",
            "provider": self.cloud_provider,
        }


REGIONS = {
    region.region_id: region
    for region in (
        Region("alicloud-ap-southeast-1", "Singapore", ("Starter", "Essential", "Premium")),
        Region("alicloud-ap-southeast-5", "Jakarta"),
        Region("alicloud-ap-northeast-1", "Tokyo"),
        Region("aws-us-east-1", "N. Virginia", ("Starter", "Essential", "Premium", "BYOC")),
        Region("aws-eu-central-1", "Frankfurt", ("Starter",)),
    )
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster.

    Attributes:
        user_prefix: empty if the cluster has its own endpoint service.
        service_name: None for a cluster without a private service.
    """

    cluster_id: str
    display_name: str
    user_prefix: str
    region_id: str = "alicloud-ap-southeast-1"
    state: str = "ACTIVE"
    service_plan: str = "Starter"
    service_name: str | None = None
    zones: tuple[str, ...] = ()
    private_port: int = 4000
    public_port: int = 4000
    public_disabled: bool = False
    gateway: str = "gateway01"
    version: str = "v8.5.3"
    labels: Mapping[str, str] = field(default_factory=dict)
    create_time: str = "2026-03-02T08:15:00Z"
    update_time: str = "2026-03-02T08:15:00Z"

    @property
    def region(self) -> Region:
        """The region of the cluster."""
        return REGIONS[self.region_id]

    @property
    def is_serverless(self) -> bool:
        """Whether its plan is Starter or Essential."""
        return self.service_plan in {"Starter", "Essential"}

    @property
    def name_prefix(self) -> str:
        """The prefix of its SQL users' names, with the dot."""
        return f"{self.user_prefix}." if self.user_prefix else ""

    @property
    def accepts_sql(self) -> bool:
        """Whether SQL users can log in through a private endpoint on Alibaba Cloud."""
        return (
            self.state == "ACTIVE"
            and self.region.cloud_provider == "alicloud"
            and self.is_serverless
            and self.service_name is not None
        )

    def to_json(self, *, full: bool = True) -> dict[str, Any]:
        """Return the wire form; the basic view leaves out the cluster's settings."""
        answer: dict[str, Any] = {
            "name": f"clusters/{self.cluster_id}",
            "clusterId": self.cluster_id,
            "displayName": self.display_name,
            "region": self.region.to_json(),
            "endpoints": self._endpoints(),
            "version": self.version,
            "createdBy": "owner@example.com",
            "userPrefix": self.user_prefix,
            "state": self.state,
            "labels": dict(self.labels),
            "annotations": {"tidb.cloud/has-set-password": "true"},
            "createTime": self.create_time,
            "updateTime": self.update_time,
            "servicePlan": self.service_plan,
        }
        return answer | self._settings() if full else answer

    def _endpoints(self) -> dict[str, Any]:
        provider, code = self.region.cloud_provider, self.region.code
        domain = f"{code}.prod.{provider}.tidbcloud.com"
        private: dict[str, Any] = {"host": f"{self.gateway}-privatelink.{domain}", "port": self.private_port}
        if self.service_name is not None:
            private[provider] = {"serviceName": self.service_name, "availabilityZone": list(self.zones)}
        public = {"host": f"{self.gateway}.{domain}", "port": self.public_port}
        everyone = {
            "startIpAddress": "0.0.0.0",  # noqa: S104 - a range of clients, nothing listens here
            "endIpAddress": "255.255.255.255",
            "displayName": "All",
        }
        return {
            "public": {**public, "disabled": self.public_disabled, "authorizedNetworks": [everyone]},
            "private": private,
        }

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "automatedBackupPolicy": {"startTime": "07:00", "retentionDays": 1},
            "encryptionConfig": {"enhancedEncryptionEnabled": False},
            "highAvailabilityType": "ZONAL",
            "auditLogConfig": {"enabled": False, "unredacted": False},
        }
        if self.service_plan == "Starter":
            return settings | {"spendingLimit": {"monthly": 0}}
        return settings | {"autoScaling": {"minRcu": 2000, "maxRcu": 4000}}


@dataclass(frozen=True, slots=True)
class SqlUser:
    """A SQL user of a cluster, with the full name that it logs in with."""

    user_name: str
    cluster_id: str
    password: str = field(repr=False)
    builtin_role: str = ADMIN_ROLE
    custom_roles: tuple[str, ...] = ()
    auth_method: str = AUTH_METHOD

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, without the password."""
        return {
            "userName": self.user_name,
            "builtinRole": self.builtin_role,
            "customRoles": list(self.custom_roles),
            "authMethod": self.auth_method,
        }


def seed(port: int) -> list[Cluster]:
    """Return the clusters of a new sandbox, each with at most one restriction."""
    services = {service.service_id: service for service in network_seed.seed().services}
    aws_service = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"
    singapore, jakarta = (network_seed.GATEWAY_SERVICES[code] for code in (SINGAPORE, JAKARTA))
    # Columns: name, prefix, service on Alibaba Cloud, differences from a plain Starter cluster.
    rows: list[tuple[str, str, str | None, dict[str, Any]]] = [
        ("demo", "2vKmPqRsTuWxYzA", singapore, {}),
        ("reporting", "3hBcDfGhJkLmNpQ", singapore, {"service_plan": "Essential"}),
        (
            "jakarta",
            "4tVwXyZaBcDeFgH",
            jakarta,
            {"service_plan": "Essential", "region_id": "alicloud-ap-southeast-5"},
        ),
        (
            "aws-sales",
            "5jMnPqRsTuVwXyZ",
            None,
            {"region_id": "aws-us-east-1", "service_name": aws_service, "zones": ("use1-az1", "use1-az2")},
        ),
        ("archive", "6rStUvWxYzAbCdE", singapore, {"service_plan": "Essential", "state": "RESTORING"}),
        ("no-private", "7gHjKmNpQrStUvW", None, {}),
        ("premium-hr", "8dEfGhJkMnPqRsT", "epsrv-t4npremiumhr1k8d4z7f", {"service_plan": "Premium"}),
        ("twin", "9wXyZaBcDeFgHjK", singapore, {}),
        ("twin", "Ax2YzAbCdEfGhJk", singapore, {}),
        *((f"staging-{number}", f"B{number}StUvWxYzAbCdE", singapore, {}) for number in range(1, 5)),
    ]
    clusters = []
    for number, (name, prefix, service_id, differences) in enumerate(rows):
        made = f"2026-03-{number + 2:02}T08:15:00Z"
        fields: dict[str, Any] = {"create_time": made, "update_time": made, "private_port": port}
        if service_id is not None:
            service = services[service_id]
            fields |= {"service_name": service.service_name, "zones": service.zone_ids}
        project = "1372813089454525001" if name.startswith("staging") else "1372813089454525000"
        fields["labels"] = {ORGANIZATION_LABEL: "1372813089209061000", PROJECT_LABEL: project}
        cluster_id = str(10430185274093617152 + number)
        clusters.append(Cluster(cluster_id, name, prefix, **(fields | differences)))
    return clusters


def exclusive(cluster: Cluster) -> tuple[Cluster, EndpointService]:
    """Return the cluster with its own endpoint service and without a user prefix, and the service.

    TiDB Cloud documents this model for AWS; on Alibaba Cloud it is [GUESS].
    """
    region = cluster.region.code
    # IDs of one region share three characters; all have twenty characters after the hyphen.
    region_code = network_seed.GATEWAY_SERVICES[region].removeprefix("epsrv-")[:3]
    service = EndpointService(f"epsrv-{region_code}exclusive{cluster.cluster_id[-8:]}", region, cluster.zones)
    gateway = f"gateway-{cluster.cluster_id}"
    own = replace(cluster, user_prefix="", service_name=service.service_name, gateway=gateway)
    return own, service
