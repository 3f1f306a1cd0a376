"""Views of a fleet: a row for each cluster and VPC, and the total of billed zones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import Code, CommandText, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidb_pe_magic.display.view import Cell, Kind

_MOST_SHOWN = 50  # rows of a live table; above this, active and failed rows, and the counts of all
_MOST_MOVING = 12
_MOST_REASONS = 4
_KINDS: dict[str, Kind] = {
    model.RowState.READY: "ok",
    model.RowState.DELETED: "ok",
    model.RowState.CREATE: "info",
    model.RowState.ADOPT: "info",
    model.RowState.EXISTS: "ok",
    model.RowState.FAILED: "no",
    model.RowState.NOT_READY: "warn",
    **dict.fromkeys(model.IN_MOTION, "busy"),
}
_NEXT = {"init": "plan", "plan": "apply"}
# Columns of the result in addition to the common ones.
_MORE = dict.fromkeys(("plan", "apply"), ("Zones", "Billed"))


@view_of.register(model.Fleet)
def _fleet(fleet: model.Fleet) -> View:
    follows = _NEXT.get(fleet.action)
    command = Suggestion("fleet", follows, fleet.path) if follows and not fleet.failures else None
    if fleet.action == "init":
        edit = Mark("info", "Add your clusters and VPCs to it. List the clusters.", Suggestion("clusters"))
        return View(title=f"Template written: {fleet.path}", kind="ok", notes=(edit,), next_command=command)
    failed = tuple(row for row in fleet.rows if row.failed)
    return View(
        title=f"Fleet {fleet.action}: {state_counts(fleet.rows)}",
        kind="no" if failed else None if fleet.action == "plan" else "ok",
        facts=_facts(fleet),
        tables=(_table(fleet.rows, "Endpoints", *_MORE.get(fleet.action, ())), *_failures(failed)),
        notes=(*_remarks(fleet.rows), *_warnings(fleet)),
        next_command=command,
    )


def fleet_summary(fleet: model.Fleet) -> str:
    """Return the outcome of a fleet on one line."""
    return f"fleet {fleet.action}: {state_counts(fleet.rows)} ({fleet.seconds:.1f} s)"


def state_counts(rows: Sequence[model.FleetRow]) -> str:
    """Return how many rows are in which state."""
    return ", ".join(f"{count} {state}" for state, count in model.row_counts(tuple(rows)).items()) or "no row"


def fleet_progress(event: model.FleetProgressed | model.FleetEnded, *, live: bool) -> View:
    """Return the table of a fleet in progress: every row, or the active ones of many.

    At the end only a line is left: the rows follow in the command's own result or with its error.
    """
    if isinstance(event, model.FleetEnded):
        return View(
            title=fleet_summary(event.fleet).capitalize(), kind="no" if event.fleet.failures else "ok"
        )
    rows = event.rows
    failed = [row for row in rows if row.failed][-_MOST_MOVING:]
    if len(rows) > _MOST_SHOWN:
        moving = [row for row in rows if row.row_state in model.IN_MOTION]
        # Rows that wait only for the cloud come last: they are the most frequent, and the slowest.
        moving.sort(key=lambda row: row.row_state == model.RowState.CONNECTING)
        rows = tuple(sorted((*failed, *moving[:_MOST_MOVING]), key=lambda row: row.number))
    return View(
        title=f"Fleet {event.action}, {event.elapsed:.0f} s: {state_counts(event.rows)}",
        kind="busy" if live else "info",
        tables=(_table(rows),) if rows else (),
        notes=tuple(
            Mark("no", f"Row {row.number} ({row.cluster} in {row.vpc_id}): {row.detail}")
            for row in failed[-_MOST_REASONS:]
        ),
    )


def _regions(rows: Iterable[model.FleetRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.region_id for row in rows if row.region_id))


def _facts(fleet: model.Fleet) -> tuple[tuple[str, Cell], ...]:
    facts: list[tuple[str, Cell]] = [("File", Code(fleet.path))]
    if len(regions := _regions(fleet.rows)) == 1:
        facts.append(("Region ID", Code(*regions)))
    zones = fleet.billed_zones
    many = f"{zones} zone" + ("" if zones == 1 else "s")
    if fleet.emulated:
        return tuple(facts)
    if fleet.action == "plan":
        cost = f"{many}, each billed by the hour from creation until deletion" if zones else "nothing more"
        facts.append(("Cost", cost))
    if fleet.action == "apply":
        facts.append(("Cost", f"{many} created, billed by the hour" if zones else "nothing more"))
    return tuple(facts)


def _table(rows: Sequence[model.FleetRow], caption: str = "", *more: str) -> Table:
    """Return the table of rows, without empty columns.

    Args:
        rows: in their order.
        caption: of the table.
        more: columns in addition to the common ones.
    """
    columns: list[tuple[str, list[Cell]]] = [
        ("#", [str(row.number) for row in rows]),
        ("Cluster", [row.cluster for row in rows]),
        ("VPC", [Code(row.vpc_id) for row in rows]),
    ]
    if len(_regions(rows)) > 1:
        columns.append(("Region ID", [Code(row.region_id) for row in rows]))
    columns.append(("State", [Mark(_KINDS.get(row.row_state, "aside"), row.row_state) for row in rows]))
    if any(row.endpoint_id for row in rows):
        columns.append(("Endpoint ID", [Code(row.endpoint_id) for row in rows]))
    if any(row.shares_row for row in rows):
        columns.append(("Shared with", [f"row {row.shares_row}" if row.shares_row else "" for row in rows]))
    # A ready or failed row is described elsewhere.
    details = ["" if row.failed or row.row_state == model.RowState.READY else row.detail for row in rows]
    if any(details):
        columns.append(("Endpoint state", [*details]))
    if "Zones" in more:
        columns.append(("Zones", [Code(*row.zones) for row in rows]))
    if "Billed" in more:
        columns.append(("Billed", [str(row.billed_zones) for row in rows]))
    header = tuple(name for name, _ in columns)
    return Table(
        caption=caption, header=header, rows=tuple(zip(*(cells for _, cells in columns), strict=True))
    )


def _failures(failed: Sequence[model.FleetRow]) -> tuple[Table, ...]:
    if not failed:
        return ()
    rows = tuple(
        (str(row.number), row.cluster, row.detail, CommandText(row.next_command or "")) for row in failed
    )
    return (Table(caption="Failed", header=("#", "Cluster", "Reason", "Check it alone"), rows=rows),)


def _remarks(rows: Iterable[model.FleetRow]) -> tuple[Mark, ...]:
    return tuple(
        Mark("warn", f"Row {row.number} ({row.cluster} in {row.vpc_id}): {remark}")
        for row in rows
        for remark in row.remarks
    )


def _warnings(fleet: model.Fleet) -> tuple[Mark, ...]:
    """Return a line for each check that warns, with the first row's text: rows mostly have the same."""
    found: dict[str, list[tuple[model.FleetRow, model.Finding]]] = {}
    for row in fleet.rows:
        # The row's state already says that an endpoint exists.
        reported = {"existing-endpoint"} if row.adopted else set()
        for finding in row.findings:
            if finding.severity == model.Severity.WARN and finding.check not in reported:
                found.setdefault(finding.check, []).append((row, finding))
    return tuple(
        Mark("warn", f"{check} ({_rows([row for row, _ in each])}): {each[0][1].summary}")
        for check, each in found.items()
    )


def _rows(rows: Sequence[model.FleetRow]) -> str:
    return f"row {rows[0].number}" if len(rows) == 1 else f"{len(rows)} rows, the first is {rows[0].number}"
