"""The steps `clusters`, `cluster` and `verify`: which cluster is meant, and its endpoint service."""

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
    VerifiedService,
)
from tidb_pe_magic.runtime.context import CLUSTER

if TYPE_CHECKING:
    from tidb_pe_magic.commands import requests
    from tidb_pe_magic.model import EventHook, Restriction
    from tidb_pe_magic.runtime.context import Context


_PAGES_FOR_A_HINT = 10


def clusters(context: Context, request: requests.ClustersRequest, on_event: EventHook) -> Clusters:  # noqa: ARG001
    """List every cluster that the TiDB Cloud key can see, usable ones first."""
    found = context.tidb_cloud().clusters()
    return Clusters(items=tuple(sorted(found, key=lambda c: (c.restriction is not None, c.display_name))))


def cluster(context: Context, request: requests.ClusterRequest, on_event: EventHook) -> Cluster:  # noqa: ARG001
    """Take note of a cluster, and remember it as the one that the next steps are about.

    Raises:
        InvalidRequest: no cluster has this name or ID, or several have the name.
        NotEligible: it meets a restriction of the tutorial.
    """
    return eligible_cluster(context, request.cluster, field="NAME_OR_ID")


def verify(context: Context, request: requests.VerifyRequest, on_event: EventHook) -> VerifiedService:  # noqa: ARG001
    """Look the endpoint service up as the endpoint's owner.

    Raises:
        NotFound: it is not visible to this account.
    """
    return visible_service(context, eligible_cluster(context, request.cluster))


def named_cluster(context: Context, name_or_id: str | None, *, field: str = "--cluster") -> Cluster:
    """Return the cluster that is named here, was named last, or is named by the environment.

    Its restrictions, if any, are the caller's business.

    Args:
        context: what steps work with.
        name_or_id: None for the one that was named last, or else by TIDB_PE_CLUSTER.
        field: where the name was typed.

    Raises:
        StepOrderError: none was named yet, or the one that was named last is gone.
        InvalidRequest: no cluster has this name or ID, or several have the name.
    """
    last = "" if name_or_id else context.cluster_id
    wanted = name_or_id or last
    if not wanted:
        wanted, field = _of_the_environment(context), CLUSTER
    if not wanted:
        raise errors.StepOrderError(
            "no cluster has been named yet.",
            advice=Advice(f"Give --cluster, or set {CLUSTER}.", Suggestion("clusters")),
        )
    found = _by_id(context, wanted) if wanted.isdecimal() else None
    if found is None and last:
        raise errors.StepOrderError(
            f"cluster {wanted}, the last one named in this kernel, is not visible to this API key.",
            advice=Advice("Name another one.", Suggestion("clusters")),
        )
    found = found or _by_name(context, wanted, field)
    context.cluster_id = found.cluster_id
    return found


def _of_the_environment(context: Context) -> str:
    """Return the cluster that the environment names, by the same rule as one that is typed; else empty."""
    named = context.environ.get(CLUSTER, "")
    try:
        return cluster_name(named) if named else ""
    except ValueError as error:
        raise errors.InvalidRequest(CLUSTER, f"{error}.") from None


def eligible_cluster(context: Context, name_or_id: str | None, *, field: str = "--cluster") -> Cluster:
    """Return the named cluster; arguments and further errors as in `named_cluster`.

    Raises:
        NotEligible: it meets a restriction of the tutorial.
    """
    before = context.cluster_id
    found = named_cluster(context, name_or_id, field=field)
    restriction = found.restriction
    if restriction is not None:
        context.cluster_id = before  # what cannot be used is no default for the next step
        raise not_eligible(restriction)
    return found


def not_eligible(restriction: Restriction) -> errors.NotEligible:
    """Return the refusal of a cluster."""
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


def visible_service(context: Context, cluster: Cluster) -> VerifiedService:
    """Return the service as the endpoint's owner sees it.

    Raises:
        NotFound: it is not visible to this account.
    """
    service = service_of(cluster)
    verified = context.alibaba(cluster.region_id).service(service.service_name)
    if verified is None:
        raise errors.NotFound(
            f"{service.service_name} was not found in {cluster.region_id}. Possible reasons: (1) the "
            "Alibaba Cloud account is not on the service's allow-list; (2) the endpoint's region is not the "
            "service's; (3) the service was deleted.",
            operation="ListVpcEndpointServicesByEndUser",
            advice=Advice(
                "Check the cluster and the account of the access key, then ask TiDB Cloud support to allow "
                "the account.",
                Suggestion("whoami"),
            ),
        )
    return verified


def _by_id(context: Context, cluster_id: str) -> Cluster | None:
    try:
        return context.tidb_cloud().cluster(cluster_id)
    except errors.NotFound:
        return None  # a cluster's name can be all digits too


def _by_name(context: Context, wanted: str, field: str) -> Cluster:
    tidb_cloud = context.tidb_cloud()
    named = tidb_cloud.clusters(display_name=wanted)
    # The filter is repeated here: that the API's is exact is documented nowhere.
    # By ID: a list that changes between two pages may show one of its clusters twice.
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
    hint = f"did you mean {close[0]}?" if close else "there is none with this name or ID."
    raise errors.UnknownName(field, f"{wanted}: {hint}", advice=Advice("", Suggestion("clusters")))
