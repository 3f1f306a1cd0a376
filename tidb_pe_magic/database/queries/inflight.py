"""Running statements, and how the stop button ends them: at once here, and on the server too."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pymysql.err
from pymysql.constants import ER

from tidb_pe_magic.database.login_connection import CannotConnect
from tidb_pe_magic.database.queries.failures import driver_errors
from tidb_pe_magic.database.queries.session_pool import open_outside_pool
from tidb_pe_magic.database.queries.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Engine
    from sqlalchemy.pool import PoolProxiedConnection

    from tidb_pe_magic.database.alias import AliasSession
    from tidb_pe_magic.database.queries.session_pool import SessionPool
    from tidb_pe_magic.errors import QueryCancelled

T = TypeVar("T")

_SLICE = 0.1  # seconds; on some platforms the stop button takes effect only when a wait ends
# Together less than a second, within which the stop button has to take effect.
_KILL_SECONDS, _CUT_SECONDS = 0.5, 0.3
# A KILL QUERY that reaches an idle session ends its connection, and can crash the server if a transaction is
# open there: TiDB 8.5 (pingcap/tidb, issues 65447 and 63956). So the statement of a session that is kept may
# end by itself for this time, and unneeded rows may arrive for the second one. As long as they arrive without
# a break, the server may have sent the last one, but for the third time only if they are few.
_SHORT_SECONDS, _REST_SECONDS, _LONG_REST_SECONDS = 0.2, 0.5, 3.0
_POLL = 0.05


class InFlight:
    """The sessions of one engine whose statements are running; thread-safe."""

    def __init__(
        self,
        engine: Engine,
        *,
        database: str | None = None,
        statement: str = "",
        pool: SessionPool | None = None,
    ) -> None:
        """Start without sessions.

        Args:
            engine: of the connection.
            database: database of the dedicated sessions; default: the engine's own.
            statement: the user's statement.
            pool: dedicated sessions are taken from it, and go back to it.
        """
        self._engine = engine
        self._pool = pool
        self._database = database
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._sessions: dict[int, Any] = {}
        self._told = threading.Event()
        self._stop = Stop(statement=statement)
        self.stopped = threading.Event()

    @contextmanager
    def from_pool(self, *, keep: bool = True) -> Iterator[Any]:
        """Yield a session of the engine's pool; discard it unless it is in a clean state.

        Args:
            keep: the caller leaves it unchanged: it changes no setting of the session.

        Raises:
            ConnectionFailed: no session is available.
        """
        with driver_errors():
            connection = self._engine.pool.connect()
        with self._borrow(connection, keep=_return if keep else None) as session:
            yield session

    @contextmanager
    def own_session(self, *, watched: bool = True) -> Iterator[Any]:
        """Yield a dedicated session; without a pool, it is closed at the end.

        Args:
            watched: the stop button ends its statements.

        Raises:
            ConnectionFailed: it cannot be opened.
        """
        with driver_errors():
            connection = self._pool.take() if self._pool else open_outside_pool(self._engine)
        keep = self._pool.put_back if self._pool else None
        with self._borrow(connection, keep=keep, watched=watched) as session:
            if self._database and self._database != session.database:
                with driver_errors():
                    session.select_db(self._database)
            yield session

    @contextmanager
    def of_cells(self, cells: AliasSession, statement: str) -> Iterator[Any]:
        """Yield the session that the alias's cells share; if possible, it survives the stop button.

        Raises:
            ConnectionFailed: it cannot be opened, or is lost.
            StepOrderError: another statement is still running in it.
        """
        with cells.borrow(statement) as connection:
            session: Any = connection.dbapi_connection
            try:
                self._watch(session)
                yield session
            finally:
                if not self._release(session):
                    session.discard()

    def _release(self, session: Any) -> bool:
        """Stop watching a session; return whether its next statement is safe from a KILL of this one."""
        with self._lock:
            self._unwatch(session)
            stopped = self.stopped.is_set()
        if not session.open:
            return True
        if stopped and not self._told.wait(_KILL_SECONDS):
            return False
        return not stopped or bool(session.absorb_kill())

    @contextmanager
    def _borrow(
        self,
        connection: PoolProxiedConnection,
        *,
        keep: Callable[[PoolProxiedConnection], None] | None,
        watched: bool = True,
    ) -> Iterator[Any]:
        """Yield the connection's session; then `keep` it if it can be used again, or close it."""
        session: Any = connection.dbapi_connection
        intact = False
        try:
            if watched:
                self._watch(session)
            yield session
            intact = bool(session.open)
        finally:
            with self._lock:
                self._unwatch(session)
            if keep and intact and not self.stopped.is_set():
                keep(connection)
            else:
                connection.invalidate()

    def _watch(self, session: Any) -> None:
        with driver_errors():
            number = session.identity()
        with self._lock:
            self._sessions[number] = session
        if self.stopped.is_set():
            raise self.cancelled()

    def _watched(self, session: Any) -> dict[int, Any]:
        """Return a session by its number, if it is watched; the caller has the lock."""
        return {number: kept for number, kept in self._sessions.items() if kept is session}

    def _unwatch(self, session: Any) -> dict[int, Any]:
        """Stop watching a session, and return it by its number; the caller has the lock."""
        running = self._watched(session)
        for number in running:
            del self._sessions[number]
        self._idle.notify_all()
        return running

    @contextmanager
    def uninterruptible(self, session: Any) -> Iterator[None]:
        """Let a session finish its statement: a COMMIT whose outcome must be known is not interrupted.

        Raises:
            QueryCancelled: the query was stopped before.
        """
        with self._lock:
            if self.stopped.is_set():
                raise self.cancelled()
            running = self._unwatch(session)
        yield
        with self._lock:
            self._sessions.update(running)

    def end(self) -> None:
        """End every statement: KILL QUERY over another connection, then close the sockets still open.

        Within a transaction, only a statement that has not begun to answer is killed. The other sessions are
        closed, and the server rolls them back.
        """
        with self._lock:
            self.stopped.set()
            running = dict(self._sessions)
            self._stop.sessions = len(running)
        end = time.monotonic() + _SHORT_SECONDS
        if running:
            # A daemon: a server whose login is slow is still notified, later.
            killer = threading.Thread(
                target=self._kill, args=(running, end), name="tidb_pe kill", daemon=True
            )
            killer.start()
            killer.join(_KILL_SECONDS)
        else:
            self._told.set()
        if not self._await_end():
            with self._lock:
                for session in self._sessions.values():
                    self._stop.costs_transaction |= session.pinned and session.in_transaction
                    shut_down(session)
            self._await_end()

    def cancelled(self) -> QueryCancelled:
        """Return the error that says what is known about the stopped statement."""
        return self._stop.error()

    @contextmanager
    def unneeded(self, session: Any) -> Iterator[None]:
        """Let the server end the rest of this session's result, which is read and dropped meanwhile.

        KILL QUERY is sent if the rest is long, and within a transaction only while nothing arrives.
        """
        over = threading.Event()
        killer = threading.Thread(target=self._kill_rest, args=(over, session), name="tidb_pe kill")
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def _kill_rest(self, over: threading.Event, session: Any) -> None:
        started = heard = time.monotonic()
        while not over.wait(_POLL):
            now = time.monotonic()
            try:
                heard = now if session.has_input() else heard
            except (OSError, ValueError):  # closed meanwhile
                return
            if session.holds_transaction:
                long = now - heard > _SHORT_SECONDS
            else:
                long = now - started > (_LONG_REST_SECONDS if heard == now else _REST_SECONDS)
            if long:
                self.kill(session, over)
                return

    def kill(self, session: Any, over: threading.Event | None = None) -> None:
        """Tell the server to end this session's statement, unless the event says that it has ended."""
        with self._lock:
            running = self._watched(session)
        self._kill_queries(running, over=over)

    def _kill(self, running: Mapping[int, Any], end: float) -> None:
        try:
            self._stop.refusal = self._kill_queries(running, end)
        finally:
            self._stop.answered = True
            self._told.set()

    def _kill_queries(
        self, running: Mapping[int, Any], end: float = 0.0, over: threading.Event | None = None
    ) -> str:
        """Tell the server to end the statements of these sessions; return why that failed, if it did.

        Whether TiDB Cloud's gateway passes KILL QUERY to the right server is [GUESS].

        Args:
            running: the sessions, by their numbers.
            end: until this time, statements of sessions that are kept may end by themselves; 0 kills all.
            over: the statements have ended once it is set.
        """
        try:
            connection = open_outside_pool(self._engine)
        except pymysql.err.MySQLError as error:
            return error.failure.reason if isinstance(error, CannotConnect) else _message(error)
        refusal = ""
        try:
            with contextlib.closing(connection.cursor()) as cursor:
                for number, session in running.items():
                    if (over is not None and over.is_set()) or not self._needs_kill(number, session, end):
                        continue
                    try:
                        cursor.execute(f"KILL QUERY {number:d}")
                        self._stop.killed += 1
                    except pymysql.err.MySQLError as error:
                        # A closed session has no statement to end.
                        if error.args[0] != ER.NO_SUCH_THREAD:
                            refusal = _message(error)
        finally:
            connection.invalidate()
        return refusal

    def _needs_kill(self, number: int, session: Any, end: float) -> bool:
        """Return whether to kill a session's statement; wait until `end` if it may be short."""
        if not end or not (session.pinned or session.holds_transaction):
            return True
        with self._lock:
            while number in self._sessions and (left := end - time.monotonic()) > 0:
                self._idle.wait(left)
            if number not in self._sessions:
                # After its connection was cut here, a server is idle only until it notices.
                return not session.open
            return not session.holds_transaction or bool(session.is_executing())

    def _await_end(self) -> bool:
        end = time.monotonic() + _CUT_SECONDS
        with self._lock:
            while self._sessions and (left := end - time.monotonic()) > 0:
                self._idle.wait(left)
            return not self._sessions


def _message(error: pymysql.err.MySQLError) -> str:
    return " ".join(str(each) for each in error.args).rstrip(".") + "."


def _return(connection: PoolProxiedConnection) -> None:
    connection.close()  # to its pool


def shut_down(session: Any) -> None:
    """Close a session's connection while a thread waits for it."""
    sock = getattr(session, "_sock", None)
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def run_interruptibly(
    works: Sequence[Callable[[], T]],
    flight: InFlight,
    *,
    cancel: threading.Event,
    on_progress: Callable[[], None] = lambda: None,
) -> list[T]:
    """Run the functions at the same time, each in a thread, and return their results in order.

    Args:
        works: the functions that read; the first error ends the others.
        flight: the sessions that they use.
        cancel: set it to end them all.
        on_progress: called several times a second in this thread, to report progress.

    Raises:
        QueryCancelled: the stop button or the cancel event was used; the connections can be used again.
    """
    pool = ThreadPoolExecutor(len(works), thread_name_prefix="tidb_pe query")
    try:
        pending = futures = [pool.submit(work) for work in works]
        while pending:
            done, rest = wait(pending, timeout=_SLICE, return_when="FIRST_EXCEPTION")
            pending = list(rest)
            failed = next((future for future in futures if future in done and future.exception()), None)
            if failed is not None:
                failed.result()
            if cancel.is_set():
                break
            on_progress()
        else:
            return [future.result() for future in futures]
        flight.end()
    except KeyboardInterrupt:
        flight.end()
    except BaseException:
        # One of the functions, or the progress callback, failed: end the others.
        flight.end()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    # Outside the handler, so that the interrupt is not chained.
    raise flight.cancelled()
