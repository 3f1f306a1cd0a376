"""A SQLAlchemy engine for TiDB: verified TLS, autocommit, and sessions that survive idle drops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy.exc
from sqlalchemy import URL, Engine, create_engine, event

from tidb_pe_magic.database import engine_events, greeting
from tidb_pe_magic.database.connector import Connector, Target
from tidb_pe_magic.database.deadline import Deadline
from tidb_pe_magic.database.dialect import DRIVER, SessionDialect
from tidb_pe_magic.database.login_connection import CannotConnect
from tidb_pe_magic.errors import ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.database.session import Session
    from tidb_pe_magic.model import TlsReport

__all__ = ["Target", "TestedEngine", "answers", "open_engine"]

_POOL_SIZE, _MAX_OVERFLOW = 2, 8


@dataclass(frozen=True, kw_only=True)
class TestedEngine:
    """An engine whose login was tested."""

    engine: Engine
    tls: TlsReport
    server_version: str


class _FirstConnection:
    """The time limit that the test's connections share; later, each connection has its own."""

    deadline: Deadline | None = None


def open_engine(
    target: Target,
    *,
    timeout: float = 10.0,
    login_timeout: float | None = None,
    on_login: Callable[[], None] | None = None,
) -> TestedEngine:
    """Return an engine after a successful login and query.

    Args:
        target: host, user, database and TLS verification.
        timeout: seconds for everything together: name, connection, TLS, login and query.
        login_timeout: seconds from the start until a login is abandoned, if this is longer, now and when a
            connection is reopened; the query then has its own `timeout`.
        on_login: called when the login is reached.

    Raises:
        ConnectionFailed: the error has the first stage that failed; nothing is left open.
        InvalidRequest: a TLS option cannot be used.
    """
    connector = Connector(target, timeout=timeout, login_timeout=login_timeout)
    first = _FirstConnection()
    engine = _make_engine(target, connector, first)
    dialect = engine.dialect
    assert isinstance(dialect, SessionDialect)  # noqa: S101 - its name is in the URL
    failure, version = None, None
    first.deadline = deadline = Deadline(timeout, login=login_timeout, on_login=on_login)
    try:
        with deadline, engine.connect():
            version = dialect.server_version
    except sqlalchemy.exc.DBAPIError as error:
        failure = _failure(error, deadline)
    finally:
        first.deadline = None
        if version is None:
            engine.dispose()
    if version is None:
        # Raised here, so that the frames in between are not part of the traceback.
        raise failure or ConnectionFailed("query", "the server did not return a version.")
    return TestedEngine(engine=engine, tls=connector.report(), server_version=version)


def answers(engine: Engine) -> bool:
    """Return whether the server answers a query; a lost connection is reopened."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    except sqlalchemy.exc.DBAPIError:
        return False
    return True


def _failure(error: sqlalchemy.exc.DBAPIError, deadline: Deadline) -> ConnectionFailed:
    origin = error.orig
    if isinstance(origin, CannotConnect):
        return origin.failure
    if deadline.is_over:
        return ConnectionFailed("query", f"no answer to SELECT VERSION() in {deadline.seconds:.3g} s.")
    code, message = (*(origin.args if origin else ()), 0, "")[:2]
    return greeting.server_error(code if isinstance(code, int) else 0, str(message), stage="query")


def _make_engine(target: Target, connector: Connector, first: _FirstConnection) -> Engine:
    url = URL.create(
        DRIVER,
        username=target.user,
        host=target.host,
        port=target.port,
        database=target.database or None,
        query={"charset": "utf8mb4"},
    )
    engine = create_engine(
        url,
        # On the engine, not on a connection: it must also apply to the connection after a lost one.
        isolation_level="AUTOCOMMIT",
        # TiDB's greeting always says that autocommit is on, even if the server's default is off (`status` in
        # writeInitialHandshake of pkg/server/conn.go): the driver would believe it, and INSERTs be lost.
        connect_args={"autocommit": True, "init_command": "SET autocommit = 1"},
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=_POOL_SIZE,
        max_overflow=_MAX_OVERFLOW,
    )
    # What users copy and jupysql shows: any other program can use it.
    engine.url = url.set(drivername="mysql+pymysql")

    @event.listens_for(engine, "do_connect")
    def connect(*call: Any) -> Session:
        _dialect, _record, _positional, arguments = call
        session = connector.connect(arguments, first.deadline)
        if first.deadline is not None:
            first.deadline.pass_login()
        return session

    engine_events.listen(engine, database=target.database)
    return engine
