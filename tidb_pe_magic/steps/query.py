"""The step `query`: run queries over a connection that `connect` opened, into frames and files."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from tidb_pe_magic import errors
from tidb_pe_magic.commands.requests import QueryRequest
from tidb_pe_magic.database.abbreviation import abbreviate
from tidb_pe_magic.database.effects import refuse_session_statement
from tidb_pe_magic.model import Notice, QueryEnded, QueryResult
from tidb_pe_magic.steps import connections
from tidb_pe_magic.steps.aliases import connection_of
from tidb_pe_magic.steps.query_events import (
    changes,
    cost_clock,
    progress_events,
    query_log_entry,
    report_lost_settings,
)

if TYPE_CHECKING:
    from tidb_pe_magic.database.alias import AliasSession
    from tidb_pe_magic.database.frames import Decimals, Dtypes, FrameOptions
    from tidb_pe_magic.database.queries.results import Partitions, ReadOptions
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.runtime.open_connections import OpenConnection

_USUAL = QueryRequest(sql="")


def query(context: Context, request: QueryRequest, on_event: EventHook) -> QueryResult:
    """Read a statement's result: cells use the alias's session, other calls a separate connection.

    Raises:
        StepOrderError: the connection is neither open nor saved, or its session is busy with another cell.
        MissingCredentials: the connection is only saved, and its password was not found.
        InvalidRequest: options contradict each other, parameters do not match, or the statement would only
            change a session that is closed afterwards.
        MissingDependency: the extra `dask` is not installed.
        QueryError: refused, stopped or too large; the connection can be used again.
        ConnectionFailed: the connection was lost.
    """
    _check(request)
    if request.explain or request.explain_analyze:
        from tidb_pe_magic.database.queries.plans import explain_statement  # noqa: PLC0415 - needs pyarrow

        request = replace(request, sql=explain_statement(request.sql, analyze=request.explain_analyze))
    record = connection_of(context, request, on_event)
    session = record.session if context.cell else None
    if session is None:
        refuse_session_statement(request.sql)
    elif request.partition_on is not None:
        session.refuse_ranges("--partition-on")
    work = _read_distributed if request.engine == "dask" else _read
    with query_log_entry(context, record.connection.alias, request.sql) as ended:
        result = work(context, request, record, session, on_event)
        ended(result)
    on_event(QueryEnded(result=result))
    return result


def _read(
    context: Context,
    request: QueryRequest,
    record: OpenConnection,
    session: AliasSession | None,
    on_event: EventHook,
) -> QueryResult:
    from tidb_pe_magic.database.queries import plans, results  # noqa: PLC0415 - pyarrow is slow to import

    started = context.clock()
    reading = _options(context, request, record, session, on_event)
    data: Any = None
    path, cut = "", False
    exact: tuple[str, ...] = ()
    options = _frame_options(request)
    try:
        if request.to_csv is not None:
            place, exact = results.write_file(reading, request.to_csv, results.CSV_FILE)
            path = str(place)
        elif request.to_parquet is not None:
            place, exact = results.write_file(reading, request.to_parquet, results.parquet_file(options))
            path = str(place)
        else:
            table, cut = results.read_table(reading, max_rows=request.max_rows, max_memory=request.max_memory)
            data = table
            if request.explain or request.explain_analyze:
                data = plans.parse_plan(abbreviate(_explained(request)), table)
            elif not request.arrow:
                data, exact = results.frame(table, options, declared=reading.partitions is not None)
    finally:
        report_lost_settings(session, on_event)
    return QueryResult(
        alias=record.connection.alias,
        data=data,
        path=path,
        rows=reading.tally.rows if request.max_rows is None else len(data),
        **changes(request.sql, reading.tally),
        bytes=reading.tally.bytes,
        seconds=context.clock() - started,
        request_units=reading.tally.request_units,
        zero_dates=dict(reading.tally.zero_dates),
        server_warnings=reading.tally.warning_texts,
        cut=cut,
        exact_decimals=exact,
    )


def _read_distributed(
    context: Context,
    request: QueryRequest,
    record: OpenConnection,
    session: AliasSession | None,
    on_event: EventHook,
) -> QueryResult:
    if find_spec("dask") is None:
        raise errors.MissingDependency.of("dask", '"dask[dataframe,distributed]"')
    from tidb_pe_magic.database.queries import dask_frame, results  # noqa: PLC0415 - they need pyarrow

    connection = record.connection
    mode, name = connections.settled_tls(connection)
    source = dask_frame.WorkerLogin(
        host=connection.host,
        port=connection.port,
        user=connection.user,
        database=connection.database if session is None else session.database,
        tls=mode,
        tls_name=name,
        ca=connection.ca,
        password_from=dask_frame.password_reference(connection.password_source),
    )
    started = context.clock()
    moment, queries, schema = results.plan_ranges(_options(context, request, record, session, on_event))
    data = dask_frame.distributed_frame(queries, source, moment, schema, _frame_options(request))
    return QueryResult(alias=connection.alias, data=data, seconds=context.clock() - started, deferred=True)


def _options(
    context: Context,
    request: QueryRequest,
    record: OpenConnection,
    session: AliasSession | None,
    on_event: EventHook,
) -> ReadOptions:
    from tidb_pe_magic.database.queries.placeholders import bind  # noqa: PLC0415 - pyarrow is slow to import
    from tidb_pe_magic.database.queries.results import ReadOptions  # noqa: PLC0415 - as above
    from tidb_pe_magic.database.queries.statement import BoundStatement  # noqa: PLC0415 - as above

    options = ReadOptions(
        engine=record.connection.engine,
        query=BoundStatement(sql=request.sql),
        cells=session,
        schema=record.schema,
        partitions=_partitions(request),
        cancel=context.cancel,
        on_progress=progress_events(context, on_event),
        on_note=lambda text: on_event(Notice(text=text)),
        clock=cost_clock(context),
    )
    sql, params = bind(request.sql, request.params, backslash_escapes=options.backslash_escapes)
    return replace(options, query=BoundStatement(sql=sql, params=params))


def _frame_options(request: QueryRequest) -> FrameOptions:
    from tidb_pe_magic.database.frames import FrameOptions  # noqa: PLC0415 - pyarrow is slow to import

    return FrameOptions(cast("Dtypes", request.dtypes), cast("Decimals", request.decimals))


def _explained(request: QueryRequest) -> str:
    """Return the statement that EXPLAIN was put before."""
    return request.sql.removeprefix("EXPLAIN ANALYZE " if request.explain_analyze else "EXPLAIN ")


def _partitions(request: QueryRequest) -> Partitions | None:
    from tidb_pe_magic.database.queries.results import Partitions  # noqa: PLC0415 - needs pyarrow

    if request.partition_on is None or request.partitions is None:
        return None
    return Partitions(column=request.partition_on, count=request.partitions)


def _check(request: QueryRequest) -> None:
    """Refuse options that contradict each other."""
    if (request.partition_on is None) != (request.partitions is None):
        missing = "--partitions" if request.partitions is None else "--partition-on"
        raise errors.InvalidRequest(
            missing, "is missing: --partition-on COLUMN and --partitions K go together."
        )
    csv, dask = request.to_csv is not None, request.engine == "dask"
    file = csv or request.to_parquet is not None
    option = "--to-csv" if csv else "--to-parquet"
    planned = request.explain or request.explain_analyze
    explain = "--explain-analyze" if request.explain_analyze else "--explain"
    for first, second, together in (
        ("--to-parquet", "--to-csv", csv and request.to_parquet is not None),
        ("--arrow", option, request.arrow and file),
        ("--arrow", "--engine dask", request.arrow and dask),
        ("--dtypes", "--to-csv", request.dtypes != _USUAL.dtypes and csv),
        ("--decimals", "--to-csv", request.decimals != _USUAL.decimals and csv),
        ("--max-rows", option, request.max_rows is not None and file),
        ("--max-rows", "--partitions", request.max_rows is not None and request.partitions is not None),
        (option, "--engine dask", file and dask),
        (explain, option, planned and file),
        (explain, "--arrow", planned and request.arrow),
        (explain, "--max-rows", planned and request.max_rows is not None),
        (explain, "--partition-on", planned and request.partition_on is not None),
    ):
        if together:
            raise errors.InvalidRequest(first, f"does not go together with {second}.")
    if dask and request.partitions is None:
        raise errors.InvalidRequest(
            "--engine", "dask reads ranges of a key: give --partition-on COLUMN and --partitions K."
        )
