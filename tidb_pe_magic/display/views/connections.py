"""Views of connections, their diagnosis and the status."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import serves, view_of
from tidb_pe_magic.display.views.endpoints import awaits_owner
from tidb_pe_magic.display.views.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.display.view import Cell, Kind


@view_of.register(model.Connection)
def _connection(connection: model.Connection) -> View:
    tls = connection.tls
    python: Cell = Code("pandas.read_sql(query, runbook.connection.engine)")
    if connection.registered:
        # The command is unknown here: it may have been another user's login, or a saved file.
        python = "pandas.read_sql(query, connection.engine), where connection is the value of this cell"
    return View(
        title=f"Connected to cluster {connection.cluster.display_name} as",
        kind="ok",
        ident=connection.alias,
        brief=(
            Code(connection.user),
            f"database {connection.database}" if connection.database else "no database chosen",
            _tls(tls),
        ),
        next_command=Suggestion("sql", connection.alias) if connection.registered else None,
        next_body=connection.first_query,
        notes=_sharing_notes(connection),
        details=(
            View(
                title="",
                facts=(
                    ("Host", Code(connection.host)),
                    ("Port", Code(str(connection.port))),
                    ("TLS", tls.description),
                    ("Server version", connection.server_version),
                    ("Password from", connection.password_source),
                    ("Endpoint ID", Code(connection.endpoint_id)),
                    *((("Saved in", Code(connection.saved)),) if connection.saved else ()),
                    *((("Connection file", Code(connection.shared)),) if connection.shared else ()),
                    ("Query from Python", python),
                ),
                notes=_least_privilege(connection.user),
            ),
        ),
    )


def _sharing_notes(connection: model.Connection) -> tuple[Mark, ...]:
    if not connection.shared:
        return ()
    authority = ", and --ca with the file of the server's authority" if connection.ca else ""
    return (
        Mark(
            "info",
            f"{connection.shared} holds no secret. Colleagues open it with their own password{authority}.",
            Suggestion("connect", f"@{connection.shared}"),
        ),
    )


def _least_privilege(user: str) -> tuple[Mark, ...]:
    if user.rpartition(".")[2] != "root":
        return ()
    return (
        Mark(
            "info",
            "root has all privileges. For analysis, use a user with read-only permissions.",
            Suggestion("sql-user", "create", "analyst", "--role", "readonly"),
        ),
    )


def _tls(tls: model.TlsReport) -> Cell:
    if not tls.encrypted:
        return Mark("warn", tls.description)
    return "TLS verified" if tls.verified_name else tls.description


@view_of.register(model.Connections)
def _connections(connections: model.Connections) -> View:
    here = tuple(
        (
            Code(each.alias),
            each.cluster.display_name,
            Code(each.user),
            each.database,
            Mark("ok", "encrypted") if each.tls.encrypted else Mark("warn", "not encrypted"),
        )
        for each in connections.open
    )
    saved = tuple(
        (
            Code(f"@{each.name}"),
            each.cluster.display_name,
            Code(each.user),
            each.database,
            each.password_from or "sql-user, TIDB_PASSWORD, a prompt",
        )
        for each in connections.saved
    )
    common = ("Cluster", "User", "Database")
    tables: list[Table] = []
    if here:
        tables.append(Table(caption="Open", header=("Alias", *common, "TLS"), rows=here))
    if saved:
        tables.append(Table(caption="Saved", header=("Name", *common, "Password from"), rows=saved))
    next_command = Suggestion("connect", "--save")
    if saved:
        next_command = Suggestion("connect", f"@{connections.saved[-1].name}")
    return View(
        title=f"Connections: {len(here)} open, {len(saved)} saved",
        tables=tuple(tables),
        notes=tuple(Mark("warn", f"{each.path}: {each.reason}") for each in connections.broken),
        next_command=None if here else next_command,
        details=(View(title="", facts=(("Saved connections are in", Code(connections.directory)),)),),
    )


@view_of.register(model.ConnectionString)
def _connection_string(connection: model.ConnectionString) -> View:
    if not connection.client:
        rows = tuple((Code(client.name), client.title) for client in connection.clients)
        return View(
            title="Clients that a connection can be written for",
            tables=(Table(caption="", header=("--with", "Client"), rows=rows),),
            next_command=Suggestion("connection-string", "--with", connection.clients[0].name)
            if rows
            else None,
        )
    notes = (
        *(Mark("info", note) for note in connection.notes),
        *(Mark("warn", warning) for warning in connection.warnings),
    )
    return View(
        title=f"Connection for {connection.title}", block=tuple(connection.text.split("\n")), notes=notes
    )


@view_of.register(model.Diagnosis)
def _diagnosis(diagnosis: model.Diagnosis) -> View:
    failed = diagnosis.failed
    unsure = [stage for stage in diagnosis.stages if stage.outcome == model.Outcome.UNKNOWN]
    passed = [stage for stage in diagnosis.stages if stage.outcome == model.Outcome.PASSED]
    place = f"{diagnosis.host}:{diagnosis.port}"
    kind: Kind = "ok"
    if not diagnosis.host:
        title, kind, place = "Diagnosis: no host to examine", "warn", ""
    elif failed is not None:
        title, kind = f"Diagnosis: {failed.name} fails at", "no"
    elif unsure:
        title = "Diagnosis: no failure found, but some stages are unknown at"
    else:
        title = "Diagnosis: every stage passes at"
    notes = [Mark("warn", f"{stage.name}: {stage.detail}") for stage in unsure]
    if failed is not None:
        notes.insert(0, Mark("no", f"{failed.name}: {failed.detail}"))
    causes = tuple((str(number), cause) for number, cause in enumerate(diagnosis.causes, 1))
    rule = diagnosis.authorization
    return View(
        title=title,
        kind=kind,
        ident=place,
        brief=(f"passed: {', '.join(stage.name for stage in passed)}",) if passed else (),
        tables=(Table(caption="Likely causes, most likely first", header=("No.", "Cause"), rows=causes),)
        if causes
        else (),
        notes=tuple(notes),
        next_command=diagnosis.next_command,
        next_body=diagnosis.first_query,
        details=(
            View(title="", tables=(_stages(diagnosis),)),
            *((replace(view_of(rule), next_command=None),) if rule else ()),
        ),
    )


def _stages(diagnosis: model.Diagnosis) -> Table:
    kinds: dict[model.Outcome, Kind] = {
        model.Outcome.PASSED: "ok",
        model.Outcome.FAILED: "no",
        model.Outcome.UNKNOWN: "warn",
        model.Outcome.NOT_REACHED: "todo",
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
    return Table(caption="Stages", header=("Stage", "Outcome", "Observed", "Time"), rows=rows)


@view_of.register(model.Disconnection)
def _disconnection(disconnection: model.Disconnection) -> View:
    title = "Connection closed:" if disconnection.closed else "Nothing to close: no open connection"
    forgotten = (Mark("ok", "The saved connection of this name was deleted."),)
    return View(
        title=title,
        kind="ok" if disconnection.closed else "info",
        ident=disconnection.alias,
        notes=forgotten if disconnection.forgotten else (),
    )


@view_of.register(model.RunbookStatus)
def _status(status: model.RunbookStatus) -> View:
    rows = tuple((Mark(_step_kind(step, status.endpoint), step.step), step.detail) for step in status.steps)
    looked_up = any(step.step == "create" and step.done is not None for step in status.steps)
    picture = None
    if status.cluster:
        picture = topology(status.cluster, status.endpoint, status.aliases, looked_up=looked_up)
    done = sum(step.done is True for step in status.steps)
    title = f"Status: {done} of {len(status.steps)} steps done"
    if status.aliases:
        title = f"Status: connected as {', '.join(status.aliases)}"
    return View(
        title=title,
        kind="ok" if status.aliases else None,
        brief=serves(status.endpoint.clusters) if status.endpoint else (),
        pictures=(picture,) if picture else (),
        tables=(Table(caption="", header=("Step", "Current state in the clouds"), rows=rows),),
        next_command=status.next_command,
        next_body=status.first_query,
        notes=tuple(Mark("info", each) for each in status.known),
        details=view_of(status.endpoint).details if status.endpoint else (),
    )


def _step_kind(step: model.StepStatus, endpoint: model.VpcEndpoint | None) -> Kind:
    if step.done:
        return "ok"
    if step.done is None and step.detail != model.NOT_REACHED:
        return "warn"
    if step.step == "wait" and endpoint is not None:
        return "warn" if awaits_owner(endpoint) else "busy"
    return "todo"


@view_of.register(model.RunReport)
def _report(report: model.RunReport) -> View:
    shown = _connection(report.connection)
    return replace(
        shown,
        pictures=(topology(report.connection.cluster, report.endpoint, (report.connection.alias,)),),
        details=(
            View(title="", tables=(_steps(report.steps),)),
            *view_of(report.endpoint).details,
            *shown.details,
        ),
    )


def _steps(steps: Iterable[model.FinishedStep]) -> Table:
    """Return the steps of a run, each with its seconds."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Mark("ok", step.step),
            f"{step.detail} (skipped: nothing left to do)" if step.skipped else step.detail,
            f"{step.seconds:.1f} s",
        )
        for step in steps
    )
    return Table(caption="Steps", header=("Step", "Result", "Time"), rows=rows)
