"""What is said of a query while it is read, and of what it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database.effects import effect_of
from tidb_pe_magic.model import Notice, RowsRead

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.database.alias import AliasSession
    from tidb_pe_magic.database.queries.statement import Tally
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context

_WRITES = frozenset({"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH", "IMPORT"})
# Seconds until the first event, and between two of them.
_TOLD_AFTER, _TOLD_EVERY = 1.0, 0.5


def telling(context: Context, on_event: EventHook) -> Callable[[Tally], None]:
    """Return what is told of rows and bytes several times a second: an event now and then."""
    started = context.clock()
    due = started + _TOLD_AFTER

    def tell(tally: Tally) -> None:
        nonlocal due
        now = context.clock()
        if now >= due:
            due = now + _TOLD_EVERY
            on_event(RowsRead(rows=tally.rows, bytes=tally.bytes, seconds=now - started))

    return tell


def report_lost(session: AliasSession | None, on_event: EventHook) -> None:
    """Say which settings of the session a reconnection has undone."""
    lost = session.take_lost() if session is not None else ()
    if lost:
        from tidb_pe_magic.database.session import SessionStateLost  # noqa: PLC0415 - pymysql is slow

        on_event(Notice(text=str(SessionStateLost.of(lost))))


def changes(sql: str, tally: Tally) -> dict[str, Any]:
    """Return what of a result is about rows that were changed; a statement that defines counts none."""
    if tally.changed is None:
        return {}
    counted = tally.changed or effect_of(sql).verb in _WRITES
    return {"changed": tally.changed if counted else None, "returned": False}
