"""The one SQL session of an alias, in which every cell of the notebook runs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import Advice, ShellCommand
from tidb_pe_magic.database import forks
from tidb_pe_magic.database.effects import effect_of, time_zone_setting
from tidb_pe_magic.database.queries.failures import driver_errors
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest, QueryFailed, StepOrderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.pool import PoolProxiedConnection

    from tidb_pe_magic.database.session import Session

_BUSY_SECONDS = 2.0
_ROLLED_BACK = frozenset({"SELECT", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE"})


class AliasSession:
    """Keeps SET, USE, temporary tables and transactions from one cell to the next, in cells of both magics.

    It uses the connection that jupysql holds for the alias, or its own if jupysql holds none.

    Attributes:
        engine: of the alias.
        overtaken: a statement of this package ran after the user's last one, and replaced it as the last.
    """

    def __init__(self, engine: Engine, held: Callable[[], Connection | None] = lambda: None) -> None:
        """Start with the held connection, or without one until a cell needs it.

        Args:
            engine: of the alias.
            held: returns the connection that jupysql holds, if any.
        """
        self.engine = engine
        self._held = held
        self._own: Connection | None = None
        self._lock = threading.Lock()
        self._lost: list[str] = []
        self.overtaken = False
        forks.watch(self)
        self._pin()

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection, which jupysql's own statements use too.

        Raises:
            CannotConnect: it cannot be opened.
        """
        held = self._held()
        if held is not None and not held.closed:
            return held
        if self._own is None or self._own.closed:
            self._own = self.engine.connect()
        return self._own

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, according to the server's last answer."""
        session = self._present()
        return session is not None and session.in_transaction

    @property
    def settings(self) -> tuple[str, ...]:
        """The statements, such as SET, that affect only this session; USE is not one of them."""
        session = self._present()
        return session.settings if session is not None else ()

    @property
    def time_zone(self) -> str:
        """The statement that set the session's time zone; empty if it has the server's own."""
        return time_zone_setting(self.settings)

    @property
    def database(self) -> str:
        """The current database of the session, which USE may have changed; empty for none."""
        session = self._present()
        return session.database if session is not None else (self.engine.url.database or "")

    def take_lost_statements(self) -> tuple[str, ...]:
        """Return the statements whose effect was lost by a reconnect; each is returned once."""
        lost, self._lost = tuple(self._lost), []
        return lost

    def refuse_ranges(self, field: str) -> None:
        """Reject an option that reads over further connections, if they would return something else.

        Args:
            field: the option.

        Raises:
            InvalidRequest: a transaction is open, or the session has its own settings.
        """
        if self.in_transaction:
            reason = "opens further connections, which do not see the open transaction."
            raise InvalidRequest(field, reason, advice="COMMIT or ROLLBACK it first.")
        if self.settings:
            reason = f"opens further connections, without the effect of: {'; '.join(self.settings)}."
            raise InvalidRequest(field, reason, advice="Omit the option, or connect again.")

    @contextmanager
    def borrow(self, statement: str) -> Iterator[PoolProxiedConnection]:
        """Yield the session's connection for one statement; reopen it if it was dropped while idle.

        Raises:
            ConnectionFailed: the session cannot be opened, or is lost; the error says what happened to a
                transaction.
            StepOrderError: another statement is still running in the session.
        """
        if not self._lock.acquire(timeout=_BUSY_SECONDS):
            raise StepOrderError(
                "another statement is still running in the session of this alias.",
                advice="Wait for it to end, or use connection.query(), which opens its own connection.",
            )
        try:
            with driver_errors():
                session = self._ready()
                self._pass_on(session, statement)
                self._lost += session.revive(statement)
            before = session.in_transaction
            try:
                yield self.connection.connection
            except QueryFailed:
                raise
            except ConnectionFailed as error:
                raise _loss_error(error, statement, in_transaction=before) from None
            except BaseException:
                session.remember(statement)
                raise
            session.remember(statement)
        finally:
            self._lock.release()

    def _pass_on(self, session: Session, statement: str) -> None:
        """Start a statement, unless it asks about a statement that was overtaken.

        Raises:
            InvalidRequest: it does; the answer would be about another statement.
        """
        if self.overtaken and session.effect(statement).about_statement:
            raise InvalidRequest(
                "SQL",
                "it asks about the previous statement, after which its Request Units or warnings were read.",
                advice=Advice(
                    "Turn this reading off, then run both statements again.",
                    ShellCommand("%config TidbPeMagics.request_units = False"),
                ),
            )
        self.overtaken = self.overtaken and not statement

    def leave_to_parent(self) -> None:
        """Make the session usable in a forked process, even if a thread of the parent was using it."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection if it is this object's own: jupysql closes the one that it holds."""
        if self._own is not None:
            self._own.close()

    def _present(self) -> Session | None:
        """Return the session if it is already open."""
        for connection in (self._held(), self._own):
            if connection is not None and not connection.closed and not connection.invalidated:
                session: Any = connection.connection.dbapi_connection
                return session  # type: ignore[no-any-return]
        return None

    def _pin(self) -> None:
        session = self._present()
        if session is not None:
            session.pinned = True

    def _ready(self) -> Session:
        connection = self.connection
        if connection.invalidated:
            # The connection was invalidated elsewhere; SQLAlchemy requires this call before it continues.
            connection.rollback()
        session: Session = connection.connection.dbapi_connection  # type: ignore[assignment]
        session.pinned = True
        return session


def _loss_error(error: ConnectionFailed, statement: str, *, in_transaction: bool) -> ConnectionFailed:
    """Return the error that says what is known about the work of the lost connection."""
    effect = effect_of(statement)
    verb = effect.verb
    if in_transaction and verb in _ROLLED_BACK:
        advice = "The server rolls the open transaction back. Begin it again."
    elif in_transaction or not effect.reads_only:
        advice = f"It is unknown whether {verb or 'the statement'} was executed. Check before you repeat it."
    else:
        return error
    return ConnectionFailed(error.stage, error.reason, advice=advice, kind=error.kind)
