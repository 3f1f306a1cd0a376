"""The TiDB Cloud side of the sandbox: its clusters and SQL users, and their changes."""

from __future__ import annotations

import dataclasses
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox.tidb_cloud.clusters import (
    ADMIN_ROLE,
    AUTH_METHOD,
    PREFIXED_ROLES,
    Cluster,
    Code,
    RefusedError,
    SqlUser,
    seed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

# The limit of MySQL's user table, including the prefix.
MAX_USER_NAME = 32
_PASSWORD = re.compile(r".{8,64}")


@dataclass(frozen=True)
class ClusterState:
    """All clusters and SQL users, with the sandbox's own passwords."""

    clusters: tuple[Cluster, ...]
    sql_users: tuple[SqlUser, ...]
    root_password: str = field(repr=False)


class ClusterStore:
    """The clusters and SQL users of one organization; thread-safe.

    Every cluster starts with the SQL user `<prefix>.root`, or `root` without a prefix. Its password is
    `root_password`, or a random one.
    """

    def __init__(
        self, *, port: int, root_password: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Fill the store with the seed; `port` is the port of every private endpoint."""
        self.root_password = secrets.token_urlsafe(16) if root_password is None else root_password
        self._clock = clock
        self._lock = threading.RLock()
        self._clusters: dict[str, Cluster] = {}
        # By cluster and full name, because without prefixes two clusters can have users of the same name.
        self._users: dict[tuple[str, str], SqlUser] = {}
        for cluster in seed(port):
            self.add(cluster)

    @property
    def clusters(self) -> dict[str, Cluster]:
        """The current clusters by ID, in the order of creation."""
        with self._lock:
            return dict(self._clusters)

    @property
    def sql_users(self) -> dict[str, SqlUser]:
        """The current SQL users by full name; if several have the same name, the last one created."""
        with self._lock:
            return {user.user_name: user for user in self._users.values()}

    @property
    def gateways(self) -> tuple[str, ...]:
        """The names of the gateways of all clusters, private and public."""
        endpoints = [cluster.to_json()["endpoints"] for cluster in self.clusters.values()]
        hosts = (each[kind]["host"] for each in endpoints for kind in ("private", "public"))
        return tuple(dict.fromkeys(hosts))

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names in the gateways' certificate: wildcards for each region, because clusters change."""
        return tuple(dict.fromkeys(f"*.{host.partition('.')[2]}" for host in self.gateways))

    def state(self) -> ClusterState:
        """Return the current state."""
        with self._lock:
            clusters, users = tuple(self._clusters.values()), tuple(self._users.values())
            return ClusterState(clusters, users, self.root_password)

    def restore(self, state: ClusterState, *, ports: Mapping[int, int]) -> None:
        """Restore a state, with these ports (old to new) of private endpoints replaced."""
        with self._lock:
            self.root_password = state.root_password
            self._clusters = {
                cluster.cluster_id: dataclasses.replace(
                    cluster, private_port=ports.get(cluster.private_port, cluster.private_port)
                )
                for cluster in state.clusters
            }
            self._users = {_key(user): user for user in state.sql_users}

    def sql_logins(self, services: Collection[str] | None = None) -> dict[str, str]:
        """Return the full name and password of every user who can log in to the database.

        Args:
            services: only users whose cluster uses one of these endpoint services; None for all.
        """
        return {user.user_name: user.password for user in self._behind(services)}

    def sql_readers(self, services: Collection[str] | None = None) -> frozenset[str]:
        """Return the full names of the read-only SQL users; the argument is as in `sql_logins`."""
        users = self._behind(services)
        return frozenset(user.user_name for user in users if user.builtin_role.endswith("role_readonly"))

    def _behind(self, services: Collection[str] | None) -> list[SqlUser]:
        with self._lock:
            return [
                user
                for user in self._users.values()
                if (cluster := self._clusters[user.cluster_id]).accepts_sql
                and (services is None or cluster.service_name in services)
            ]

    def add(self, cluster: Cluster) -> None:
        """Add a cluster with its root user; replace a cluster of the same ID and its users."""
        with self._lock:
            if cluster.cluster_id in self._clusters:
                self._remove_users(cluster.cluster_id)
            self._clusters[cluster.cluster_id] = cluster
            root = SqlUser(f"{cluster.name_prefix}root", cluster.cluster_id, self.root_password)
            self._users[_key(root)] = root

    def update(self, cluster_id: str, **changes: Any) -> Cluster:
        """Change fields of a cluster, like the console, and return the changed cluster."""
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._lock:
            cluster = dataclasses.replace(self.cluster(cluster_id), **({"update_time": now} | changes))
            self._clusters[cluster_id] = cluster
            return cluster

    def remove(self, cluster_id: str) -> None:
        """Delete a cluster with its SQL users, like its owner in the console."""
        with self._lock:
            del self._clusters[cluster_id]
            self._remove_users(cluster_id)

    def _remove_users(self, cluster_id: str) -> None:
        self._users = {key: user for key, user in self._users.items() if user.cluster_id != cluster_id}

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
            user = self._users.get((cluster_id, user_name))
        if user is None:
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
        """Create a SQL user; with `auto_prefix` the cluster's prefix is added to name and role."""
        with self._lock:
            cluster = self._writable(cluster_id)
            prefix = cluster.name_prefix
            if auto_prefix:
                user_name = prefix + user_name if user_name else ""
                builtin_role = prefix + builtin_role if builtin_role in PREFIXED_ROLES else builtin_role
            _check_user_name(user_name, prefix)
            _check_role(builtin_role, prefix)
            _check_password(password)
            if auth_method != AUTH_METHOD:
                raise RefusedError(Code.INVALID_ARGUMENT, f"authMethod must be {AUTH_METHOD}")
            if (cluster_id, user_name) in self._users:
                raise RefusedError(Code.ALREADY_EXISTS, f"SQL user {user_name} already exists")
            user = SqlUser(user_name, cluster_id, password, builtin_role, tuple(custom_roles))
            self._users[_key(user)] = user
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
        """Change the fields that are not None; role names must be complete."""
        with self._lock:
            cluster = self._writable(cluster_id)
            user = self.sql_user(cluster_id, user_name)
            changes: dict[str, Any] = {}
            if password is not None:
                _check_password(password)
                changes["password"] = password
            if builtin_role is not None:
                _check_role(builtin_role, cluster.name_prefix)
                changes["builtin_role"] = builtin_role
            if custom_roles is not None:
                changes["custom_roles"] = tuple(custom_roles)
            if not changes:
                reason = "one of password, builtinRole and customRoles is required"
                raise RefusedError(Code.INVALID_ARGUMENT, reason)
            self._users[_key(user)] = user = dataclasses.replace(user, **changes)
            return user

    def delete_sql_user(self, cluster_id: str, user_name: str) -> None:
        """Delete a SQL user; the root user cannot be deleted."""
        with self._lock:
            cluster = self._writable(cluster_id)
            user = self.sql_user(cluster_id, user_name)
            if user.user_name == f"{cluster.name_prefix}root":
                raise RefusedError(Code.FAILED_PRECONDITION, "the root user cannot be deleted")
            del self._users[_key(user)]

    def _writable(self, cluster_id: str) -> Cluster:
        cluster = self.cluster(cluster_id)
        if cluster.state != "ACTIVE":
            reason = f"cluster {cluster_id} is {cluster.state}: its SQL users cannot be changed"
            raise RefusedError(Code.FAILED_PRECONDITION, reason)
        return cluster


def _key(user: SqlUser) -> tuple[str, str]:
    return user.cluster_id, user.user_name


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
