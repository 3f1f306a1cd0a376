"""The step `history`: show the journal, or this process's queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.model import History

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import HistoryRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def history(context: Context, request: HistoryRequest, on_event: EventHook) -> History:  # noqa: ARG001
    """Return mutations or queries, newest first; unreadable parts are reported and do not cause an error."""
    if request.queries:
        queries, total, used = context.queries.latest(request.limit)
        return History(items=(), path="", total=total, queries=queries, request_units=used)
    journal = context.journal
    path = str(journal.path)
    try:
        mutations, corrupt = journal.mutations(), journal.corrupt_lines()
    except OSError as error:
        reason = f"it cannot be read: {error.strerror or error}"
        return History(items=(), path=path, total=0, problem=reason)
    problem = f"line {', '.join(map(str, corrupt))} cannot be read" if corrupt else ""
    return History(items=mutations[: request.limit], path=path, total=len(mutations), problem=problem)
