"""The smallest RAM policy for the access key's owner."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidb_pe_magic.model import Permissions, ram
from tidb_pe_magic.runtime.context import CLUSTER
from tidb_pe_magic.steps.clusters import named_cluster, service_of

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import PermissionsRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def permissions(context: Context, request: PermissionsRequest, on_event: EventHook) -> Permissions:  # noqa: ARG001
    """Return the policy; call a cloud only if a cluster is given, for its region.

    Raises:
        InvalidRequest: no cluster has this name or ID.
        NotEligible: the cluster has no private endpoint service on Alibaba Cloud.
    """
    region_id = ram.ANY
    if request.cluster or context.cluster_id or context.environ.get(CLUSTER):
        cluster = named_cluster(context, request.cluster)
        region_id = service_of(cluster).region_id
    return Permissions(policy=policy(region_id, clean_up=request.clean_up), clean_up=request.clean_up)


def policy(region_id: str = ram.ANY, *, clean_up: bool = False) -> str:
    """Return the policy document as JSON; actions with the same resources share a statement."""
    actions = [*ram.NEEDED, *(ram.CLEAN_UP if clean_up else ())]
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action in actions:
        by_resources.setdefault(ram.resources(action, region_id), []).append(action)
    statements = [
        {"Effect": "Allow", "Action": allowed, "Resource": list(on)} for on, allowed in by_resources.items()
    ]
    return json.dumps({"Version": "1", "Statement": statements}, indent=2)
