"""Loads a frame into a table: reads the table, checks what fits, and sends the rows."""

from __future__ import annotations

import difflib
import secrets
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pymysql.constants import ER

from tidb_pe_magic.database.loading import side_tables
from tidb_pe_magic.database.loading.columns import FIELD, SourceKind, refuse
from tidb_pe_magic.database.loading.conversion import convert
from tidb_pe_magic.database.loading.keys import advice_on_duplicate, refuse_doubles, unique_key
from tidb_pe_magic.database.loading.lines import lines_writer
from tidb_pe_magic.database.loading.sender import Ledger, Sender
from tidb_pe_magic.database.loading.statements import InsertWriter
from tidb_pe_magic.database.loading.tables import (
    REPLACED,
    UNFINISHED,
    Leftovers,
    create_statement,
    describe,
    is_view,
    leftover_tables,
    new_table,
    referencing_table,
)
from tidb_pe_magic.database.loading.task import LoadOutcome, LoadTask
from tidb_pe_magic.database.queries.failures import driver_errors
from tidb_pe_magic.database.queries.inflight import run_interruptibly
from tidb_pe_magic.errors import (
    ConnectionFailed,
    InvalidRequest,
    LoadFailed,
    QueryCancelled,
    QueryFailed,
    TidbPeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.database.loading.lines import LinesWriter
    from tidb_pe_magic.database.loading.sources import FrameSource
    from tidb_pe_magic.database.loading.tables import TableName, TargetTable

_TABLE = "--table"
_ADD = "Add the rows to it with --if-exists append"
_ADD_KEYED = "Add new rows and update existing ones with --if-exists append"


@dataclass(frozen=True)
class _ServerState:
    """Facts from the server: the table, the longest statement, its version, and what earlier loads left."""

    table: TargetTable | None
    packet: int
    version: str
    left: Leftovers = Leftovers()  # noqa: RUF009 - it is frozen
    view: bool = False
    referencing: str = ""


def load(task: LoadTask) -> LoadOutcome:
    """Load a frame.

    A new table is created completely or not at all: the rows go into a temporary table, which is renamed at
    the end. Appended rows are committed in batches.

    Raises:
        InvalidRequest: a value of the frame would be changed, or the table exists or has other columns;
            nothing was sent.
        LoadFailed: the error says which rows are committed.
        ConnectionFailed: the server did not answer; nothing was sent.
    """
    with closing(task.sessions):
        return _load(task)


def _load(task: LoadTask) -> LoadOutcome:
    around = _read_state(task)
    for note in _advice_on_leftovers(task.name, around.left, exists=around.table is not None):
        task.on_note(note)
    _refuse_table(task, around)
    if around.table is not None and task.if_exists == "append":
        return _append(task, around.table, around)
    table = new_table(task.name, task.source.columns, task.keys)
    if task.if_exists == "append":
        _bound_writer(task, table, around)  # reject values that do not fit before the table is created
        statement = create_statement(table)
        task.on_create(statement)
        side_tables.define(task, statement)
        return replace(_append(task, table, around), created=statement)
    return _make(task, table, around)


# Looking


def _read_state(task: LoadTask) -> _ServerState:
    flight = task.flight("SHOW")

    def read() -> _ServerState:
        with flight.own_session() as session, driver_errors():
            table = describe(session, task.name)
            # Not the version of the greeting, which can be a proxy's.
            packet, version = _row(session, "SELECT @@max_allowed_packet, VERSION()")
            state = _ServerState(table, int(packet), str(version), leftover_tables(session, task.name))
            if table is None:
                return state
            state = replace(state, view=is_view(session, task.name))
            if task.if_exists != "replace":
                return state
            # TiDB reads the keys of all databases for this: a second with 10,000 tables.
            return replace(state, referencing=referencing_table(session, task.name))

    (found,) = run_interruptibly([read], flight, cancel=task.cancel)
    return found


def _advice_on_leftovers(name: TableName, left: Leftovers, *, exists: bool) -> Iterator[str]:
    """Yield what to do about them; nothing is dropped here, because another load may be using them."""
    if left.unfinished:
        tables = ", ".join(each.sql for each in left.unfinished)
        yield (
            f"An interrupted load left tables beside {name}. If no other load is running: DROP TABLE {tables}"
        )
    for old in left.replaced:
        # Two loads can each have left one.
        holds = f"{old} holds the rows of {name} from before a load replaced it."
        if exists:
            yield f"{holds} If they are no longer needed, and no other load is running: DROP TABLE {old.sql}"
        else:
            yield (
                f"{holds} {name} itself does not exist, so this may be the only copy. To restore it: "
                f"RENAME TABLE {old.sql} TO {name.sql}. If it is not needed: DROP TABLE {old.sql}"
            )


def _row(session: Any, sql: str) -> tuple[Any, ...]:
    with session.cursor() as cursor:
        cursor.execute(sql)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _refuse_table(task: LoadTask, around: _ServerState) -> None:
    """Reject a table that is in the way."""
    if around.table is None:
        return
    if task.if_exists == "fail":
        raise InvalidRequest(
            _TABLE,
            f"{task.name} already exists.",
            advice=f"{_ADD_KEYED if task.keys else _ADD}, or replace it with --if-exists replace.",
        )
    if around.view:
        raise InvalidRequest(_TABLE, f"{task.name} is a view.", advice="Use the table behind it.")
    if task.if_exists == "replace" and around.referencing:
        raise InvalidRequest(
            _TABLE,
            f"{task.name} cannot be replaced: a foreign key of {around.referencing} refers to it.",
            advice="DELETE FROM it, then load with --if-exists append.",
        )


# Binding


def _bound_writer(task: LoadTask, table: TargetTable, around: _ServerState) -> tuple[InsertWriter, str]:
    """Return the writer of the rows, and the time zone of its sessions; empty for the server's own."""
    source = task.source
    _refuse_columns(source, table)
    columns = [convert(column, table.columns[column.name.casefold()]) for column in source.columns]
    keys = unique_key(table, task.keys, source) if task.keys else frozenset()
    if keys:
        refuse_doubles(source, table, keys)
    writer = InsertWriter(
        table=table.name,
        columns=columns,
        rows=source.rows,
        keys=keys,
        packet=around.packet,
        together=task.together,
    )
    return writer, _zone(source, table, task.time_zone)


def _refuse_columns(source: FrameSource, table: TargetTable) -> None:
    names = {column.name.casefold() for column in source.columns}
    for column in source.columns:
        if column.name.casefold() not in table.columns:
            close = difflib.get_close_matches(column.name.casefold(), table.columns, n=1)
            hint = f" Did you mean {table.columns[close[0]].name}?" if close else ""
            refuse(column.name, f"{table.name} has no such column.{hint}")
    for name, target in table.columns.items():
        if name not in names and not target.filled:
            reason = f"has no column {target.name}, which is NOT NULL without a default in {table.name}."
            raise InvalidRequest(FIELD, reason)


def _zone(source: FrameSource, table: TargetTable, of_cells: str) -> str:
    """Return the time zone in which the values of TIMESTAMP columns have the intended meaning."""
    stamps = [
        column for column in source.columns if table.columns[column.name.casefold()].base == "timestamp"
    ]
    moments = [column for column in stamps if column.kind is SourceKind.MOMENT]
    others = [column for column in stamps if column.kind in {SourceKind.DATE, SourceKind.DATETIME}]
    if moments and others:
        refuse(
            others[0].name,
            f"has times without a zone, and {moments[0].name} with one; both go into TIMESTAMP columns.",
            advice=f"Give it one: frame[{others[0].name!r}].dt.tz_localize('UTC')",
        )
    if others and of_cells:
        refuse(
            others[0].name,
            "times without a zone cannot go into a TIMESTAMP column, because load does not use the time "
            f"zone of the SQL cells ({of_cells}).",
            advice=f"Give them one: frame[{others[0].name!r}].dt.tz_localize(…)",
        )
    return "+00:00" if moments else ""


def _note_time_zones(task: LoadTask, table: TargetTable) -> None:
    names = [
        column.name
        for column in task.source.columns
        if column.kind is SourceKind.MOMENT and table.columns[column.name.casefold()].base == "datetime"
    ]
    if names:
        task.on_note(f"Times with a zone are stored in UTC, without the zone: {', '.join(names)}.")


# Sending


def _append(task: LoadTask, table: TargetTable, around: _ServerState) -> LoadOutcome:
    writer, zone = _bound_writer(task, table, around)
    pieces = writer.pieces()
    _note_time_zones(task, table)
    ledger, failure = _send(task, writer, pieces, zone)
    if failure is None:
        return LoadOutcome(rows=ledger.rows, bytes=ledger.bytes)
    left = _merge(set(pieces) - ledger.committed - ledger.in_doubt)
    duplicate = isinstance(failure, QueryFailed) and failure.code == ER.DUP_ENTRY and not task.keys
    raise LoadFailed(
        str(task.name),
        failure,
        committed=ledger.rows,
        total=task.source.rows,
        in_doubt=_merge(ledger.in_doubt),
        left=left,
        repeatable=bool(task.keys),
        hint=advice_on_duplicate(table, task.source) if duplicate else "",
        stopped=isinstance(failure, QueryCancelled),
    )


def _send(
    task: LoadTask,
    writer: InsertWriter,
    pieces: Sequence[Any],
    zone: str,
    lines: LinesWriter | None = None,
) -> tuple[Ledger, TidbPeError | None]:
    flight = task.flight("INSERT")
    sender = Sender(flight, writer, zone=zone, lines=lines)
    failure = sender.send(pieces, cancel=task.cancel, on_progress=lambda: task.on_progress(sender.ledger))
    return sender.ledger, failure


def _merge(pieces: set[Any]) -> tuple[tuple[int, int], ...]:
    """Return the ranges of rows of the pieces; each end is exclusive."""
    merged: list[tuple[int, int]] = []
    for piece in sorted(pieces, key=lambda each: each.start):
        if merged and merged[-1][1] == piece.start:
            merged[-1] = merged[-1][0], piece.start + piece.rows
        else:
            merged.append((piece.start, piece.start + piece.rows))
    return tuple(merged)


# Making a table


def _make(task: LoadTask, table: TargetTable, around: _ServerState) -> LoadOutcome:
    """Fill a temporary table, and rename it."""
    side = replace(table, name=task.name.temporary(f"{UNFINISHED}{secrets.token_hex(4)}"))
    writer, zone = _bound_writer(task, side, around)
    pieces = writer.pieces()
    task.on_create(create_statement(table))
    _note_time_zones(task, table)
    try:
        side_tables.define(task, create_statement(side))
    except (ConnectionFailed, QueryCancelled) as unanswered:
        # It may have been created anyway.
        raise side_tables.load_failure(task, side.name, unanswered) from None
    try:
        ledger, failure = _send(task, writer, pieces, zone, lines_writer(writer, around.version))
    except BaseException:
        side_tables.drop(task, side.name)
        raise
    if failure is not None:
        raise side_tables.load_failure(task, side.name, failure)
    old = task.name.temporary(f"{REPLACED}{secrets.token_hex(4)}") if around.table is not None else None
    side_tables.rename(task, side.name, old)
    if old is not None and not side_tables.drop(task, old):
        task.on_note(f"The replaced table still exists. Delete it: DROP TABLE {old.sql}")
    return LoadOutcome(
        rows=ledger.rows,
        bytes=ledger.bytes,
        created=create_statement(table),
        replaced=old is not None,
    )
