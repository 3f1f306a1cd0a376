"""One MySQL session over its own DuckDB cursor: statements, variables and real transactions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
from sqlglot import exp

from tidb_pe_magic.sandbox.mysql import explain
from tidb_pe_magic.sandbox.mysql.assignments import assign, expression_of
from tidb_pe_magic.sandbox.mysql.columns import Column
from tidb_pe_magic.sandbox.mysql.connection_ids import is_truncated
from tidb_pe_magic.sandbox.mysql.create_table import sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.definitions import Definitions
from tidb_pe_magic.sandbox.mysql.errors import (
    COMMAND_DENIED,
    NO_SUCH_TABLE,
    NOT_SUPPORTED,
    OPERAND_COLUMNS,
    SUBQUERY_ROWS,
    UNKNOWN_DATABASE,
    UNKNOWN_ERROR,
    UNKNOWN_THREAD,
    SqlError,
    drop_error,
    from_duckdb,
)
from tidb_pe_magic.sandbox.mysql.flights import DEFAULT_DATABASE
from tidb_pe_magic.sandbox.mysql.information_schema import HIDDEN_SCHEMA
from tidb_pe_magic.sandbox.mysql.lineage import outputs
from tidb_pe_magic.sandbox.mysql.protocol import FieldFlag, Status
from tidb_pe_magic.sandbox.mysql.request_units import LastQuery
from tidb_pe_magic.sandbox.mysql.result import Result, describe
from tidb_pe_magic.sandbox.mysql.show import Show, processes
from tidb_pe_magic.sandbox.mysql.snapshot import SnapshotRead
from tidb_pe_magic.sandbox.mysql.transaction import Transaction
from tidb_pe_magic.sandbox.mysql.translate import Statement, TranslationContext, parse, to_duckdb
from tidb_pe_magic.sandbox.mysql.unknown_names import name_error
from tidb_pe_magic.sandbox.mysql.variables import TIDB_VERSION, Variables
from tidb_pe_magic.sandbox.mysql.work import Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    import pyarrow as pa

    from tidb_pe_magic.sandbox.mysql.client import Client
    from tidb_pe_magic.sandbox.mysql.columns import Source
    from tidb_pe_magic.sandbox.mysql.handshake import Login
    from tidb_pe_magic.sandbox.mysql.history import History
    from tidb_pe_magic.sandbox.mysql.load_data import LoadData

_T = TypeVar("_T")
#: Characters of a statement that is parsed in less time than a thread needs to wake up.
_SHORT = 2000
_DDL = (exp.Create, exp.Drop, exp.Alter, exp.TruncateTable)
_KEY = FieldFlag.PRIMARY_KEY | FieldFlag.UNIQUE_KEY | FieldFlag.MULTIPLE_KEY
_WRITES = (exp.Insert, exp.Update, exp.Delete)


class Session:
    """The state of a logged-in connection; methods run in the server's loop, DuckDB in worker threads."""

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
        self._cipher = cipher
        self.username: str | None = None
        self.database: str | None = None
        self._cursor = cursor
        self._history = history
        self._last_query = LastQuery()
        self._sessions = sessions
        self._readers = readers
        self._connection: Client | None = None
        self._transaction = Transaction(cursor, history)
        self._snapshot = SnapshotRead(history)
        self._definitions = Definitions(cursor, lambda: history.definitions)
        self.variables = self._defaults()
        self._user_variables: dict[str, Any] = {}
        self._last_insert_id = 0
        self._row_count = -1
        self._work = Work(self._interrupt_duckdb)
        self.statement: str | None = None
        self._show = self._new_show()

    @property
    def status(self) -> Status:
        """The flags of every OK packet."""
        flags = Status.AUTOCOMMIT if self.variables.get("autocommit") else Status(0)
        return flags | Status.IN_TRANSACTION if self._transaction.open else flags

    def begin(self, connection: Client, login: Login) -> None:
        """Start the session of a user after the login.

        Raises:
            SqlError: the requested database does not exist; the login fails.
        """
        self._set_schema(login.database or DEFAULT_DATABASE)
        self.username, self._connection = login.user, connection
        self.variables.set("character_set_client", login.charset)

    async def close(self) -> None:
        """Roll back and close the cursor."""
        self._connection = None
        await asyncio.to_thread(self._transaction.end)
        await asyncio.to_thread(self._snapshot.close)
        await asyncio.to_thread(self._cursor.close)

    async def forget_user(self) -> None:
        """Return to the state before a login."""
        await self.reset()
        self.username = None

    async def reset(self) -> None:
        """Roll back and return to the defaults."""
        await self._in_thread(self._transaction.rollback)
        self.variables = self._defaults()
        self._snapshot.set("")
        self._user_variables.clear()
        self._last_insert_id = 0
        self._show = self._new_show()

    async def use(self, database: str) -> None:
        """Change the current database."""
        await self._in_thread(lambda: self._set_schema(database or DEFAULT_DATABASE))

    def interrupt(self) -> None:
        """Interrupt the running statement, if there is one."""
        if self.statement is not None:
            self._work.interrupt()

    def _interrupt_duckdb(self) -> None:
        self._cursor.interrupt()
        self._snapshot.interrupt()

    async def parse(self, sql: str, *, several: bool = False, markers: bool = False) -> Sequence[Statement]:
        """Parse a text of one statement, or of several; only a prepared one may have markers.

        Raises:
            SqlError: the text is invalid.
        """
        concatenate = "PIPES_AS_CONCAT" in self.variables.get("sql_mode").split(",")
        if len(sql) <= _SHORT:
            return parse(sql, several=several, markers=markers, pipes_concatenate=concatenate)
        return await asyncio.to_thread(
            parse, sql, several=several, markers=markers, pipes_concatenate=concatenate
        )

    async def describe(self, statement: Statement) -> Sequence[Column]:
        """Return a statement's result columns; empty if it has none, or they are not known yet.

        Raises:
            SqlError: the statement is invalid.
        """
        try:
            return await self._in_thread(lambda: self._describe(statement))
        except duckdb.Error as error:
            translated = name_error(from_duckdb(error, self.database or ""), statement.tree)
            if translated.code != UNKNOWN_ERROR:
                raise translated from None
            # NULL instead of the bound value is not valid everywhere.
            return ()

    async def run(self, statement: Statement) -> Result:
        """Run one statement."""
        self._work.begin()
        self.statement = statement.sql
        try:
            result = await self._run(statement)
            if isinstance(statement.tree, exp.Query | exp.DML):
                self._last_query = LastQuery(
                    statement.tree,
                    self._transaction.started or self._history.timestamp(),
                    result.affected_rows,
                )
        except duckdb.Error as error:
            self.statement = None
            raise name_error(from_duckdb(error, self.database or ""), statement.tree) from None
        except BaseException:
            self.statement = None
            raise
        if result.columns:
            self._row_count = -1
            result.batches = self._until_read(result.batches)
        else:
            self._row_count = result.affected_rows
            self.statement = None
        return result

    async def load(self, load: LoadData, receive: Callable[[], Awaitable[bytes]]) -> Result:
        """Run LOAD DATA LOCAL INFILE; `receive` returns the content of the client's file."""
        self._work.begin()
        self.statement = load.sql
        table = load.target
        try:
            columns = await self._in_thread(lambda: self._columns_of(table.db, table.name))
            if not columns:
                name = f"{table.db or self.database}.{table.name}"
                raise SqlError(NO_SUCH_TABLE, f"Table '{name}' doesn't exist")
            self._refuse_reader(exp.Insert(this=table))
            names = [name for name, _ in columns]
            keyed = any(source and source.flags & _KEY for _, source in columns)
            content = await receive()
            lines = await self._in_thread(lambda: load.statement(content, names, keyed=keyed))
        finally:
            self.statement = None
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
            raise from_duckdb(error, self.database or "") from None
        except SqlError:
            # It was killed between two batches, so DuckDB still has the rest.
            self._transaction.release()
            raise
        finally:
            self.statement = None

    async def _run(self, statement: Statement) -> Result:
        tree = statement.tree
        if tree is None:
            return Result()
        if isinstance(tree, exp.Set):
            await self._set(tree)
        elif isinstance(tree, exp.Use):
            await self.use(tree.this.name)
        elif isinstance(tree, exp.Kill):
            self._kill(tree)
        elif isinstance(tree, exp.Transaction):
            await self._in_thread(self._transaction.begin)
        elif isinstance(tree, exp.Commit):
            await self._in_thread(self._transaction.commit)
        elif isinstance(tree, exp.Rollback):
            await self._in_thread(self._transaction.rollback)
        elif (shown := self._show_query(tree)) is not None:
            return await self._select(shown)
        else:
            return await self._execute(statement)
        return Result()

    async def _execute(self, statement: Statement) -> Result:
        context = self._context()
        try:
            return await self._run_translation(statement, context)
        except (duckdb.BinderException, duckdb.OutOfRangeException) as error:
            # If DuckDB cannot determine an argument's type, or a product has too many digits for a DECIMAL,
            # the mean or quotient stays a DOUBLE.
            if "Macro mysql_" not in str(error) and "Needed scale" not in str(error):
                raise
        context = self._context()
        context.exact = False
        return await self._run_translation(statement, context)

    async def _run_translation(self, statement: Statement, context: TranslationContext) -> Result:
        tree = statement.tree
        if isinstance(tree, exp.Describe):
            return await self._explain(tree, context)
        if tree is None:
            return Result()
        sql = await asyncio.to_thread(to_duckdb, statement, context)
        if context.sleep:
            await self._work.sleep(context.sleep)
        if isinstance(tree, (*_DDL, *_WRITES)):
            self._refuse_reader(tree)
            self._snapshot.refuse_writes()
        if isinstance(tree, _DDL):
            further = [to_duckdb(Statement(each), context) for each in statement.further]
            return await self._define(tree, [*_sequences(context), sql, *further, *_comments(context)])
        of_tables = tree.find(exp.Table) is not None
        begin = not self.variables.get("autocommit") and of_tables
        if isinstance(tree, _WRITES):
            return await self._in_thread(lambda: self._write(sql, begin=begin))
        if of_tables and self._snapshot.timestamp:
            return await self._select_past(sql, tree)
        return await self._select(lambda: sql, tree, begin=begin)

    async def _explain(self, described: exp.Describe, context: TranslationContext) -> Result:
        tree = described.this
        if explain.is_analyzed(described) and not isinstance(tree, exp.Query):
            raise SqlError(NOT_SUPPORTED, "EXPLAIN ANALYZE only runs queries in the sandbox")
        sql = await asyncio.to_thread(to_duckdb, Statement(tree), context)
        if explain.is_analyzed(described) and context.sleep:
            await self._work.sleep(context.sleep)
        return await self._select(lambda: explain.plan(self._cursor, sql, described))

    async def _define(self, tree: exp.Expr, statements: Sequence[str]) -> Result:
        try:
            await self._in_thread(lambda: self._transaction.define(statements))
        except duckdb.Error as error:
            translated = name_error(from_duckdb(error, self.database or ""), tree)
            raise (drop_error(translated) if isinstance(tree, exp.Drop) else translated) from None
        return Result()

    def _write(self, sql: str, *, begin: bool) -> Result:
        count, first_id = self._transaction.write(sql, begin=begin)
        if first_id:
            self._last_insert_id = first_id
        return Result(affected_rows=count, last_insert_id=first_id)

    def _show_query(self, tree: exp.Expr) -> Callable[[], str] | None:
        """Return the function that builds the query for SHOW and DESCRIBE; None for other statements."""
        if isinstance(tree, exp.Show):
            return lambda: self._show.query(tree, self.database or "")
        if isinstance(tree, exp.Describe) and isinstance(tree.this, exp.Table):
            return lambda: self._show.columns(tree.this, self.database or "")
        return None

    def _describe(self, statement: Statement) -> Sequence[Column]:
        tree = statement.tree
        if tree is None:
            return ()
        if (shown := self._show_query(tree)) is not None:
            return _columns(*describe(self._cursor, shown()), [])
        if not isinstance(tree, exp.Query):
            return ()
        names, types = describe(self._cursor, to_duckdb(statement, self._context()))
        return _columns(names, types, outputs(tree, self._columns_of))

    def _columns_of(self, schema: str, table: str) -> Sequence[tuple[str, Source | None]]:
        return self._definitions.columns(schema or self.database or "", table)

    async def _select(
        self, query: Callable[[], str], tree: exp.Expr | None = None, *, begin: bool = False
    ) -> Result:
        def start() -> Sequence[Column]:
            # Looked up first, because DuckDB ends a query's stream when its cursor runs another query.
            sources = [] if tree is None else outputs(tree, self._columns_of)
            reading = self._transaction.read(query(), begin=begin)
            return _columns(reading.names, reading.types, sources)

        return Result(columns=await self._in_thread(start), batches=self._rows(self._transaction.fetch))

    async def _select_past(self, sql: str, tree: exp.Expr) -> Result:
        def start() -> Sequence[Column]:
            sources = outputs(tree, self._columns_of)
            reading = self._snapshot.read(sql, self._search_path())
            return _columns(reading.names, reading.types, sources)

        return Result(columns=await self._in_thread(start), batches=self._rows(self._snapshot.fetch))

    async def _rows(self, fetch: Callable[[], pa.RecordBatch | None]) -> AsyncIterator[pa.RecordBatch]:
        while (batch := await self._in_thread(fetch)) is not None:
            yield batch

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await self._work.run(work, of_statement=self.statement is not None)

    def _context(self) -> TranslationContext:
        now = datetime.now(UTC)
        connection_id = 0 if self._connection is None else self._connection.connection_id
        functions: dict[str, Callable[[], Any]] = {
            "VERSION": lambda: self.variables.get("version"),
            "CURRENT_VERSION": lambda: self.variables.get("version"),
            "TIDB_VERSION": lambda: TIDB_VERSION,
            "CONNECTION_ID": lambda: connection_id,
            "LAST_INSERT_ID": lambda: self._last_insert_id,
            "ROW_COUNT": lambda: self._row_count,
            "CURRENT_ROLE": lambda: "NONE",
        }
        functions |= dict.fromkeys(("DATABASE", "SCHEMA", "CURRENT_SCHEMA"), lambda: self.database)
        functions |= dict.fromkeys(
            ("USER", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER"), lambda: f"{self.username}@%"
        )
        return TranslationContext(
            functions=functions,
            variable=self.variables.get,
            user_variables=self._user_variables,
            now=now.strftime("%Y-%m-%d %H:%M:%S.%f"),
            tables=self._show.tables(),
        )

    def _set_schema(self, database: str) -> None:
        unknown = SqlError(UNKNOWN_DATABASE, f"Unknown database '{database}'")
        if database.lower() in {"main", HIDDEN_SCHEMA}:
            raise unknown
        try:
            self._cursor.execute(self._search_path(database))
        except duckdb.CatalogException:
            raise unknown from None
        self.database = database

    def _search_path(self, database: str | None = None) -> str:
        named = database or self.database or DEFAULT_DATABASE
        schema = HIDDEN_SCHEMA if named.lower() == "information_schema" else named
        return f"SET search_path = {sql_string(f'{sql_name(schema)},main')}"

    def _new_show(self) -> Show:
        listed = partial(processes, self._sessions)
        return Show(self._cursor, self.variables.list, self._status, listed, lambda: self.username or "")

    def _status(self) -> Sequence[tuple[str, object]]:
        version, cipher = self._cipher()
        return [
            ("Ssl_cipher", cipher),
            ("Ssl_cipher_list", cipher),
            ("Ssl_version", version),
            ("Threads_connected", len(self._sessions())),
            ("Uptime", 1),
        ]

    def _defaults(self) -> Variables:
        return Variables(
            {
                "tidb_current_ts": lambda: self._transaction.started,
                "tidb_last_query_info": lambda: self._last_query.info(self._cursor, self.database or ""),
            }
        )

    async def _scalar(self, expression: exp.Expr) -> Any:
        """Compute an expression's value.

        Raises:
            SqlError: it is a query of several columns or rows.
        """
        query = expression.this if isinstance(expression, exp.Subquery) else exp.select(expression)
        result = await self._execute(Statement(query))
        values: list[Any] = []
        try:
            if len(result.columns) != 1:
                raise SqlError(OPERAND_COLUMNS, "Operand should contain 1 column(s)")
            async for batch in result.batches:
                values += batch.column(0).to_pylist()
                if len(values) > 1:
                    raise SqlError(SUBQUERY_ROWS, "Subquery returns more than 1 row")
        finally:
            self._transaction.release()
        return values[0] if values else None

    async def _set(self, tree: exp.Set) -> None:
        autocommit, snapshot = self.variables.get("autocommit"), self.variables.get("tidb_snapshot")
        for item in tree.expressions:
            expression = expression_of(item)
            computed = () if expression is None else (await self._scalar(expression),)
            assign(item, self.variables, self._user_variables, computed)
        try:
            if self.variables.get("tidb_snapshot") != snapshot:
                self._snapshot.set(self.variables.get("tidb_snapshot") or "")
        except SqlError:
            self.variables.set("tidb_snapshot", snapshot)
            raise
        if self.variables.get("autocommit") and not autocommit:
            await self._in_thread(self._transaction.commit)

    def _refuse_reader(self, tree: exp.Expression) -> None:
        """Refuse changes by a read-only user, with TiDB's error."""
        if self.username not in self._readers():
            return
        table = tree.find(exp.Table)
        name = table.name if table is not None else ""
        raise SqlError(
            COMMAND_DENIED,
            f"{tree.key.upper()} command denied to user '{self.username}'@'%' for table '{name}'",
        )

    def _kill(self, tree: exp.Kill) -> None:
        """End a connection or its statement; an ID without its upper half ends nothing."""
        number = int(tree.this.name) if tree.this.name.isdigit() else 0
        if is_truncated(number):
            return
        connection = self._sessions().get(number)
        if connection is None:
            raise SqlError(UNKNOWN_THREAD, f"Unknown thread id: {tree.this.name}")
        connection.kill(query=tree.text("kind").upper() == "QUERY")


def _columns(
    names: Sequence[str], types: Sequence[str], sources: Sequence[tuple[str, Source | None]]
) -> Sequence[Column]:
    """Return a query's columns, with their sources if they are certain."""
    if [name.lower() for name, _ in sources] != [name.lower() for name in names]:
        sources = [(name, None) for name in names]
    return [Column(n, kind, source) for n, kind, (_, source) in zip(names, types, sources, strict=True)]


def _sequences(context: TranslationContext) -> list[str]:
    return [sql for sql in context.follow_up if sql.startswith("CREATE SEQUENCE")]


def _comments(context: TranslationContext) -> list[str]:
    return [sql for sql in context.follow_up if sql.startswith("COMMENT")]
