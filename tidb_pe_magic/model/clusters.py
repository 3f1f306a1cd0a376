"""TiDB Cloud's resources: clusters and their private endpoint services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.model.base import Restriction, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class EndpointService:
    """A cluster's private endpoint service: the values that the tutorial tells you to note.

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


_PROVIDERS = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}


@dataclass(frozen=True, kw_only=True)
class Cluster(Result):
    """A TiDB Cloud cluster (TiDB Cloud Starter and Essential API, v1beta1).

    Attributes:
        provider: alicloud, aws, gcp or azure.
        region_id: region without the provider's prefix.
        plan: STARTER, ESSENTIAL, or another plan's name in capitals.
        state: CREATING, ACTIVE, RESTORING or DELETED (TiDB Cloud's public API of 2026-08); others are
            possible.
        user_prefix: every SQL user's name begins with it and a dot; empty if the names have no prefix, for
            example with an exclusive endpoint service, which is documented for AWS (Alibaba Cloud: [GUESS]).
        service: the private endpoint service; None if the cluster has none on Alibaba Cloud.
        gateway_names: host names that the cluster's own certificate can contain.
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
    def name_prefix(self) -> str:
        """The prefix of every SQL user's name, with the dot; empty if the names have no prefix."""
        return f"{self.user_prefix}." if self.user_prefix else ""

    @property
    def root_user(self) -> str:
        """Full name of the cluster's root user."""
        return f"{self.name_prefix}root"

    @property
    def restriction(self) -> Restriction | None:
        """The first restriction of the tutorial that applies to this cluster; None if it can be used."""
        if self.provider != "alicloud":
            provider = _PROVIDERS.get(self.provider, self.provider) or "an unknown provider"
            return Restriction(
                name="provider",
                reason=f"cluster {self.display_name} runs on {provider}, "
                "and this runbook is for Alibaba Cloud",
            )
        if self.plan not in {"STARTER", "ESSENTIAL"}:
            return Restriction(
                name="plan",
                reason=f"cluster {self.display_name} has the plan {self.plan.capitalize() or 'unknown'}, "
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
class ServedCluster:
    """A cluster whose logins go through an endpoint.

    Attributes:
        state: ACTIVE, RESTORING and so on, as TiDB Cloud reports it.
    """

    cluster_id: str
    display_name: str
    state: str

    @property
    def active(self) -> bool:
        """SQL users can log in now."""
        return self.state == "ACTIVE"

    def name_among(self, clusters: Iterable[ServedCluster]) -> str:
        """Return its name, with the ID if others have the same name, and the state if not ACTIVE."""
        unique = sum(each.display_name == self.display_name for each in clusters) == 1
        more = [*(() if unique else (self.cluster_id,)), *(() if self.active else (self.state,))]
        return f"{self.display_name} ({', '.join(more)})" if more else self.display_name


def cluster_names(clusters: Sequence[ServedCluster]) -> list[str]:
    """Return the clusters' names, each with its ID if it is not unique, and its state if not ACTIVE."""
    return [each.name_among(clusters) for each in clusters]


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
