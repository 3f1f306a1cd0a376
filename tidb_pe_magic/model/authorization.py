"""The rule that a cluster's owner adds if the cluster allows only selected endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.model.base import Result


@dataclass(frozen=True, kw_only=True)
class Authorization(Result):
    """The rule that allows an endpoint in a cluster's Authorized Networks.

    Where: My TiDB > the instance > Settings > Networking > Private Endpoint > Authorized Networks > Add Rule
    (TiDB Cloud's tutorial of 2026-07, step 3). An empty table allows every endpoint. No public API reads or
    changes it.

    Attributes:
        cluster: name of the cluster; empty if the rule can apply to any of the endpoint's clusters.
        service_name: the rule's Endpoint Service Name.
        rule_name: the rule's Firewall Rule Name; any name is valid.
        endpoint_id: the rule's Your Endpoint ID, of 23 characters.
    """

    cluster: str
    service_name: str
    rule_name: str
    endpoint_id: str
