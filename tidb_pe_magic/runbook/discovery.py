"""The steps that look and change nothing: clusters, networks, the service, and endpoints."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.commands.requests.values import cluster_name
from tidb_pe_magic.model import (
    Cluster,
    Clusters,
    Endpoints,
    EndpointService,
    EndpointStatus,
    Networks,
    VerifiedService,
    Vpc,
    VpcEndpoint,
)
from tidb_pe_magic.steps.preflight.facts import Denied, gap, look, told

if TYPE_CHECKING:
    from tidb_pe_magic.clouds.alibaba.api import Alibaba
    from tidb_pe_magic.commands import requests
    from tidb_pe_magic.model import EventHook, Restriction
    from tidb_pe_magic.runtime.context import Context


_PAGES_FOR_A_HINT = 10
_MOST_DETAILED = 20


CLUSTER = "TIDB_PE_CLUSTER"
"""The environment variable that names the cluster where neither a command nor an earlier one did."""


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


def networks(context: Context, request: requests.NetworksRequest, on_event: EventHook) -> Networks:  # noqa: ARG001
    """List the region's networks, those first in which the endpoint can be made."""
    return region_networks(context, eligible_cluster(context, request.cluster))


def verify(context: Context, request: requests.VerifyRequest, on_event: EventHook) -> VerifiedService:  # noqa: ARG001
    """Look the endpoint service up as the endpoint's owner.

    Raises:
        NotFound: it is not visible to this account.
    """
    return visible_service(context, eligible_cluster(context, request.cluster))


def endpoints(context: Context, request: requests.EndpointsRequest, on_event: EventHook) -> Endpoints:  # noqa: ARG001
    """List this account's endpoints, with zones and addresses: the cluster's, or what was made in a region.

    Raises:
        InvalidRequest: both a cluster and a region are named.
    """
    noted, region_id = place_of(context, request.cluster, request.region)
    alibaba = context.alibaba(region_id)
    if noted is None:
        found = tuple(endpoint for endpoint in alibaba.endpoints() if endpoint.ours)
    else:
        found = alibaba.endpoints(service_name=noted_service(noted).service_name)
    # Each endpoint's zones and groups cost two requests; the states of all came with the list.
    shown = tuple(detailed(alibaba, endpoint) for endpoint in found[:_MOST_DETAILED])
    return Endpoints(cluster=noted, region_id=region_id, items=(*shown, *found[_MOST_DETAILED:]))


def place_of(context: Context, cluster: str | None, region: str | None) -> tuple[Cluster | None, str]:
    """Return the cluster that is meant and its region, or the region that is named, which needs no cluster.

    Raises:
        InvalidRequest: both a cluster and a region are named.
    """
    if region is None:
        noted = named_cluster(context, cluster)
        return noted, noted.region_id
    if cluster is not None:
        raise errors.InvalidRequest("--region", "stands instead of --cluster, not beside it.")
    return None, region


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
            advice=f"Give --cluster, set {CLUSTER}, or, in a notebook, run cluster NAME_OR_ID first; "
            "%tidb_pe clusters lists them.",
        )
    found = _by_id(context, wanted) if wanted.isdecimal() else None
    if found is None and last:
        raise errors.StepOrderError(
            f"cluster {wanted}, the last one named in this kernel, is not visible to this API key.",
            advice="Run %tidb_pe cluster NAME_OR_ID; %tidb_pe clusters lists them.",
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
        advice="See %tidb_pe clusters for those that can be used.",
    )


def noted_service(cluster: Cluster) -> EndpointService:
    """Return the cluster's service.

    Raises:
        NotEligible: it has none.
    """
    if cluster.service is None:
        raise errors.NotEligible(
            "service", f"cluster {cluster.display_name} has no private endpoint service on Alibaba Cloud."
        )
    return cluster.service


def region_networks(context: Context, cluster: Cluster) -> Networks:
    """Return the networks of the cluster's region, usable ones first, as far as they may be looked up."""
    vpcs, missing = _vpcs(context.alibaba(cluster.region_id))
    found = Networks(cluster=cluster, vpcs=vpcs, here=context.whereabouts(), missing_actions=missing)
    ordered = sorted(
        found.vpcs,
        key=lambda vpc: (bool(found.vpc_obstacle(vpc)), not found.is_here(vpc), vpc.name, vpc.vpc_id),
    )
    return replace(
        found,
        vpcs=tuple(
            replace(
                vpc,
                vswitches=tuple(
                    sorted(
                        vpc.vswitches,
                        key=lambda v: (bool(found.vswitch_obstacle(v)), v.zone_id, -v.available_ip_count),
                    )
                ),
                security_groups=tuple(
                    sorted(
                        vpc.security_groups, key=lambda g: (g.service_managed, g.name, g.security_group_id)
                    )
                ),
            )
            for vpc in ordered
        ),
    )


def _vpcs(alibaba: Alibaba) -> tuple[tuple[Vpc, ...], tuple[str, ...]]:
    """Return the VPCs with their parts, and the RAM actions that are missing for more.

    Where VPCs may not be looked up, those are returned that a vSwitch or a security group names.
    """
    vpcs, vswitches, groups = look(alibaba.vpcs), look(alibaba.vswitches), look(alibaba.security_groups)
    missing = tuple(found.action for found in (vpcs, vswitches, groups) if isinstance(found, Denied))
    vswitches, groups = told(vswitches), told(groups)
    if isinstance(vpcs, Denied):
        named = dict.fromkeys((*(v.vpc_id for v in vswitches), *(g.vpc_id for g in groups)))
        vpcs = tuple(unseen_vpc(vpc_id, alibaba.region_id) for vpc_id in named)
    return tuple(
        replace(
            vpc,
            vswitches=tuple(v for v in vswitches if v.vpc_id == vpc.vpc_id),
            security_groups=tuple(g for g in groups if g.vpc_id == vpc.vpc_id),
        )
        for vpc in vpcs
    ), missing


def unseen_vpc(vpc_id: str, region_id: str) -> Vpc:
    """Return a VPC of which nothing but its ID is known."""
    return Vpc(vpc_id=vpc_id, name="", region_id=region_id, cidr_block="", status="")


def detailed(alibaba: Alibaba, endpoint: VpcEndpoint) -> VpcEndpoint:
    """Return the endpoint with its zones and security groups, as far as they may be looked up.

    Raises:
        NotFound: it is gone.
    """
    zones = look(lambda: alibaba.zones(endpoint.endpoint_id))
    groups = look(lambda: alibaba.endpoint_security_groups(endpoint.endpoint_id))
    missing = tuple(found.action for found in (zones, groups) if isinstance(found, Denied))
    return replace(
        endpoint,
        zones=told(zones),
        security_group_ids=told(groups),
        missing_actions=tuple(dict.fromkeys((*endpoint.missing_actions, *missing))),
    )


def not_listed(alibaba: Alibaba, endpoint_id: str) -> VpcEndpoint | None:
    """Return what was made here and is in no list, which may lag or be denied; None where it is not told.

    Tags are told by lists alone, so that it is taken for ours as the journal has it.
    """
    try:
        return replace(detailed(alibaba, alibaba.endpoint(endpoint_id)), ours=True)
    except (errors.NotFound, errors.PermissionDenied):
        return None


def refreshed(alibaba: Alibaba, endpoint: VpcEndpoint) -> VpcEndpoint:
    """Return the endpoint with its present state, by either of the two operations that tell it.

    Raises:
        NotFound: it is gone.
        PermissionDenied: neither may be called.
    """
    try:
        return alibaba.refreshed(endpoint)
    except errors.PermissionDenied as denial:
        found = look(lambda: alibaba.endpoints(endpoint_id=endpoint.endpoint_id))
        if isinstance(found, Denied):
            raise
        if not found:
            raise errors.NotFound("it is not listed", operation="ListVpcEndpoints") from None
        missing = tuple(dict.fromkeys((*endpoint.missing_actions, gap(denial).action)))
        return replace(
            found[0],
            zones=endpoint.zones,
            security_group_ids=endpoint.security_group_ids,
            missing_actions=missing,
        )


def visible_service(context: Context, cluster: Cluster) -> VerifiedService:
    """Return the service as the endpoint's owner sees it.

    Raises:
        NotFound: it is not visible to this account.
    """
    service = noted_service(cluster)
    verified = context.alibaba(cluster.region_id).service(service.service_name)
    if verified is None:
        raise errors.NotFound(
            f"{service.service_name} is not visible in {cluster.region_id}. One of three things: the Alibaba "
            "Cloud account is not on the service's allow-list; the endpoint's region is not the service's; "
            "or the service is gone.",
            operation="ListVpcEndpointServicesByEndUser",
            advice="Check with %tidb_pe cluster and the account of the access key; "
            "then ask TiDB Cloud support to admit the account.",
        )
    return verified


def chosen_endpoint(context: Context, cluster: Cluster, endpoint_id: str | None) -> VpcEndpoint:
    """Return the endpoint that is named, or the cluster's only one, with zones and security groups.

    Raises:
        StepOrderError: there is none.
        InvalidRequest: there are several and none is named.
        NotEligible: the named one belongs to another service.
        PermissionDenied: none is named, and endpoints may not be listed.
    """
    alibaba = context.alibaba(cluster.region_id)
    service_name = noted_service(cluster).service_name
    if endpoint_id is not None:
        named = _endpoint(alibaba, endpoint_id)
        if named is None:
            raise errors.InvalidRequest(
                "--endpoint",
                f"there is no {endpoint_id} in {cluster.region_id}.",
                advice="See %tidb_pe endpoints.",
            )
        if named.service_name != service_name:
            raise errors.NotEligible(
                "service",
                f"{endpoint_id} is an endpoint of {named.service_name}, "
                f"not of cluster {cluster.display_name}.",
                advice="See %tidb_pe endpoints.",
            )
        return detailed(alibaba, named)
    try:
        every = alibaba.endpoints(service_name=service_name)
    except errors.PermissionDenied as denial:
        denial.advice = f"Name the endpoint: --endpoint ep-…, as the console has it. {denial.advice}"
        raise
    alive = [endpoint for endpoint in every if endpoint.endpoint_status != EndpointStatus.DELETING]
    if not alive:
        raise errors.StepOrderError(
            f"cluster {cluster.display_name} has no endpoint in this account yet.",
            advice="Run %tidb_pe create (%tidb_pe plan shows what it would make).",
        )
    if len(alive) > 1:
        listed = ", ".join(f"{e.endpoint_id} (in {e.vpc_id}, {e.endpoint_status})" for e in alive)
        raise errors.InvalidRequest(
            "--endpoint", f"cluster {cluster.display_name} has several endpoints: {listed}; name one."
        )
    return detailed(alibaba, alive[0])


def _endpoint(alibaba: Alibaba, endpoint_id: str) -> VpcEndpoint | None:
    """Return the endpoint of this ID, by either of the two operations that tell it; None: there is none."""
    found = look(lambda: alibaba.endpoints(endpoint_id=endpoint_id))
    if not isinstance(found, Denied):
        return found[0] if found else None
    try:
        return replace(alibaba.endpoint(endpoint_id), missing_actions=(found.action,))
    except errors.NotFound:
        return None


def for_endpoint(command: str, endpoint_id: str | None) -> str:
    """Return the command for the endpoint that had to be named, as it is typed."""
    return command if endpoint_id is None else f"{command} --endpoint {endpoint_id}"


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
    raise errors.InvalidRequest(
        field, f"{wanted}: {hint}", advice="See %tidb_pe clusters for those that this key can see."
    )
