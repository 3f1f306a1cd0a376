"""The endpoint's location: requested values, and defaults from the known networks.

Without the permission for a look-up, requested values are used unchecked; only defaults need the look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.model import (
    Access,
    EndpointZone,
    Networks,
    RamAction,
    VerifiedService,
    Vpc,
    VpcEndpoint,
    VSwitch,
)
from tidb_pe_magic.steps.networks import vpc_with_id
from tidb_pe_magic.steps.preflight.network_checks import DEFAULT_ZONES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tidb_pe_magic.commands.requests import ZoneChoice

_BASIC = "normal"
_INBOUND = {
    "": "rules not looked up",
    Access.UNKNOWN: "cannot tell whether it allows this notebook",
    Access.DROPPED: "does not allow this notebook",
}
_MOST_ZONES = _MOST_GROUPS = 10  # limits of CreateVpcEndpoint (Alibaba Cloud API reference)


def chosen_vpc(networks: Networks, vpc_id: str | None, existing: Collection[VpcEndpoint] = ()) -> Vpc:
    """Return the requested VPC, this machine's, the only usable one, or the only one in use.

    Args:
        networks: the region's networks.
        vpc_id: the requested VPC.
        existing: the service's endpoints.

    Raises:
        ChoiceRequired: several are usable.
        InvalidRequest: it must be given.
        StepOrderError: no VPC is usable.
        NotEligible: the requested VPC is not in the region.
    """
    region = networks.cluster.region_id
    if vpc_id is None:
        if networks.default_vpc is not None:
            return networks.default_vpc
        usable = networks.usable_vpcs()
        in_use = [vpc for vpc in networks.vpcs if vpc.vpc_id in {each.vpc_id for each in existing}]
        if len(in_use) == 1:
            return in_use[0]
        here = networks.here
        if not networks.includes(RamAction.VPCS) and here is not None and here.region_id == region:
            return vpc_with_id(here.vpc_id, region)
        if not usable and not networks.includes(RamAction.VPCS):
            raise _has_to_be_named("--vpc", RamAction.VPCS)
        if not usable:
            raise errors.StepOrderError(
                f"no VPC in {region} can hold the endpoint.",
                advice=Advice(
                    f"Create a VPC with a vSwitch in one of the zones {', '.join(networks.zones)}. The list "
                    "of networks shows the reasons.",
                    Suggestion("networks"),
                ),
            )
        raise errors.ChoiceRequired(
            "--vpc",
            f"{len(usable)} VPCs in {region} are usable.",
            [(vpc.vpc_id, vpc.name or "no name") for vpc in usable],
        )
    for vpc in networks.vpcs:
        if vpc.vpc_id == vpc_id:
            return vpc
    if not networks.includes(RamAction.VPCS):
        return vpc_with_id(vpc_id, region)
    raise errors.NotEligible(
        "region",
        f"VPC {vpc_id} is not in {region}, the region of cluster {networks.cluster.display_name}; "
        "a private endpoint across regions is not supported.",
        advice=Advice("", Suggestion("networks")),
    )


def _has_to_be_named(option: str, action: str, how: str = "") -> errors.InvalidRequest:
    return errors.InvalidRequest(
        option,
        f"is required{how} because it cannot be looked up: RAM action {action} is missing.",
        advice=Advice("", Suggestion("permissions")),
    )


def refuse_foreign_vswitches(networks: Networks, vpc: Vpc, choices: Sequence[ZoneChoice]) -> None:
    """Refuse vSwitches of other regions, VPCs and zones, also if an endpoint is adopted.

    Raises:
        InvalidRequest: a vSwitch is in another VPC, or not in the requested zone.
        NotEligible: a vSwitch is not in the region.
    """
    if not networks.includes(RamAction.VSWITCHES):
        return
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
                advice=Advice("", Suggestion("networks")),
            )
        if vswitch.vpc_id != vpc.vpc_id:
            raise errors.InvalidRequest(
                "--zone", f"vSwitch {choice.vswitch_id} is in {vswitch.vpc_id}, not {vpc.vpc_id}."
            )
        if vswitch.zone_id != choice.zone_id:
            raise errors.InvalidRequest(
                "--zone", f"vSwitch {choice.vswitch_id} is in {vswitch.zone_id}, not {choice.zone_id}."
            )


def chosen_zones(
    networks: Networks, service: VerifiedService, vpc: Vpc, choices: Sequence[ZoneChoice]
) -> tuple[EndpointZone, ...]:
    """Return the requested or default zones, each with a vSwitch.

    Raises:
        InvalidRequest: a zone or a vSwitch cannot be used, or must be given.
        NotEligible: the service is not in a requested zone, or not in any zone of the VPC.
    """
    service_zones = [zone for zone in networks.zones if zone in service.zones]
    every = len(choices) == 1 and choices[0].zone_id == "all"
    if choices and not every:
        return _named_zones(networks, service_zones, vpc, choices)
    if not networks.includes(RamAction.VSWITCHES):
        return (_zone_here(networks, service_zones, vpc),)
    usable = [
        EndpointZone(zone_id=zone, vswitch_id=roomiest.vswitch_id)
        for zone in service_zones
        if (roomiest := _roomiest(networks, vpc, zone)) is not None
    ]
    if not usable:
        obstacle = networks.vpc_obstacle(vpc) or "no vSwitch in a zone of the service"
        raise errors.NotEligible(
            "zone",
            f"{vpc.vpc_id} has no usable zone: {obstacle}.",
            advice=f"Create a vSwitch with free addresses in one of the zones {', '.join(service_zones)}.",
        )
    if every:
        return tuple(usable[:_MOST_ZONES])
    # A path within one zone is the shortest. A zone ID is the same zone in every VPC of a region.
    here = networks.here.zone_id if networks.here else ""
    return tuple(sorted(usable, key=lambda zone: zone.zone_id != here)[:DEFAULT_ZONES])


def complete_zones(choices: Sequence[ZoneChoice]) -> tuple[EndpointZone, ...]:
    """Return the requested zones if each has a vSwitch, because nothing else is known."""
    if not all(choice.vswitch_id for choice in choices):
        return ()
    return tuple(EndpointZone(zone_id=each.zone_id, vswitch_id=each.vswitch_id) for each in choices)


def _named_zones(
    networks: Networks, service_zones: Sequence[str], vpc: Vpc, choices: Sequence[ZoneChoice]
) -> tuple[EndpointZone, ...]:
    if any(choice.zone_id == "all" for choice in choices):
        raise errors.InvalidRequest("--zone", "all cannot be combined with other zones.")
    if len(choices) > _MOST_ZONES:
        raise errors.InvalidRequest("--zone", f"at most {_MOST_ZONES} zones.")
    if len({choice.zone_id for choice in choices}) < len(choices):
        raise errors.InvalidRequest("--zone", "the same zone is given twice.")
    return tuple(_named_zone(networks, service_zones, vpc, choice) for choice in choices)


def _named_zone(
    networks: Networks, service_zones: Sequence[str], vpc: Vpc, choice: ZoneChoice
) -> EndpointZone:
    if choice.zone_id not in service_zones:
        raise errors.NotEligible(
            "zone",
            f"the service is not in {choice.zone_id}; it is in {', '.join(service_zones) or 'no zone'}.",
            advice="Choose one of these with --zone.",
        )
    if choice.vswitch_id and not networks.includes(RamAction.VSWITCHES):
        return EndpointZone(zone_id=choice.zone_id, vswitch_id=choice.vswitch_id)
    if not networks.includes(RamAction.VSWITCHES):
        raise _has_to_be_named("--zone", RamAction.VSWITCHES, f" with its vSwitch, {choice.zone_id}=vsw-…")
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
            advice=Advice("", Suggestion("networks")),
        )
    return EndpointZone(zone_id=choice.zone_id, vswitch_id=roomiest.vswitch_id)


def _zone_here(networks: Networks, service_zones: Sequence[str], vpc: Vpc) -> EndpointZone:
    """Return this machine's zone and vSwitch, because no other vSwitch is known."""
    here = networks.here
    if here is None or not networks.is_here(vpc) or here.zone_id not in service_zones:
        example = f" with its vSwitch, {next(iter(service_zones), 'ZONE')}=vsw-…"
        raise _has_to_be_named("--zone", RamAction.VSWITCHES, example)
    return EndpointZone(zone_id=here.zone_id, vswitch_id=here.vswitch_id)


def _roomiest(networks: Networks, vpc: Vpc, zone_id: str) -> VSwitch | None:
    usable = [v for v in vpc.vswitches if v.zone_id == zone_id and not networks.vswitch_obstacle(v)]
    return max(usable, key=lambda v: v.available_ip_count, default=None)


def chosen_security_groups(networks: Networks, vpc: Vpc, chosen: Sequence[str]) -> tuple[str, ...]:
    """Return the requested security groups, one that allows this machine, or the only usable one.

    If several allow this machine, choose one, and prefer a basic group to an advanced one.

    Raises:
        ChoiceRequired: several are usable, but none is known to allow this machine.
        InvalidRequest: a group cannot be used, or must be given.
    """
    hidden = not networks.includes(RamAction.SECURITY_GROUPS)
    if not chosen and hidden:
        raise _has_to_be_named("--security-group", RamAction.SECURITY_GROUPS)
    if not chosen:
        return (_default_security_group(networks, vpc),)
    if len(chosen) > _MOST_GROUPS:
        raise errors.InvalidRequest("--security-group", f"at most {_MOST_GROUPS} security groups.")
    if hidden:
        return tuple(chosen)
    known = {group.security_group_id: group for each in networks.vpcs for group in each.security_groups}
    for group_id in chosen:
        group = known.get(group_id)
        if group is None:
            raise errors.UnknownName(
                "--security-group",
                f"{group_id} does not exist in {networks.cluster.region_id}.",
                advice=Advice("", Suggestion("networks")),
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


def _default_security_group(networks: Networks, vpc: Vpc) -> str:
    usable = list(networks.usable_security_groups(vpc))
    allowing = [group for group in usable if group.inbound == Access.ACCEPTED]
    if allowing:
        first = min(allowing, key=lambda group: (group.group_type != _BASIC, group.name))
        return first.security_group_id
    if len(usable) == 1:
        return usable[0].security_group_id
    if not usable:
        raise errors.InvalidRequest(
            "--security-group",
            f"{vpc.vpc_id} has no security group that can be attached.",
            advice="Create one in the Alibaba Cloud console.",
        )
    usable.sort(key=lambda group: group.inbound == Access.DROPPED)
    raise errors.ChoiceRequired(
        "--security-group",
        f"no security group of {vpc.vpc_id} is known to allow this notebook.",
        [(group.security_group_id, f"{group.name}: {_INBOUND[group.inbound]}") for group in usable],
    )
