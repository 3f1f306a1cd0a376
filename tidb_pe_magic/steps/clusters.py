"""The steps `clusters` and `cluster`: list the clusters, and choose one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests.values import cluster_name
from tidb_pe_magic.model import (
    Cluster,
    Clusters,
    EndpointService,
)
from tidb_pe_magic.runtime.context import CLUSTER

if TYPE_CHECKING:
    from tidb_pe_magic.commands import requests
    from tidb_pe_magic.model import EventHook, Restriction
    from tidb_pe_magic.runtime.context import Context


_PAGES_FOR_A_HINT = 10


def clusters(context: Context, request: requests.ClustersRequest, on_event: EventHook) -> Clusters:  # noqa: ARG001
    """List every cluster that the TiDB Cloud key can read, usable ones first."""
    found = context.tidb_cloud().clusters()
    return Clusters(items=tuple(sorted(found, key=lambda c: (c.restriction is not None, c.display_name))))


def cluster(context: Context, request: requests.ClusterRequest, on_event: EventHook) -> Cluster:  # noqa: ARG001
    """Look up a cluster, and make it the default of the next steps.

    Raises:
        InvalidRequest: no cluster has this name or ID, or several have the name.
        NotEligible: a restriction of the tutorial applies to it.
    """
    return eligible_cluster(context, request.cluster, field="NAME_OR_ID")


def named_cluster(context: Context, name_or_id: str | None, *, field: str = "--cluster") -> Cluster:
    """Return the given cluster, the cluster used last, or the environment's cluster.

    The caller must check its restrictions.

    Args:
        context: the step's context.
        name_or_id: None for the cluster used last, or else TIDB_PE_CLUSTER.
        field: the option with the name.

    Raises:
        StepOrderError: no cluster was used yet, or the cluster used last no longer exists.
        InvalidRequest: no cluster has this name or ID, or several have the name.
    """
    last = "" if name_or_id else context.cluster_id
    wanted = name_or_id or last
    if not wanted:
        wanted, field = _of_the_environment(context), CLUSTER
    if not wanted:
        raise errors.StepOrderError(
            "no cluster has been chosen yet.",
            advice=Advice(f"Give --cluster, or set {CLUSTER}.", Suggestion("clusters")),
        )
    found = _by_id(context, wanted) if wanted.isdecimal() else None
    if found is None and last:
        raise errors.StepOrderError(
            f"cluster {wanted}, the last one used in this kernel, is not visible to this API key.",
            advice=Advice("Choose another cluster.", Suggestion("clusters")),
        )
    found = found or _by_name(context, wanted, field)
    context.cluster_id = found.cluster_id
    return found


def _of_the_environment(context: Context) -> str:
    """Return the environment's cluster, validated like a typed one; empty if it is not set."""
    named = context.environ.get(CLUSTER, "")
    try:
        return cluster_name(named) if named else ""
    except ValueError as error:
        raise errors.InvalidRequest(CLUSTER, f"{error}.") from None


def eligible_cluster(context: Context, name_or_id: str | None, *, field: str = "--cluster") -> Cluster:
    """Return the named cluster; arguments and further errors as in `named_cluster`.

    Raises:
        NotEligible: a restriction of the tutorial applies to it.
    """
    before = context.cluster_id
    found = named_cluster(context, name_or_id, field=field)
    restriction = found.restriction
    if restriction is not None:
        context.cluster_id = before  # an unusable cluster must not become the default of the next step
        raise not_eligible(restriction)
    return found


def not_eligible(restriction: Restriction) -> errors.NotEligible:
    """Return the error for an unusable cluster."""
    return errors.NotEligible(
        restriction.name,
        f"{restriction.reason}.",
        advice=Advice("Choose another cluster.", Suggestion("clusters")),
    )


def service_of(cluster: Cluster) -> EndpointService:
    """Return the cluster's service.

    Raises:
        NotEligible: it has none.
    """
    if cluster.service is None:
        raise errors.NotEligible(
            "service", f"cluster {cluster.display_name} has no private endpoint service on Alibaba Cloud."
        )
    return cluster.service


def _by_id(context: Context, cluster_id: str) -> Cluster | None:
    try:
        return context.tidb_cloud().cluster(cluster_id)
    except errors.NotFound:
        return None  # a cluster's name can be all digits too


def _by_name(context: Context, wanted: str, field: str) -> Cluster:
    tidb_cloud = context.tidb_cloud()
    named = tidb_cloud.clusters(display_name=wanted)
    # Filter again here, because no document says that the API's filter is exact.
    # By ID, because a list that changes between two pages may contain a cluster twice.
    found = list({item.cluster_id: item for item in named if item.display_name == wanted}.values())
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(item.cluster_id for item in found)
        raise errors.InvalidRequest(
            field, f"{len(found)} clusters are named {wanted}: {listed}; give the ID."
        )
    known = tidb_cloud.clusters(pages=_PAGES_FOR_A_HINT)
    close = difflib.get_close_matches(wanted, [item.display_name for item in known], n=1)
    hint = f"did you mean {close[0]}?" if close else "no cluster has this name or ID."
    raise errors.UnknownName(field, f"{wanted}: {hint}", advice=Advice("", Suggestion("clusters")))
