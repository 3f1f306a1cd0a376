"""The step `endpoints`: list the account's endpoints, and choose the endpoint of a command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.model import (
    Cluster,
    Endpoints,
    EndpointStatus,
    VpcEndpoint,
)
from tidb_pe_magic.steps.clusters import named_cluster, service_of
from tidb_pe_magic.steps.connections import with_open_connection
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, answer_of, denial_of, look_up
from tidb_pe_magic.steps.served_clusters import known_clusters

if TYPE_CHECKING:
    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.commands import requests
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


_MOST_DETAILED = 20


def endpoints(context: Context, request: requests.EndpointsRequest, on_event: EventHook) -> Endpoints:  # noqa: ARG001
    """List this account's endpoints with zones and addresses: the cluster's, or those created in a region.

    Raises:
        InvalidRequest: both a cluster and a region are given.
    """
    selected, region_id = cluster_and_region(context, request.cluster, request.region)
    alibaba = context.alibaba(region_id)
    if selected is None:
        found = tuple(endpoint for endpoint in alibaba.endpoints() if endpoint.ours)
    else:
        found = alibaba.endpoints(service_name=service_of(selected).service_name)
    # The zones and groups of each endpoint take two requests; the list contains all states.
    shown = tuple(with_details(alibaba, endpoint) for endpoint in found[:_MOST_DETAILED])
    every = (*shown, *found[_MOST_DETAILED:])
    clusters = {name: known_clusters(context, name) for name in {each.service_name for each in every}}
    items = tuple(replace(each, clusters=clusters[each.service_name]) for each in every)
    if selected is not None:
        items = tuple(with_open_connection(context, selected, each) for each in items)
    return Endpoints(cluster=selected, region_id=region_id, items=items)


def cluster_and_region(
    context: Context, cluster: str | None, region: str | None
) -> tuple[Cluster | None, str]:
    """Return the requested cluster and its region, or only the given region.

    Raises:
        InvalidRequest: both a cluster and a region are given.
    """
    if region is None:
        selected = named_cluster(context, cluster)
        return selected, selected.region_id
    if cluster is not None:
        raise errors.InvalidRequest("--region", "use either --region or --cluster, not both.")
    return None, region


def with_details(alibaba: Alibaba, endpoint: VpcEndpoint) -> VpcEndpoint:
    """Return the endpoint with its zones and security groups, as far as permissions allow.

    Raises:
        NotFound: it no longer exists.
    """
    zones = look_up(lambda: alibaba.zones(endpoint.endpoint_id))
    groups = look_up(lambda: alibaba.endpoint_security_groups(endpoint.endpoint_id))
    missing = tuple(found.action for found in (zones, groups) if isinstance(found, DeniedLookup))
    return replace(
        endpoint,
        zones=answer_of(zones),
        security_group_ids=answer_of(groups),
        missing_actions=tuple(dict.fromkeys((*endpoint.missing_actions, *missing))),
    )


def unlisted_endpoint(alibaba: Alibaba, endpoint_id: str) -> VpcEndpoint | None:
    """Return an endpoint that was created here but is not in a list, which may lag or be denied; else None.

    Only lists contain tags, so the journal decides whether the endpoint is ours.
    """
    try:
        return replace(with_details(alibaba, alibaba.endpoint(endpoint_id)), ours=True)
    except (errors.NotFound, errors.PermissionDenied):
        return None


def current_state(alibaba: Alibaba, endpoint: VpcEndpoint) -> VpcEndpoint:
    """Return the endpoint with its current state, from either of the two operations that return it.

    Raises:
        NotFound: it no longer exists.
        PermissionDenied: neither operation is allowed.
    """
    try:
        return alibaba.refresh(endpoint)
    except errors.PermissionDenied as denial:
        found = look_up(lambda: alibaba.endpoints(endpoint_id=endpoint.endpoint_id))
        if isinstance(found, DeniedLookup):
            raise
        if not found:
            raise errors.NotFound("it is not listed", operation="ListVpcEndpoints") from None
        missing = tuple(dict.fromkeys((*endpoint.missing_actions, denial_of(denial).action)))
        return replace(
            found[0],
            zones=endpoint.zones,
            security_group_ids=endpoint.security_group_ids,
            missing_actions=missing,
        )


def chosen_endpoint(context: Context, cluster: Cluster, endpoint_id: str | None) -> VpcEndpoint:
    """Return the given endpoint, this kernel's last one, or the cluster's only one.

    It includes zones and security groups, and becomes this kernel's last endpoint.

    Raises:
        StepOrderError: the endpoint does not exist.
        InvalidRequest: several exist, and the request selects none.
        NotEligible: the given endpoint belongs to another service.
        PermissionDenied: no endpoint is given, and endpoints cannot be listed.
    """
    alibaba = context.alibaba(cluster.region_id)
    service_name = service_of(cluster).service_name
    if endpoint_id is not None:
        named = _endpoint(alibaba, endpoint_id)
        if named is None:
            raise errors.UnknownName(
                "--endpoint",
                f"{endpoint_id} does not exist in {cluster.region_id}.",
                advice=Advice("", Suggestion("endpoints")),
            )
        if named.service_name != service_name:
            raise errors.NotEligible(
                "service",
                f"{endpoint_id} is an endpoint of {named.service_name}, "
                f"not of cluster {cluster.display_name}.",
                advice=Advice("", Suggestion("endpoints")),
            )
        context.endpoint_id = endpoint_id
        return with_details(alibaba, named)
    try:
        every = alibaba.endpoints(service_name=service_name)
    except errors.PermissionDenied as denial:
        known = f"Give the endpoint's ID from the console: --endpoint ep-…. {denial.advice}"
        denial.advise(Advice(known, *denial.commands))
        raise
    alive = [endpoint for endpoint in every if endpoint.endpoint_status != EndpointStatus.DELETING]
    if not alive:
        raise errors.StepOrderError(
            f"cluster {cluster.display_name} has no endpoint in this account yet.",
            advice=Advice("", Suggestion("create"), Suggestion("plan")),
        )
    alive = [each for each in alive if each.endpoint_id == context.endpoint_id] or alive
    if len(alive) > 1:
        listed = ", ".join(f"{e.endpoint_id} (in {e.vpc_id}, {e.endpoint_status})" for e in alive)
        raise errors.InvalidRequest(
            "--endpoint", f"cluster {cluster.display_name} has several endpoints: {listed}; choose one."
        )
    context.endpoint_id = alive[0].endpoint_id
    return with_details(alibaba, alive[0])


def _endpoint(alibaba: Alibaba, endpoint_id: str) -> VpcEndpoint | None:
    """Return the endpoint of this ID, from either of the two operations; None if it does not exist."""
    found = look_up(lambda: alibaba.endpoints(endpoint_id=endpoint_id))
    if not isinstance(found, DeniedLookup):
        return found[0] if found else None
    try:
        return replace(alibaba.endpoint(endpoint_id), missing_actions=(found.action,))
    except errors.NotFound:
        return None


def for_endpoint(operation: str, endpoint_id: str | None) -> Suggestion:
    """Return the command with the endpoint's ID."""
    return Suggestion(operation, *(() if endpoint_id is None else ("--endpoint", endpoint_id)))
