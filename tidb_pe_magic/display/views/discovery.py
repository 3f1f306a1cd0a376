"""Views of clusters, networks, the service, and the required permissions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import missing_permission_notes, view_of, who_pays

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.display.view import Cell


_HERE = "(this notebook)"
_MOST_CHOICES = 6  # rows; the details list all
_MOST_UNUSABLE = 2


@view_of.register(model.Cluster)
def _cluster(cluster: model.Cluster) -> View:
    service = cluster.service
    brief: tuple[Cell, ...] = ()
    service_facts: tuple[tuple[str, Cell], ...] = ()
    if service is not None:
        brief = (Code(service.service_name), f"port {service.port}")
        service_facts = (
            ("Availability Zone IDs", Code(*service.zones)),
            ("Region ID", Code(service.region_id)),
        )
    restriction = cluster.restriction
    return View(
        title=f"Cluster {cluster.display_name}",
        kind="warn" if restriction else "ok",
        brief=(f"{cluster.plan.capitalize()}, {cluster.state}", *brief),
        notes=(Mark("warn", f"Cannot be used: {restriction.reason}."),) if restriction else (),
        next_command=Suggestion("clusters" if restriction else "verify"),
        details=(
            View(
                title="",
                facts=(
                    ("Cluster ID", Code(cluster.cluster_id)),
                    *service_facts,
                    (
                        "User prefix",
                        Code(cluster.user_prefix) if cluster.user_prefix else "none: log in as root",
                    ),
                ),
            ),
        ),
    )


@view_of.register(model.Clusters)
def _clusters(clusters: model.Clusters) -> View:
    rows = tuple(
        (
            cluster.display_name,
            Code(cluster.cluster_id),
            Code(cluster.region_id),
            cluster.plan.capitalize(),
            _state(cluster),
        )
        for cluster in clusters
    )
    if not rows:
        return View(title="Clusters", notes=(Mark("warn", "This TiDB Cloud key cannot see any clusters."),))
    usable = [cluster for cluster in clusters if cluster.restriction is None]
    return View(
        title=f"Clusters: {len(usable)} of {len(rows)} are usable",
        tables=(Table(caption="", header=("Name", "Cluster ID", "Region", "Plan", "State"), rows=rows),),
        next_command=Suggestion("cluster", command_name(usable[0], clusters)) if usable else None,
    )


@view_of.register(model.Networks)
def _networks(networks: model.Networks) -> View:
    cluster, usable = networks.cluster, networks.usable_vpcs()
    region, here = cluster.region_id, networks.here
    rows = tuple(row for vpc in usable for row in _choices(networks, vpc))
    header = ("VPC", "Zones", "Security group", "Allows this notebook")
    more = len(rows) - _MOST_CHOICES
    notes = [*missing_permission_notes(networks.missing_actions), *_outside_notes(networks)]
    if more > 0:
        notes.append(Mark("info", f"Details list {more} more security groups."))
    obstacles = [(vpc, networks.vpc_obstacle(vpc)) for vpc in networks.vpcs]
    notes += [
        Mark("aside", f"Not usable: {vpc.vpc_id} ({vpc.name}): {obstacle}")
        for vpc, obstacle in obstacles
        if obstacle
    ][:_MOST_UNUSABLE]
    if not usable:
        notes.append(Mark("warn", f"No VPC in {region} is usable for the endpoint."))
    return View(
        title=f"Networks in {region}: {len(usable)} of {len(networks.vpcs)} VPCs are usable",
        brief=(
            (f"this notebook: {here.zone_id}", Code(here.vpc_id), Code(here.private_ip))
            if here
            else ("this notebook: unknown, because the ECS metadata service does not answer",)
        ),
        tables=(Table(caption="", header=header, rows=rows[:_MOST_CHOICES]),) if rows else (),
        notes=tuple(notes),
        next_command=_plan_suggestion(networks, usable),
        details=(
            View(
                title="",
                facts=(("The service's zones", Code(*networks.zones)), ("This notebook", _location(here))),
                parts=tuple(_vpc(networks, vpc) for vpc in networks.vpcs),
            ),
        ),
    )


def _choices(networks: model.Networks, vpc: model.Vpc) -> Iterator[tuple[Cell, ...]]:
    """Return a row for each security group that an endpoint in the VPC can use."""
    usable = [vswitch.zone_id for vswitch in vpc.vswitches if not networks.vswitch_obstacle(vswitch)]
    for group in networks.usable_security_groups(vpc):
        yield (
            Code(vpc.vpc_id),
            Code(*dict.fromkeys(usable)),
            Code(group.security_group_id),
            _lets_in(group),
        )


def _lets_in(group: model.SecurityGroup) -> Mark:
    match group.inbound:
        case model.Access.ACCEPTED:
            return Mark("ok", "yes")
        case model.Access.DROPPED:
            return Mark("warn", "no")
        case _:
            return Mark("info", group.inbound or "not looked up")


def _plan_suggestion(networks: model.Networks, usable: Sequence[model.Vpc]) -> Suggestion | None:
    """Return the plan for the first usable VPC and a group that allows this notebook, or the first one."""
    if not usable:
        return None
    groups = networks.usable_security_groups(usable[0])
    allowing = [group for group in groups if group.inbound == model.Access.ACCEPTED] or groups
    asked = ["--security-group", allowing[0].security_group_id] if allowing else []
    return Suggestion("plan", "--vpc", usable[0].vpc_id, *asked)


def _location(here: model.Whereabouts | None) -> Cell:
    if here is None:
        return "unknown: the ECS metadata service does not answer"
    return Code(here.vpc_id, here.vswitch_id, here.zone_id, here.private_ip)


def _outside_notes(networks: model.Networks) -> tuple[Mark, ...]:
    """Explain what it means if this notebook is in none of the VPCs; this is not an error."""
    here = networks.here
    if here is None or any(networks.is_here(vpc) for vpc in networks.vpcs):
        return ()
    region = networks.cluster.region_id
    where = "another VPC" if here.region_id == region else f"another region, {here.region_id}"
    return (
        Mark(
            "warn",
            f"This notebook is in {where} ({here.vpc_id}). It can reach a private host in {region} only "
            "through a route to it (VPC peering, CEN).",
        ),
    )


def _vpc(networks: model.Networks, vpc: model.Vpc) -> View:
    obstacle = networks.vpc_obstacle(vpc)
    here = networks.here.vswitch_id if networks.here and networks.is_here(vpc) else None
    vswitches = tuple(
        (
            Code(vswitch.vswitch_id),
            f"{vswitch.name} {_HERE}".strip() if vswitch.vswitch_id == here else vswitch.name,
            Code(vswitch.zone_id),
            vswitch.cidr_block,
            str(vswitch.available_ip_count),
            _usable(networks.vswitch_obstacle(vswitch)),
        )
        for vswitch in vpc.vswitches
    )
    groups = tuple(
        (
            Code(group.security_group_id),
            group.name,
            {"normal": "basic", "enterprise": "advanced"}.get(group.group_type, group.group_type),
            _usable("managed by a cloud service" if group.service_managed else ""),
            Mark("aside", "") if group.service_managed else _lets_in(group),
        )
        for group in vpc.security_groups
    )
    return View(
        title=" ".join(filter(None, ("VPC", vpc.name, _HERE if here is not None else ""))),
        kind="warn" if obstacle else "ok",
        ident=vpc.vpc_id,
        tables=tuple(
            Table(caption=caption, header=header, rows=rows)
            for caption, header, rows in (
                (
                    "vSwitches",
                    ("vSwitch ID", "Name", "Zone", "CIDR block", "Free addresses", "Usable"),
                    vswitches,
                ),
                (
                    "Security groups",
                    ("Security group ID", "Name", "Type", "Usable", "Allows this notebook"),
                    groups,
                ),
            )
            if rows
        ),
        notes=(Mark("warn", f"Cannot be used: {obstacle}"),) if obstacle else (),
    )


@view_of.register(model.VerifiedService)
def _verified_service(service: model.VerifiedService) -> View:
    pays = () if service.emulated else (("Who pays", who_pays(service.payer)),)
    return View(
        title="Service verified: this account can reach it",
        kind="ok",
        brief=(
            Code(*service.zones),
            "accepts connections automatically"
            if service.auto_accept
            else Mark("warn", "the service's owner has to accept the connection"),
        ),
        next_command=Suggestion("networks"),
        details=(
            View(
                title="",
                facts=(
                    ("Service Name", Code(service.service_name)),
                    ("Service ID", Code(service.service_id)),
                    ("Region ID", Code(service.region_id)),
                    ("Address version", service.address_version),
                    *pays,
                ),
            ),
        ),
    )


@view_of.register(model.Permissions)
def _permissions(permissions: model.Permissions) -> View:
    purpose = "plan, create, wait and connect" + (", and for delete" if permissions.clean_up else "")
    to_delete = Mark("info", "To allow deletion too.", Suggestion("permissions", "--clean-up"))
    return View(
        title=f"RAM policy: the minimum that the access key's owner needs for {purpose}",
        block=tuple(permissions.policy.splitlines()),
        notes=(
            Mark(
                "info",
                "RAM console: Permissions > Policies > Create Policy > JSON; grant it to the key's owner.",
            ),
            *(() if permissions.clean_up else (to_delete,)),
        ),
    )


def _usable(obstacle: str) -> Mark:
    return Mark("aside", obstacle) if obstacle else Mark("ok", "yes")


def _state(cluster: model.Cluster) -> Mark:
    """Return the state of a usable cluster, or why it is not usable; the name is already in the row."""
    if cluster.restriction is None:
        return Mark("ok", cluster.state)
    return Mark("aside", cluster.restriction.reason.removeprefix(f"cluster {cluster.display_name} "))


def command_name(cluster: model.Cluster, clusters: model.Clusters) -> str:
    """Return the cluster's argument in a command: its ID if the name is not a plain, unique word."""
    unique = sum(other.display_name == cluster.display_name for other in clusters) == 1
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cluster.display_name)
    return cluster.display_name if unique and plain else cluster.cluster_id
