"""Requests to the clouds: clusters, networks and endpoints, keys and their permissions."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.commands.fields import Request, count, option, seconds, switch, text_up_to
from tidb_pe_magic.commands.requests.values import (
    ZoneChoice,
    cluster_name,
    endpoint_id,
    endpoint_name,
    file_path,
    region_id,
    security_group_id,
    vpc_id,
)
from tidb_pe_magic.commands.topics import TOPICS
from tidb_pe_magic.model import EXPORT_FORMATS


@dataclass(frozen=True, kw_only=True)
class ClustersRequest(Request):
    """List the clusters."""


@dataclass(frozen=True, kw_only=True)
class HelpRequest(Request):
    """Explain a topic."""

    topic: str | None = option(
        "topic to explain; without it, list the topics",
        metavar="TOPIC",
        positional=True,
        choices=TOPICS,
    )


@dataclass(frozen=True, kw_only=True)
class WhoamiRequest(Request):
    """Show whose keys are used."""

    profile: str | None = option(
        "ticloud profile to use from now on in this kernel; takes precedence over every other source; "
        "default: from the environment",
        metavar="NAME",
        parse=text_up_to(128),
    )


@dataclass(frozen=True, kw_only=True)
class ClusterRequest(Request):
    """Select a cluster."""

    cluster: str = option(
        "name or ID of the cluster", default=..., metavar="NAME_OR_ID", parse=cluster_name, positional=True
    )


@dataclass(frozen=True, kw_only=True)
class ClusterFields(Request):
    """The cluster of a request."""

    cluster: str | None = option(
        "name or ID of the cluster; default: the last one used in this kernel, then TIDB_PE_CLUSTER",
        metavar="NAME_OR_ID",
        parse=cluster_name,
    )


@dataclass(frozen=True, kw_only=True)
class EndpointFields(ClusterFields):
    """The endpoint of a request, and its cluster."""

    endpoint: str | None = option(
        "ID of the endpoint; default: this kernel's last one, then the cluster's only one",
        metavar="ID",
        parse=endpoint_id,
        listed_by="endpoints",
    )


@dataclass(frozen=True, kw_only=True)
class NetworksRequest(ClusterFields):
    """List the networks."""


@dataclass(frozen=True, kw_only=True)
class VerifyRequest(ClusterFields):
    """Verify the endpoint service."""


@dataclass(frozen=True, kw_only=True)
class Placement(Request):
    """The place and the name of the endpoint."""

    vpc: str | None = option(
        "ID of the VPC; default: this notebook's, the only usable one, or the one that has an endpoint",
        metavar="ID",
        parse=vpc_id,
        listed_by="networks",
    )
    security_group: tuple[str, ...] = option(
        "ID of a security group of that VPC; separate several with commas; "
        "default: one whose rules allow this notebook",
        default=(),
        metavar="ID",
        parse=security_group_id,
        listed_by="networks",
        many=True,
        separator=",",
    )
    zone: tuple[ZoneChoice, ...] = option(
        "zone, with or without a vSwitch in it, or all; separate several with commas; each zone is billed; "
        "default: two zones with a usable vSwitch, this notebook's first",
        default=(),
        metavar="ZONE[=VSWITCH]",
        parse=ZoneChoice.parse,
        listed_by="networks",
        many=True,
        separator=",",
    )
    name: str | None = option(
        "name of the endpoint; default: tidb- and the cluster's name", metavar="N", parse=endpoint_name
    )


@dataclass(frozen=True, kw_only=True)
class PlanRequest(Placement, ClusterFields):
    """Show what would be created."""


@dataclass(frozen=True, kw_only=True)
class ExportRequest(Placement, ClusterFields):
    """Write the endpoint as infrastructure as code."""

    format: str = option(
        "format to write",
        default=...,
        metavar="FORMAT",
        positional=True,
        choices=EXPORT_FORMATS,
    )
    endpoint: str | None = option(
        "ID of an existing endpoint; default: the one that plan would adopt, else what create would create",
        metavar="ID",
        parse=endpoint_id,
        listed_by="endpoints",
    )
    to: str | None = option("write to this file", metavar="PATH", parse=file_path)
    replace: bool = option(
        "replace the file even if it is not an unchanged earlier export",
        default=False,
        parse=switch,
    )


@dataclass(frozen=True, kw_only=True)
class ForceField(Request):
    """Whether to continue if the preflight reports a blocking problem."""

    force: bool = option("continue even if the preflight reports a problem", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class CreateRequest(ForceField, Placement, ClusterFields):
    """Create the endpoint, or adopt the existing one."""


@dataclass(frozen=True, kw_only=True)
class TimeoutField(Request):
    """How long to wait."""

    timeout: float = option("maximum number of seconds to wait", default=600.0, metavar="S", parse=seconds)


@dataclass(frozen=True, kw_only=True)
class WaitRequest(TimeoutField, EndpointFields):
    """Wait for the endpoint."""


@dataclass(frozen=True, kw_only=True)
class AuthorizeRequest(EndpointFields):
    """Show the rule that allows the endpoint."""


@dataclass(frozen=True, kw_only=True)
class StatusRequest(EndpointFields):
    """Show each step's state."""


@dataclass(frozen=True, kw_only=True)
class EndpointsRequest(ClusterFields):
    """List the endpoints of a cluster, or of a region."""

    region: str | None = option(
        "list all endpoints created here in this region, also of deleted clusters; not with --cluster",
        metavar="REGION",
        parse=region_id,
    )


@dataclass(frozen=True, kw_only=True)
class PermissionsRequest(Request):
    """Show the permissions that the access key's owner needs."""

    cluster: str | None = option(
        "name or ID of the cluster whose region the policy is for; default: the last one used, "
        "else every region",
        metavar="NAME_OR_ID",
        parse=cluster_name,
    )
    clean_up: bool = option("include the permissions to delete", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class HistoryRequest(Request):
    """Show the journal."""

    limit: int = option("maximum number of entries, the latest ones", default=20, metavar="N", parse=count)
    queries: bool = option(
        "show the queries of this kernel instead, with their rows, seconds and Request Units",
        default=False,
        parse=switch,
    )


@dataclass(frozen=True, kw_only=True)
class DeleteRequest(TimeoutField, ClusterFields):
    """Delete an endpoint."""

    endpoint: str = option(
        "ID of the endpoint",
        default=...,
        metavar="ENDPOINT_ID",
        parse=endpoint_id,
        listed_by="endpoints",
        positional=True,
    )
    region: str | None = option(
        "the endpoint's region, instead of a cluster in it; works even if the cluster is deleted",
        metavar="REGION",
        parse=region_id,
    )
    yes: bool = option("confirm the deletion", default=False, parse=switch)
    adopted: bool = option("delete it even if it was not created here", default=False, parse=switch)
    shared: bool = option("delete it even if it serves other ACTIVE clusters", default=False, parse=switch)
