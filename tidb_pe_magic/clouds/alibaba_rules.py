"""DescribeSecurityGroupAttribute: inbound rules from wire to model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.clouds.json_fields import mapping, mappings, text
from tidb_pe_magic.model import SecurityRule, SecurityRules

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_rules(group_id: str, pages: Iterable[dict[str, Any]]) -> SecurityRules:
    """Return the rules of one group, whose list may go over several answers."""
    inner_access, rules = "", list[SecurityRule]()
    for page in pages:
        inner_access = inner_access or text(page, "InnerAccessPolicy")
        for item in mappings(mapping(page.get("Permissions")).get("Permission")):
            # The request asks for inbound rules only; an answer that ignores it must not confuse the check.
            if (text(item, "Direction") or "ingress").lower() == "ingress":
                rules.append(_rule(group_id, item))
    return SecurityRules(security_group_id=group_id, inner_access=inner_access, rules=tuple(rules))


def _rule(group_id: str, wire: dict[str, Any]) -> SecurityRule:
    priority = wire.get("Priority")
    return SecurityRule(
        security_group_id=group_id,
        policy=text(wire, "Policy"),
        # Documented as a string; a number is read as well.
        priority=str(priority) if isinstance(priority, int) else text(wire, "Priority"),
        protocol=text(wire, "IpProtocol"),
        port_range=text(wire, "PortRange"),
        source_port_range=text(wire, "SourcePortRange"),
        source_cidr=text(wire, "SourceCidrIp"),
        source_ipv6_cidr=text(wire, "Ipv6SourceCidrIp"),
        source_group_id=text(wire, "SourceGroupId"),
        source_prefix_list_id=text(wire, "SourcePrefixListId"),
        port_list_id=text(wire, "PortRangeListId"),
    )
