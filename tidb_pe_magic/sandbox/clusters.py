"""The TiDB Cloud side of the sandbox: clusters, their SQL users, and what each starts as.

A cluster is a frozen record; a change makes a new record, so that an answer under way never shows
half of a change.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox import network_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ORGANIZATION_LABEL = "tidb.cloud/organization"
PROJECT_LABEL = "tidb.cloud/project"
STATES = (
    *("CREATING", "DELETING", "ACTIVE", "RESTORING", "MAINTENANCE", "DELETED", "INACTIVE"),
    *("UPGRADING", "IMPORTING", "MODIFYING", "PAUSING", "PAUSED", "RESUMING"),
)
AUTH_METHOD = "mysql_native_password"
ADMIN_ROLE = "role_admin"
# Only these two carry the cluster's prefix: TiDB Cloud shares `role_admin` between clusters.
PREFIXED_ROLES = ("role_readonly", "role_readwrite")
# The limit of MySQL's user table; the prefix counts.
MAX_USER_NAME = 32
_PASSWORD = re.compile(r".{8,64}")


class Code(enum.IntEnum):
    """The values of google.rpc.Code in use here."""

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
        """Keep the code and the message of the answer."""
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Region:
    """A region that clusters can be made in; `region_id` is `alicloud-ap-southeast-1` and the like."""

    region_id: str
    place: str
    service_plans: tuple[str, ...] = ("Starter", "Essential")

    @property
    def cloud_provider(self) -> str:
        """The part of the id before the first hyphen."""
        return self.region_id.partition("-")[0]

    @property
    def code(self) -> str:
        """The id that the cloud provider itself uses for the region."""
        return self.region_id.partition("-")[2]

    def to_json(self) -> dict[str, Any]:
        """Return the region as it stands in a cluster."""
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
    """One cluster. A `service_name` of None is a cluster that offers no private service."""

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
    def cluster_plan(self) -> str | None:
        """STARTER or ESSENTIAL; the field knows no other plan."""
        return self.service_plan.upper() if self.service_plan in ("Starter", "Essential") else None

    @property
    def accepts_sql(self) -> bool:
        """Whether SQL users can log in through a private endpoint on Alibaba Cloud."""
        return (
            self.state == "ACTIVE"
            and self.region.cloud_provider == "alicloud"
            and self.cluster_plan is not None
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
        if self.cluster_plan is not None:
            answer["clusterPlan"] = self.cluster_plan
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
        if self.cluster_plan == "STARTER":
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
        """Return the wire form, which never holds the password."""
        return {
            "userName": self.user_name,
            "builtinRole": self.builtin_role,
            "customRoles": list(self.custom_roles),
            "authMethod": self.auth_method,
        }


def seed(port: int) -> list[Cluster]:
    """Return the clusters of a new sandbox, each of them there to meet one restriction or none."""
    services = {service.service_id: service for service in network_seed.seed().services}
    aws_service = "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f60718"
    # Columns: name, prefix, service on Alibaba Cloud, whatever differs from a plain Starter cluster.
    rows: list[tuple[str, str, str | None, dict[str, Any]]] = [
        ("demo", "2vKmPqRsTuWxYzA", "epsrv-t4ndemo7c1x0qk2p9s8e", {}),
        ("reporting", "3hBcDfGhJkLmNpQ", "epsrv-t4nreport5w8z2m6k1v0", {"service_plan": "Essential"}),
        (
            "jakarta",
            "4tVwXyZaBcDeFgH",
            "epsrv-k1ajakarta3n7b5x9",
            {"service_plan": "Essential", "region_id": "alicloud-ap-southeast-5"},
        ),
        (
            "aws-sales",
            "5jMnPqRsTuVwXyZ",
            None,
            {"region_id": "aws-us-east-1", "service_name": aws_service, "zones": ("use1-az1", "use1-az2")},
        ),
        (
            "archive",
            "6rStUvWxYzAbCdE",
            "epsrv-t4narchive0j4f8d2",
            {"service_plan": "Essential", "state": "PAUSED"},
        ),
        ("no-private", "7gHjKmNpQrStUvW", None, {}),
        ("premium-hr", "8dEfGhJkMnPqRsT", "epsrv-t4npremiumhr", {"service_plan": "Premium"}),
        ("twin", "9wXyZaBcDeFgHjK", "epsrv-t4ntwin1a", {"gateway": "gateway02"}),
        ("twin", "Ax2YzAbCdEfGhJk", "epsrv-t4ntwin2b", {"gateway": "gateway02"}),
        *(
            (f"staging-{number}", f"B{number}StUvWxYzAbCdE", f"epsrv-t4nstaging{number}", {})
            for number in range(1, 5)
        ),
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


class ClusterStore:
    """The clusters and SQL users of one organization; safe to use from several threads.

    Every cluster starts with the SQL user `<prefix>.root`, whose password is `root_password`, or a
    random one.
    """

    def __init__(
        self, *, port: int, root_password: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Fill the store with the seed; `port` is the port of every private endpoint."""
        self.root_password = secrets.token_urlsafe(16) if root_password is None else root_password
        self._clock = clock
        self._lock = threading.RLock()
        self._clusters: dict[str, Cluster] = {}
        self._users: dict[str, SqlUser] = {}
        for cluster in seed(port):
            self.add(cluster)

    @property
    def clusters(self) -> dict[str, Cluster]:
        """The clusters by id, in the order of their creation, as they are at this moment."""
        with self._lock:
            return dict(self._clusters)

    @property
    def sql_users(self) -> dict[str, SqlUser]:
        """The SQL users by full name, as they are at this moment."""
        with self._lock:
            return dict(self._users)

    def user_prefixes(self) -> frozenset[str]:
        """Return the prefixes of all clusters, those that cannot be used included."""
        return frozenset(cluster.user_prefix for cluster in self.clusters.values())

    def sql_logins(self) -> dict[str, str]:
        """Return full user name and password of everybody whom the database has to let in now."""
        with self._lock:
            users = self._users.values()
            return {u.user_name: u.password for u in users if self._clusters[u.cluster_id].accepts_sql}

    def sql_readers(self) -> frozenset[str]:
        """Return the full names of the SQL users whose role only reads."""
        with self._lock:
            users = self._users.values()
            return frozenset(user.user_name for user in users if user.builtin_role.endswith("role_readonly"))

    def add(self, cluster: Cluster) -> None:
        """Add a cluster, with its root user."""
        with self._lock:
            self._clusters[cluster.cluster_id] = cluster
            root = f"{cluster.user_prefix}.root"
            self._users[root] = SqlUser(root, cluster.cluster_id, self.root_password)

    def update(self, cluster_id: str, **changes: Any) -> Cluster:
        """Change fields of a cluster, as the console would, and return it as it is then."""
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._lock:
            cluster = dataclasses.replace(self.cluster(cluster_id), **({"update_time": now} | changes))
            self._clusters[cluster_id] = cluster
            return cluster

    def cluster(self, cluster_id: str) -> Cluster:
        """Return one cluster."""
        with self._lock:
            if cluster_id in self._clusters:
                return self._clusters[cluster_id]
        raise RefusedError(Code.NOT_FOUND, f"cluster {cluster_id} not found")

    def list_sql_users(self, cluster_id: str) -> list[SqlUser]:
        """Return the SQL users of a cluster by name."""
        with self._lock:
            self.cluster(cluster_id)
            users = [user for user in self._users.values() if user.cluster_id == cluster_id]
        return sorted(users, key=lambda user: user.user_name)

    def sql_user(self, cluster_id: str, user_name: str) -> SqlUser:
        """Return the SQL user of that full name."""
        with self._lock:
            self.cluster(cluster_id)
            user = self._users.get(user_name)
        if user is None or user.cluster_id != cluster_id:
            raise RefusedError(Code.NOT_FOUND, f"SQL user {user_name} not found in cluster {cluster_id}")
        return user

    def create_sql_user(  # noqa: PLR0913 - the fields of the request
        self,
        cluster_id: str,
        *,
        user_name: str,
        password: str,
        builtin_role: str,
        custom_roles: Iterable[str] = (),
        auto_prefix: bool = False,
        auth_method: str = AUTH_METHOD,
    ) -> SqlUser:
        """Create a SQL user; with `auto_prefix` the cluster's prefix is put before name and role."""
        with self._lock:
            cluster = self._writable(cluster_id)
            prefix = f"{cluster.user_prefix}."
            if auto_prefix:
                user_name = prefix + user_name if user_name else ""
                builtin_role = prefix + builtin_role if builtin_role in PREFIXED_ROLES else builtin_role
            _check_user_name(user_name, prefix)
            _check_role(builtin_role, prefix)
            _check_password(password)
            if auth_method != AUTH_METHOD:
                raise RefusedError(Code.INVALID_ARGUMENT, f"authMethod must be {AUTH_METHOD}")
            if user_name in self._users:
                raise RefusedError(Code.ALREADY_EXISTS, f"SQL user {user_name} already exists")
            user = SqlUser(user_name, cluster_id, password, builtin_role, tuple(custom_roles))
            self._users[user_name] = user
            return user

    def update_sql_user(
        self,
        cluster_id: str,
        user_name: str,
        *,
        password: str | None = None,
        builtin_role: str | None = None,
        custom_roles: Iterable[str] | None = None,
    ) -> SqlUser:
        """Change what is not None of a SQL user; roles are named in full here."""
        with self._lock:
            cluster = self._writable(cluster_id)
            user = self.sql_user(cluster_id, user_name)
            changes: dict[str, Any] = {}
            if password is not None:
                _check_password(password)
                changes["password"] = password
            if builtin_role is not None:
                _check_role(builtin_role, f"{cluster.user_prefix}.")
                changes["builtin_role"] = builtin_role
            if custom_roles is not None:
                changes["custom_roles"] = tuple(custom_roles)
            if not changes:
                reason = "one of password, builtinRole and customRoles is required"
                raise RefusedError(Code.INVALID_ARGUMENT, reason)
            self._users[user_name] = user = dataclasses.replace(user, **changes)
            return user

    def delete_sql_user(self, cluster_id: str, user_name: str) -> None:
        """Delete a SQL user; the root user stays."""
        with self._lock:
            cluster = self._writable(cluster_id)
            user = self.sql_user(cluster_id, user_name)
            if user.user_name == f"{cluster.user_prefix}.root":
                raise RefusedError(Code.FAILED_PRECONDITION, "the root user cannot be deleted")
            del self._users[user_name]

    def _writable(self, cluster_id: str) -> Cluster:
        cluster = self.cluster(cluster_id)
        if cluster.state != "ACTIVE":
            reason = f"cluster {cluster_id} is {cluster.state}: its SQL users cannot be changed"
            raise RefusedError(Code.FAILED_PRECONDITION, reason)
        return cluster


def _check_user_name(user_name: str, prefix: str) -> None:
    if not user_name:
        raise RefusedError(Code.INVALID_ARGUMENT, "userName is required")
    if not user_name.startswith(prefix) or user_name == prefix:
        raise RefusedError(Code.INVALID_ARGUMENT, f"userName must start with the user prefix {prefix}")
    if len(user_name) > MAX_USER_NAME:
        reason = f"userName with its prefix must not be longer than {MAX_USER_NAME} characters"
        raise RefusedError(Code.INVALID_ARGUMENT, reason)


def _check_role(role: str, prefix: str) -> None:
    allowed = (ADMIN_ROLE, *(prefix + name for name in PREFIXED_ROLES))
    if role not in allowed:
        raise RefusedError(Code.INVALID_ARGUMENT, f"builtinRole must be one of {', '.join(allowed)}")


def _check_password(password: str) -> None:
    if _PASSWORD.fullmatch(password) is None:
        raise RefusedError(Code.INVALID_ARGUMENT, "password must be between 8 and 64 characters long")
