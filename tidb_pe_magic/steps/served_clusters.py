"""The clusters of this TiDB Cloud account that an endpoint serves: one service can serve a region's clusters.

Clusters of a region share its gateway, and the gateway's endpoint service; the prefix of the SQL user's name
routes a login (TiDB Cloud's documentation of private endpoints for Starter and Essential, 2026-07).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.model import ServedCluster, cluster_names

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tidb_pe_magic.model import VpcEndpoint
    from tidb_pe_magic.runtime.context import Context

# States of a cluster that no longer accepts logins.
_GONE = frozenset({"DELETED", "DELETING"})
# Errors after which the clusters are unknown.
_UNKNOWN = (errors.ApiError, errors.MissingCredentials)


def served_clusters(context: Context, service_name: str) -> tuple[ServedCluster, ...]:
    """Return the clusters of an endpoint service that this TiDB Cloud key can read, ACTIVE ones first.

    Raises:
        MissingCredentials: no TiDB Cloud key was found.
        ApiError: the clusters cannot be listed.
    """
    found = [
        ServedCluster(cluster_id=each.cluster_id, display_name=each.display_name, state=each.state)
        for each in context.tidb_cloud().clusters()
        if each.service is not None and each.service.service_name == service_name and each.state not in _GONE
    ]
    found.sort(key=lambda each: (not each.active, each.display_name, each.cluster_id))
    # A list that changes between two pages may contain a cluster twice.
    return tuple({each.cluster_id: each for each in found}.values())


def known_clusters(context: Context, service_name: str) -> tuple[ServedCluster, ...] | None:
    """Return the clusters of an endpoint service; None if they cannot be listed."""
    try:
        return served_clusters(context, service_name)
    except _UNKNOWN:
        return None


def with_clusters(context: Context, endpoint: VpcEndpoint) -> VpcEndpoint:
    """Return the endpoint with the clusters that it serves, as far as they can be listed."""
    return replace(endpoint, clusters=known_clusters(context, endpoint.service_name))


def refuse_shared(
    context: Context, endpoint: VpcEndpoint, meant: Collection[str], *, command: Suggestion
) -> VpcEndpoint:
    """Refuse to delete an endpoint that serves other clusters; otherwise return it with its clusters.

    If `meant` contains none of its clusters, a single cluster is not counted as another one, because the
    endpoint was created for it.

    Args:
        context: the clients.
        endpoint: the endpoint to delete.
        meant: IDs of the clusters that may lose it.
        command: the command that deletes it anyway.

    Raises:
        NotEligible: it serves other ACTIVE clusters, or its clusters are unknown.
    """
    try:
        served = served_clusters(context, endpoint.service_name)
    except _UNKNOWN as failure:
        raise errors.NotEligible(
            "shared",
            f"cannot tell which clusters {endpoint.endpoint_id} serves: {failure.message}",
            advice=Advice("If you are sure, delete it anyway.", command),
        ) from None
    active = [each for each in served if each.active]
    others = [each for each in active if each.cluster_id not in meant]
    alone = len(others) == 1 and not any(each.cluster_id in meant for each in served)
    if others and not alone:
        serves = f"also serves {_count(others, 'other ')}"
        if len(others) == len(active) and not any(each.cluster_id in meant for each in served):
            serves = f"serves {_count(others)}"
        raise errors.NotEligible(
            "shared",
            f"{endpoint.endpoint_id} {serves}: {', '.join(cluster_names(others))}. "
            "Deleting it ends their private connections.",
            advice=Advice("If you are sure, delete it for all of them.", command),
        )
    return replace(endpoint, clusters=served)


def _count(clusters: Sequence[ServedCluster], kind: str = "") -> str:
    return f"{len(clusters)} {kind}ACTIVE cluster{'' if len(clusters) == 1 else 's'}"
