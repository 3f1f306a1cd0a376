"""The decision of the emulated network interfaces whether security groups allow a connection.

By the Alibaba Cloud user guide, "Security group rules": the rules of all groups of an interface count
together, the smallest priority decides, and Drop wins if two are equal. Without a matching rule, only
members of a group with internal access are allowed.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidb_pe_magic.sandbox.alibaba.network_seed import Permission, SecurityGroup

_ALL_PORTS = "-1/-1"


def lets_in(
    groups: Collection[SecurityGroup], source: str, port: int, *, member_of: Collection[str] = ()
) -> bool:
    """Return whether TCP from an IPv4 address to the port is allowed.

    Args:
        groups: groups of the network interface; without groups, everything is allowed.
        source: the client's address.
        port: the destination port.
        member_of: IDs of the groups that the client is a member of.
    """
    if not groups:
        return True
    about = [rule for group in groups for rule in group.permissions if _fits(rule, source, port, member_of)]
    if about:
        first = min(about, key=lambda rule: (int(rule.priority), rule.policy != "Drop"))
        return first.policy == "Accept"
    return any(
        group.inner_access_policy == "Accept" and group.security_group_id in member_of for group in groups
    )


def _fits(rule: Permission, source: str, port: int, member_of: Collection[str]) -> bool:
    """Return whether the rule applies to the connection; prefix lists and port lists are empty here."""
    return (
        rule.direction == "ingress"
        and rule.ip_protocol.upper() in {"TCP", "ALL"}
        and not rule.port_range_list_id
        and _holds_port(rule.port_range, port)
        and (_holds_address(rule.source_cidr_ip, source) or rule.source_group_id in member_of)
    )


def _holds_port(port_range: str, port: int) -> bool:
    first, _, last = port_range.partition("/")
    return port_range == _ALL_PORTS or int(first) <= port <= int(last or first)


def _holds_address(cidr: str, source: str) -> bool:
    return bool(cidr) and ipaddress.ip_address(source) in ipaddress.ip_network(cidr, strict=False)
