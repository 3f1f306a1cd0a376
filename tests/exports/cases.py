"""Existing and planned endpoints, the sources of the golden files.

`PYTHONPATH=tests .venv/bin/python -m exports.cases` writes the files anew.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.results import ENDPOINT, PLAN, SERVICE, ZONES

from tidb_pe_magic import model
from tidb_pe_magic.exports.base import ExportSource, Origins
from tidb_pe_magic.exports.formats import FORMATS

GOLDEN = Path(__file__).with_name("golden")
SUFFIXES = {"terraform": "tf", "aliyun-cli": "sh"}

ORIGINS = Origins(
    vpc="--vpc",
    security_groups="the only one of the VPC",
    zones="the default of plan",
    vswitches="the one with the most free addresses",
    name="derived from the cluster's name",
)
PLANNED = ExportSource(plan=PLAN, origins=ORIGINS, token="0123456789abcdef" * 3)
RULE = model.SecurityRule(
    security_group_id="sg-t4nabc123",
    policy="Accept",
    priority="1",
    protocol="TCP",
    port_range="4000/4000",
    source_cidr="10.0.1.5/32",
)
BLOCKED = model.Finding(
    check="port",
    severity=model.Severity.STOP,
    summary="TCP 4000 from 10.0.1.5 is not allowed by any rule of sg-t4nabc123: connections would time out.",
    rule=RULE,
)
UNKNOWN_ADDRESS = replace(
    BLOCKED,
    summary="TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.",
    rule=replace(RULE, source_cidr=""),
)
# As GetVpcEndpointAttribute, ListVpcEndpoints and ListVpcEndpointZones answer, in any order.
DETAILED = replace(
    ENDPOINT,
    created="2026-11-22T08:00:00Z",
    security_group_ids=("sg-t4nxyz789", "sg-t4nabc123"),
    zones=tuple(
        model.EndpointZone(
            zone_id=zone, vswitch_id=f"vsw-{zone[-1]}", eni_ip=f"10.0.{number}.7", status="Connected"
        )
        for number, zone in ((2, ZONES[1]), (1, ZONES[0]))
    ),
    tags=(
        model.EndpointTag(key="team", value="analytics"),
        model.EndpointTag(key="created-by", value="tidb_pe_magic"),
    ),
    attributes=model.EndpointAttributes(
        service_id=SERVICE.service_id,
        service_region_id=SERVICE.region_id,
        description="Dashboards",
        endpoint_type="Interface",
        payer="Endpoint",
        resource_group_id="rg-acfm123",
        policy_document='{"Version":"1","Statement":[{"Effect":"Allow","Principal":"*","Action":"*"}]}',
        address_version="IPv4",
        bandwidth=1024,
        zone_private_ip_address_count=1,
        protected_enabled=False,
        resource_owner=False,
        zone_affinity_enabled=False,
    ),
)


def existing(endpoint: model.VpcEndpoint, *findings: model.Finding) -> ExportSource:
    """Return the export's input for an existing endpoint."""
    plan = replace(
        PLAN,
        existing=endpoint,
        zones=endpoint.zones,
        security_group_ids=endpoint.security_group_ids,
        findings=findings,
    )
    return replace(PLANNED, plan=plan)


CASES = {
    "planned": PLANNED,
    "planned-blocked": replace(PLANNED, plan=replace(PLAN, findings=(BLOCKED,))),
    "existing": existing(DETAILED),
    # The key may neither read the groups nor list endpoints, and this machine's location is unknown.
    "existing-hidden": existing(
        replace(
            DETAILED,
            connection_status="Disconnected",
            security_group_ids=(),
            tags=(),
            ours=False,
            missing_actions=(model.RamAction.ENDPOINTS, model.RamAction.ENDPOINT_SECURITY_GROUPS),
        ),
        UNKNOWN_ADDRESS,
    ),
}


def golden(case: str, name: str) -> Path:
    """Return the golden file of a case in a format."""
    return GOLDEN / f"{case}.{SUFFIXES[name]}"


def written(case: str, name: str) -> str:
    """Return the text of a case in a format, as its file contains it."""
    return f"{FORMATS[name].write(CASES[case]).text}\n"


if __name__ == "__main__":
    for case in CASES:
        for name in FORMATS:
            golden(case, name).write_text(written(case, name), encoding="utf-8")
