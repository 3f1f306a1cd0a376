"""The preflight's findings from facts, without any cloud."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.results import CLUSTER, ENDPOINT, SERVICE, VPC

from tidb_pe_magic import model
from tidb_pe_magic.errors import PreflightFailed
from tidb_pe_magic.model import Access, SecurityRule, SecurityRules, Severity, judge
from tidb_pe_magic.steps.preflight.checks import findings
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, Facts, Survey

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = model.Whereabouts(
    region_id="ap-southeast-1",
    zone_id="ap-southeast-1a",
    vpc_id=VPC.vpc_id,
    vswitch_id="vsw-a",
    private_ip="10.0.1.9",
)
GROUP = VPC.security_groups[0]
ADVANCED = model.SecurityGroup(
    security_group_id="sg-advanced", name="advanced", vpc_id=VPC.vpc_id, group_type="enterprise"
)


def rule(**changes: Any) -> SecurityRule:
    """Return a rule that allows everyone on every TCP port, with changes."""
    plain = SecurityRule(
        security_group_id=GROUP.security_group_id,
        policy="Accept",
        priority="1",
        protocol="TCP",
        port_range="1/65535",
        source_cidr="0.0.0.0/0",
    )
    return replace(plain, **changes)


def group(*rules: SecurityRule, inner_access: str = "Drop") -> SecurityRules:
    """Return a group with these rules."""
    return SecurityRules(
        security_group_id=GROUP.security_group_id, inner_access=inner_access, rules=tuple(rules)
    )


FACTS = Facts(
    survey=Survey(
        cluster=CLUSTER,
        clock_ahead=0.4,
        product_open=True,
        service=SERVICE,
        networks=model.Networks(cluster=CLUSTER, vpcs=(VPC,)),
        here=HERE,
    ),
    planned=model.EndpointPlan(
        cluster=CLUSTER,
        service=SERVICE,
        vpc=VPC,
        zones=tuple(
            model.EndpointZone(zone_id=v.zone_id, vswitch_id=v.vswitch_id) for v in VPC.vswitches[:2]
        ),
        security_group_ids=(GROUP.security_group_id,),
        name="tidb-demo",
    ),
    rules={GROUP.security_group_id: group(rule())},
)


def facts(**changes: Any) -> Facts:
    """Return the facts with changes, each in the part that has the attribute: own, survey, plan."""
    parts: dict[str, dict[str, Any]] = {"own": {}, "survey": {}, "planned": {}}
    for name, value in changes.items():
        part = next((part for part in ("survey", "planned") if hasattr(getattr(FACTS, part), name)), "own")
        parts["own" if hasattr(FACTS, name) else part][name] = value
    return replace(
        FACTS,
        survey=replace(FACTS.survey, **parts["survey"]),
        planned=replace(FACTS.planned, **parts["planned"]),
        **parts["own"],
    )


def with_group(added: model.SecurityGroup) -> dict[str, Any]:
    """Return the facts of a plan with this group in addition."""
    vpc = replace(VPC, security_groups=(*VPC.security_groups, added))
    return {
        "networks": model.Networks(cluster=CLUSTER, vpcs=(vpc,)),
        "security_group_ids": (GROUP.security_group_id, added.security_group_id),
    }


def hidden(action: str) -> dict[str, Any]:
    """Return the facts without this RAM action."""
    return {"networks": model.Networks(cluster=CLUSTER, vpcs=(VPC,), missing_actions=(action,))}


def zone(zone_id: str, vswitch_id: str) -> tuple[model.EndpointZone, ...]:
    """Return one planned zone."""
    return (model.EndpointZone(zone_id=zone_id, vswitch_id=vswitch_id),)


def test_where_all_is_well_every_check_says_so() -> None:
    """A plan that works has only findings of severity ok, one for each check that reports."""
    found = findings(FACTS)
    assert {finding.severity for finding in found} == {Severity.OK}
    assert len({finding.check for finding in found}) == len(found)


def test_no_place_is_judged_without_a_vpc() -> None:
    """If the VPC could not be looked up, the endpoint's location is not judged."""
    assert "place" in {finding.check for finding in findings(FACTS)}
    for here in (HERE, None):
        found = findings(facts(vpc=replace(VPC, vpc_id=""), here=here))
        assert "place" not in {finding.check for finding in found}


@pytest.mark.parametrize(
    ("changes", "check", "severity", "words"),
    [
        ({"clock_ahead": 901.0}, "clock", "stop", "15 minutes"),
        ({"clock_ahead": -1200.0}, "clock", "stop", "20 minutes behind"),
        ({"clock_ahead": None, "clock_refused": True}, "clock", "stop", "refuses it"),
        ({"product_open": False}, "product-open", "stop", "not activated"),
        (
            {"product_open": DeniedLookup("privatelink:CheckProductOpen")},
            "product-open",
            "warn",
            "CheckProductOpen",
        ),
        ({"cluster": replace(CLUSTER, state="PAUSED")}, "cluster", "stop", "PAUSED"),
        ({"cluster": replace(CLUSTER, provider="aws")}, "cluster", "stop", "AWS"),
        ({"service": None}, "service-visible", "stop", "allow-list"),
        ({"service": DeniedLookup("privatelink:X")}, "service-visible", "warn", "privatelink:X"),
        ({"service": replace(SERVICE, address_version="IPv6")}, "address-version", "stop", "IPv6-only"),
        ({"service": replace(SERVICE, address_version="DualStack")}, "address-version", "warn", "dual-stack"),
        ({"service": replace(SERVICE, address_version="IPv9")}, "address-version", "warn", "IPv9"),
        ({"zones": ()}, "zones", "stop", "no zone|No zone"),
        ({"zones": zone("ap-southeast-1d", "vsw-d")}, "zones", "stop", "not in ap-southeast-1d"),
        ({"zones": zone("ap-southeast-1c", "vsw-c")}, "zones", "stop", "no free address"),
        ({"zones": zone("ap-southeast-1a", "vsw-x")}, "zones", "stop", "no vSwitch vsw-x"),
        ({"zones": FACTS.planned.zones[:1]}, "zones", "warn", "ap-southeast-1c: vsw-c: no free address"),
        (hidden("vpc:DescribeVpcs"), "zones", "warn", "vpc:DescribeVpcs"),
        (hidden("vpc:DescribeVSwitches"), "zones", "warn", "vpc:DescribeVSwitches"),
        (hidden("ecs:DescribeSecurityGroups"), "security-group", "warn", "ecs:DescribeSecurityGroups"),
        (with_group(ADVANCED), "security-group", "stop", "mixed"),
        (
            with_group(replace(ADVANCED, vpc_id="vpc-other")),
            "security-group",
            "stop",
            "not in the endpoint's",
        ),
        ({"here": None}, "place", "warn", "the ECS metadata service does not answer"),
        ({"here": replace(HERE, vpc_id="vpc-other")}, "place", "warn", "vpc-other"),
        ({"rules": {"sg-t4nabc123": group()}}, "port", "stop", "not allowed by any rule"),
        (
            {"rules": {"sg-t4nabc123": group(rule(), rule(policy="Drop"))}},
            "port",
            "stop",
            "dropped by a rule",
        ),
        ({"rules": {"sg-t4nabc123": group(inner_access="Accept")}}, "port", "warn", "members"),
        ({"rules": {"sg-t4nabc123": DeniedLookup("ecs:Y")}}, "port", "warn", "ecs:Y"),
        (
            {"existing": replace(ENDPOINT, business_status="FinancialLocked")},
            "business-status",
            "stop",
            "overdue",
        ),
        ({"existing": replace(ENDPOINT, business_status="New")}, "business-status", "warn", "New"),
        ({"existing": ENDPOINT}, "existing-endpoint", "warn", "ep-t4nabc123"),
        ({"existing": replace(ENDPOINT, zones=())}, "existing-endpoint", "stop", "has no zone"),
        (
            {"existing": replace(ENDPOINT, zones=(), missing_actions=("privatelink:ListVpcEndpointZones",))},
            "existing-endpoint",
            "warn",
            "ListVpcEndpointZones",
        ),
        ({"denied": DeniedLookup("privatelink:Z")}, "existing-endpoint", "warn", "privatelink:Z"),
        ({"service": replace(SERVICE, auto_accept=False)}, "auto-accept", "warn", "owner has to accept"),
        ({"service": replace(SERVICE, payer="EndpointService")}, "payer", "warn", "service's owner"),
        ({"service": replace(SERVICE, payer="Nobody")}, "payer", "warn", "Nobody"),
        ({"name": "1st"}, "name", "stop", "a letter first"),
        ({"tags": (("aliyun-x", "y"),)}, "tags", "stop", "aliyun"),
        ({"tags": (("a", "https://x"),)}, "tags", "stop", "URL"),
        ({"tags": (("a", "b"), ("a", "c"))}, "tags", "stop", "once"),
    ],
)
def test_each_cause_is_the_first_finding(
    changes: dict[str, Any], check: str, severity: str, words: str
) -> None:
    """A single fault comes first, under its check's name, with its description."""
    first = findings(facts(**changes))[0]
    assert (first.check, first.severity) == (check, severity)
    told = f"{first.summary} {first.evidence}"
    assert any(word in told for word in words.split("|"))


def test_zones_that_were_asked_for_are_not_found_fault_with() -> None:
    """A single zone that the user named gets no warning."""
    assert findings(facts(zones=FACTS.planned.zones[:1], zones_asked=True))[0].severity == Severity.OK


def test_three_billed_zones_are_a_warning() -> None:
    """More zones than redundancy needs get a warning with their cost."""
    roomy = replace(VPC, vswitches=tuple(replace(v, available_ip_count=9) for v in VPC.vswitches))
    zones = tuple(model.EndpointZone(zone_id=v.zone_id, vswitch_id=v.vswitch_id) for v in roomy.vswitches[:3])
    [first, *_] = findings(facts(vpc=roomy, zones=zones, zones_asked=True))
    assert (first.check, first.severity) == ("payer", Severity.WARN)
    assert "3 zones" in first.summary


def test_the_gravest_come_first_and_equals_keep_their_order() -> None:
    """Stops come first, then warnings, then ok findings, each in the order of the checks."""
    found = findings(facts(name="1", clock_ahead=5000.0, here=None, denied=DeniedLookup("a:B")))
    order = [Severity.STOP, Severity.WARN, Severity.OK]
    assert [f.severity for f in found] == sorted((f.severity for f in found), key=order.index)
    assert [f.check for f in found if f.severity == Severity.STOP] == ["clock", "name"]
    assert [f.check for f in found if f.severity == Severity.WARN] == ["place", "existing-endpoint"]


def test_an_inactive_product_is_the_only_finding() -> None:
    """If PrivateLink is not activated, an unseen service is not a second finding."""
    found = findings(facts(product_open=False, service=None))
    assert [f.check for f in found if f.severity != Severity.OK] == ["product-open"]


@given(st.permutations(("", "1", "a" * 129, "tidb-demo")), st.floats(-1e9, 1e9))
def test_every_finding_is_whole(names: list[str], ahead: float) -> None:
    """Every finding has a sentence, and a stop has advice."""
    for found in findings(facts(name=names[0], clock_ahead=ahead)):
        assert found.summary.endswith(".")
        assert found.advice or found.severity == Severity.OK


def test_a_rule_that_nothing_outweighs_is_reported() -> None:
    """If a first-priority Drop rule blocks the port, the advice is to change it, not to add a rule."""
    drop = rule(policy="Drop")
    (stop, *_) = findings(facts(rules={"sg-t4nabc123": group(drop)}))
    assert stop.rule is None
    assert "Remove or narrow the Drop rule" in str(stop.advice)
    (stop, *_) = findings(facts(rules={"sg-t4nabc123": group(replace(drop, priority="2"))}))
    assert stop.rule is not None
    assert "smaller number" in str(stop.advice)


def test_the_refusal_names_the_first_stop_its_fix_and_force() -> None:
    """The one-line error of `create` names the first stop, its fix and --force."""
    found = findings(facts(name="1", clock_ahead=5000.0))
    refusal = PreflightFailed(found)
    assert refusal.check == "clock"
    assert refusal.findings == found
    for words in ("preflight (clock)", "1 more", "chronyc", "--force"):
        assert words in str(refusal)


# The rules of security groups

PORT = 4000
CIDRS = ("0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.1.9", "192.168.0.0/16")
ADDRESSES = ("10.0.1.9", "10.0.1.10", "10.9.9.9", "192.168.3.4", "8.8.8.8")
PORT_RANGES = ("4000/4000", "1/65535", "-1/-1", "4001/65535", "22/22", "22/22,3999/4001")
RULES = st.builds(
    rule,
    policy=st.sampled_from(("Accept", "Drop", "accept", "DROP")),
    priority=st.sampled_from(("1", "2", "10")),
    protocol=st.sampled_from(("TCP", "tcp", "ALL", "UDP", "ICMP")),
    port_range=st.sampled_from(PORT_RANGES),
    source_cidr=st.sampled_from(CIDRS),
    source_group_id=st.sampled_from(("", "", "", "sg-x")),
    port_list_id=st.sampled_from(("", "", "", "prl-x")),
)
GROUPS = st.lists(
    st.builds(
        SecurityRules,
        security_group_id=st.sampled_from(("sg-1", "sg-2")),
        inner_access=st.sampled_from(("Accept", "Drop")),
        rules=st.lists(RULES, max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=2,
)


@given(rules=GROUPS, known=st.booleans())
def test_a_missing_rule_lets_this_machine_in(rules: list[SecurityRules], known: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """The rule accompanies a stop, covers one port and one address, and opens the port."""
    here = replace(HERE, private_ip="10.0.1.9" if known else "")
    by_group = {each.security_group_id: each for each in rules}
    (found,) = (finding for finding in findings(facts(rules=by_group, here=here)) if finding.check == "port")
    if found.rule is None:
        first = min((int(each.priority) for group in rules for each in group.rules), default=9)
        assert found.severity != Severity.STOP or first == 1
        return
    assert found.severity == Severity.STOP
    assert found.rule.port_range == f"{PORT}/{PORT}"
    assert found.rule.source_cidr == ("10.0.1.9/32" if known else "")
    asked = replace(found.rule, source_cidr=found.rule.source_cidr or "10.0.1.9/32")
    first_group = by_group[found.rule.security_group_id]
    by_group[first_group.security_group_id] = replace(first_group, rules=(asked, *first_group.rules))
    assert judge(list(by_group.values()), PORT, "10.0.1.9").access == Access.ACCEPTED


def certain(each: SecurityRule, address: str) -> bool | None:
    """Return, in the simplest way, whether a rule concerns TCP to the port from the address."""
    if each.protocol.upper() not in {"TCP", "ALL"}:
        return False
    bounds = [part.split("/") for part in each.port_range.split(",")]
    covered = each.port_range == "-1/-1" or any(int(low) <= PORT <= int(high) for low, high in bounds)
    if not each.port_list_id and not covered:
        return False
    inside = ipaddress.ip_address(address) in ipaddress.ip_network(each.source_cidr)
    if not each.source_group_id and not inside:
        return False
    return None if each.port_list_id or each.source_group_id else True


def weighed(rules: Sequence[SecurityRule], *, member: bool) -> Access:
    """Let the smallest priority decide, Drop before Accept, and membership without a matching rule."""
    if not rules:
        return Access.ACCEPTED if member else Access.DROPPED
    first = min(rules, key=lambda each: (int(each.priority), each.policy.lower() != "drop"))
    return Access.DROPPED if first.policy.lower() == "drop" else Access.ACCEPTED


def possible(groups: Sequence[SecurityRules], address: str) -> set[Access]:
    """Return every possible outcome, by trying each value of the unknowns."""
    rules = [each for one in groups for each in one.rules]
    known = [each for each in rules if certain(each, address)]
    unknown = [each for each in rules if certain(each, address) is None]
    inside = any(one.inner_access == "Accept" for one in groups)
    return {
        weighed([*known, *itertools.compress(unknown, chosen)], member=member)
        for chosen in itertools.product((True, False), repeat=len(unknown))
        for member in ((True, False) if inside else (False,))
    }


@settings(max_examples=100)
@given(GROUPS, st.sampled_from(ADDRESSES))
def test_the_rules_are_judged_as_if_every_unknown_were_tried(
    groups: list[SecurityRules], address: str
) -> None:
    """The result is Accept or Drop exactly if the unknowns make no difference."""
    outcomes = possible(groups, address)
    expected = outcomes.pop() if len(outcomes) == 1 else Access.UNKNOWN
    assert judge(groups, PORT, address).access == expected


@given(GROUPS)
def test_without_an_address_the_result_holds_for_all(groups: list[SecurityRules]) -> None:
    """The result for an unknown address holds for every address."""
    access = judge(groups, PORT).access
    if access != Access.UNKNOWN:
        assert {judge(groups, PORT, address).access for address in ADDRESSES} == {access}


@given(GROUPS, st.sampled_from(ADDRESSES), st.randoms())
def test_the_order_of_the_rules_does_not_matter(
    groups: list[SecurityRules], address: str, random: Any
) -> None:
    """Priority decides, not the order of the list."""
    mixed = [replace(one, rules=tuple(random.sample(one.rules, len(one.rules)))) for one in groups]
    assert judge(mixed, PORT, address).access == judge(groups, PORT, address).access


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_a_rule_of_any_shape_is_judged_without_an_error(
    policy: str, priority: str, ports: str, source: str
) -> None:
    """A rule of any shape is read or counts as unknown, without an error."""
    odd = rule(policy=policy, priority=priority, port_range=ports, source_cidr=source)
    assert judge([group(odd)], PORT, "10.0.1.9").access in set(Access)
    assert judge([group(odd)], PORT).access in set(Access)


@pytest.mark.parametrize(
    ("rules", "access"),
    [
        ([rule()], Access.ACCEPTED),
        ([rule(policy="Drop"), rule()], Access.DROPPED),
        ([rule(policy="Drop", priority="2"), rule()], Access.ACCEPTED),
        ([rule(policy="Drop", priority="10"), rule(priority="9")], Access.ACCEPTED),
        ([rule(source_cidr="", source_prefix_list_id="pl-1")], Access.UNKNOWN),
        ([rule(source_cidr="", source_prefix_list_id="pl-1"), rule(priority="2")], Access.ACCEPTED),
        (
            [rule(source_cidr="", source_prefix_list_id="pl-1", policy="Drop"), rule(priority="2")],
            Access.UNKNOWN,
        ),
        ([rule(source_cidr="", source_ipv6_cidr="::/0")], Access.DROPPED),
        ([rule(source_port_range="53/53")], Access.UNKNOWN),
        ([rule(priority="soon")], Access.UNKNOWN),
        ([rule(policy="Perhaps")], Access.UNKNOWN),
        ([rule(source_cidr="anywhere")], Access.UNKNOWN),
        ([rule(port_range="4000/")], Access.UNKNOWN),
    ],
)
def test_a_few_rules_by_hand(rules: list[SecurityRule], access: Access) -> None:
    """The documented cases, and unreadable rules, give the expected results."""
    assert judge([group(*rules)], PORT, "10.0.1.9").access == access
