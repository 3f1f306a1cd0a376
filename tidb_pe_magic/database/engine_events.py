"""SQLAlchemy event handlers for the sessions of an engine."""

from __future__ import annotations

import sys
import traceback
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pymysql.err
from sqlalchemy import Connection, event

from tidb_pe_magic.credentials.redaction import hide_values, without_values
from tidb_pe_magic.database import forks
from tidb_pe_magic.database.session import Session, SessionStateLost

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

# Any other bug in a hook would appear with its frames in a `%%sql` cell.
_own_failures = without_values((pymysql.err.MySQLError, Warning))


class _AutocommitConnection(Connection):
    """Marks the transactions that the user started: SQLAlchemy also begins one for every statement."""

    begins_by_itself = False

    def _autobegin(self) -> None:
        self.begins_by_itself = True
        try:
            super()._autobegin()
        finally:
            self.begins_by_itself = False


def listen(engine: Engine, *, database: str) -> None:
    """Let the sessions of an engine survive idle drops, and reset their settings.

    Args:
        engine: all its connections are of class `Session`.
        database: the initial database of each connection; empty for none.
    """
    forks.watch_engine(engine)
    # A notebook's connection is checked out permanently, so the pool never tests it again.
    event.listen(engine, "before_cursor_execute", _revive)
    event.listen(engine, "do_execute", _execute_as_written)
    event.listen(engine, "after_cursor_execute", _remember)
    event.listen(engine, "handle_error", _hide, retval=True)
    event.listen(engine, "handle_error", _keep_session)
    event.listen(engine, "checkin", partial(_renew, database))
    event.listen(engine, "engine_connect", _mark_autocommit)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "savepoint", _begin_for_savepoint)
    event.listen(engine, "commit", _undo_failed_to_sql)


@_own_failures
def _revive(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    session = _session(connection)
    lost = session.revive(statement)
    if lost:
        warnings.warn(SessionStateLost.of(lost), stacklevel=2)
    if session.open and not session.effect(statement).about_past:
        # Read once, before an interrupt needs it.
        session.identity()


def _execute_as_written(cursor: Any, statement: str, parameters: object, context: Any) -> bool:
    """Send a plain string without parameters unchanged if its % are not doubled: `LIKE 'U%'`.

    SQLAlchemy passes empty parameters with it, and the driver then treats each % as a placeholder. In
    statements that SQLAlchemy compiled, every % is doubled.
    """
    if parameters or "%" not in statement or getattr(context, "compiled", None) is not None:
        return False
    try:
        _ = statement % ()
    except (TypeError, ValueError):
        cursor.execute(statement)
        return True
    return False


@_own_failures
def _remember(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    _session(connection).remember(statement)


def _hide(context: ExceptionContext) -> BaseException | None:
    # A bug in the driver: a `%%sql` cell would show the frames. Server errors stay unchanged.
    if isinstance(context.original_exception, pymysql.err.MySQLError):
        return None
    failure = hide_values(context.original_exception)
    return None if failure is context.original_exception else failure


def _keep_session(context: ExceptionContext) -> None:
    # A replacement session would have another database, and its lost settings would go unreported.
    connection = context.connection
    if connection is None or connection.invalidated or connection.closed or context.is_pre_ping:
        return
    session = _session(connection)
    if session.pinned and context.is_disconnect:
        session.discard()
        context.is_disconnect = False


def _renew(database: str, session: Session | None, record: ConnectionPoolEntry) -> None:
    # Otherwise the next user of this session would have another one's settings.
    if session is not None and (session.settings or session.database != database):
        record.invalidate()


def _mark_autocommit(connection: Connection) -> None:
    # The engines that execution_options() returns create plain connections, too.
    connection.__class__ = _AutocommitConnection


@_own_failures
def _begin(connection: Connection) -> None:
    """Start a transaction for a block: `engine.begin()`, `connection.begin()`, `to_sql`, an ORM session."""
    if not getattr(connection, "begins_by_itself", False):
        _begin_block(connection)


@_own_failures
def _begin_for_savepoint(connection: Connection, _name: str) -> None:
    if not _session(connection).holds_transaction:
        _begin_block(connection)


@_own_failures
def _undo_failed_to_sql(connection: Connection) -> None:
    """Roll back where pandas would commit the rows of a failed `to_sql`.

    `pandas.io.sql.SQLDatabase.__exit__` closes its transaction without passing the exception on (3.1.1).
    """
    if sys.exc_info()[1] is None or not _session(connection).holds_transaction:
        return
    if any(frame.f_globals.get("__name__") == "pandas.io.sql" for frame, _ in traceback.walk_stack(None)):
        _session(connection).rollback()


def _begin_block(connection: Connection) -> None:
    by_user = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    if by_user or not _session(connection).get_autocommit():
        return
    connection.exec_driver_sql("SET autocommit = 0")
    _session(connection).begin_block()


def _session(connection: Connection) -> Session:
    session = connection.connection.dbapi_connection
    assert isinstance(session, Session)  # noqa: S101 - the engine's pool contains only these
    return session
