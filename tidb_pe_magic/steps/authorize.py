"""The optional step Authorize: what the cluster's owner types to allow the endpoint; no API can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.steps.clusters import eligible_cluster
from tidb_pe_magic.steps.endpoints import chosen_endpoint

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import AuthorizeRequest
    from tidb_pe_magic.model import Authorization, EventHook
    from tidb_pe_magic.runtime.context import Context


def authorize(context: Context, request: AuthorizeRequest, on_event: EventHook) -> Authorization:  # noqa: ARG001
    """Show the rule for the cluster's Authorized Networks, ready to copy; nothing is changed.

    Raises:
        StepOrderError: there is no endpoint yet.
        InvalidRequest: there are several endpoints and none is named.
    """
    cluster = eligible_cluster(context, request.cluster)
    endpoint = chosen_endpoint(context, cluster, request.endpoint)
    return endpoint.authorization(cluster=cluster.display_name)
