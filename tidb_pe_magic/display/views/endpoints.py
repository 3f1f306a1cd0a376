"""What is shown of plans and endpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.layout import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import (
    cannot_tell,
    command_line,
    for_endpoint,
    served,
    served_names,
    view_of,
    who_pays,
    yes_or_no,
)
from tidb_pe_magic.display.views.timeline import observed_changes, timeline
from tidb_pe_magic.display.views.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.display.layout import Cell, Kind


OWNER_ACCEPTS = Mark(
    "info",
    "Disconnected: where the service does not auto-accept, its owner has to accept the connection first.",
)


@view_of.register(model.EndpointPlan)
def _plan(plan: model.EndpointPlan) -> View:
    existing = plan.existing
    refused = ", which create refuses without --force" if plan.stops else ""
    facts: tuple[tuple[str, Cell], ...] = (
        ("Name", plan.name),
        ("Service Name", Code(plan.service.service_name)),
        ("VPC", Code(plan.vpc.vpc_id)),
        ("Security groups", Code(*plan.security_group_ids)),
        *served(plan.clusters),
    )
    if existing is not None:
        return View(
            title=f"Plan: adopt the endpoint that exists, unchanged{refused}",
            kind="no" if plan.stops else None,
            ident=existing.endpoint_id,
            facts=(*facts, *_states(existing)),
            tables=(*_zones(plan.zones), *_findings(plan.findings)),
            notes=(
                *_differences(plan.differences),
                Mark("info", "Nothing is made, so nothing more is billed."),
                *_passed(plan.findings),
            ),
            next_command="%tidb_pe plan" if plan.stops else command_line("create", "--vpc", plan.vpc.vpc_id),
        )
    asked = ["--vpc", plan.vpc.vpc_id] if plan.vpc.vpc_id else []
    for group in plan.security_group_ids:
        asked += ["--security-group", group]
    for zone in plan.zones:
        asked += ["--zone", f"{zone.zone_id}={zone.vswitch_id}"]
    dry_run = (Mark("ok", f"Dry run: {plan.dry_run}; nothing was made."),) if plan.dry_run else ()
    return View(
        title=f"Plan: make an endpoint{refused}",
        kind="no" if plan.stops else None,
        facts=(*facts, ("Cost", plan_cost(plan))),
        tables=(*_zones(plan.zones), *_findings(plan.findings)),
        notes=(*_passed(plan.findings), *dry_run),
        next_command=command_line("plan" if plan.stops else "create", *asked, "--name", plan.name),
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


@view_of.register(model.CreatedEndpoint)
def _created(created: model.CreatedEndpoint) -> View:
    shown = _endpoint(created.endpoint)
    title = "Endpoint adopted, used as it is:" if created.adopted else "Endpoint created"
    return replace(
        shown,
        title=title,
        kind="ok",
        tables=(*shown.tables, *_findings(created.findings)),
        notes=(*_differences(created.differences), *shown.notes),
        parts=(_authorization(created.endpoint.authorization()),),
    )


@view_of.register(model.Authorization)
def _authorization(rule: model.Authorization) -> View:
    whose = f"cluster {rule.cluster}" if rule.cluster else "a cluster"
    return View(
        title=f"Optional: authorize the endpoint for {whose}",
        facts=(
            ("Endpoint Service Name", Code(rule.service_name)),
            ("Firewall Rule Name", Code(rule.rule_name)),
            ("Your Endpoint ID", Code(rule.endpoint_id)),
        ),
        notes=(
            Mark(
                "info",
                "TiDB Cloud: My TiDB > the instance > Settings > Networking > Private Endpoint > Authorized "
                "Networks > Add Rule.",
            ),
            Mark(
                "info", "An empty table allows every endpoint. With rules in it, other endpoints are refused."
            ),
        ),
        next_command=command_line("connect", "--endpoint", rule.endpoint_id) if rule.cluster else "",
    )


@view_of.register(model.VpcEndpoint)
def _endpoint(endpoint: model.VpcEndpoint) -> View:
    notes = [*cannot_tell(endpoint.missing_actions)]
    if endpoint.business_status != "Normal":
        notes.append(
            Mark("warn", f"Billing status {endpoint.business_status}: see the Alibaba Cloud account.")
        )
    if awaits_owner(endpoint):
        notes.append(OWNER_ACCEPTS)
    if endpoint.changes:
        notes.append(observed_changes(endpoint.changes))
    if endpoint.ready:
        title, kind, command = (
            "Endpoint ready: Active and Connected",
            "ok",
            for_endpoint("connect", endpoint),
        )
    elif endpoint.endpoint_status == model.EndpointStatus.DELETING:
        title, kind, command = "Endpoint is being deleted", "warn", "%tidb_pe endpoints"
    else:
        title, kind, command = "Endpoint not ready yet", "busy", for_endpoint("wait", endpoint)
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
            ("Made by tidb_pe", _made_here(endpoint)),
            *served(endpoint.clusters),
        ),
        # Of an endpoint that was waited for, the picture; each other command shows it as its words alone.
        pictures=(topology(None, endpoint), timeline(endpoint.changes)) if endpoint.changes else (),
        tables=_zones(endpoint.zones),
        notes=tuple(notes),
        next_command=command,
    )


@view_of.register(model.Endpoints)
def _endpoints(endpoints: model.Endpoints) -> View:
    cluster = endpoints.cluster
    of = f"of cluster {cluster.display_name}" if cluster else f"made here in {endpoints.region_id}"
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Code(endpoint.endpoint_id),
            endpoint.name,
            Code(endpoint.vpc_id),
            Code(*(zone.zone_id for zone in endpoint.zones)),
            Code(*(zone.eni_ip for zone in endpoint.zones)),
            f"{endpoint.endpoint_status}, {endpoint.connection_status}",
            _made_here(endpoint),
        )
        for endpoint in endpoints
    )
    missing = dict.fromkeys(action for endpoint in endpoints for action in endpoint.missing_actions)
    if not rows:
        none = "was made here" if cluster is None else f"is for the service of cluster {cluster.display_name}"
        note = Mark("info", f"None of this account's endpoints in {endpoints.region_id} {none}.")
        following = "%tidb_pe networks" if cluster else ""
        return View(title=f"Endpoints {of}", notes=(note,), next_command=following)
    header: tuple[str, ...] = ("Endpoint ID", "Name", "VPC", "Zones", "Addresses", "State", "Made by tidb_pe")
    if cluster is None:
        # Each may be of another service; those of one cluster are all of its service.
        header = (*header, "Serves clusters")
        rows = tuple(
            (*row, served_names(each.clusters or ())) for row, each in zip(rows, endpoints, strict=True)
        )
    return View(
        title=f"Endpoints {of}",
        facts=served(endpoints.items[0].clusters) if cluster else (),
        tables=(Table(caption="", header=header, rows=rows),),
        notes=cannot_tell(missing),
    )


def _made_here(endpoint: model.VpcEndpoint) -> str:
    """Say whether our tag is on it, which one operation alone tells."""
    hidden = model.RamAction.ENDPOINTS in endpoint.missing_actions
    return "cannot tell" if hidden else yes_or_no(endpoint.ours)


@view_of.register(model.Deletion)
def _deletion(deletion: model.Deletion) -> View:
    if not deletion.found:
        title = f"Nothing to delete: in {deletion.region_id} there is no endpoint"
        return View(title=title, kind="info", ident=deletion.endpoint_id, next_command="%tidb_pe endpoints")
    facts: list[tuple[str, Cell]] = [("Region ID", Code(deletion.region_id))]
    if deletion.zones:
        facts.append(("Zones removed first", Code(*deletion.zones)))
    if deletion.aliases:
        facts.append(("Connections closed", Code(*deletion.aliases)))
    if deletion.clusters:
        facts.append(("Served clusters", served_names(deletion.clusters)))
    return View(title="Endpoint deleted:", kind="ok", ident=deletion.endpoint_id, facts=tuple(facts))


def awaits_owner(endpoint: model.VpcEndpoint) -> bool:
    """Tell whether the connection may need its owner: while the endpoint is made, none is connected yet."""
    return (
        endpoint.endpoint_status == model.EndpointStatus.ACTIVE
        and endpoint.connection_status == model.ConnectionStatus.DISCONNECTED
    )


def plan_cost(plan: model.EndpointPlan) -> str:
    """Say in how many zones the planned endpoint is billed, and to whom."""
    zones = "1 zone" if len(plan.zones) == 1 else f"{len(plan.zones)} zones"
    if plan.existing is not None:
        return "nothing more: the endpoint exists"
    if not plan.zones:
        return "not known: the zones could not be looked up"
    if not plan.billed_zones:
        return f"{zones}, {who_pays(plan.service.payer)}"
    each = "" if len(plan.zones) == 1 else "each "
    return f"{zones}, {each}billed by the hour from creation until deletion"


def _states(endpoint: model.VpcEndpoint) -> tuple[tuple[str, Cell], ...]:
    return (("Endpoint status", endpoint.endpoint_status), ("Connection status", endpoint.connection_status))


def _zones(zones: tuple[model.EndpointZone, ...]) -> tuple[Table, ...]:
    """Return the zones' table; a plan's zones have neither address nor status yet."""
    if not zones:
        return ()
    rows = (
        (Code(z.zone_id), Code(z.vswitch_id), Code(*filter(None, (z.eni_ip, z.ipv6_address))), z.status)
        for z in zones
    )
    wide = any(zone.eni_ip or zone.status for zone in zones)
    header = ("Zone", "vSwitch", "Address", "Status")
    columns = len(header) if wide else len(header) - 2
    return (Table(caption="Zones", header=header[:columns], rows=tuple(row[:columns] for row in rows)),)


def _differences(differences: Iterable[str]) -> tuple[Mark, ...]:
    return tuple(Mark("warn", f"Difference: {difference}") for difference in differences)
