"""The step `plan`: show what `create` would create or reuse."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.commands.write import suggestion
from tidb_pe_magic.model import (
    Cluster,
    EndpointPlan,
    EndpointStatus,
    RamAction,
    VerifiedService,
    Vpc,
    VpcEndpoint,
)
from tidb_pe_magic.runtime.journal import new_token
from tidb_pe_magic.steps import placement
from tidb_pe_magic.steps.clusters import service_of
from tidb_pe_magic.steps.connections import with_open_connection
from tidb_pe_magic.steps.endpoints import with_details
from tidb_pe_magic.steps.networks import vpc_with_id
from tidb_pe_magic.steps.preflight import survey
from tidb_pe_magic.steps.preflight.checks import dry_run_denied, most_severe_first
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, answer_of, denial_of, look_up
from tidb_pe_magic.steps.preflight.inbound import with_inbound
from tidb_pe_magic.steps.served_clusters import known_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.commands.requests import Placement, PlanRequest
    from tidb_pe_magic.model import EventHook, ServedCluster, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


_DIGEST_LENGTH = 48


def plan(context: Context, request: PlanRequest, on_event: EventHook) -> EndpointPlan:  # noqa: ARG001
    """Return the plan of `create` with the preflight's findings; nothing is changed.

    Raises:
        InvalidRequest: a VPC, vSwitch, zone or security group cannot be used.
        NotEligible: it is not in the cluster's region, or the service is not in the zone.
        ApiError: the API refuses the dry run.
    """
    planned = make_plan(context, request, tolerant=True)
    # A dry run fails at the first obstacle, and the preflight has already found the stops.
    if planned.existing is not None or planned.stops:
        return planned
    try:
        dry_run(context, planned)
    except errors.PermissionDenied as denial:
        # The dry run only adds checks of the API; without the permission, `create` itself will fail.
        return replace(
            planned, findings=most_severe_first((*planned.findings, dry_run_denied(denial_of(denial))))
        )
    return replace(planned, dry_run="passed")


def make_plan(context: Context, request: Placement, *, tolerant: bool = False) -> EndpointPlan:
    """Resolve the request against existing resources, and return the plan with the preflight's findings.

    Args:
        context: the clients.
        request: the location of the endpoint.
        tolerant: report a cluster that is not ACTIVE as a finding instead of an error.
    """
    cluster = survey.planned_cluster(context, getattr(request, "cluster", None), tolerant=tolerant)
    known = survey.survey(context, cluster)
    networks, service = known.networks, known.assumed_service
    looked_up = () if known.closed else look_up(lambda: existing_endpoints(context, cluster))
    denied = looked_up if isinstance(looked_up, DeniedLookup) else None
    listed = answer_of(looked_up)
    vpc = vpc_with_id(request.vpc or "", cluster.region_id)
    if networks is not None:
        with _complete_commands(request):
            vpc = placement.chosen_vpc(networks, request.vpc, listed)
        placement.refuse_foreign_vswitches(networks, vpc, request.zone)
    existing = [endpoint for endpoint in listed if endpoint.vpc_id == vpc.vpc_id]
    clusters = known_clusters(context, service.service_name)
    if existing:
        existing[0] = with_details(context.alibaba(cluster.region_id), existing[0])
        planned = adoption(cluster, service, vpc, existing, request)
    else:
        groups = request.security_group
        if networks is not None:
            if not groups and len(networks.usable_security_groups(vpc)) > 1:
                vpc = with_inbound(context, cluster, vpc, known.rules)
            with _complete_commands(request):
                groups = placement.chosen_security_groups(networks, vpc, groups)
        planned = EndpointPlan(
            cluster=cluster,
            service=service,
            vpc=vpc,
            zones=placement.chosen_zones(networks, service, vpc, request.zone)
            if networks
            else placement.complete_zones(request.zone),
            security_group_ids=groups,
            name=request.name or _default_name(cluster),
        )
    if planned.existing is not None:
        planned = replace(planned, existing=with_open_connection(context, cluster, planned.existing))
    planned = plan_with_clusters(
        replace(planned, emulated=context.emulated, here=bool(networks and networks.is_here(vpc))), clusters
    )
    found = survey.plan_findings(
        context,
        known,
        planned,
        zones_asked=bool(request.zone),
        denied=denied,
        elsewhere=tuple(endpoint for endpoint in listed if endpoint.vpc_id != vpc.vpc_id),
    )
    return replace(planned, findings=found)


@contextmanager
def _complete_commands(request: Placement) -> Iterator[None]:
    """Add the complete command for each candidate to the error."""
    try:
        yield
    except errors.ChoiceRequired as choice:
        name = next((name for name, each in OPERATIONS.items() if each.request is type(request)), "")
        commands = []
        for value, _ in choice.candidates if name else ():
            # Security groups and vSwitches belong to one VPC, and the request has none.
            chosen: Any = {"security_group": (value,)}
            if choice.field == "--vpc":
                chosen = {"vpc": value, "security_group": (), "zone": ()}
            commands.append(suggestion(name, replace(request, **chosen)))
        raise errors.ChoiceRequired(choice.field, choice.reason, choice.candidates, commands) from None


def _default_name(cluster: Cluster) -> str:
    kept = "".join(c for c in cluster.display_name if c.isascii() and (c.isalnum() or c in "-_"))
    return f"tidb-{kept}"[:128].rstrip("-")


def existing_endpoints(context: Context, cluster: Cluster) -> tuple[VpcEndpoint, ...]:
    """Return the service's endpoints in every VPC: endpoints created here first, then by age."""
    name = service_of(cluster).service_name
    found = context.alibaba(cluster.region_id).endpoints(service_name=name)
    staying = [endpoint for endpoint in found if endpoint.endpoint_status != EndpointStatus.DELETING]
    return tuple(sorted(staying, key=preference))


def preference(endpoint: VpcEndpoint) -> tuple[bool, str, str]:
    """Return the sort key for endpoints of a service and VPC: created here first, then by age."""
    return (not endpoint.ours, endpoint.created, endpoint.endpoint_id)


def adoption(
    cluster: Cluster, service: VerifiedService, vpc: Vpc, existing: list[VpcEndpoint], request: Placement
) -> EndpointPlan:
    """Return the plan to adopt the first existing endpoint for this service and VPC."""
    adopted = existing[0]
    return EndpointPlan(
        cluster=cluster,
        service=service,
        vpc=vpc,
        zones=adopted.zones,
        security_group_ids=adopted.security_group_ids,
        name=adopted.name,
        existing=adopted,
        differences=_differences(adopted, existing[1:], request, service.zones),
    )


def plan_with_clusters(planned: EndpointPlan, clusters: tuple[ServedCluster, ...] | None) -> EndpointPlan:
    """Return the plan with the clusters that its endpoint serves or will serve."""
    existing = planned.existing
    return replace(planned, clusters=clusters, existing=existing and replace(existing, clusters=clusters))


def _differences(
    adopted: VpcEndpoint, others: Sequence[VpcEndpoint], request: Placement, service_zones: Sequence[str]
) -> tuple[str, ...]:
    found: list[str] = []
    hidden = adopted.missing_actions
    has = {zone.zone_id: zone.vswitch_id for zone in adopted.zones}
    asked = {choice.zone_id: choice.vswitch_id for choice in request.zone}
    if "all" in asked:
        asked = dict.fromkeys(service_zones, "")
    if asked and RamAction.ENDPOINT_ZONES not in hidden:
        found += [f"zone {zone} was requested but is not in it" for zone in asked if zone not in has]
        found += [f"zone {zone} is in it but was not requested" for zone in has if zone not in asked]
        found += [
            f"zone {zone} is in vSwitch {has[zone]}, not {vswitch}"
            for zone, vswitch in asked.items()
            if vswitch and zone in has and has[zone] != vswitch
        ]
    if request.security_group and RamAction.ENDPOINT_SECURITY_GROUPS not in hidden:
        groups = adopted.security_group_ids
        found += [
            f"security group {g} was requested but is not attached"
            for g in request.security_group
            if g not in groups
        ]
        found += [
            f"security group {g} is attached but was not requested"
            for g in groups
            if g not in request.security_group
        ]
    if request.name and request.name != adopted.name:
        found.append(f"its name is {adopted.name or 'empty'}, not {request.name}")
    if others:
        found.append(
            "other endpoints exist for this service and VPC: " + ", ".join(e.endpoint_id for e in others)
        )
    return tuple(found)


def dry_run(context: Context, planned: EndpointPlan) -> None:
    """Let the API check the plan with a dry run; nothing is created.

    Raises:
        ApiError: the API refuses.
    """
    request_creation(context, planned, token=new_token(), dry_run=True)


def request_creation(
    context: Context, planned: EndpointPlan, *, token: str, dry_run: bool
) -> VpcEndpoint | None:
    """Call CreateVpcEndpoint for the plan; None for a dry run."""
    return context.alibaba(planned.cluster.region_id).create_endpoint(
        service_name=planned.service.service_name,
        vpc_id=planned.vpc.vpc_id,
        zones=planned.zones,
        security_group_ids=planned.security_group_ids,
        name=planned.name,
        client_token=token,
        dry_run=dry_run,
    )


def plan_name(context: Context, planned: EndpointPlan) -> str:
    """Return an identifier of the plan's endpoint, from service and VPC. A VPC belongs to one account."""
    host = context.settings.alibaba_host
    said = (host, planned.cluster.region_id, planned.service.service_name, planned.vpc.vpc_id)
    return digest(repr(said))


def plan_token(context: Context, planned: EndpointPlan) -> str:
    """Return the plan's ClientToken: the same for the same plan on every machine."""
    said = (plan_name(context, planned), planned.zones, planned.security_group_ids, planned.name)
    return digest(repr(said))


def digest(text: str) -> str:
    """Return a short hash of the text, the same in every process."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
