"""The optional step Authorize: the rule that the cluster's owner enters in the console; no API can add it."""

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
        StepOrderError: the endpoint does not exist yet.
        InvalidRequest: several endpoints exist, and the request selects none.
    """
    cluster = eligible_cluster(context, request.cluster)
    endpoint = chosen_endpoint(context, cluster, request.endpoint)
    return endpoint.authorization(cluster=cluster.display_name)
