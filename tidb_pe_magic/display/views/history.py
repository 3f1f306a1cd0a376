"""Views of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.view import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of
from tidb_pe_magic.display.views.queries import units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.display.view import Kind

_REAL, _EMULATED = "In the clouds", "In the sandbox"
_KINDS: dict[str, Kind] = {
    model.MutationResult.SUCCEEDED: "ok",
    model.MutationResult.FOUND: "ok",
    model.MutationResult.REFUSED: "no",
}

_OUTCOMES: dict[str, Kind] = {
    model.QueryOutcome.DONE: "ok",
    model.QueryOutcome.STOPPED: "warn",
    model.QueryOutcome.FAILED: "no",
}
_TOTAL = "{:,.1f} RU in total, with queries that are not listed; queries of less than 50 ms are not measured"


@view_of.register(model.History)
def _history(history: model.History) -> View:
    if history.queries is not None:
        return _queries(history, history.queries)
    notes = [Mark("warn", f"The journal is damaged: {history.problem}.")] if history.problem else []
    emulated = [each for each in history.items if each.emulated]
    real = [each for each in history.items if not each.emulated]
    tables = [_changes(real, _REAL if emulated else "")] if real else []
    tables += [_changes(emulated, _EMULATED)] if emulated else []
    requests = tuple(
        (Code(each.resource), each.operation, Code(each.request_id))
        for each in history.items
        if each.request_id
    )
    header = ("Resource", "Operation", "Request ID")
    shown = f"{len(history.items)} of {history.total} changes"
    return View(
        title=shown if history.items else "Nothing was changed from here",
        tables=tuple(tables),
        notes=tuple(notes),
        details=(
            View(
                title="",
                facts=(("Journal", Code(history.path)),),
                tables=(Table(caption="Request IDs", header=header, rows=requests),) if requests else (),
            ),
        ),
    )


def _changes(items: Iterable[model.Mutation], caption: str) -> Table:
    rows = tuple(
        (
            Mark(_KINDS.get(each.result, "warn"), _result(each)),
            each.operation,
            Code(each.resource),
            _time(each.time),
        )
        for each in items
    )
    return Table(caption=caption, header=("Result", "Operation", "Resource", "Time"), rows=rows)


def _queries(history: model.History, queries: tuple[model.PastQuery, ...]) -> View:
    rows = tuple(
        (
            _time(query.time),
            query.alias,
            Code(query.statement),
            f"{query.rows:,}" if query.changed is None else f"{query.changed:,} changed",
            f"{query.seconds:.2f}",
            "" if query.request_units is None else units(query.request_units).removesuffix(" RU"),
            Mark(_OUTCOMES.get(query.outcome, "info"), query.outcome),
        )
        for query in queries
    )
    header = ("Time", "Alias", "Statement", "Rows", "Seconds", "RU", "Result")
    notes = [_TOTAL.format(history.request_units)] if rows else []
    return View(
        title=f"{len(rows)} of {history.total} queries" if rows else "No queries in this process",
        tables=(Table(caption="", header=header, rows=rows),) if rows else (),
        notes=tuple(Mark("aside", note) for note in notes),
    )


def _time(written: str) -> str:
    return written.replace("T", " ").replace("Z", " UTC")


def _result(mutation: model.Mutation) -> str:
    return f"{mutation.result} ({mutation.code})" if mutation.code else mutation.result
