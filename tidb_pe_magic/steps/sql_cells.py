"""Runs the statements of `%sql` and `%%sql` in the session of their alias."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.model import QueryEnded, QueryResult
from tidb_pe_magic.steps.query_events import (
    changes,
    cost_clock,
    progress_events,
    query_log_entry,
    report_lost_settings,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tidb_pe_magic.database.frames import Decimals, Dtypes
    from tidb_pe_magic.database.queries.statement import BoundStatement
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


class SqlCells:
    """Runs the statements of one alias; shows the progress of long ones, and a line at the end."""

    def __init__(self, context: Context, alias: str) -> None:
        """Create the runner from a context."""
        self._context = context
        self._alias = alias

    def run(
        self, query: BoundStatement, *, shown: bool, framed: bool
    ) -> tuple[pa.Table, pd.DataFrame | None]:
        """Run a statement in the alias's session; return its rows, and a frame if requested.

        Raises:
            StepOrderError: the connection is closed, or its session is busy with another cell.
            QueryError: refused, stopped or too large; the connection can be used again.
            ConnectionFailed: the connection was lost.
        """
        context = self._context.for_call(cell=True)
        with context.cell_events() as on_event, context.events_to(on_event):
            started = context.clock()
            with query_log_entry(context, self._alias, query.sql) as ended:
                table, result = self._read(context, query, on_event)
                ended(replace(result, seconds=context.clock() - started))
            frame, exact = self._to_frame(table) if framed else (None, ())
            if shown:
                seconds = context.clock() - started
                on_event(QueryEnded(result=replace(result, seconds=seconds, exact_decimals=exact)))
        return table, frame

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return rows as a frame."""
        return self._to_frame(table)[0]

    def _to_frame(self, table: pa.Table) -> tuple[pd.DataFrame, tuple[str, ...]]:
        from tidb_pe_magic.database.frames import FrameOptions  # noqa: PLC0415 - pyarrow is slow to import
        from tidb_pe_magic.database.queries import results  # noqa: PLC0415 - as above

        dtypes, decimals = self._context.cell_frames()
        return results.frame(table, FrameOptions(cast("Dtypes", dtypes), cast("Decimals", decimals)))

    def _read(
        self, context: Context, query: BoundStatement, on_event: EventHook
    ) -> tuple[pa.Table, QueryResult]:
        from tidb_pe_magic.database.queries import results  # noqa: PLC0415 - pyarrow is slow to import

        record = context.connections.record(self._alias)
        if record is None:
            raise errors.StepOrderError(
                f"the connection {self._alias} is closed.",
                advice=Advice("", Suggestion("connect", "--alias", self._alias)),
            )
        reading = results.ReadOptions(
            engine=record.connection.engine,
            query=query,
            cells=record.session,
            schema=record.schema,
            cancel=context.cancel,
            on_progress=progress_events(context, on_event),
            clock=cost_clock(context),
        )
        try:
            table, _ = results.read_table(reading)
        finally:
            report_lost_settings(record.session, on_event)
        tally = reading.tally
        return table, QueryResult(
            alias=self._alias,
            rows=tally.rows,
            bytes=tally.bytes,
            request_units=tally.request_units,
            zero_dates=dict(tally.zero_dates),
            server_warnings=tally.warning_texts,
            **changes(query.sql, tally),
        )
