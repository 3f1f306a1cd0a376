"""What is shown of clusters, networks, the service, and the permissions that are needed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.layout import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import cannot_tell, command_line, view_of, who_pays

if TYPE_CHECKING:
    from tidb_pe_magic.display.layout import Cell


_HERE = "(this notebook)"


@view_of.register(model.Cluster)
def _cluster(cluster: model.Cluster) -> View:
    service = cluster.service
    noted: tuple[tuple[str, Cell], ...] = ()
    if service is not None:
        noted = (
            ("Service Name", Code(service.service_name)),
            ("Availability Zone IDs", Code(*service.zones)),
            ("Region ID", Code(service.region_id)),
            ("Port", Code(str(service.port))),
        )
    restriction = cluster.restriction
    return View(
        title=f"Cluster {cluster.display_name}",
        kind="no" if restriction else "ok",
        facts=(
            ("Cluster ID", Code(cluster.cluster_id)),
            ("Plan", cluster.plan.capitalize()),
            ("State", cluster.state),
            *noted,
            ("User prefix", Code(cluster.user_prefix) if cluster.user_prefix else "none: log in as root"),
        ),
        notes=(Mark("warn", f"Cannot be used: {restriction.reason}."),) if restriction else (),
        next_command="%tidb_pe clusters" if restriction else "%tidb_pe verify",
    )


@view_of.register(model.Clusters)
def _clusters(clusters: model.Clusters) -> View:
    rows = tuple(
        (
            cluster.display_name,
            Code(cluster.cluster_id),
            Code(cluster.region_id),
            cluster.plan.capitalize(),
            cluster.state,
            _usable(_without_name(cluster.restriction.reason, cluster) if cluster.restriction else ""),
        )
        for cluster in clusters
    )
    if not rows:
        return View(title="Clusters", notes=(Mark("warn", "This TiDB Cloud key sees no cluster."),))
    usable = [cluster for cluster in clusters if cluster.restriction is None]
    return View(
        title=f"Clusters: {len(usable)} of {len(rows)} can be used",
        tables=(
            Table(caption="", header=("Name", "Cluster ID", "Region", "Plan", "State", "Usable"), rows=rows),
        ),
        next_command=f"%tidb_pe cluster {shlex.quote(command_name(usable[0], clusters))}" if usable else "",
    )


@view_of.register(model.Networks)
def _networks(networks: model.Networks) -> View:
    cluster, usable = networks.cluster, networks.usable_vpcs()
    command = ""
    if usable:
        groups = networks.usable_security_groups(usable[0])
        command = command_line("plan", "--vpc", usable[0].vpc_id, "--security-group")
        command += f" {shlex.quote(groups[0].security_group_id)}" if groups else " sg-…"
    none = Mark("warn", f"No VPC in {cluster.region_id} can hold the endpoint.")
    return View(
        title=f"Networks in {cluster.region_id} for cluster {cluster.display_name}",
        facts=(("The service's zones", Code(*networks.zones)), ("This notebook", _place(networks.here))),
        parts=tuple(_vpc(networks, vpc) for vpc in networks.vpcs),
        notes=(*cannot_tell(networks.missing_actions), *_elsewhere(networks), *(() if usable else (none,))),
        next_command=command,
    )


def _place(here: model.Whereabouts | None) -> Cell:
    if here is None:
        return "unknown: no ECS metadata answers here"
    return Code(here.vpc_id, here.vswitch_id, here.zone_id, here.private_ip)


def _elsewhere(networks: model.Networks) -> tuple[Mark, ...]:
    """Say what it means where this notebook is in none of the VPCs; it hinders nothing here."""
    here = networks.here
    if here is None or any(networks.is_here(vpc) for vpc in networks.vpcs):
        return ()
    region = networks.cluster.region_id
    where = "another VPC" if here.region_id == region else f"another region, {here.region_id}"
    return (
        Mark(
            "warn",
            f"This notebook is in {where} ({here.vpc_id}): a private host in {region} answers it only "
            "where a route leads there (VPC peering, CEN).",
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
        )
        for group in vpc.security_groups
    )
    return View(
        title=" ".join(filter(None, ("VPC", vpc.name, _HERE if here is not None else ""))),
        kind="no" if obstacle else "ok",
        ident=vpc.vpc_id,
        tables=tuple(
            Table(caption=caption, header=header, rows=rows)
            for caption, header, rows in (
                (
                    "vSwitches",
                    ("vSwitch ID", "Name", "Zone", "CIDR block", "Free addresses", "Usable"),
                    vswitches,
                ),
                ("Security groups", ("Security group ID", "Name", "Type", "Usable"), groups),
            )
            if rows
        ),
        notes=(Mark("warn", f"Cannot be used: {obstacle}"),) if obstacle else (),
    )


@view_of.register(model.VerifiedService)
def _verified(service: model.VerifiedService) -> View:
    return View(
        title="Service verified: this account can reach it",
        kind="ok",
        facts=(
            ("Service Name", Code(service.service_name)),
            ("Service ID", Code(service.service_id)),
            ("Region ID", Code(service.region_id)),
            ("Availability Zone IDs", Code(*service.zones)),
            ("Address version", service.address_version),
            ("Auto-accept", "yes" if service.auto_accept else "no: the service's owner has to accept"),
            ("Who pays", who_pays(service.payer)),
        ),
        next_command="%tidb_pe networks",
    )


@view_of.register(model.Permissions)
def _permissions(permissions: model.Permissions) -> View:
    purpose = "plan, create, wait and connect" + (", and for delete" if permissions.clean_up else "")
    to_delete = Mark("info", "To delete endpoints too: %tidb_pe permissions --clean-up.")
    return View(
        title=f"RAM policy: the least that the access key's owner needs for {purpose}",
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
    return Mark("no", obstacle) if obstacle else Mark("ok", "yes")


def _without_name(reason: str, cluster: model.Cluster) -> str:
    """Return the reason without the name, which stands in the same row."""
    return reason.removeprefix(f"cluster {cluster.display_name} ")


def command_name(cluster: model.Cluster, clusters: model.Clusters) -> str:
    """Return how to name the cluster in a command: by its ID where the name is no plain, unique word."""
    unique = sum(other.display_name == cluster.display_name for other in clusters) == 1
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cluster.display_name)
    return cluster.display_name if unique and plain else cluster.cluster_id
