"""The step `load`: load frames and files into tables, over a connection that `connect` opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.model import LoadResult, Notice, RowsLoaded, TableShown
from tidb_pe_magic.steps.aliases import connection_of
from tidb_pe_magic.steps.progress import throttle

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import LoadRequest
    from tidb_pe_magic.database.loading.sender import Ledger
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def load(context: Context, request: LoadRequest, on_event: EventHook) -> LoadResult:
    """Load a frame into a table; the CREATE TABLE is shown before it is executed.

    Raises:
        StepOrderError: the connection does not exist, or its session has an open transaction.
        InvalidRequest: a value cannot be stored exactly, the table already exists, or its columns differ.
        LoadFailed: the load ended early; the error says which rows are committed.
        ConnectionFailed: the server could not be reached; nothing was sent.
    """
    record = connection_of(context, request, on_event)
    alias = record.connection.alias
    if record.session.in_transaction:
        raise errors.StepOrderError(
            "load uses separate connections, which do not see the open transaction of this session.",
            advice="COMMIT or ROLLBACK it first.",
        )
    from tidb_pe_magic.database.loading import load as loading  # noqa: PLC0415 - pyarrow is slow to import
    from tidb_pe_magic.database.loading.keys import refuse_unknown  # noqa: PLC0415 - as above
    from tidb_pe_magic.database.loading.sources import source_of  # noqa: PLC0415 - as above
    from tidb_pe_magic.database.loading.tables import TableName  # noqa: PLC0415 - as above
    from tidb_pe_magic.database.loading.task import LoadTask  # noqa: PLC0415 - as above

    started = context.clock()
    name = TableName.parse(request.table, record.session.database)
    source = source_of(request.frame)
    keys = tuple(request.keys or ())
    refuse_unknown(keys, source)
    for note in source.notes:
        on_event(Notice(text=note))

    def report(ledger: Ledger, seconds: float) -> None:
        on_event(RowsLoaded(rows=ledger.rows, total=source.rows, bytes=ledger.bytes, seconds=seconds))

    done = loading.load(
        LoadTask(
            engine=record.connection.engine,
            name=name,
            source=source,
            if_exists=request.if_exists,
            keys=keys,
            cancel=context.cancel,
            time_zone=record.session.time_zone,
            on_create=lambda statement: on_event(TableShown(statement=statement)),
            on_progress=throttle(context.clock, report),
            on_note=lambda text: on_event(Notice(text=text)),
        )
    )
    if done.created or done.replaced:
        record.schema.renew_for_change()
    return LoadResult(
        alias=alias,
        table=str(name),
        rows=done.rows,
        bytes=done.bytes,
        seconds=context.clock() - started,
        created=done.created,
        replaced=done.replaced,
        keys=keys,
    )
