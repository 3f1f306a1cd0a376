"""Views of plans and endpoints."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import SQL, Suggestion, as_advice
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import (
    for_endpoint,
    missing_permission_notes,
    served_clusters,
    served_names,
    serves,
    view_of,
    who_pays,
    yes_or_no,
)
from tidb_pe_magic.display.views.timeline import observed_changes, timeline
from tidb_pe_magic.display.views.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.display.view import Cell, Kind


_SEVERITIES: dict[str, Kind] = {model.Severity.STOP: "no", model.Severity.WARN: "warn"}
OWNER_ACCEPTS = Mark(
    "info",
    "Disconnected: if the service does not auto-accept, its owner has to accept the connection first.",
)


@view_of.register(model.EndpointPlan)
def _plan(plan: model.EndpointPlan) -> View:
    existing = plan.existing
    facts: tuple[tuple[str, Cell], ...] = (
        ("Name", plan.name),
        ("Service Name", Code(plan.service.service_name)),
        ("VPC", Code(plan.vpc.vpc_id)),
        ("Security groups", Code(*plan.security_group_ids)),
        *served_clusters(plan.clusters),
    )
    details = (View(title="", facts=facts, tables=(*_zones(plan.zones), *_findings(plan))),)
    notes = (*_differences(plan.differences), *finding_notes(plan), *_passed_checks(plan))
    if existing is not None:
        return View(
            title="Plan: create refuses to reuse this endpoint without --force:"
            if plan.stops
            else "Plan: reuse the existing endpoint",
            kind="no" if plan.stops else None,
            ident=existing.endpoint_id,
            brief=_free(
                plan,
                Code(existing.vpc_id),
                existing.states(),
                *serves(plan.clusters),
                "no additional cost",
            ),
            notes=notes,
            next_command=Suggestion("plan") if plan.stops else _summary(existing)[2],
            next_body="" if plan.stops else _first_query(existing),
            details=details,
        )
    asked = ["--vpc", plan.vpc.vpc_id] if plan.vpc.vpc_id else []
    for group in plan.security_group_ids:
        asked += ["--security-group", group]
    for zone in plan.zones:
        asked += ["--zone", f"{zone.zone_id}={zone.vswitch_id}"]
    return View(
        title="Plan: create refuses this endpoint without --force:"
        if plan.stops
        else "Plan: create an endpoint",
        kind="no" if plan.stops else None,
        ident=plan.name,
        brief=_free(
            plan,
            Code(plan.vpc.vpc_id),
            Code(*plan.security_group_ids),
            Code(*(zone.zone_id for zone in plan.zones)),
            plan_cost(plan),
        ),
        notes=notes,
        next_command=Suggestion("plan" if plan.stops else "create", *asked, "--name", plan.name),
        details=details,
    )


def plan_line(plan: model.EndpointPlan) -> str:
    """Return one line with the plan's choices and what is billed."""
    existing = plan.existing
    if existing is not None:
        return f"reuse {existing.endpoint_id} in {existing.vpc_id}" + _cost(plan, "no additional cost")
    whose = " (this notebook's VPC)" if plan.here else ""
    zones = ", ".join(zone.zone_id for zone in plan.zones)
    groups = ", ".join(plan.security_group_ids)
    return (f"create {plan.name} in {plan.vpc.vpc_id}{whose}, security group {groups}, {zones}") + _cost(
        plan, plan_cost(plan)
    )


def _cost(plan: model.EndpointPlan, words: str) -> str:
    return "" if plan.emulated else f"; {words}"


def _free(plan: model.EndpointPlan, *cells: Cell) -> tuple[Cell, ...]:
    """Return the cells, without the last one about the cost if nothing is billed."""
    shown = cells[:-1] if plan.emulated else cells
    return tuple(cell for cell in shown if not (isinstance(cell, Code) and not cell.texts))


def finding_notes(plan: model.EndpointPlan) -> tuple[Mark, ...]:
    """Return a note for each finding that needs attention, except the existing endpoint (see the title)."""
    return tuple(
        _finding_note(finding, _without_cost(plan, finding))
        for finding in plan.findings
        if finding.severity in _SEVERITIES
        and not (finding.check == "existing-endpoint" and plan.existing and finding.severity != "stop")
        and not (finding.check == "payer" and plan.emulated)
    )


def _finding_note(finding: model.Finding, summary: str) -> Mark:
    advice = as_advice(finding.advice)
    words = f"{finding.check}: {summary} {advice.text}".rstrip()
    return Mark(_SEVERITIES[finding.severity], words, next(iter(advice.commands), None))


def _without_cost(plan: model.EndpointPlan, finding: model.Finding) -> str:
    if not plan.emulated:
        return finding.summary
    sentences = re.split(r"(?<=\.) ", finding.summary)
    return " ".join(sentence for sentence in sentences if "billed" not in sentence)


def _findings(plan: model.EndpointPlan) -> tuple[Table, ...]:
    """Return the table of what each check found, in the given order: the most severe first."""
    rows = tuple(
        (
            Mark(_SEVERITIES.get(finding.severity, "ok"), finding.check),
            _without_cost(plan, finding) + (f" ({finding.evidence})" if finding.evidence else ""),
        )
        for finding in plan.findings
        if not (finding.check == "payer" and plan.emulated)
    )
    return (Table(caption="Preflight", header=("Check", "Found"), rows=rows),) if rows else ()


def _passed_checks(plan: model.EndpointPlan) -> tuple[Mark, ...]:
    """Return one line for all passed checks."""
    passed = sum(finding.severity == model.Severity.OK for finding in plan.findings)
    if not passed:
        return (Mark("ok", f"Dry run {plan.dry_run}."),) if plan.dry_run else ()
    dry_run = f", dry run {plan.dry_run}" if plan.dry_run else ""
    return (Mark("ok", f"{passed} checks passed{dry_run}."),)


@view_of.register(model.CreatedEndpoint)
def _created_endpoint(created: model.CreatedEndpoint) -> View:
    shown = _endpoint(created.endpoint)
    authorization = replace(_authorization(created.endpoint.authorization()), next_command=None)
    return replace(
        shown,
        title="Existing endpoint reused, unchanged:" if created.adopted else "Endpoint created:",
        kind="ok",
        brief=(
            Code(created.endpoint.vpc_id),
            Code(*_zone_ids(created.endpoint)),
            created.endpoint.states(),
            *serves(created.endpoint.clusters),
        ),
        notes=(
            *_differences(created.differences),
            *(
                _finding_note(each, each.summary)
                for each in created.findings
                if each.severity in _SEVERITIES and not (each.check == "payer" and created.emulated)
            ),
            *shown.notes,
        ),
        details=(*shown.details, authorization),
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
                "info", "An empty table allows every endpoint. If it has rules, other endpoints are refused."
            ),
        ),
        next_command=Suggestion("connect", "--endpoint", rule.endpoint_id) if rule.cluster else None,
    )


@view_of.register(model.VpcEndpoint)
def _endpoint(endpoint: model.VpcEndpoint) -> View:
    notes = [*missing_permission_notes(endpoint.missing_actions)]
    if endpoint.business_status != "Normal":
        notes.append(
            Mark("warn", f"Billing status {endpoint.business_status}: see the Alibaba Cloud account.")
        )
    if awaits_owner(endpoint):
        notes.append(OWNER_ACCEPTS)
    title, kind, command = _summary(endpoint)
    changes = endpoint.changes
    seen = (observed_changes(changes),) if len(changes) > 1 else ()
    after = f"after {changes[-1].elapsed:.1f} s" if seen and endpoint.ready else ""
    brief: tuple[Cell, ...] = (
        "" if endpoint.ready else endpoint.states(),
        after,
        Code(endpoint.domain),
        Code(*_zone_ids(endpoint)),
        *serves(endpoint.clusters),
    )
    return View(
        title=title,
        kind=kind,
        ident=endpoint.endpoint_id,
        brief=tuple(cell for cell in brief if not isinstance(cell, str) or cell),
        # The picture after a wait; other commands show the endpoint only in words.
        pictures=((topology(None, endpoint), timeline(changes)) if seen else (topology(None, endpoint),))
        if changes
        else (),
        notes=tuple(notes),
        next_command=command,
        next_body=_first_query(endpoint),
        details=(
            View(
                title="",
                facts=(
                    ("Name", endpoint.name),
                    *_states(endpoint),
                    ("Service Name", Code(endpoint.service_name)),
                    ("VPC", Code(endpoint.vpc_id)),
                    ("Region ID", Code(endpoint.region_id)),
                    ("Security groups", Code(*endpoint.security_group_ids)),
                    ("Created", endpoint.created),
                    ("Created by tidb_pe", _origin(endpoint)),
                    *served_clusters(endpoint.clusters),
                ),
                tables=_zones(endpoint.zones),
                notes=seen,
            ),
        ),
    )


def _summary(endpoint: model.VpcEndpoint) -> tuple[str, Kind, Suggestion]:
    """Return an endpoint's title, mark and next command, derived from its state."""
    if endpoint.ready:
        following = Suggestion(SQL, endpoint.alias) if endpoint.alias else for_endpoint("connect", endpoint)
        return "Endpoint ready: Active and Connected", "ok", following
    if endpoint.endpoint_status == model.EndpointStatus.DELETING:
        return "Endpoint is being deleted", "warn", Suggestion("endpoints")
    if awaits_owner(endpoint):
        return "Endpoint not accepted yet", "warn", for_endpoint("wait", endpoint)
    return "Endpoint not ready yet", "busy", for_endpoint("wait", endpoint)


def _first_query(endpoint: model.VpcEndpoint) -> str:
    """Return the SELECT below the next command if that is a SQL cell."""
    return endpoint.first_query if endpoint.ready else ""


def _zone_ids(endpoint: model.VpcEndpoint) -> tuple[str, ...]:
    return tuple(zone.zone_id for zone in endpoint.zones)


@view_of.register(model.Endpoints)
def _endpoints(endpoints: model.Endpoints) -> View:
    cluster = endpoints.cluster
    of = f"of cluster {cluster.display_name}" if cluster else f"created here in {endpoints.region_id}"
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Code(endpoint.endpoint_id),
            Mark(_summary(endpoint)[1], f"{endpoint.endpoint_status}, {endpoint.connection_status}"),
            Code(endpoint.vpc_id),
            _origin(endpoint),
        )
        for endpoint in endpoints
    )
    missing = dict.fromkeys(action for endpoint in endpoints for action in endpoint.missing_actions)
    if not rows:
        none = (
            "was created here" if cluster is None else f"is for the service of cluster {cluster.display_name}"
        )
        note = Mark("info", f"None of this account's endpoints in {endpoints.region_id} {none}.")
        following = Suggestion("plan") if cluster else None
        return View(title=f"Endpoints {of}: none", notes=(note,), next_command=following)
    header: tuple[str, ...] = ("Endpoint ID", "State", "VPC", "Created by tidb_pe")
    if cluster is None:
        # They can belong to different services; those of one cluster all belong to its service.
        header = (*header, "Serves clusters")
        rows = tuple(
            (*row, served_names(each.clusters or ())) for row, each in zip(rows, endpoints, strict=True)
        )
    more = tuple(
        (
            Code(each.endpoint_id),
            each.name,
            Code(*_zone_ids(each)),
            Code(*(zone.eni_ip for zone in each.zones)),
        )
        for each in endpoints
    )
    return View(
        title=f"Endpoints {of}: {len(rows)}",
        brief=serves(endpoints.items[0].clusters) if cluster else (),
        tables=(Table(caption="", header=header, rows=rows),),
        notes=missing_permission_notes(missing),
        next_command=_summary(endpoints.items[0])[2] if cluster and len(rows) == 1 else None,
        next_body=_first_query(endpoints.items[0]) if len(rows) == 1 else "",
        details=(
            View(
                title="",
                facts=served_clusters(endpoints.items[0].clusters) if cluster else (),
                tables=(
                    Table(
                        caption="Names, zones and addresses",
                        header=("Endpoint ID", "Name", "Zones", "Addresses"),
                        rows=more,
                    ),
                ),
            ),
        ),
    )


def _origin(endpoint: model.VpcEndpoint) -> str:
    """Return whether the endpoint has `OUR_TAG`; only one operation reports it."""
    hidden = model.RamAction.ENDPOINTS in endpoint.missing_actions
    return "cannot tell" if hidden else yes_or_no(endpoint.ours)


@view_of.register(model.Deletion)
def _deletion(deletion: model.Deletion) -> View:
    if not deletion.found:
        title = f"Nothing to delete in {deletion.region_id}: no endpoint"
        return View(
            title=title, kind="info", ident=deletion.endpoint_id, next_command=Suggestion("endpoints")
        )
    facts: list[tuple[str, Cell]] = [("Region ID", Code(deletion.region_id))]
    if deletion.zones:
        facts.append(("Zones removed first", Code(*deletion.zones)))
    if deletion.aliases:
        facts.append(("Connections closed", Code(*deletion.aliases)))
    if deletion.clusters:
        facts.append(("Served clusters", served_names(deletion.clusters)))
    return View(title="Endpoint deleted:", kind="ok", ident=deletion.endpoint_id, facts=tuple(facts))


def awaits_owner(endpoint: model.VpcEndpoint) -> bool:
    """Return whether the owner may have to accept: an endpoint is never connected before it is Active."""
    return (
        endpoint.endpoint_status == model.EndpointStatus.ACTIVE
        and endpoint.connection_status == model.ConnectionStatus.DISCONNECTED
    )


def plan_cost(plan: model.EndpointPlan) -> str:
    """Return in how many zones the planned endpoint is billed, and to whom."""
    zones = "1 zone" if len(plan.zones) == 1 else f"{len(plan.zones)} zones"
    if plan.existing is not None:
        return "none in addition: the endpoint exists"
    if not plan.zones:
        return "unknown: the zones could not be looked up"
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
