"""What is shown of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.layout import Code, Mark, Table, View
from tidb_pe_magic.display.views.base import view_of

if TYPE_CHECKING:
    from tidb_pe_magic.display.layout import Kind

_KINDS: dict[str, Kind] = {
    model.MutationResult.SUCCEEDED: "ok",
    model.MutationResult.FOUND: "ok",
    model.MutationResult.REFUSED: "no",
}


@view_of.register(model.History)
def _history(history: model.History) -> View:
    rows = tuple(
        (
            mutation.time.replace("T", " ").replace("Z", " UTC"),
            mutation.operation,
            Code(mutation.resource),
            Mark(_KINDS.get(mutation.result, "warn"), _result(mutation)),
            Code(mutation.request_id) if mutation.request_id else "",
        )
        for mutation in history.items
    )
    header = ("Time", "Operation", "Resource", "Result", "Request ID")
    notes = [Mark("aside", f"Journal: {history.path}")]
    if history.problem:
        notes.insert(0, Mark("warn", f"The journal is damaged: {history.problem}."))
    return View(
        title=f"{len(history.items)} of {history.total} changes" if rows else "Nothing was changed from here",
        tables=(Table(caption="", header=header, rows=rows),) if rows else (),
        notes=tuple(notes),
    )


def _result(mutation: model.Mutation) -> str:
    return f"{mutation.result} ({mutation.code})" if mutation.code else mutation.result
