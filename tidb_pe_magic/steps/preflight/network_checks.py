"""The preflight's checks of the endpoint's location, and of the route from this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.model import (
    Access,
    Finding,
    RamAction,
    SecurityRule,
    SecurityRules,
    Severity,
    judge,
)
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, capital, denied_finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.model import EndpointZone, Judgement, SecurityGroup, Vpc
    from tidb_pe_magic.steps.preflight.facts import Facts

DEFAULT_ZONES = 2  # one zone has no redundancy, and each further zone is billed
_OK, _WARN, _STOP = Severity.OK, Severity.WARN, Severity.STOP
_FIRST_PRIORITY = "1"  # of 1 to 100 (Alibaba Cloud API reference, AuthorizeSecurityGroup)
_SEE_NETWORKS = Advice("", Suggestion("networks"))


def check_zones(facts: Facts) -> Finding | None:
    """Check that each zone is one of the service's, with an Available vSwitch with a free address."""
    check, networks, vpc = "zones", facts.survey.networks, facts.planned.vpc
    if facts.planned.existing is not None or networks is None:
        return None
    if not networks.includes(RamAction.VSWITCHES):
        return denied_finding(check, DeniedLookup(RamAction.VSWITCHES))
    offered = [
        zone
        for zone in networks.zones
        if facts.visible_service is None or zone in facts.visible_service.zones
    ]
    obstacles = [o for zone in facts.planned.zones if (o := _obstacle(vpc, zone, offered))]
    in_use = ", ".join(f"{zone.zone_id} ({zone.vswitch_id})" for zone in facts.planned.zones)
    if obstacles or not facts.planned.zones:
        return Finding(
            check=check,
            severity=_STOP,
            summary=f"{capital('; '.join(obstacles) or f'no zone can be used in {vpc.vpc_id}')}.",
            evidence=f"the service's zones: {', '.join(offered) or 'none'}",
            advice=_SEE_NETWORKS,
        )
    if not networks.includes(RamAction.VPCS):
        return denied_finding(check, DeniedLookup(RamAction.VPCS))
    if len(facts.planned.zones) < min(DEFAULT_ZONES, len(offered)) and not facts.zones_asked:
        unused = [zone for zone in offered if zone not in {used.zone_id for used in facts.planned.zones}]
        reasons = "; ".join(f"{zone}: {_obstacles(vpc, zone)}" for zone in unused)
        return Finding(
            check=check,
            severity=_WARN,
            summary=f"Only one zone is usable, so the endpoint has no redundancy: {in_use}.",
            evidence=reasons,
            advice=f"Create a vSwitch with free addresses in {' or '.join(unused)}.",
        )
    return Finding(
        check=check,
        severity=_OK,
        summary=f"{len(facts.planned.zones)} of the service's {len(offered)} zones.",
        evidence=in_use,
    )


def _obstacle(vpc: Vpc, zone: EndpointZone, offered: list[str]) -> str:
    if zone.zone_id not in offered:
        return f"the service is not in {zone.zone_id}"
    vswitch = next((v for v in vpc.vswitches if v.vswitch_id == zone.vswitch_id), None)
    if vswitch is None or vswitch.zone_id != zone.zone_id:
        return f"{vpc.vpc_id} has no vSwitch {zone.vswitch_id} in {zone.zone_id}"
    return f"vSwitch {zone.vswitch_id}: {vswitch.obstacle}" if vswitch.obstacle else ""


def _obstacles(vpc: Vpc, zone_id: str) -> str:
    there = [f"{v.vswitch_id}: {v.obstacle}" for v in vpc.vswitches if v.zone_id == zone_id and v.obstacle]
    return ", ".join(there) or "no vSwitch"


def check_security_groups(facts: Facts) -> Finding | None:
    """Check that the groups are in the endpoint's VPC, and all basic or all advanced."""
    check, groups = "security-group", facts.groups
    if facts.survey.networks is None:
        return None
    if not facts.survey.networks.includes(RamAction.SECURITY_GROUPS):
        return denied_finding(check, DeniedLookup(RamAction.SECURITY_GROUPS))
    elsewhere = [group for group in groups if group.vpc_id != facts.planned.vpc.vpc_id]
    kinds = {group.group_type for group in groups}
    evidence = ", ".join(f"{g.security_group_id} ({_kind(g)}, {g.vpc_id})" for g in groups)
    if elsewhere:
        names = ", ".join(group.security_group_id for group in elsewhere)
        summary = f"{names}: not in the endpoint's VPC {facts.planned.vpc.vpc_id}."
    elif len(kinds) > 1:
        summary = "Basic and advanced security groups cannot be mixed on one endpoint."
    else:
        return Finding(check=check, severity=_OK, summary="The security groups fit.", evidence=evidence)
    return Finding(check=check, severity=_STOP, summary=summary, evidence=evidence, advice=_SEE_NETWORKS)


def _kind(group: SecurityGroup) -> str:
    return {"normal": "basic", "enterprise": "advanced"}.get(group.group_type, group.group_type)


def check_route(facts: Facts) -> Finding | None:
    """Check the route: an endpoint is reachable only from its VPC or over a route into it."""
    check, here, vpc_id = "place", facts.survey.here, facts.planned.vpc.vpc_id
    if not vpc_id:  # if the clock is refused, VPCs cannot be looked up
        return None
    if here is None:
        return Finding(
            check=check,
            severity=_WARN,
            summary="Cannot tell where this machine is: the ECS metadata service does not answer.",
            advice=f"The endpoint is reachable only from {vpc_id} or over a route into it.",
        )
    if here.vpc_id == vpc_id:
        return Finding(
            check=check, severity=_OK, summary="This notebook is in the endpoint's VPC.", evidence=vpc_id
        )
    return Finding(
        check=check,
        severity=_WARN,
        summary=f"This notebook is in {here.vpc_id} ({here.region_id}), the endpoint in {vpc_id}.",
        evidence="ECS metadata",
        advice=Advice("It is reachable only over a route (VPC peering, CEN).", Suggestion("networks")),
    )


def check_port(facts: Facts) -> Finding | None:
    """Check that the security groups allow this machine to reach the service's port."""
    check, service = "port", facts.survey.cluster.service
    if not facts.rules or service is None:
        return None
    for rules in facts.rules.values():
        if isinstance(rules, DeniedLookup):
            return denied_finding(check, rules)
    address = facts.survey.here.private_ip if facts.survey.here else ""
    known = [rules for rules in facts.rules.values() if isinstance(rules, SecurityRules)]
    judgement = judge(known, service.port, address)
    rule = _missing_rule(known, service.port, address) if judgement.access == Access.DROPPED else None
    return _port_finding(facts, judgement, address, rule)


def _missing_rule(known: Sequence[SecurityRules], port: int, address: str) -> SecurityRule | None:
    """Return the narrowest rule that would allow this machine; None if a Drop rule outweighs every rule."""
    first = known[0].security_group_id
    rule = SecurityRule(
        security_group_id=first,
        policy="Accept",
        priority=_FIRST_PRIORITY,
        protocol="TCP",
        port_range=f"{port}/{port}",
        source_cidr=f"{address}/32" if address else "",
    )
    # Without an address, check whether it helps for every network.
    tried = rule if address else replace(rule, source_cidr="0.0.0.0/0")
    with_it = (SecurityRules(security_group_id=first, inner_access="", rules=(tried,)), *known)
    return rule if judge(with_it, port, address).access == Access.ACCEPTED else None


def _against(drops: Sequence[SecurityRule], rule: SecurityRule | None) -> str:
    """Return the advice about Drop rules."""
    if not drops:
        return ""
    if rule is None:
        return (
            f" Remove or narrow the Drop rule first: with priority {_FIRST_PRIORITY} it outweighs any other."
        )
    return " Its priority must be a smaller number than the Drop rule's."


def _port_finding(facts: Facts, judgement: Judgement, address: str, rule: SecurityRule | None) -> Finding:
    port = facts.survey.cluster.service.port if facts.survey.cluster.service else 0
    check, way = "port", f"TCP {port} from {address or 'this machine'}"
    groups = ", ".join(facts.rules)
    evidence = "; ".join(map(str, judgement.because[:3]))
    source = (
        f"{address}/32" if address else f"{facts.planned.vpc.cidr_block or 'the network of this machine'}"
    )
    advice = f"Add an inbound rule to {next(iter(facts.rules))}: Accept TCP {port}/{port} from {source}."
    if judgement.access == Access.ACCEPTED:
        return Finding(check=check, severity=_OK, summary=f"{way} is allowed.", evidence=evidence)
    if judgement.access == Access.DROPPED:
        drops = judgement.because
        return Finding(
            check=check,
            severity=_STOP,
            summary=f"{way} is {'dropped by a rule' if drops else 'not allowed by any rule'} of {groups}: "
            "connections would time out.",
            evidence=evidence,
            advice=advice + _against(drops, rule),
            rule=rule,
        )
    if judgement.members_only and address:
        reason = f"only members of {', '.join(judgement.members_only)} are certainly allowed"
    elif address:
        reason = "a rule refers to a group or list that cannot be checked here"
    else:
        reason = "this machine's address is not known"
    return Finding(
        check=check,
        severity=_WARN,
        summary=f"Cannot tell whether {way} is allowed: {reason}.",
        evidence=evidence,
        advice=advice,
    )
