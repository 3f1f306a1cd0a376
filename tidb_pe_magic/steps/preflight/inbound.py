"""Whether security groups allow this machine to reach the service's port."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tidb_pe_magic.model import Access, SecurityRules, judge
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, look_up

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from tidb_pe_magic.model import Cluster, Vpc
    from tidb_pe_magic.runtime.context import Context

    Rules = MutableMapping[str, SecurityRules | DeniedLookup]

_MOST_GROUPS = 20  # in one command, because each group takes a request


def inbound_rules(
    context: Context, cluster: Cluster, group_ids: Iterable[str], known: Rules
) -> dict[str, SecurityRules | DeniedLookup]:
    """Return the groups' inbound rules; look up unknown groups, and add them to `known`."""
    alibaba, group_ids = context.alibaba(cluster.region_id), tuple(group_ids)
    for group_id in group_ids:
        if group_id not in known:
            known[group_id] = look_up(partial(alibaba.security_rules, group_id))
    return {group_id: known[group_id] for group_id in group_ids}


def with_inbound(context: Context, cluster: Cluster, vpc: Vpc, known: Rules) -> Vpc:
    """Return the VPC; each security group shows whether it alone allows this machine.

    Args:
        context: the clients.
        cluster: the cluster, for its port.
        vpc: the endpoint's VPC.
        known: rules that were already looked up; new ones are added.
    """
    here = context.whereabouts()
    port = cluster.service.port if cluster.service else 0
    asked = [group.security_group_id for group in vpc.security_groups if not group.service_managed]
    found = inbound_rules(context, cluster, asked[: max(0, _MOST_GROUPS - len(known))], known)

    def access(group_id: str) -> str:
        rules = found.get(group_id)
        if rules is None:
            return ""
        if isinstance(rules, DeniedLookup):
            return Access.UNKNOWN
        return judge([rules], port, here.private_ip if here else "").access

    groups = tuple(replace(each, inbound=access(each.security_group_id)) for each in vpc.security_groups)
    return replace(vpc, security_groups=groups)
