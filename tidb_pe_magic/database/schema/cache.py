"""The names of a connection's server, read in the background, for completion and error messages."""

from __future__ import annotations

import atexit
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database import forks
from tidb_pe_magic.database.queries.failures import driver_errors
from tidb_pe_magic.database.queries.inflight import shut_down
from tidb_pe_magic.database.queries.session_pool import open_outside_pool
from tidb_pe_magic.database.schema import names
from tidb_pe_magic.database.schema.names import SchemaNames
from tidb_pe_magic.database.tokens import tokens
from tidb_pe_magic.errors import TidbPeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa
    from sqlalchemy import Engine

    from tidb_pe_magic.database.schema.catalog import Ask

# Of more tables, only the requested ones have their columns read.
_MANY_TABLES = 3000
# Verbs of statements that change the schema.
_DDL = frozenset({"CREATE", "DROP", "ALTER", "RENAME", "RECOVER", "FLASHBACK"})
_END_SECONDS = 1.0
# Seconds for each answer that an error message needs.
_ANSWER_SECONDS = 2.0

_caches: weakref.WeakSet[SchemaCache] = weakref.WeakSet()


class SchemaCache:
    """The names of one connection's server.

    Requests return the known names at once. One daemon thread reads them over its own connection; both end
    when nothing is left to read.
    """

    def __init__(self, engine: Engine, database: Callable[[], str], *, background: bool = False) -> None:
        """Start without names.

        Args:
            engine: of the connection.
            database: returns the current database; empty for none.
            background: read names before they are needed.
        """
        self._engine = engine
        self._database = database
        self._background = background
        self._lock = threading.Lock()
        self._names: SchemaNames | None = None
        self._due = self._closed = False
        self._wanted: set[tuple[str, str]] = set()
        self._thread: threading.Thread | None = None
        self._session: Any = None
        self._failure = ""
        forks.watch(self)
        _caches.add(self)
        if background:
            self.renew()

    @property
    def names(self) -> SchemaNames:
        """The names known now."""
        return self._names or SchemaNames()

    @property
    def failure(self) -> str:
        """Why the last reading failed; empty if it succeeded."""
        return self._failure

    def renew(self) -> None:
        """Read everything again; until then, keep the known names."""
        with self._lock:
            self._due = True
            self._begin()

    def request(self, tables: Iterable[tuple[str, str]]) -> None:
        """Request the unknown columns of tables, each given by its database and name."""
        known = self.names
        missing = {
            (database, table)
            for database, table in tables
            if known.has_table(database, table) and known.columns_of(database, table) is None
        }
        if missing:
            with self._lock:
                self._wanted |= missing
                self._begin()

    def note_statement(self, statement: str) -> None:
        """Record an executed statement: it may have changed the schema."""
        verb = next((token.word for token in tokens(statement)), "")
        if verb == "USE" and self._background:
            known, chosen = self.names, self._database()
            if any(known.columns_of(chosen, table) is None for table in known.tables_of(chosen)):
                self.renew()
        elif verb in _DDL:
            self.renew_for_change()

    def renew_for_change(self) -> None:
        """Record that tables were created, changed or dropped."""
        if self._background:
            self.renew()
        else:
            self._names = None

    def read_now(self, tables: Iterable[tuple[str, str]]) -> SchemaNames:
        """Return names with the columns of these tables; read unknown ones in this thread.

        Raises:
            QueryError: the server refused the query.
            ConnectionFailed: the server did not answer in time.
        """
        known = self._names
        missing = [table for table in tables if known is None or known.columns_of(*table) is None]
        if known is not None and not missing:
            return known
        with self._open_connection(watched=False) as ask:
            if known is None:
                known = names.places(ask)
            known = known.with_columns(names.columns_of(ask, missing))
        with self._lock:
            if self._names is None and not self._background:
                self._names = known
        return known

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is left to read; return False on a timeout."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self._thread is None

    def close(self) -> None:
        """Stop reading."""
        with self._lock:
            self._closed = True
            thread, session = self._thread, self._session
        if session is not None:
            shut_down(session)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_END_SECONDS)
        _caches.discard(self)

    def leave_to_parent(self) -> None:
        """Start again in a forked process, in which the thread does not run."""
        self._lock = threading.Lock()
        self._thread = self._session = None

    def _begin(self) -> None:
        """Start the thread if it is not running; the caller holds the lock."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._work, name="tidb_pe schema", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                due, wanted = self._due, self._wanted
                if self._closed or not (due or wanted):
                    self._thread = None
                    return
                self._due, self._wanted = False, set()
            try:
                with self._open_connection(watched=True) as ask:
                    if due:
                        self._read_all(ask)
                    if wanted:
                        self._names = self.names.with_columns(names.columns_of(ask, wanted))
                self._failure = ""
            except TidbPeError as error:
                # There is no caller to report to; `tables` shows the problem.
                self._failure = str(error)

    def _read_all(self, ask: Ask) -> None:
        before = self.names
        found = names.places(ask)
        # Keep the known columns until the new ones have been read.
        self._names = found.with_columns(before.columns)
        own = found.own_databases
        current = next((each for each in own if each.lower() == self._database().lower()), "")
        if sum(len(found.tables_of(each)) for each in own) <= _MANY_TABLES:
            self._names = found.with_columns(names.own_columns(ask))
        elif current and len(found.tables_of(current)) <= _MANY_TABLES:
            self._names = found.with_columns(names.own_columns(ask, current))
        else:
            self._names = found

    @contextmanager
    def _open_connection(self, *, watched: bool) -> Iterator[Ask]:
        """Open a connection, and yield a function that runs a statement over it.

        Args:
            watched: `close` ends its statements.

        Raises:
            QueryError: the server refused the query.
            ConnectionFailed: the connection cannot be opened, or is lost.
        """
        from tidb_pe_magic.database.frames import read_rows  # noqa: PLC0415 - pyarrow is slow to import

        with driver_errors():
            connection = open_outside_pool(self._engine)
        session: Any = connection.dbapi_connection
        try:
            if watched:
                with self._lock:
                    self._session = session
                    closed = self._closed
                if closed:
                    shut_down(session)

            def ask(sql: str, params: Sequence[object]) -> pa.Table:
                with driver_errors(), session.packet_timeout(_ANSWER_SECONDS if not watched else None):
                    return read_rows(session, sql, params)

            yield ask
        finally:
            with self._lock:
                if watched:
                    self._session = None
            connection.invalidate()


def _close_all() -> None:
    for cache in list(_caches):
        cache.close()


atexit.register(_close_all)
