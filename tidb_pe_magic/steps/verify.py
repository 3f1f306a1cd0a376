"""The step `verify`: look up the cluster's endpoint service as the endpoint's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.steps.clusters import eligible_cluster, service_of

if TYPE_CHECKING:
    from tidb_pe_magic.commands import requests
    from tidb_pe_magic.model import Cluster, EventHook, VerifiedService
    from tidb_pe_magic.runtime.context import Context


def verify(context: Context, request: requests.VerifyRequest, on_event: EventHook) -> VerifiedService:  # noqa: ARG001
    """Look up the endpoint service as the endpoint's owner.

    Raises:
        NotFound: it is not visible to this account.
    """
    return visible_service(context, eligible_cluster(context, request.cluster))


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
