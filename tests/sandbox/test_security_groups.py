"""The sandbox's security groups filter connections to an endpoint, by Alibaba Cloud's rules."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic import model
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS, InstancePlace
from tidb_pe_magic.sandbox.alibaba.network_seed import Permission, SecurityGroup, seed
from tidb_pe_magic.sandbox.alibaba.security_groups import lets_in

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.network.addresses import Address

VPC, GROUP, OTHER = "vpc-t4nanalytics0k3m7x", "sg-t4nanalytics", "sg-t4nclosed"
SOURCE, PORT = "10.20.1.77", 4000
ACCEPT, DROP = Permission("4000/4000", "10.0.0.0/8"), Permission("4000", "10.0.0.0/8", policy="Drop")


def group(*rules: Permission, inner_access: str = "Drop") -> SecurityGroup:
    """Return a group with these rules."""
    return SecurityGroup(GROUP, VPC, "a group", permissions=rules, inner_access=inner_access)


@pytest.mark.parametrize(
    ("rules", "through"),
    [
        ((), False),
        ((ACCEPT,), True),
        ((replace(ACCEPT, port_range="-1/-1", ip_protocol="ALL"),), True),
        ((replace(ACCEPT, port_range="3999/3999"),), False),
        ((replace(ACCEPT, ip_protocol="UDP"),), False),
        ((replace(ACCEPT, direction="egress"),), False),
        ((replace(ACCEPT, source_cidr_ip="10.21.0.0/16"),), False),
        ((ACCEPT, DROP), False),
        ((ACCEPT, replace(DROP, priority="2")), True),
        ((replace(ACCEPT, priority="10"), replace(DROP, priority="9")), False),
        ((replace(ACCEPT, source_cidr_ip="", source_prefix_list_id="pl-1"),), False),
        ((replace(ACCEPT, port_range="", port_range_list_id="prl-1"),), False),
        ((replace(ACCEPT, source_cidr_ip="", source_group_id="sg-mine"),), True),
        ((replace(ACCEPT, source_cidr_ip="", source_group_id="sg-other"),), False),
    ],
)
def test_rules_decide_by_priority_and_drop_wins_ties(rules: tuple[Permission, ...], *, through: bool) -> None:
    """Of the rules that match a connection, the smallest priority decides."""
    assert lets_in([group(*rules)], SOURCE, PORT, member_of={"sg-mine"}) == through


def test_members_reach_each_other_where_no_rule_says_otherwise() -> None:
    """Internal access applies to members, and a rule overrides it."""
    inner = group(inner_access="Accept")
    assert lets_in([inner], SOURCE, PORT, member_of={GROUP})
    assert not lets_in([inner], SOURCE, PORT)
    assert not lets_in([replace(inner, permissions=(DROP,))], SOURCE, PORT, member_of={GROUP})


def test_the_rules_of_all_groups_count_together() -> None:
    """A Drop in one group overrides an Accept in another; without groups nothing is filtered."""
    assert not lets_in([group(ACCEPT), group(DROP)], SOURCE, PORT)
    assert lets_in([group(), group(ACCEPT)], SOURCE, PORT)
    assert lets_in([], SOURCE, PORT)


RULES = st.builds(
    Permission,
    port_range=st.sampled_from(("-1/-1", "1/65535", "4000/4000", "22/22", "4001/5000")),
    source_cidr_ip=st.sampled_from(("0.0.0.0/0", "10.20.0.0/16", "10.20.1.77", "192.168.0.0/16")),
    ip_protocol=st.sampled_from(("TCP", "ALL", "UDP", "tcp")),
    policy=st.sampled_from(("Accept", "Drop")),
    priority=st.integers(1, 4).map(str),
)


@given(groups=st.lists(st.lists(RULES, max_size=4), min_size=1, max_size=3))
def test_the_sandbox_and_the_preflight_read_rules_alike(groups: list[list[Permission]]) -> None:
    """The gate and `plan`, which implement the documentation separately, agree on every rule."""
    judged = model.judge(
        [
            model.SecurityRules(
                security_group_id=GROUP,
                inner_access="Drop",
                rules=tuple(
                    model.SecurityRule(
                        security_group_id=GROUP,
                        policy=rule.policy,
                        priority=rule.priority,
                        protocol=rule.ip_protocol,
                        port_range=rule.port_range,
                        source_cidr=rule.source_cidr_ip,
                    )
                    for rule in rules
                ),
            )
            for rules in groups
        ],
        PORT,
        SOURCE,
    )
    comes_through = lets_in([group(*rules) for rules in groups], SOURCE, PORT)
    assert judged.access == (model.Access.ACCEPTED if comes_through else model.Access.DROPPED)


def answers(address: Address) -> bool:
    """Return whether a connection opens. A filtered one meets silence, not a refusal."""
    try:
        socket.create_connection(address, timeout=0.3).close()
    except TimeoutError:
        return False
    return True


def endpoint(sandbox: Sandbox, *groups: str) -> Address:
    """Create an endpoint, and return its address."""
    made = sandbox.world.create_endpoint(
        service=sandbox.world.services[0],
        vpc_id=VPC,
        zones=[("ap-southeast-1a", "vsw-t4na1")],
        security_groups=groups,
    )
    return made.domain, made.port


def test_the_gate_follows_the_groups() -> None:
    """An endpoint swallows or answers by its groups, and follows changes of rules and location."""
    with Sandbox(flights=0) as sandbox:
        address, closed = endpoint(sandbox, GROUP), endpoint(sandbox, OTHER)
        assert answers(address)
        assert not answers(closed)
        sandbox.world.set_rules(GROUP, Permission("1/65535", "10.30.0.0/16"))
        assert not answers(address)
        sandbox.place = replace(ANALYTICS, private_ip="10.30.2.40")
        assert answers(address)
        sandbox.world.set_rules(OTHER, Permission("-1/-1", "0.0.0.0/0", ip_protocol="ALL"))
        assert answers(closed)
        assert answers(address)


def test_a_group_that_is_taken_away_no_longer_filters() -> None:
    """Attaching and detaching a group has an immediate effect."""
    with Sandbox(flights=0) as sandbox:
        address = endpoint(sandbox, GROUP)
        [endpoint_id] = sandbox.world.endpoints
        sandbox.world.set_rules(OTHER, Permission("1/65535", "0.0.0.0/0", policy="Drop"))
        assert answers(address)
        sandbox.world.set_security_group(endpoint_id, OTHER, "Attaching")
        assert not answers(address)
        sandbox.world.set_security_group(endpoint_id, OTHER, "Detaching")
        assert answers(address)


def test_from_another_vpc_a_route_is_needed() -> None:
    """Without a route only the endpoint's own VPC reaches it; without a location nothing is checked."""
    elsewhere: InstancePlace = replace(ANALYTICS, vpc_id="vpc-t4nother5d9r1z")
    with Sandbox(flights=0) as sandbox:
        address = endpoint(sandbox, GROUP)
        sandbox.place = elsewhere
        assert answers(address)
        sandbox.routed = False
        assert not answers(address)
        for place in (ANALYTICS, None):
            sandbox.place = place
            assert answers(address)


def test_the_groups_of_a_new_sandbox_are_open() -> None:
    """A new sandbox filters nothing, except through the group named closed."""
    network = seed()
    shut = {
        each.name
        for each in network.security_groups
        if not all(lets_in([each], source, 20000) for source in (SOURCE, "10.30.2.40", "127.0.0.1"))
    }
    assert shut == {"closed"}
