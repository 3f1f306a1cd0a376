"""The inbound rules of security groups, and their effect on one TCP port.

The order of rules follows Alibaba Cloud's documentation of security group rules: the rules of all
groups of a network interface count together; the smaller priority decides; with equal priorities, Drop wins.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ALL_PORTS = "-1/-1"
_RANGE = re.compile(r"(\d{1,5})(?:/(\d{1,5}))?")
_LAST_ADDRESS = 2**32 - 1


class Access(StrEnum):
    """Whether a connection is allowed."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, kw_only=True)
class SecurityRule:
    """One inbound rule, with the values of DescribeSecurityGroupAttribute (Alibaba Cloud API reference).

    Attributes:
        source_cidr: an IPv4 network or address.
        source_group_id: the source is every member of this group, whose addresses are unknown here.
        source_prefix_list_id: the source is a list of networks, which is unknown here.
        port_list_id: the ports are a list, which is unknown here.
    """

    security_group_id: str
    policy: str
    priority: str
    protocol: str
    port_range: str
    source_port_range: str = _ALL_PORTS
    source_cidr: str = ""
    source_ipv6_cidr: str = ""
    source_group_id: str = ""
    source_prefix_list_id: str = ""
    port_list_id: str = ""

    def __str__(self) -> str:
        """Return a short description."""
        source = (
            self.source_cidr
            or self.source_ipv6_cidr
            or self.source_group_id
            or self.source_prefix_list_id
            or "an unknown source"
        )
        ports = self.port_list_id or self.port_range or "unknown ports"
        return (
            f"{self.security_group_id}: {self.policy} {self.protocol} {ports} from {source}, "
            f"priority {self.priority}"
        )


@dataclass(frozen=True, kw_only=True)
class SecurityRules:
    """One group's inbound rules.

    Attributes:
        inner_access: `Accept` if members of the group can reach each other without a rule.
    """

    security_group_id: str
    inner_access: str
    rules: tuple[SecurityRule, ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The effect of the rules.

    Attributes:
        because: the deciding rules, or the rules that cannot be read; empty if no rule matches.
        members_only: only members of these groups are allowed, and this machine may be one.
    """

    access: Access
    because: tuple[SecurityRule, ...] = ()
    members_only: tuple[str, ...] = ()


@dataclass(frozen=True)
class _NumericRule:
    """A rule as numbers; a source of None is unknown. `certain` is False if the rule may not apply."""

    rule: SecurityRule
    order: tuple[int, bool] | None
    accepts: bool | None
    source: tuple[int, int] | None
    certain: bool

    def fits(self, address: int) -> bool | None:
        """Return whether the rule applies to this address; None if unknown."""
        if self.source is not None and not self.source[0] <= address <= self.source[1]:
            return False
        return True if self.source is not None and self.certain else None


def judge(groups: Sequence[SecurityRules], port: int, address: str = "") -> Judgement:
    """Return whether the groups together allow TCP from an IPv4 address to the port.

    Without an address, return the answer that holds for every address, if it exists.
    """
    rules = [
        read for group in groups for rule in group.rules if (read := _numeric_rule(rule, port)) is not None
    ]
    open_inside = tuple(g.security_group_id for g in groups if g.inner_access.lower() == "accept")
    addresses = [int(ipaddress.IPv4Address(address))] if address else _representatives(rules)
    judgements = [_judge_one(rules, each, open_inside) for each in addresses]
    outcomes = {judgement.access for judgement in judgements}
    if len(outcomes) == 1 and Access.UNKNOWN not in outcomes:
        return judgements[0]
    return Judgement(
        access=Access.UNKNOWN,
        because=tuple(dict.fromkeys(rule for judgement in judgements for rule in judgement.because)),
        members_only=next((j.members_only for j in judgements if j.members_only), ()),
    )


def _judge_one(rules: Sequence[_NumericRule], address: int, open_inside: tuple[str, ...]) -> Judgement:
    """Evaluate the rules by priority; after a rule that may match, later rules can still decide."""
    possible: dict[Access, list[SecurityRule]] = {}
    unreadable = [read for read in rules if read.order is None and read.fits(address) is not False]
    if unreadable:
        return Judgement(access=Access.UNKNOWN, because=tuple(read.rule for read in unreadable))
    for read in sorted(rules, key=lambda each: each.order or (0, False)):
        fits = read.fits(address)
        if fits is False:
            continue
        possible.setdefault(Access.ACCEPTED if read.accepts else Access.DROPPED, []).append(read.rule)
        if fits:
            return _only(possible)
    if open_inside:
        because = tuple(rule for found in possible.values() for rule in found)
        return Judgement(access=Access.UNKNOWN, because=because, members_only=open_inside)
    possible.setdefault(Access.DROPPED, [])
    return _only(possible)


def _only(possible: dict[Access, list[SecurityRule]]) -> Judgement:
    because = tuple(rule for found in possible.values() for rule in found)
    access = next(iter(possible)) if len(possible) == 1 else Access.UNKNOWN
    return Judgement(access=access, because=because)


def _representatives(rules: Iterable[_NumericRule]) -> list[int]:
    """Return one address of each range within which the same rules apply."""
    starts = {0}
    for read in rules:
        if read.source is not None:
            starts |= {read.source[0], read.source[1] + 1}
    return sorted(start for start in starts if start <= _LAST_ADDRESS)


def _numeric_rule(rule: SecurityRule, port: int) -> _NumericRule | None:
    """Return the rule as numbers; None if it does not apply to IPv4, TCP or the port."""
    if rule.protocol.lower() not in {"tcp", "all"}:
        return None
    about_port = None if rule.port_list_id else _covers(rule.port_range, port)
    about_source = _covers_all(rule.source_port_range)
    if about_port is False:
        return None
    source = _network(rule.source_cidr)
    by_name = bool(rule.source_group_id or rule.source_prefix_list_id)
    if rule.source_ipv6_cidr and not rule.source_cidr and not by_name:
        return None
    accepts = {"accept": True, "drop": False}.get(rule.policy.lower())
    weighed = rule.priority.isascii() and rule.priority.isdecimal() and accepts is not None
    return _NumericRule(
        rule=rule,
        order=(int(rule.priority), bool(accepts)) if weighed else None,
        accepts=accepts,
        source=None if by_name else source,
        certain=about_port is True and about_source,
    )


def _network(cidr: str) -> tuple[int, int] | None:
    try:
        network = ipaddress.IPv4Network(cidr, strict=False)
    except ValueError:
        return None
    return int(network.network_address), int(network.broadcast_address)


def _covers_all(source_ports: str) -> bool:
    return source_ports in {"", _ALL_PORTS, "1/65535", "0/65535"}


def _covers(port_range: str, port: int) -> bool | None:
    """Return whether `4000/4000`, `1/65535,…` or `-1/-1` contains the port; None if it cannot be parsed."""
    if port_range == _ALL_PORTS:
        return True
    parts = [_RANGE.fullmatch(part.strip()) for part in port_range.split(",")]
    if any(part and int(part[1]) <= port <= int(part[2] or part[1]) for part in parts):
        return True
    return False if all(parts) else None
