"""The table beside the wanted one, which a load fills: its definition, its renaming, and what is dropped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pymysql.constants import ER

from tidb_pe_magic.database.queries.failures import driver_errors
from tidb_pe_magic.database.queries.inflight import run_interruptibly
from tidb_pe_magic.errors import (
    ConnectionFailed,
    LoadFailed,
    QueryCancelled,
    QueryFailed,
    TidbPeError,
)

if TYPE_CHECKING:
    from tidb_pe_magic.database.loading.tables import TableName
    from tidb_pe_magic.database.loading.task import LoadTask

_DROP_SECONDS, _DROP_TRIES = 10.0, 3


def rename(task: LoadTask, side: TableName, old: TableName | None) -> None:
    """Swap the temporary table and the existing one, in one statement."""
    renames = [f"{task.name.sql} TO {old.sql}"] if old is not None else []
    statement = f"RENAME TABLE {', '.join([*renames, f'{side.sql} TO {task.name.sql}'])}"
    try:
        define(task, statement)
    except TidbPeError as failure:
        error = failure
    else:
        return
    definite = isinstance(error, QueryFailed)
    # A table that can be dropped was not renamed and never will be; a missing one was renamed.
    dropped = _drop(task, side)
    if dropped is None and not definite:
        return
    raise _failure(task, side, error, dropped=dropped)


def load_failure(task: LoadTask, side: TableName, failure: TidbPeError) -> LoadFailed:
    """Drop the table, and return the error: no row is loaded."""
    return _failure(task, side, failure, dropped=drop(task, side))


def _failure(task: LoadTask, side: TableName, failure: TidbPeError, *, dropped: bool | None) -> LoadFailed:
    return LoadFailed(
        str(task.name),
        failure,
        committed=0,
        total=task.source.rows,
        left=((0, task.source.rows),),
        remains=side.sql if dropped is False else "",
        whole=True,
        replaces=task.if_exists == "replace",
        stopped=isinstance(failure, QueryCancelled),
    )


def define(task: LoadTask, statement: str) -> None:
    """Execute a DDL statement in one of the load's sessions."""
    _execute(task, statement, task.cancel)


def _execute(task: LoadTask, statement: str, cancel: threading.Event) -> None:
    flight = task.flight(statement)

    def execute() -> None:
        with flight.own_session() as session, driver_errors():
            session.query(statement)

    run_interruptibly([execute], flight, cancel=cancel)


def drop(task: LoadTask, name: TableName) -> bool:
    """Drop a temporary table, over another connection if one is lost; return whether it is gone."""
    return any(_drop(task, name) is not False for _ in range(_DROP_TRIES))


def _drop(task: LoadTask, name: TableName) -> bool | None:
    """Drop a temporary table; return False if that failed, None if the table does not exist."""
    late = threading.Event()
    timer = threading.Timer(_DROP_SECONDS, late.set)
    timer.daemon = True
    timer.start()
    try:
        _execute(task, f"DROP TABLE {name.sql}", late)
    except QueryFailed as error:
        return None if error.code in {ER.BAD_TABLE_ERROR, ER.NO_SUCH_TABLE} else False
    except (QueryCancelled, ConnectionFailed):
        return False
    finally:
        timer.cancel()
    return True
