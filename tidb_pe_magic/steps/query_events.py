"""The events of a query: progress, result, and changed rows."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database.effects import effect_of
from tidb_pe_magic.errors import QueryCancelled
from tidb_pe_magic.model import Notice, PastQuery, QueryOutcome, RowsRead
from tidb_pe_magic.steps.progress import throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.database.alias import AliasSession
    from tidb_pe_magic.database.queries.statement import Tally
    from tidb_pe_magic.model import EventHook, QueryResult
    from tidb_pe_magic.runtime.context import Context

_WRITES = frozenset({"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH", "IMPORT"})


def progress_events(context: Context, on_event: EventHook) -> Callable[[Tally], None]:
    """Return the progress callback of a read."""
    return throttle(
        context.clock,
        lambda tally, seconds: on_event(RowsRead(rows=tally.rows, bytes=tally.bytes, seconds=seconds)),
    )


def cost_clock(context: Context) -> Callable[[], float] | None:
    """Return the clock that decides whether a statement's cost is looked up; None to never look it up."""
    return context.clock if context.counts_units() else None


@contextmanager
def query_log_entry(context: Context, alias: str, sql: str) -> Iterator[Callable[[QueryResult], None]]:
    """Log the query with its outcome, and yield the hook for its result."""
    from tidb_pe_magic.database.abbreviation import abbreviate  # noqa: PLC0415 - only a query needs it

    started = context.clock()
    query = PastQuery(
        time=datetime.fromtimestamp(context.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        alias=alias,
        statement=abbreviate(sql),
        outcome=QueryOutcome.FAILED,
    )

    def record_result(result: QueryResult) -> None:
        nonlocal query
        query = replace(
            query,
            rows=result.rows,
            changed=result.changed,
            seconds=result.seconds,
            request_units=result.request_units,
            outcome=QueryOutcome.DONE,
        )

    try:
        yield record_result
    except QueryCancelled:
        query = replace(query, outcome=QueryOutcome.STOPPED)
        raise
    finally:
        if query.outcome != QueryOutcome.DONE:
            query = replace(query, seconds=context.clock() - started)
        context.queries.add(query)


def report_lost_settings(session: AliasSession | None, on_event: EventHook) -> None:
    """Emit an event with the session settings that a reconnection has reset."""
    lost = session.take_lost_statements() if session is not None else ()
    if lost:
        from tidb_pe_magic.database.session import SessionStateLost  # noqa: PLC0415 - pymysql is slow

        on_event(Notice(text=str(SessionStateLost.of(lost))))


def changes(sql: str, tally: Tally) -> dict[str, Any]:
    """Return the number of changed rows; None for a DDL statement."""
    if tally.changed is None:
        return {}
    counted = tally.changed or effect_of(sql).verb in _WRITES
    return {"changed": tally.changed if counted else None, "returned": False}
