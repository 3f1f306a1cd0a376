"""What a person is shown of each result, in the clouds' console words; `layout` gives it its form.

Strings are carried as the clouds sent them: `layout` makes them harmless, all at one place.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.layout import Code, Mark, Table, View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.layout import Cell, Kind

OWNER_ACCEPTS = Mark(
    "info",
    "Disconnected: where the service does not auto-accept, its owner has to accept the connection first.",
)


_HERE = "(this notebook)"


def view(result: model.Result) -> View:
    """Return what is shown of a result, with the API hosts it came by where they are not the clouds' own."""
    shown = _view(result)
    if not result.via:
        return shown
    label, owner = ("API host", "cloud's") if len(result.via) == 1 else ("API hosts", "clouds'")
    via = Mark("aside", f"{label}: {', '.join(result.via)} (not the {owner} own)")
    return replace(shown, notes=(*shown.notes, via))


@singledispatch
def _view(result: model.Result) -> View:
    """Refuse a kind of result that has no view yet."""
    raise TypeError(f"no view of {type(result).__name__}")


@_view.register(model.Cluster)
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
            ("User prefix", Code(cluster.user_prefix)),
        ),
        notes=(Mark("warn", f"Cannot be used: {restriction.reason}."),) if restriction else (),
        next_command="%tidb_pe clusters" if restriction else "%tidb_pe verify",
    )


@_view.register(model.Clusters)
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
        next_command=f"%tidb_pe cluster {_named(usable[0], clusters)}" if usable else "",
    )


@_view.register(model.Networks)
def _networks(networks: model.Networks) -> View:
    cluster, usable = networks.cluster, networks.usable_vpcs()
    command = ""
    if usable:
        group = networks.usable_security_groups(usable[0])[0].security_group_id
        command = _command("plan", "--vpc", usable[0].vpc_id, "--security-group", group)
    none = Mark("warn", f"No VPC in {cluster.region_id} can hold the endpoint.")
    return View(
        title=f"Networks in {cluster.region_id} for cluster {cluster.display_name}",
        facts=(("The service's zones", Code(*networks.zones)), ("This notebook", _place(networks.here))),
        parts=tuple(_vpc(networks, vpc) for vpc in networks.vpcs),
        notes=(*_elsewhere(networks), *(() if usable else (none,))),
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


@_view.register(model.VerifiedService)
def _verified(service: model.VerifiedService) -> View:
    return View(
        title="Service verified: this account can reach it",
        kind="ok",
        facts=(
            ("Service Name", Code(service.service_name)),
            ("Service ID", Code(service.service_id)),
            ("Region ID", Code(service.region_id)),
            ("Availability Zone IDs", Code(*service.zones)),
            ("Auto-accept", "yes" if service.auto_accept else "no: the service's owner has to accept"),
            ("Who pays", _payer(service.payer)),
        ),
        next_command="%tidb_pe networks",
    )


@_view.register(model.EndpointPlan)
def _plan(plan: model.EndpointPlan) -> View:
    existing = plan.existing
    facts: tuple[tuple[str, Cell], ...] = (
        ("Name", plan.name),
        ("Service Name", Code(plan.service.service_name)),
        ("VPC", Code(plan.vpc.vpc_id)),
        ("Security groups", Code(*plan.security_group_ids)),
    )
    if existing is not None:
        return View(
            title="Plan: adopt the endpoint that exists, unchanged",
            ident=existing.endpoint_id,
            facts=(*facts, *_states(existing)),
            tables=(*_zones(plan.zones), *_findings(plan.findings)),
            notes=(
                *_differences(plan.differences),
                Mark("info", "Nothing is made, so nothing more is billed."),
                *_passed(plan.findings),
            ),
            next_command="%tidb_pe plan" if plan.stops else _command("create", "--vpc", plan.vpc.vpc_id),
        )
    asked = ["--vpc", plan.vpc.vpc_id] if plan.vpc.vpc_id else []
    for group in plan.security_group_ids:
        asked += ["--security-group", group]
    for zone in plan.zones:
        asked += ["--zone", f"{zone.zone_id}={zone.vswitch_id}"]
    dry_run = (Mark("ok", f"Dry run: {plan.dry_run}; nothing was made."),) if plan.dry_run else ()
    return View(
        title="Plan: make an endpoint" + (", which create refuses without --force" if plan.stops else ""),
        kind="no" if plan.stops else None,
        facts=(*facts, ("Cost", plan_cost(plan))),
        tables=(*_zones(plan.zones), *_findings(plan.findings)),
        notes=(*_passed(plan.findings), *dry_run),
        next_command=_command("plan" if plan.stops else "create", *asked, "--name", plan.name),
    )


def _findings(findings: Iterable[model.Finding]) -> tuple[Table, ...]:
    """Return the table of what is not well, in the order given: the gravest first."""
    kinds: dict[model.Severity, Kind] = {model.Severity.STOP: "no", model.Severity.WARN: "warn"}
    rows = tuple(
        (
            Mark(kinds[finding.severity], finding.check),
            finding.summary + (f" ({finding.evidence})" if finding.evidence else ""),
            finding.mend,
        )
        for finding in findings
        if finding.severity in kinds
    )
    return (Table(caption="Preflight", header=("Check", "Found", "What to do"), rows=rows),) if rows else ()


def _passed(findings: Iterable[model.Finding]) -> tuple[Mark, ...]:
    """Return one line for all the checks in which nothing was found."""
    passed = [finding.check for finding in findings if finding.severity == model.Severity.OK]
    return (Mark("ok", f"Preflight, nothing found: {', '.join(passed)}."),) if passed else ()


@_view.register(model.CreatedEndpoint)
def _created(created: model.CreatedEndpoint) -> View:
    allow_list = Mark(
        "info",
        "Where the cluster's allow-list of endpoint IDs (Authorized Networks in TiDB Cloud) is not empty, "
        f"add {created.endpoint.endpoint_id} to it, else logins are refused.",
    )
    shown = _endpoint(created.endpoint)
    title = "Endpoint adopted, used as it is:" if created.adopted else "Endpoint created"
    return replace(
        shown,
        title=title,
        kind="ok",
        notes=(*_differences(created.differences), *shown.notes, allow_list),
    )


@_view.register(model.VpcEndpoint)
def _endpoint(endpoint: model.VpcEndpoint) -> View:
    notes = []
    if endpoint.business_status != "Normal":
        notes.append(
            Mark("warn", f"Billing status {endpoint.business_status}: see the Alibaba Cloud account.")
        )
    if awaits_owner(endpoint):
        notes.append(OWNER_ACCEPTS)
    if endpoint.ready:
        title, kind, command = (
            "Endpoint ready: Active and Connected",
            "ok",
            _for_endpoint("connect", endpoint),
        )
    elif endpoint.endpoint_status == model.EndpointStatus.DELETING:
        title, kind, command = "Endpoint is being deleted", "warn", "%tidb_pe endpoints"
    else:
        title, kind, command = "Endpoint not ready yet", "busy", _for_endpoint("wait", endpoint)
    return View(
        title=title,
        kind=kind,  # type: ignore[arg-type]  # the literals above are kinds
        ident=endpoint.endpoint_id,
        facts=(
            ("Name", endpoint.name),
            *_states(endpoint),
            ("Host", Code(endpoint.domain)),
            ("Service Name", Code(endpoint.service_name)),
            ("VPC", Code(endpoint.vpc_id)),
            ("Region ID", Code(endpoint.region_id)),
            ("Security groups", Code(*endpoint.security_group_ids)),
            ("Created", endpoint.created),
            ("Made by tidb_pe", _yes(endpoint.ours)),
        ),
        tables=_zones(endpoint.zones),
        notes=tuple(notes),
        next_command=command,
    )


@_view.register(model.Endpoints)
def _endpoints(endpoints: model.Endpoints) -> View:
    name = endpoints.cluster.display_name
    rows = tuple(
        (
            Code(endpoint.endpoint_id),
            endpoint.name,
            Code(endpoint.vpc_id),
            Code(*(zone.zone_id for zone in endpoint.zones)),
            Code(*(zone.eni_ip for zone in endpoint.zones)),
            f"{endpoint.endpoint_status}, {endpoint.connection_status}",
            _yes(endpoint.ours),
        )
        for endpoint in endpoints
    )
    if not rows:
        none = Mark("info", f"This account has no endpoint for the service of cluster {name}.")
        return View(title=f"Endpoints of cluster {name}", notes=(none,), next_command="%tidb_pe networks")
    header = ("Endpoint ID", "Name", "VPC", "Zones", "Addresses", "State", "Made by tidb_pe")
    return View(title=f"Endpoints of cluster {name}", tables=(Table(caption="", header=header, rows=rows),))


@_view.register(model.Connection)
def _connection(connection: model.Connection) -> View:
    tls = connection.tls
    python: Cell = Code("pandas.read_sql(query, runbook.connection.engine)")
    if connection.registered:
        python = "connection = %tidb_pe connect, then pandas.read_sql(query, connection.engine)"
    return View(
        title=f"Connected to cluster {connection.cluster.display_name} as",
        kind="ok",
        ident=connection.alias,
        facts=(
            ("Host", Code(connection.host)),
            ("Port", Code(str(connection.port))),
            ("User", Code(connection.user)),
            ("Database", Code(connection.database) if connection.database else "none chosen"),
            ("TLS", tls.description if tls.encrypted else Mark("warn", tls.description)),
            ("Server version", connection.server_version),
            ("Password from", connection.password_source),
            ("Endpoint ID", Code(connection.endpoint_id)),
            ("Query from Python", python),
        ),
        next_command=f"%%sql {connection.alias}" if connection.registered else "",
    )


@_view.register(model.Diagnosis)
def _diagnosis(diagnosis: model.Diagnosis) -> View:
    failed = diagnosis.failed
    unsure = any(stage.outcome == model.Outcome.UNKNOWN for stage in diagnosis.stages)
    place = f"{diagnosis.host}:{diagnosis.port}"
    kind: Kind = "ok"
    if failed is not None:
        title, kind = f"Diagnosis: {failed.name} fails at", "no"
    elif unsure:
        title = "Diagnosis: nothing fails as far as can be told at"
    else:
        title = "Diagnosis: every stage passes at"
    kinds: dict[model.Outcome, Kind] = {
        model.Outcome.PASSED: "ok",
        model.Outcome.FAILED: "no",
        model.Outcome.UNKNOWN: "warn",
        model.Outcome.NOT_REACHED: "info",
    }
    rows = tuple(
        (
            stage.name,
            Mark(kinds[stage.outcome], stage.outcome),
            stage.detail,
            "" if stage.seconds is None else f"{stage.seconds:.2f} s",
        )
        for stage in diagnosis.stages
    )
    tables = [Table(caption="", header=("Stage", "Outcome", "What was seen", "Time"), rows=rows)]
    if diagnosis.causes:
        causes = tuple((str(number), cause) for number, cause in enumerate(diagnosis.causes, 1))
        tables.append(
            Table(caption="Likely causes, the likeliest first", header=("No.", "Cause"), rows=causes)
        )
    return View(
        title=title, kind=kind, ident=place, tables=tuple(tables), next_command=diagnosis.next_command
    )


@_view.register(model.Disconnection)
def _disconnection(disconnection: model.Disconnection) -> View:
    title = "Connection closed:" if disconnection.closed else "Nothing to close: there is no connection"
    return View(title=title, kind="ok" if disconnection.closed else "info", ident=disconnection.alias)


@_view.register(model.Deletion)
def _deletion(deletion: model.Deletion) -> View:
    if not deletion.found:
        title = f"Nothing to delete: in {deletion.region_id} there is no endpoint"
        return View(title=title, kind="info", ident=deletion.endpoint_id, next_command="%tidb_pe endpoints")
    facts: list[tuple[str, Cell]] = [("Region ID", Code(deletion.region_id))]
    if deletion.zones:
        facts.append(("Zones removed first", Code(*deletion.zones)))
    if deletion.aliases:
        facts.append(("Connections closed", Code(*deletion.aliases)))
    return View(title="Endpoint deleted:", kind="ok", ident=deletion.endpoint_id, facts=tuple(facts))


@_view.register(model.Permissions)
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


@_view.register(model.RunbookStatus)
def _status(status: model.RunbookStatus) -> View:
    kinds: dict[bool | None, Kind] = {True: "ok", False: "no", None: "info"}
    rows = tuple((Mark(kinds[step.done], step.step), step.detail) for step in status.steps)
    return View(
        title="Status",
        tables=(Table(caption="", header=("Step", "As the clouds have it now"), rows=rows),),
        next_command=status.next_command,
    )


@_view.register(model.RunReport)
def _report(report: model.RunReport) -> View:
    shown = _connection(report.connection)
    return View(
        title="Run finished",
        kind="ok",
        tables=(steps_table(report.steps),),
        parts=(replace(shown, next_command=""),),
        next_command=shown.next_command,
    )


def awaits_owner(endpoint: model.VpcEndpoint) -> bool:
    """Tell whether the connection may need its owner: while the endpoint is made, none is connected yet."""
    return (
        endpoint.endpoint_status == model.EndpointStatus.ACTIVE
        and endpoint.connection_status == model.ConnectionStatus.DISCONNECTED
    )


def steps_table(steps: Iterable[model.FinishedStep], current: Mark | None = None, detail: str = "") -> Table:
    """Return the steps of a run, each with its seconds, and the one that is under way."""
    rows: list[tuple[Cell, ...]] = [
        (
            Mark("ok", step.step),
            f"{step.detail} (skipped: nothing left to do)" if step.skipped else step.detail,
            f"{step.seconds:.1f} s",
        )
        for step in steps
    ]
    if current is not None:
        rows.append((current, detail, ""))
    return Table(caption="", header=("Step", "Result", "Time"), rows=tuple(rows))


def plan_cost(plan: model.EndpointPlan) -> str:
    """Say in how many zones the planned endpoint is billed, and to whom."""
    zones = "1 zone" if len(plan.zones) == 1 else f"{len(plan.zones)} zones"
    if plan.existing is not None:
        return "nothing more: the endpoint exists"
    if not plan.zones:
        return "not known: the zones could not be looked up"
    if not plan.billed_zones:
        return f"{zones}, {_payer(plan.service.payer)}"
    each = "" if len(plan.zones) == 1 else "each "
    return f"{zones}, {each}billed by the hour from creation until deletion"


def _states(endpoint: model.VpcEndpoint) -> tuple[tuple[str, Cell], ...]:
    return (("Endpoint status", endpoint.endpoint_status), ("Connection status", endpoint.connection_status))


def _zones(zones: tuple[model.EndpointZone, ...]) -> tuple[Table, ...]:
    """Return the zones' table; a plan's zones have neither address nor status yet."""
    if not zones:
        return ()
    rows = ((Code(z.zone_id), Code(z.vswitch_id), Code(z.eni_ip), z.status) for z in zones)
    wide = any(zone.eni_ip or zone.status for zone in zones)
    header = ("Zone", "vSwitch", "Address", "Status")
    columns = len(header) if wide else len(header) - 2
    return (Table(caption="Zones", header=header[:columns], rows=tuple(row[:columns] for row in rows)),)


def _differences(differences: Iterable[str]) -> tuple[Mark, ...]:
    return tuple(Mark("warn", f"Difference: {difference}") for difference in differences)


def _usable(obstacle: str) -> Mark:
    return Mark("no", obstacle) if obstacle else Mark("ok", "yes")


def _without_name(reason: str, cluster: model.Cluster) -> str:
    """Return the reason without the name, which stands in the same row."""
    return reason.removeprefix(f"cluster {cluster.display_name} ")


def _yes(fact: bool) -> str:  # noqa: FBT001 - it is the only argument
    return "yes" if fact else "no"


def _payer(payer: str) -> str:
    return {
        "Endpoint": "the endpoint's owner, this account: each zone by the hour, from creation until deletion",
        "EndpointService": "the service's owner",
    }.get(payer, payer)


def _named(cluster: model.Cluster, clusters: model.Clusters) -> str:
    """Return how to name the cluster in a command: by its ID where the name is no plain, unique word."""
    unique = sum(other.display_name == cluster.display_name for other in clusters) == 1
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cluster.display_name)
    return shlex.quote(cluster.display_name if unique and plain else cluster.cluster_id)


def _for_endpoint(command: str, endpoint: model.VpcEndpoint) -> str:
    """Return the command with the endpoint's ID: the cluster may have other endpoints."""
    return _command(command, "--endpoint", endpoint.endpoint_id)


def _command(*words: str) -> str:
    return f"%tidb_pe {shlex.join(words)}"
