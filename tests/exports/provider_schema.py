"""The exported resources in the provider aliyun/alicloud 1.289: facts, without its code.

Source: schemas and read functions of aliyun/terraform-provider-alicloud at 81c43b6 (2026-08-21), in the files
resource_alicloud_privatelink_vpc_endpoint, …_vpc_endpoint_zone and …_security_group_rule.
"""

from __future__ import annotations

from typing import Any

ENDPOINT, ZONE, RULE = (
    "alicloud_privatelink_vpc_endpoint",
    "alicloud_privatelink_vpc_endpoint_zone",
    "alicloud_security_group_rule",
)
REQUIRED, OPTIONAL, KEPT, READ_ONLY = "required", "optional", "optional, computed", "computed"
STRING, NUMBER, BOOL, STRINGS, TAGS = "string", "number", "bool", ["set", "string"], ["map", "string"]

# For each resource: its attributes, each with its type (in Terraform's JSON notation) and who sets it.
SCHEMA: dict[str, dict[str, tuple[str | list[str], str]]] = {
    ENDPOINT: {
        "address_ip_version": (STRING, KEPT),
        "bandwidth": (NUMBER, READ_ONLY),
        "connection_status": (STRING, READ_ONLY),
        "create_time": (STRING, READ_ONLY),
        "cross_region_bandwidth": (NUMBER, KEPT),
        "dry_run": (BOOL, OPTIONAL),
        "endpoint_business_status": (STRING, READ_ONLY),
        "endpoint_description": (STRING, OPTIONAL),
        "endpoint_domain": (STRING, READ_ONLY),
        "endpoint_type": (STRING, KEPT),
        "policy_document": (STRING, KEPT),
        "protected_enabled": (BOOL, OPTIONAL),
        "region_id": (STRING, READ_ONLY),
        "resource_group_id": (STRING, KEPT),
        "security_group_ids": (STRINGS, OPTIONAL),
        "service_id": (STRING, KEPT),
        "service_name": (STRING, KEPT),
        "service_region_id": (STRING, KEPT),
        "status": (STRING, READ_ONLY),
        "tags": (TAGS, OPTIONAL),
        "vpc_endpoint_name": (STRING, OPTIONAL),
        "vpc_id": (STRING, REQUIRED),
        "zone_private_ip_address_count": (NUMBER, KEPT),
    },
    ZONE: {
        "dry_run": (BOOL, OPTIONAL),
        "endpoint_id": (STRING, REQUIRED),
        "eni_ip": (STRING, KEPT),
        "region_id": (STRING, READ_ONLY),
        "status": (STRING, READ_ONLY),
        "vswitch_id": (STRING, REQUIRED),
        "zone_id": (STRING, KEPT),
    },
    RULE: {
        "cidr_ip": (STRING, OPTIONAL),
        "description": (STRING, OPTIONAL),
        "ip_protocol": (STRING, REQUIRED),
        "ipv6_cidr_ip": (STRING, OPTIONAL),
        "nic_type": (STRING, KEPT),
        "policy": (STRING, OPTIONAL),
        "port_range": (STRING, OPTIONAL),
        "prefix_list_id": (STRING, KEPT),
        "priority": (NUMBER, OPTIONAL),
        "security_group_id": (STRING, REQUIRED),
        "security_group_rule_id": (STRING, READ_ONLY),
        "source_group_owner_account": (STRING, OPTIONAL),
        "source_group_owner_id": (STRING, OPTIONAL),
        "source_security_group_id": (STRING, OPTIONAL),
        "type": (STRING, REQUIRED),
    },
}
# Arguments that the read functions of the first two ignore. On an import, each is a change in every plan.
NEVER_READ = {ENDPOINT: {"dry_run", "protected_enabled"}, ZONE: {"dry_run"}}
# Values that only the schema accepts.
VALUES: dict[tuple[str, str], set[Any]] = {
    (ENDPOINT, "address_ip_version"): {"IPv4", "DualStack", "IPv6"},
    (ENDPOINT, "endpoint_type"): {"Interface", "GatewayLoadBalancer"},
    (ENDPOINT, "zone_private_ip_address_count"): {0, 1},
    (RULE, "type"): {"ingress", "egress"},
    (RULE, "ip_protocol"): {"tcp", "udp", "icmp", "icmpv6", "gre", "all"},
    (RULE, "policy"): {"accept", "drop"},
    (RULE, "nic_type"): {"internet", "intranet"},
    (RULE, "priority"): set(range(1, 101)),
}


def arguments(resource: str) -> set[str]:
    """Return the arguments that a configuration may set."""
    return {name for name, (_, decided) in SCHEMA[resource].items() if decided != READ_ONLY}


def tells(resource: str) -> set[str]:
    """Return the attributes that the resource only reports."""
    return SCHEMA[resource].keys() - arguments(resource)
