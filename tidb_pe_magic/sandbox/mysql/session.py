"""One MySQL session over its own DuckDB cursor: its user, and its statements one after the other."""

from __future__ import annotations

import asyncio
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tidb_pe_magic.sandbox.mysql.assignments import assign, expression_of
from tidb_pe_magic.sandbox.mysql.connection_ids import is_truncated
from tidb_pe_magic.sandbox.mysql.errors import (
    NO_SUCH_TABLE,
    NOT_SUPPORTED,
    UNKNOWN_DATABASE,
    UNKNOWN_ERROR,
    UNKNOWN_THREAD,
    SqlError,
    from_duckdb,
    no_database,
)
from tidb_pe_magic.sandbox.mysql.executor import Executor
from tidb_pe_magic.sandbox.mysql.grouping import group_error
from tidb_pe_magic.sandbox.mysql.parser import Statement, parse
from tidb_pe_magic.sandbox.mysql.protocol import Capability, FieldFlag, Status
from tidb_pe_magic.sandbox.mysql.request_units import LastQuery
from tidb_pe_magic.sandbox.mysql.result import Result
from tidb_pe_magic.sandbox.mysql.session_state import SessionState
from tidb_pe_magic.sandbox.mysql.show import Show, processes
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA
from tidb_pe_magic.sandbox.mysql.unknown_names import name_error
from tidb_pe_magic.sandbox.mysql.variables import Variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    import pyarrow as pa

    from tidb_pe_magic.sandbox.mysql.client import Client
    from tidb_pe_magic.sandbox.mysql.columns import Column
    from tidb_pe_magic.sandbox.mysql.handshake import Login
    from tidb_pe_magic.sandbox.mysql.history import History
    from tidb_pe_magic.sandbox.mysql.load_data import LoadData

#: Characters of a statement that is parsed in less time than a thread needs to wake up.
_SHORT = 2000
#: Short statements whose trees are kept: drivers send some for each connection, and loops send the same.
_KEPT = 256
#: Nothing changes a parsed tree: what rewrites a statement copies it first.
_parse_again = lru_cache(_KEPT)(parse)
_KEY = FieldFlag.PRIMARY_KEY | FieldFlag.UNIQUE_KEY | FieldFlag.MULTIPLE_KEY


class Session:
    """A session of one connection; its methods run in the server's loop, DuckDB in worker threads.

    Attributes:
        state: what other sessions see of it in SHOW PROCESSLIST, and what its statements read and change.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        history: History,
        sessions: Callable[[], Mapping[int, Client]],
        readers: Callable[[], frozenset[str]] = frozenset,
        cipher: Callable[[], tuple[str, str]] = lambda: ("", ""),
    ) -> None:
        """Open a separate cursor; `sessions` lists all connections for SHOW PROCESSLIST and KILL.

        `readers` returns the read-only users; `cipher` returns the TLS version and cipher.
        """
        self._cursor = cursor
        self._history = history
        self._sessions = sessions
        self._cipher = cipher
        self.state = SessionState(
            Variables(
                {
                    "tidb_current_ts": lambda: self._transaction.started,
                    "tidb_last_query_info": lambda: self.state.last_query.info(
                        cursor, self.state.database or ""
                    ),
                }
            )
        )
        show = Show(
            cursor,
            self.state.variables.list,
            self._status,
            partial(processes, sessions),
            lambda: self.state.username or "",
        )
        self._executor = Executor(cursor, history, self.state, show, readers)
        self._transaction = self._executor.transaction

    @property
    def status(self) -> Status:
        """The flags of every OK packet."""
        flags = Status.AUTOCOMMIT if self.state.variables.get("autocommit") else Status(0)
        return flags | Status.IN_TRANSACTION if self._transaction.open else flags

    def begin(self, connection_id: int, login: Login) -> None:
        """Start the session of a user after the login.

        Raises:
            SqlError: the requested database does not exist; the login fails.
        """
        self._set_schema(login.database or None)
        self.state.username, self.state.connection_id = login.user, connection_id
        self.state.variables.set("character_set_client", login.charset)
        self.state.counts_found = bool(login.capabilities & Capability.FOUND_ROWS)

    async def close(self) -> None:
        """Roll back and close the cursor."""
        await self._executor.close()

    async def forget_user(self) -> None:
        """Return to the state before a login."""
        await self.reset()
        self.state.username = None

    async def reset(self) -> None:
        """Roll back and return to the defaults."""
        await self._executor.in_thread(self._transaction.rollback)
        self._executor.snapshot.set("")
        self.state.reset()

    async def use(self, database: str) -> None:
        """Change the current database."""
        await self._executor.in_thread(lambda: self._set_schema(database))

    def interrupt(self) -> None:
        """Interrupt the running statement, if there is one."""
        if self.state.statement is not None:
            self._executor.work.interrupt()

    async def parse(self, sql: str, *, several: bool = False, markers: bool = False) -> Sequence[Statement]:
        """Parse a text of one statement, or of several; only a prepared one may have markers.

        Raises:
            SqlError: the text is invalid.
        """
        concatenate = self.state.variables.has_mode("PIPES_AS_CONCAT")
        if len(sql) <= _SHORT:
            return _parse_again(sql, several=several, markers=markers, pipes_concatenate=concatenate)
        return await asyncio.to_thread(
            parse, sql, several=several, markers=markers, pipes_concatenate=concatenate
        )

    async def describe(self, statement: Statement) -> Sequence[Column]:
        """Return a statement's result columns; empty if it has none, or they are not known yet.

        Raises:
            SqlError: the statement is invalid.
        """
        try:
            return await self._executor.describe(statement)
        except duckdb.Error as error:
            translated = self._error(error, statement)
            if translated.code != UNKNOWN_ERROR:
                raise translated from None
            # NULL instead of the bound value is not valid everywhere.
            return ()

    async def run(self, statement: Statement) -> Result:
        """Run one statement."""
        self._executor.work.begin()
        self.state.statement = statement.sql
        try:
            result = await self._run(statement)
            if isinstance(statement.tree, exp.Query | exp.DML):
                self.state.last_query = LastQuery(
                    statement.tree,
                    self._transaction.started or self._history.timestamp(),
                    result.affected_rows,
                )
        except duckdb.Error as error:
            self.state.statement = None
            raise self._error(error, statement) from None
        except SqlglotError:
            self.state.statement = None
            raise SqlError(NOT_SUPPORTED, "This statement is not supported by the sandbox") from None
        except BaseException:
            self.state.statement = None
            raise
        if result.columns:
            self.state.row_count = -1
            result.batches = self._until_read(result.batches)
        else:
            self.state.row_count = result.affected_rows
            self.state.statement = None
        return result

    def _error(self, error: duckdb.Error, statement: Statement) -> SqlError:
        """Return TiDB's error for this statement."""
        database, tree = self.state.database or "", statement.tree
        translated = name_error(from_duckdb(error, database), tree)
        return translated if tree is None else group_error(translated, tree, database)

    async def load(self, load: LoadData, receive: Callable[[], Awaitable[bytes]]) -> Result:
        """Run LOAD DATA LOCAL INFILE; `receive` returns the content of the client's file."""
        executor = self._executor
        executor.work.begin()
        self.state.statement = load.sql
        table = load.target
        if not (table.db or self.state.database):
            raise no_database()
        try:
            columns = await executor.in_thread(lambda: executor.columns(table.db, table.name))
            if not columns:
                name = f"{table.db or self.state.database}.{table.name}"
                raise SqlError(NO_SUCH_TABLE, f"Table '{name}' doesn't exist")
            executor.refuse_reader(exp.Insert(this=table))
            names = [name for name, _ in columns]
            keyed = any(source and source.flags & _KEY for _, source in columns)
            content = await receive()
            lines = await executor.in_thread(lambda: load.statement(content, names, keyed=keyed))
        finally:
            self.state.statement = None
        result = await self.run(lines.insert)
        skipped = max(0, lines.records - result.affected_rows)
        result.warnings = lines.warnings + skipped
        result.info = f"Records: {lines.records}  Deleted: 0  Skipped: {skipped}  Warnings: {result.warnings}"
        return result

    async def _until_read(self, batches: AsyncIterator[pa.RecordBatch]) -> AsyncIterator[pa.RecordBatch]:
        try:
            async for batch in batches:
                yield batch
        except duckdb.Error as error:
            raise from_duckdb(error, self.state.database or "") from None
        except SqlError:
            # It was killed between two batches, so DuckDB still has the rest.
            self._transaction.release()
            raise
        finally:
            self.state.statement = None

    async def _run(self, statement: Statement) -> Result:
        tree = statement.tree
        if isinstance(tree, exp.Set):
            await self._set(tree)
        elif isinstance(tree, exp.Use):
            await self.use(tree.this.name)
        elif isinstance(tree, exp.Kill):
            self._kill(tree)
        elif isinstance(tree, exp.Transaction):
            await self._executor.in_thread(self._transaction.begin)
        elif isinstance(tree, exp.Commit):
            await self._executor.in_thread(self._transaction.commit)
        elif isinstance(tree, exp.Rollback):
            await self._executor.in_thread(self._transaction.rollback)
        else:
            return await self._executor.run(statement)
        return Result()

    def _set_schema(self, database: str | None) -> None:
        if database == "":
            raise no_database()
        unknown = SqlError(UNKNOWN_DATABASE, f"Unknown database '{database}'")
        if database is not None and database.lower() in {"main", HIDDEN_SCHEMA}:
            raise unknown
        previous, self.state.database = self.state.database, database
        try:
            self._cursor.execute(self.state.search_path())
        except duckdb.CatalogException:
            self.state.database = previous
            raise unknown from None

    def _status(self) -> Sequence[tuple[str, object]]:
        version, cipher = self._cipher()
        return [
            ("Ssl_cipher", cipher),
            ("Ssl_cipher_list", cipher),
            ("Ssl_version", version),
            ("Threads_connected", len(self._sessions())),
            ("Uptime", 1),
        ]

    async def _set(self, tree: exp.Set) -> None:
        variables = self.state.variables
        autocommit, snapshot = variables.get("autocommit"), variables.get("tidb_snapshot")
        for item in tree.expressions:
            expression = expression_of(item)
            computed = () if expression is None else (await self._executor.scalar(expression),)
            assign(item, variables, self.state.user_variables, computed)
        try:
            if variables.get("tidb_snapshot") != snapshot:
                self._executor.snapshot.set(variables.get("tidb_snapshot") or "")
        except SqlError:
            variables.set("tidb_snapshot", snapshot)
            raise
        if variables.get("autocommit") and not autocommit:
            await self._executor.in_thread(self._transaction.commit)

    def _kill(self, tree: exp.Kill) -> None:
        """End a connection or its statement; an ID without its upper half ends nothing."""
        number = int(tree.this.name) if tree.this.name.isdigit() else 0
        if is_truncated(number):
            return
        connection = self._sessions().get(number)
        if connection is None:
            raise SqlError(UNKNOWN_THREAD, f"Unknown thread id: {tree.this.name}")
        connection.kill(query=tree.text("kind").upper() == "QUERY")
