"""An endpoint as a Terraform configuration for the provider aliyun/alicloud.

Arguments and import IDs are those of the provider's public documentation: alicloud_privatelink_vpc_endpoint,
alicloud_privatelink_vpc_endpoint_zone and alicloud_security_group_rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.exports.attributes import arguments, read_only
from tidb_pe_magic.exports.base import ExportText, comment, header, warnings
from tidb_pe_magic.exports.hcl import Argument, align, block, label, literal, mapping, string, strings
from tidb_pe_magic.exports.marks import add_mark
from tidb_pe_magic.model import OUR_TAG, RamAction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.exports.base import ExportSource
    from tidb_pe_magic.model import EndpointZone, Finding, SecurityRule, VpcEndpoint

NAME = "terraform"
_ENDPOINT = "alicloud_privatelink_vpc_endpoint"
_ZONE = "alicloud_privatelink_vpc_endpoint_zone"
_RULE = "alicloud_security_group_rule"
_LABEL = "tidb"
_POLICY = "policy_document"
_EXISTING = (
    "terraform plan imports it and its zones (import blocks: Terraform 1.5 or later). Any other change in",
    "the plan is a difference between this text and the cloud: review it before you apply.",
)
_PLANNED = ("terraform plan shows what would be created; nothing has been created yet.",)
_REQUIRES = (
    "terraform {",
    '  required_version = ">= 1.5" # the first with import blocks',
    "",
    "  required_providers {",
    "    alicloud = {",
    '      source  = "aliyun/alicloud"',
    '      version = "~> 1.282" # the first whose endpoint takes service_region_id',
    "    }",
    "  }",
    "}",
)
_UNTAGGED = f"Without the tag {'='.join(OUR_TAG)}: delete needs --adopted in a notebook."
_ANSWERED = (
    "The arguments below are the fields of GetVpcEndpointAttribute, by its names; those of the zones are",
    "from ListVpcEndpointZones. It also reported fields that Terraform does not manage:",
)
_NO_KEY = (
    "This file contains no keys: the provider takes them from its environment (ALICLOUD_ACCESS_KEY and",
    "ALICLOUD_SECRET_KEY) or from a profile of the aliyun CLI.",
)


def write(source: ExportSource) -> ExportText:
    """Return the configuration.

    Raises:
        InvalidRequest: a value contains half of a surrogate pair.
    """
    parts = (_provider(source), _endpoint(source), *_zones(source), _rule(source), _outputs(source))
    lines = [*header(source, how=_EXISTING if source.existing else _PLANNED), "", *_REQUIRES]
    for part in parts:
        written = tuple(part)
        lines += ["", *written] if written else []
    return ExportText(add_mark(NAME, lines), warnings(source))


def _provider(source: ExportSource) -> Iterator[str]:
    yield from map(comment, _NO_KEY)
    region = Argument("region", string(source.cluster.region_id), "TiDB Cloud: where the service is")
    yield from block('provider "alicloud"', [region])


def _endpoint(source: ExportSource) -> Iterator[str]:
    endpoint = source.existing
    if endpoint is None:
        yield comment(_UNTAGGED)
        yield from block(_resource(_ENDPOINT, _LABEL), _planned_arguments(source))
        return
    yield from _import(f"{_ENDPOINT}.{_LABEL}", endpoint.endpoint_id)
    yield ""
    yield from map(comment, _ANSWERED)
    yield from (comment(f"- {name}: {value}") for name, value in read_only(endpoint))
    yield from block(
        _resource(_ENDPOINT, _LABEL), _existing_arguments(source, endpoint), *_further(source, endpoint)
    )


def _planned_arguments(source: ExportSource) -> Iterator[Argument]:
    origins = source.origins
    yield Argument(
        "service_name", string(source.plan.service.service_name), "TiDB Cloud: the cluster's service"
    )
    yield Argument("vpc_id", string(source.plan.vpc.vpc_id), origins.vpc)
    yield Argument("vpc_endpoint_name", string(source.plan.name), origins.name)
    yield Argument("endpoint_type", string("Interface"), "as create requests it")
    yield Argument("security_group_ids", strings(source.security_group_ids), origins.security_groups)


def _existing_arguments(source: ExportSource, endpoint: VpcEndpoint) -> Iterator[Argument]:
    for attribute, value in arguments(endpoint):
        if attribute.argument != _POLICY:
            yield Argument(attribute.argument, literal(value), attribute.name)
    if not source.hides(RamAction.ENDPOINT_SECURITY_GROUPS):
        groups = strings(source.security_group_ids)
        yield Argument("security_group_ids", groups, "ListVpcEndpointSecurityGroups")


def _further(source: ExportSource, endpoint: VpcEndpoint) -> Iterator[tuple[str, ...]]:
    """Yield the policy, the tags, and a lifecycle block for arguments whose values are unknown here."""
    unknown = [
        name
        for name, action in (
            ("security_group_ids", RamAction.ENDPOINT_SECURITY_GROUPS),
            ("tags", RamAction.ENDPOINTS),
        )
        if source.hides(action)
    ]
    for attribute, value in arguments(endpoint):
        if attribute.argument == _POLICY:  # in its own group, because it is long
            yield tuple(align([Argument(_POLICY, literal(value), attribute.name)]))
    if source.tags:
        yield (f"  {comment('ListVpcEndpoints: Tags')}", *mapping("tags", source.tags))
    if unknown:
        reason = "Unknown here because a permission is missing, so left as it is in the cloud."
        ignored = Argument("ignore_changes", f"[{', '.join(unknown)}]")
        yield (f"  {comment(reason)}", "  lifecycle {", f"    {ignored.name} = {ignored.expression}", "  }")


def _zones(source: ExportSource) -> Iterator[Iterator[str]]:
    endpoint, names = source.existing, set[str]()
    for zone in source.zones:
        name = label(f"zone_{zone.zone_id}")
        while name in names:
            name += "_"
        names.add(name)
        if endpoint is not None:
            yield _import(f"{_ZONE}.{name}", f"{endpoint.endpoint_id}:{zone.zone_id}")
        yield block(_resource(_ZONE, name), _zone(source, zone))


def _zone(source: ExportSource, zone: EndpointZone) -> Iterator[Argument]:
    found, origins = source.existing is not None, source.origins
    yield Argument("endpoint_id", f"{_ENDPOINT}.{_LABEL}.id")
    yield Argument("zone_id", string(zone.zone_id), "ZoneId" if found else origins.zones)
    yield Argument("vswitch_id", string(zone.vswitch_id), "VSwitchId" if found else origins.vswitches)
    if zone.eni_ip:
        yield Argument("eni_ip", string(zone.eni_ip), "EniIp")


def _rule(source: ExportSource) -> Iterator[str]:
    finding = source.inbound_finding
    if finding is None or finding.rule is None:
        return
    if not finding.rule.source_cidr:
        yield from block(
            'variable "notebook_cidr"',
            [
                Argument("description", string("Network or address of the notebook, such as 10.0.1.5/32")),
                Argument("type", "string"),
            ],
        )
        yield ""
    yield comment(f"Preflight, {finding.check}: {finding.summary}")
    yield from block(_resource(_RULE, "notebook_to_tidb"), _rule_arguments(finding, finding.rule))


def _rule_arguments(finding: Finding, rule: SecurityRule) -> Iterator[Argument]:
    known = bool(rule.source_cidr)
    yield Argument("security_group_id", string(rule.security_group_id), "the first of the endpoint's groups")
    yield Argument("type", string("ingress"))
    yield Argument("ip_protocol", string(rule.protocol.lower()))
    yield Argument("port_range", string(rule.port_range), "TiDB Cloud: the service's port")
    yield Argument(
        "cidr_ip",
        string(rule.source_cidr) if known else "var.notebook_cidr",
        "ECS metadata: this notebook's address" if known else "unknown",
    )
    yield Argument("policy", string(rule.policy.lower()))
    yield Argument("priority", rule.priority, "the highest, so that no other rule comes first")
    yield Argument("nic_type", string("intranet"), "as for every group of a VPC")
    yield Argument("description", string(f"Notebook to TiDB Cloud (preflight: {finding.check})"))


def _outputs(source: ExportSource) -> Iterator[str]:
    host = f"Private host of cluster {source.cluster.display_name}, port {source.port}"
    for name, attribute, description in (
        ("endpoint_id", "id", "TiDB Cloud's Endpoint Resource ID"),
        ("host", "endpoint_domain", host),
        ("connection_status", "connection_status", "Connected, once the service's owner has accepted"),
    ):
        if name != "endpoint_id":
            yield ""
        yield from block(
            f'output "{name}"',
            [
                Argument("description", string(description)),
                Argument("value", f"{_ENDPOINT}.{_LABEL}.{attribute}"),
            ],
        )


def _resource(kind: str, name: str) -> str:
    return f'resource "{kind}" "{name}"'


def _import(to: str, ident: str) -> Iterator[str]:
    return block("import", [Argument("to", to), Argument("id", string(ident))])
