"""ECS 2014-05-26: the operations that change a security group's inbound rules.

Both accept one rule in separate parameters, as older clients send it, or up to 100 as `Permissions.N.…`.
Codes are those of the ECS API reference, "AuthorizeSecurityGroup".
"""

from __future__ import annotations

import ipaddress
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba.network_seed import Permission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Change
    from tidb_pe_magic.sandbox.alibaba.network_seed import SecurityGroup
    from tidb_pe_magic.sandbox.alibaba.parameters import Parameters

_MOST_RULES = 100
_PROTOCOLS = frozenset({"TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL"})
_PORTS = re.compile(r"(-1/-1|[0-9]{1,5}/[0-9]{1,5})")
_LARGEST_PORT = 65535
_NOTHING: Mapping[str, object] = MappingProxyType({})


def _authorize(call: Call) -> Callable[[], Body]:
    group = find_group(call)
    rules = [_rule(parameters) for parameters in _rule_parameters(call)]

    def change() -> Body:
        # An existing rule is neither added twice nor an error.
        added = [rule for rule in dict.fromkeys(rules) if rule not in group.permissions]
        call.world.set_rules(
            group.security_group_id, *group.permissions, *added, inner_access=group.inner_access
        )
        return _NOTHING

    return change


def _revoke(call: Call) -> Callable[[], Body]:
    group = find_group(call)
    ids = set(call.parameters.strings("SecurityGroupRuleId", most=_MOST_RULES))
    rules = [] if ids else [_rule(parameters) for parameters in _rule_parameters(call)]
    kept = [
        rule
        for rule in group.permissions
        if rule.rule_id not in ids and not any(_is_same(rule, revoked) for revoked in rules)
    ]

    def change() -> Body:
        call.world.set_rules(group.security_group_id, *kept, inner_access=group.inner_access)
        return _NOTHING

    return change


def find_group(call: Call) -> SecurityGroup:
    """Return the security group of RegionId and SecurityGroupId."""
    region_id = call.region(errors.RESOURCE_REGION_NOT_FOUND).region_id
    group_id = call.parameters.required("SecurityGroupId")
    regions = {vpc.vpc_id: vpc.region_id for vpc in call.world.network.vpcs}
    for group in call.world.network.security_groups:
        if group.security_group_id == group_id and regions[group.vpc_id] == region_id:
            return group
    raise errors.ApiError(errors.GROUP_ID_NOT_FOUND)


def _rule_parameters(call: Call) -> list[Parameters]:
    return call.parameters.records("Permissions", most=_MOST_RULES) or [call.parameters]


def _rule(parameters: Parameters) -> Permission:
    protocol, ports = parameters.text("IpProtocol").upper(), parameters.text("PortRange")
    if not protocol:
        raise errors.ApiError(errors.missing_input("IpProtocol"))
    if protocol not in _PROTOCOLS:
        raise errors.ApiError(errors.PROTOCOL_NOT_SUPPORTED)
    port_list = parameters.text("PortRangeListId")
    if not ports and not port_list:
        raise errors.ApiError(errors.missing_input("PortRange"))
    _check_ports(ports)
    policy = (parameters.text("Policy") or "accept").lower()
    if policy not in {"accept", "drop"}:
        raise errors.ApiError(errors.POLICY_MALFORMED)
    sources = tuple(parameters.text(name) for name in ("SourceCidrIp", "SourceGroupId", "SourcePrefixListId"))
    if not any(sources):
        raise errors.ApiError(errors.SOURCE_MISSING)
    _check_source(sources[0])
    return Permission(
        port_range=ports,
        source_cidr_ip=sources[0],
        ip_protocol=protocol,
        policy=policy.capitalize(),
        priority=str(parameters.integer("Priority", default=1, low=1, high=100)),
        source_group_id=sources[1],
        source_prefix_list_id=sources[2],
        port_range_list_id=port_list,
        description=parameters.text("Description"),
    )


def _check_ports(ports: str) -> None:
    if ports and not (_PORTS.fullmatch(ports) and all(int(p) <= _LARGEST_PORT for p in ports.split("/"))):
        raise errors.ApiError(errors.PORTS_MALFORMED)


def _check_source(cidr: str) -> None:
    try:
        ipaddress.IPv4Network(cidr or "0.0.0.0/0", strict=False)
    except ValueError:
        raise errors.ApiError(errors.SOURCE_MALFORMED) from None


def _is_same(rule: Permission, revoked: Permission) -> bool:
    """Compare the identifying fields of rules; priority and description are not among them."""
    names = ("direction", "ip_protocol", "port_range", "port_range_list_id", "policy")
    sources = ("source_cidr_ip", "source_group_id", "source_prefix_list_id")
    return all(getattr(rule, name) == getattr(revoked, name) for name in (*names, *sources))


ECS_CHANGES: Mapping[str, Change] = MappingProxyType(
    {"AuthorizeSecurityGroup": _authorize, "RevokeSecurityGroup": _revoke}
)
