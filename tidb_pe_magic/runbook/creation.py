"""Making the endpoint: what was asked, what is there, and the difference."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.model import (
    Cluster,
    CreatedEndpoint,
    EndpointPlan,
    EndpointStatus,
    EndpointZone,
    Networks,
    VerifiedService,
    Vpc,
    VpcEndpoint,
    VSwitch,
)
from tidb_pe_magic.runbook import discovery, survey
from tidb_pe_magic.runbook.facts import Denied
from tidb_pe_magic.runbook.preflight import UNSURE
from tidb_pe_magic.runbook.preflight_network import DEFAULT_ZONES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runbook.context import Context
    from tidb_pe_magic.runbook.requests import CreateRequest, Placement, PlanRequest, ZoneChoice

_MOST_ZONES = _MOST_GROUPS = 10  # limits of CreateVpcEndpoint (Alibaba Cloud API reference)
_TOKEN_BYTES = 24
_PERHAPS_MADE = (
    "It may have been made, and is billed then: run the same command again, which adopts it; "
    "%tidb_pe endpoints lists it."
)


def plan(context: Context, request: PlanRequest, on_event: EventHook) -> EndpointPlan:  # noqa: ARG001
    """Show what `create` would do and what the preflight finds; nothing is changed.

    Raises:
        InvalidRequest: a VPC, vSwitch, zone or security group cannot be used.
        NotEligible: it is not in the cluster's region, or the service is not in the zone.
        ApiError: the API refuses the dry run.
    """
    planned = make_plan(context, request, tolerant=True)
    # A dry run answers with the first obstacle as an error: what stops has been found already.
    if planned.existing is not None or planned.stops:
        return planned
    _call_create(context, planned, dry_run=True)
    return replace(planned, dry_run="passed")


def create(context: Context, request: CreateRequest, on_event: EventHook) -> CreatedEndpoint:  # noqa: ARG001
    """Make the endpoint, or adopt the one that exists for this service and VPC, unchanged.

    Raises:
        InvalidRequest: a VPC, vSwitch, zone or security group cannot be used.
        NotEligible: it is not in the cluster's region, or the service is not in the zone.
        PreflightFailed: the preflight says stop, and --force is not given.
        ApiError: the API refuses.
        WaitCancelled: the stop button; the endpoint may have been made.
    """
    with context.creating:
        planned = make_plan(context, request, tolerant=request.force)
        refuse_stops(planned, force=request.force)
        return create_planned(context, planned)


def refuse_stops(planned: EndpointPlan, *, force: bool) -> None:
    """Go on only where nothing would stop the plan, or where that is what was asked for.

    Raises:
        PreflightFailed: the preflight says stop, and `force` is not given.
    """
    if planned.stops and not force:
        raise errors.PreflightFailed(planned.findings)


def create_planned(context: Context, planned: EndpointPlan) -> CreatedEndpoint:
    """Carry the plan out; `context.creating` has to be held since the plan was made.

    Raises:
        ApiError: the API refuses.
        WaitCancelled: the stop button; the endpoint may have been made.
    """
    if planned.existing is not None:
        return CreatedEndpoint(endpoint=planned.existing, adopted=True, differences=planned.differences)
    try:
        made = _call_create(context, planned, dry_run=False)
    except errors.ServiceUnavailable as failure:
        failure.advice = _PERHAPS_MADE
        raise
    except (KeyboardInterrupt, errors.WaitCancelled):
        raise errors.WaitCancelled(
            "stopped while the endpoint was being made.", advice=_PERHAPS_MADE
        ) from None
    if made is None:
        msg = "CreateVpcEndpoint made nothing though it was no dry run"
        raise AssertionError(msg)
    return CreatedEndpoint(endpoint=made, adopted=False)


def make_plan(context: Context, request: Placement, *, tolerant: bool = False) -> EndpointPlan:
    """Resolve what was asked against what is there, with the preflight's findings; nothing is changed.

    Args:
        context: the clients.
        request: where the endpoint shall be.
        tolerant: a cluster that is not ACTIVE is a finding, no refusal.
    """
    cluster = survey.planned_cluster(context, getattr(request, "cluster", None), tolerant=tolerant)
    known = survey.survey(context, cluster)
    networks = known.networks if isinstance(known.networks, Networks) else None
    vpc = _vpc(networks, request.vpc) if networks else survey.named_vpc(known, request)
    if networks:
        _refuse_foreign_vswitches(networks, vpc, request.zone)
    service = known.assumed_service
    existing = [] if known.closed else survey.look(lambda: _existing(context, cluster, vpc))
    denied = existing if isinstance(existing, Denied) else None
    if existing and not isinstance(existing, Denied):
        planned = _adoption(cluster, service, vpc, existing, request)
    else:
        planned = EndpointPlan(
            cluster=cluster,
            service=service,
            vpc=vpc,
            zones=_zones(networks, service, vpc, request.zone) if networks else survey.named_zones(request),
            security_group_ids=_security_groups(networks, vpc, request.security_group)
            if networks
            else request.security_group,
            name=request.name or _default_name(cluster),
        )
    found = survey.judged(context, known, planned, zones_asked=bool(request.zone), existing=denied)
    return replace(planned, findings=found)


def _call_create(context: Context, planned: EndpointPlan, *, dry_run: bool) -> VpcEndpoint | None:
    return context.alibaba(planned.cluster.region_id).create_endpoint(
        service_name=planned.service.service_name,
        vpc_id=planned.vpc.vpc_id,
        zones=planned.zones,
        security_group_ids=planned.security_group_ids,
        name=planned.name,
        client_token=_client_token(planned),
        dry_run=dry_run,
    )


def _client_token(planned: EndpointPlan) -> str:
    """Return a new token, or the plan's own where it cannot be told whether its endpoint was made already."""
    if any(finding.check == UNSURE for finding in planned.findings):
        said = repr(
            (planned.cluster.cluster_id, planned.vpc.vpc_id, planned.zones, planned.security_group_ids)
        )
        return hashlib.sha256(f"{said} {planned.name}".encode()).hexdigest()[: 2 * _TOKEN_BYTES]
    return secrets.token_hex(_TOKEN_BYTES)


def _vpc(networks: Networks, vpc_id: str | None) -> Vpc:
    region = networks.cluster.region_id
    if vpc_id is None:
        usable = networks.usable_vpcs()
        chosen = next(filter(networks.is_here, usable), usable[0] if len(usable) == 1 else None)
        if chosen is not None:
            return chosen
        if not usable:
            raise errors.StepOrderError(
                f"no VPC in {region} can hold the endpoint.",
                advice="See %tidb_pe networks for the reasons; "
                f"then make a VPC with a vSwitch in one of the zones {', '.join(networks.zones)}.",
            )
        listed = ", ".join(f"{vpc.vpc_id} ({vpc.name})" for vpc in usable)
        raise errors.InvalidRequest("--vpc", f"is missing; usable in {region}: {listed}.")
    for vpc in networks.vpcs:
        if vpc.vpc_id == vpc_id:
            return vpc
    raise errors.NotEligible(
        "region",
        f"VPC {vpc_id} is not in {region}, the region of cluster {networks.cluster.display_name}; "
        "a private endpoint across regions is not supported.",
        advice="See %tidb_pe networks.",
    )


def _refuse_foreign_vswitches(networks: Networks, vpc: Vpc, choices: Sequence[ZoneChoice]) -> None:
    known = {vswitch.vswitch_id: vswitch for each in networks.vpcs for vswitch in each.vswitches}
    for choice in choices:
        if not choice.vswitch_id:
            continue
        vswitch = known.get(choice.vswitch_id)
        if vswitch is None:
            raise errors.NotEligible(
                "region",
                f"vSwitch {choice.vswitch_id} is not in {networks.cluster.region_id}, the region of cluster "
                f"{networks.cluster.display_name}.",
                advice="See %tidb_pe networks.",
            )
        if vswitch.vpc_id != vpc.vpc_id:
            raise errors.InvalidRequest(
                "--zone", f"vSwitch {choice.vswitch_id} is in {vswitch.vpc_id}, not {vpc.vpc_id}."
            )
        if vswitch.zone_id != choice.zone_id:
            raise errors.InvalidRequest(
                "--zone", f"vSwitch {choice.vswitch_id} is in {vswitch.zone_id}, not {choice.zone_id}."
            )


def _zones(
    networks: Networks, service: VerifiedService, vpc: Vpc, choices: Sequence[ZoneChoice]
) -> tuple[EndpointZone, ...]:
    service_zones = [zone for zone in networks.zones if zone in service.zones]
    every = len(choices) == 1 and choices[0].zone_id == "all"
    if choices and not every:
        return _chosen_zones(networks, service_zones, vpc, choices)
    usable = [
        EndpointZone(zone_id=zone, vswitch_id=roomiest.vswitch_id)
        for zone in service_zones
        if (roomiest := _roomiest(networks, vpc, zone)) is not None
    ]
    if not usable:
        raise errors.NotEligible(
            "zone",
            f"{vpc.vpc_id} has none: {networks.vpc_obstacle(vpc) or 'no vSwitch in a zone of the service'}.",
            advice=f"Make a vSwitch with free addresses in one of the zones {', '.join(service_zones)}.",
        )
    if every:
        return tuple(usable[:_MOST_ZONES])
    # A path within one zone is the shortest; zone IDs mean the same zone in every VPC of a region.
    here = networks.here.zone_id if networks.here else ""
    return tuple(sorted(usable, key=lambda zone: zone.zone_id != here)[:DEFAULT_ZONES])


def _chosen_zones(
    networks: Networks, service_zones: Sequence[str], vpc: Vpc, choices: Sequence[ZoneChoice]
) -> tuple[EndpointZone, ...]:
    if any(choice.zone_id == "all" for choice in choices):
        raise errors.InvalidRequest("--zone", "all cannot be combined with other zones.")
    if len(choices) > _MOST_ZONES:
        raise errors.InvalidRequest("--zone", f"at most {_MOST_ZONES} zones.")
    if len({choice.zone_id for choice in choices}) < len(choices):
        raise errors.InvalidRequest("--zone", "the same zone is given twice.")
    return tuple(_chosen_zone(networks, service_zones, vpc, choice) for choice in choices)


def _chosen_zone(
    networks: Networks, service_zones: Sequence[str], vpc: Vpc, choice: ZoneChoice
) -> EndpointZone:
    if choice.zone_id not in service_zones:
        raise errors.NotEligible(
            "zone",
            f"the service is not in {choice.zone_id}; it is in {', '.join(service_zones) or 'no zone'}.",
            advice="Choose one of these with --zone.",
        )
    if choice.vswitch_id:
        vswitch = next(v for v in vpc.vswitches if v.vswitch_id == choice.vswitch_id)
        if vswitch.obstacle:
            raise errors.InvalidRequest(
                "--zone", f"vSwitch {vswitch.vswitch_id} cannot be used: {vswitch.obstacle}."
            )
        return EndpointZone(zone_id=choice.zone_id, vswitch_id=vswitch.vswitch_id)
    roomiest = _roomiest(networks, vpc, choice.zone_id)
    if roomiest is None:
        obstacles = [f"{v.vswitch_id} ({v.obstacle})" for v in vpc.vswitches if v.zone_id == choice.zone_id]
        raise errors.InvalidRequest(
            "--zone",
            f"{vpc.vpc_id} has no usable vSwitch in {choice.zone_id}: {', '.join(obstacles) or 'none'}.",
            advice="See %tidb_pe networks.",
        )
    return EndpointZone(zone_id=choice.zone_id, vswitch_id=roomiest.vswitch_id)


def _roomiest(networks: Networks, vpc: Vpc, zone_id: str) -> VSwitch | None:
    usable = [v for v in vpc.vswitches if v.zone_id == zone_id and not networks.vswitch_obstacle(v)]
    return max(usable, key=lambda v: v.available_ip_count, default=None)


def _security_groups(networks: Networks, vpc: Vpc, chosen: Sequence[str]) -> tuple[str, ...]:
    if not chosen:
        usable = networks.usable_security_groups(vpc)
        if len(usable) == 1:
            return (usable[0].security_group_id,)
        listed = ", ".join(f"{group.security_group_id} ({group.name})" for group in usable)
        raise errors.InvalidRequest(
            "--security-group", f"is missing; in {vpc.vpc_id} there are: {listed or 'none, make one first'}."
        )
    if len(chosen) > _MOST_GROUPS:
        raise errors.InvalidRequest("--security-group", f"at most {_MOST_GROUPS} security groups.")
    known = {group.security_group_id: group for each in networks.vpcs for group in each.security_groups}
    for group_id in chosen:
        group = known.get(group_id)
        if group is None:
            raise errors.InvalidRequest(
                "--security-group",
                f"there is no {group_id} in {networks.cluster.region_id}.",
                advice="See %tidb_pe networks.",
            )
        if group.vpc_id != vpc.vpc_id:
            raise errors.InvalidRequest(
                "--security-group", f"{group_id} is in {group.vpc_id}, not {vpc.vpc_id}."
            )
        if group.service_managed:
            raise errors.InvalidRequest(
                "--security-group", f"{group_id} is managed by a cloud service and cannot be attached."
            )
    return tuple(chosen)


def _default_name(cluster: Cluster) -> str:
    kept = "".join(c for c in cluster.display_name if c.isascii() and (c.isalnum() or c in "-_"))
    return f"tidb-{kept}"[:128].rstrip("-")


def _existing(context: Context, cluster: Cluster, vpc: Vpc) -> list[VpcEndpoint]:
    alibaba = context.alibaba(cluster.region_id)
    found = alibaba.endpoints(service_name=discovery.noted_service(cluster).service_name, vpc_id=vpc.vpc_id)
    alive = [endpoint for endpoint in found if endpoint.endpoint_status != EndpointStatus.DELETING]
    # What was made here comes first, then the oldest: the same one at each call.
    alive.sort(key=lambda endpoint: (not endpoint.ours, endpoint.created, endpoint.endpoint_id))
    if not alive:
        return []
    try:
        return [alibaba.detailed(alive[0]), *alive[1:]]
    except errors.PermissionDenied:
        return alive  # without its zones it is still the endpoint that must not be made twice


def _adoption(
    cluster: Cluster, service: VerifiedService, vpc: Vpc, existing: list[VpcEndpoint], request: Placement
) -> EndpointPlan:
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


def _differences(
    adopted: VpcEndpoint, others: Sequence[VpcEndpoint], request: Placement, service_zones: Sequence[str]
) -> tuple[str, ...]:
    found: list[str] = []
    has = {zone.zone_id: zone.vswitch_id for zone in adopted.zones}
    asked = {choice.zone_id: choice.vswitch_id for choice in request.zone}
    if "all" in asked:
        asked = dict.fromkeys(service_zones, "")
    if asked:
        found += [f"zone {zone} was asked for and is not in it" for zone in asked if zone not in has]
        found += [f"zone {zone} is in it and was not asked for" for zone in has if zone not in asked]
        found += [
            f"zone {zone} is in vSwitch {has[zone]}, not {vswitch}"
            for zone, vswitch in asked.items()
            if vswitch and zone in has and has[zone] != vswitch
        ]
    if request.security_group:
        groups = adopted.security_group_ids
        found += [
            f"security group {g} was asked for and is not attached"
            for g in request.security_group
            if g not in groups
        ]
        found += [
            f"security group {g} is attached and was not asked for"
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
