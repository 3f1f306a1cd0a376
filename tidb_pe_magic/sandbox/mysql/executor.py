"""The execution of a session's statements in DuckDB: in the open transaction, or on a snapshot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
from sqlglot import exp

from tidb_pe_magic.sandbox.mysql import explain
from tidb_pe_magic.sandbox.mysql.columns import Column
from tidb_pe_magic.sandbox.mysql.create_like import like, model_of
from tidb_pe_magic.sandbox.mysql.create_table import refuse_many_columns, sequence_name
from tidb_pe_magic.sandbox.mysql.definitions import Definitions
from tidb_pe_magic.sandbox.mysql.errors import (
    COMMAND_DENIED,
    NOT_SUPPORTED,
    OPERAND_COLUMNS,
    SUBQUERY_ROWS,
    SqlError,
    drop_error,
    from_duckdb,
)
from tidb_pe_magic.sandbox.mysql.insert_targets import Targets
from tidb_pe_magic.sandbox.mysql.insert_times import refuse_clocks
from tidb_pe_magic.sandbox.mysql.inserts import insertion, refuse_duplicates
from tidb_pe_magic.sandbox.mysql.joined_changes import without_join
from tidb_pe_magic.sandbox.mysql.lineage import outputs
from tidb_pe_magic.sandbox.mysql.parser import Statement
from tidb_pe_magic.sandbox.mysql.result import Fetched, Result, describe
from tidb_pe_magic.sandbox.mysql.snapshot import SnapshotRead
from tidb_pe_magic.sandbox.mysql.time_zones import refuse_defaults
from tidb_pe_magic.sandbox.mysql.transaction import BoundSql, Transaction
from tidb_pe_magic.sandbox.mysql.translate import TranslationContext, to_duckdb
from tidb_pe_magic.sandbox.mysql.unknown_names import name_error, refuse_without_database
from tidb_pe_magic.sandbox.mysql.update_times import change_in_zone
from tidb_pe_magic.sandbox.mysql.updates import only_changes, touch_changes
from tidb_pe_magic.sandbox.mysql.user_variables import assign_within
from tidb_pe_magic.sandbox.mysql.work import Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import pyarrow as pa

    from tidb_pe_magic.sandbox.mysql.columns import Source
    from tidb_pe_magic.sandbox.mysql.history import History
    from tidb_pe_magic.sandbox.mysql.insert_targets import Target
    from tidb_pe_magic.sandbox.mysql.inserts import Insertion
    from tidb_pe_magic.sandbox.mysql.session_state import SessionState
    from tidb_pe_magic.sandbox.mysql.show import Show

_T = TypeVar("_T")
_DDL = (exp.Create, exp.Drop, exp.Alter, exp.TruncateTable)
_WRITES = (exp.Insert, exp.Update, exp.Delete)


class Executor:
    """Runs the statements of one session that need DuckDB; its methods may raise DuckDB's errors.

    Attributes:
        transaction: the session's transaction.
        snapshot: the snapshot that the session reads.
        work: the work in DuckDB, which can be interrupted.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        history: History,
        state: SessionState,
        show: Show,
        readers: Callable[[], frozenset[str]],
    ) -> None:
        """Start without a transaction; `readers` returns the read-only users."""
        self._cursor = cursor
        self._state = state
        self._show = show
        self._readers = readers
        self._definitions = Definitions(cursor, lambda: history.definitions)
        self._targets = Targets(cursor, lambda: history.definitions)
        self.transaction = Transaction(cursor, history)
        self.snapshot = SnapshotRead(history)
        self.work = Work(self._interrupt)

    def _interrupt(self) -> None:
        self._cursor.interrupt()
        self.snapshot.interrupt()

    async def close(self) -> None:
        """Roll back and close the cursor."""
        await asyncio.to_thread(self.transaction.end)
        await asyncio.to_thread(self.snapshot.close)
        await asyncio.to_thread(self._cursor.close)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Run DuckDB work in a worker thread, as a part of the running statement if there is one.

        Raises:
            SqlError: the statement was killed.
        """
        return await self.work.run(work, of_statement=self._state.statement is not None)

    def columns(self, schema: str, table: str) -> Sequence[tuple[str, Source | None]]:
        """Return the columns of a table, in a worker thread; empty if it does not exist."""
        return self._definitions.columns(schema or self._state.database or "", table)

    def _refuse_without_database(self, statement: Statement) -> None:
        if self._state.database is None:
            for tree in (statement.tree, *statement.further):
                if tree is not None:
                    refuse_without_database(tree)

    def refuse_reader(self, tree: exp.Expression) -> None:
        """Refuse changes by a read-only user, with TiDB's error."""
        if self._state.username not in self._readers():
            return
        table = tree.find(exp.Table)
        name = table.name if table is not None else ""
        raise SqlError(
            COMMAND_DENIED,
            f"{tree.key.upper()} command denied to user '{self._state.username}'@'%' for table '{name}'",
        )

    async def run(self, statement: Statement) -> Result:
        """Run a statement, and start to read its rows.

        Raises:
            SqlError: it is invalid or refused, or it was killed.
            duckdb.Error: it fails.
        """
        if statement.tree is None:
            return Result()
        self._refuse_without_database(statement)
        tree = await self._rewritten(statement.tree)
        statement = replace(statement, tree=tree)
        if (shown := self._show_query(tree)) is not None:
            return await self._select(shown)
        try:
            return await self._run_translation(statement, tree, exact=True)
        except (duckdb.BinderException, duckdb.OutOfRangeException) as error:
            # If DuckDB cannot determine an argument's type, or a product has too many digits for a DECIMAL,
            # the mean or quotient stays a DOUBLE.
            if "Macro mysql_" not in str(error) and "Needed scale" not in str(error):
                raise
        return await self._run_translation(statement, tree, exact=False)

    async def _rewritten(self, tree: exp.Expr) -> exp.Expr:
        """Return a statement without joined changes, assigned variables and LIKE of another table."""
        tree = await assign_within(tree, self._state.user_variables, self.scalar)
        if model_of(tree) is not None:
            database = self._state.database or ""
            tree = await self.in_thread(lambda: like(tree, lambda model: self._show.create(model, database)))
        return without_join(tree)

    async def _run_translation(self, statement: Statement, tree: exp.Expr, *, exact: bool) -> Result:
        context = self._state.context(self._show.tables(), self.columns, exact=exact)
        if isinstance(tree, exp.Describe):
            return await self._explain(tree, context)
        if isinstance(tree, (*_DDL, *_WRITES)):
            self.refuse_reader(tree)
            self.snapshot.refuse_writes()
            refuse_defaults(tree, context.zone)
        if isinstance(tree, exp.Create | exp.Alter):
            altered = await self._target(tree) if isinstance(tree, exp.Alter) else None
            refuse_many_columns(tree, 0 if altered is None else len(altered.columns))
        begin = not self._state.variables.get("autocommit")
        if isinstance(tree, exp.Insert) and (target := await self._target(tree)) is not None:
            return await self._insert(statement, target, context, begin=begin)
        if isinstance(tree, exp.Update | exp.Delete) and (target := await self._target(tree)) is not None:
            statement = self._change(statement, target, context.zone)
        translation = await self._translation(statement, context)
        if isinstance(tree, _DDL):
            sql = translation()
            further = [to_duckdb(Statement(each), context) for each in statement.further]
            restarts = [target.restart_ids() for target in await self._truncated(tree)]
            return await self._define(
                tree, [*_sequences(context), sql, *restarts, *further, *_comments(context)]
            )
        of_tables = tree.find(exp.Table) is not None
        begin = begin and of_tables
        if isinstance(tree, _WRITES):
            return await self.in_thread(lambda: self._write(translation(), begin=begin))
        if of_tables and self.snapshot.timestamp:
            return await self._select_past(translation, tree)
        return await self._select(translation, tree, begin=begin)

    async def _translation(self, statement: Statement, context: TranslationContext) -> Callable[[], str]:
        """Return the function that translates a statement; one that sleeps is translated, and sleeps, before.

        The thread that runs it does both: to wake up another one takes longer than a translation.
        """
        assert statement.tree is not None  # noqa: S101 - checked before
        if not isinstance(statement.tree, _DDL) and not _sleeps(statement.tree):
            return partial(to_duckdb, statement, context)
        sql = await asyncio.to_thread(to_duckdb, statement, context)
        if context.sleep:
            await self.work.sleep(context.sleep)
        return lambda: sql

    def _change(self, statement: Statement, target: Target, zone: str) -> Statement:
        """Return an UPDATE or DELETE in the session's time zone, whose rows count as in MySQL."""
        if zone != "UTC":
            statement = change_in_zone(statement, target, zone)
        if not isinstance(statement.tree, exp.Update):
            return statement
        change = touch_changes if self._state.counts_found else only_changes
        return change(statement, target)

    async def _explain(self, described: exp.Describe, context: TranslationContext) -> Result:
        tree = described.this
        if explain.is_analyzed(described) and not isinstance(tree, exp.Query):
            raise SqlError(NOT_SUPPORTED, "EXPLAIN ANALYZE only runs queries in the sandbox")
        sql = await asyncio.to_thread(to_duckdb, Statement(tree), context)
        if explain.is_analyzed(described) and context.sleep:
            await self.work.sleep(context.sleep)
        return await self._select(lambda: explain.plan(self._cursor, sql, described))

    async def _define(self, tree: exp.Expr, statements: Sequence[str]) -> Result:
        try:
            await self.in_thread(lambda: self.transaction.define(statements))
        except duckdb.Error as error:
            translated = name_error(from_duckdb(error, self._state.database or ""), tree)
            raise (drop_error(translated) if isinstance(tree, exp.Drop) else translated) from None
        if _dropped_database(tree) == (self._state.database or "").lower():
            self._state.database = None
            await self.in_thread(lambda: self._cursor.execute(self._state.search_path()))
        return Result()

    def _write(self, sql: str, *, begin: bool) -> Result:
        return Result(affected_rows=self.transaction.write(sql, begin=begin))

    async def _target(self, tree: exp.Expr) -> Target | None:
        table = tree.find(exp.Table)
        if table is None:
            return None
        schema = table.db or self._state.database or ""
        if self._targets.knows(schema, table.name):
            return self._targets.of(schema, table.name)
        return await self.in_thread(lambda: self._targets.of(schema, table.name))

    async def _truncated(self, tree: exp.Expr) -> list[Target]:
        """Return the table whose ids start again, if there is one."""
        target = await self._target(tree) if isinstance(tree, exp.TruncateTable) else None
        return [] if target is None or not target.sequence else [target]

    async def _insert(
        self, statement: Statement, target: Target, context: TranslationContext, *, begin: bool
    ) -> Result:
        refuse_clocks(target, statement.tree, context.zone)
        zero_is_id = self._state.variables.has_mode("NO_AUTO_VALUE_ON_ZERO")

        def translate() -> tuple[Insertion, list[BoundSql], str]:
            made = insertion(statement, target, zero_is_id=zero_is_id, zone=context.zone)
            check = "" if made.query is None else made.duplicates(to_duckdb(Statement(made.query), context))
            return made, [_bound(each, context) for each in made.statements], check

        made, statements, check = await asyncio.to_thread(translate)
        if context.sleep:
            await self.work.sleep(context.sleep)
        return await self.in_thread(lambda: self._run_insertion(made, statements, check, begin=begin))

    def _run_insertion(
        self, made: Insertion, statements: Sequence[BoundSql], check: str, *, begin: bool
    ) -> Result:
        rows, target = made.rows, made.target

        def count() -> None:
            nonlocal rows
            ((rows, different),) = self._cursor.execute(check).fetchall()
            refuse_duplicates(rows, different)

        table = target.table if made.counted else ""
        if len(statements) > 1 and made.given:
            passing = BoundSql(target.pass_ids())
            statements = [part for each in statements for part in (each, passing)]
        written = self.transaction.insert(
            statements,
            begin=begin,
            table=table,
            sequence=sequence_name(target.sequence),
            check=count if check else None,
        )
        if made.given:
            self._cursor.execute(target.pass_ids()).fetchall()
        first_id = made.first_id(written.first_id)
        if written.first_id:
            self._state.last_insert_id = first_id
        affected = written.changed
        if made.counted:
            affected = made.affected(rows, written.changed, written.growth, found=self._state.counts_found)
        # A client does not learn an id that was drawn for a row that already exists.
        return Result(affected_rows=affected, last_insert_id=first_id if affected else 0)

    def _show_query(self, tree: exp.Expr) -> Callable[[], str] | None:
        """Return the function that builds the query for SHOW and DESCRIBE; None for other statements."""
        if isinstance(tree, exp.Show):
            return lambda: self._show.query(tree, self._state.database or "")
        if isinstance(tree, exp.Describe) and isinstance(tree.this, exp.Table):
            return lambda: self._show.columns(tree.this, self._state.database or "")
        return None

    async def describe(self, statement: Statement) -> Sequence[Column]:
        """Return a statement's result columns, without running it; empty if it has none.

        Raises:
            SqlError: it is invalid.
            duckdb.Error: it is invalid, perhaps only for lack of a bound value.
        """
        return await self.in_thread(lambda: self._describe(statement))

    def _describe(self, statement: Statement) -> Sequence[Column]:
        tree = statement.tree
        if tree is None:
            return ()
        self._refuse_without_database(statement)
        if (shown := self._show_query(tree)) is not None:
            return _columns(*describe(self._cursor, shown()), [])
        if not isinstance(tree, exp.Query):
            return ()
        names, types = describe(
            self._cursor, to_duckdb(statement, self._state.context(self._show.tables(), self.columns))
        )
        return _columns(names, types, outputs(tree, self.columns))

    async def scalar(self, expression: exp.Expr) -> Any:
        """Compute an expression's value.

        Raises:
            SqlError: it is a query of several columns or rows.
        """
        query = expression.this if isinstance(expression, exp.Subquery) else exp.select(expression)
        result = await self.run(Statement(query))
        values: list[Any] = []
        try:
            if len(result.columns) != 1:
                raise SqlError(OPERAND_COLUMNS, "Operand should contain 1 column(s)")
            async for batch in result.batches:
                values += batch.column(0).to_pylist()
                if len(values) > 1:
                    raise SqlError(SUBQUERY_ROWS, "Subquery returns more than 1 row")
        finally:
            self.transaction.release()
        return values[0] if values else None

    async def _select(
        self, query: Callable[[], str], tree: exp.Expr | None = None, *, begin: bool = False
    ) -> Result:
        def start() -> tuple[Sequence[Column], Fetched]:
            sql = query()
            # Looked up first, because DuckDB ends a query's stream when its cursor runs another query.
            sources = [] if tree is None else outputs(tree, self.columns)
            reading = self.transaction.read(sql, begin=begin)
            return _columns(reading.names, reading.types, sources), Fetched.of(self.transaction.fetch)

        columns, fetched = await self.in_thread(start)
        return Result(columns=columns, batches=self._rows(fetched, self.transaction.fetch))

    async def _select_past(self, query: Callable[[], str], tree: exp.Expr) -> Result:
        def start() -> tuple[Sequence[Column], Fetched]:
            sql = query()
            sources = outputs(tree, self.columns)
            reading = self.snapshot.read(sql, self._state.search_path())
            return _columns(reading.names, reading.types, sources), Fetched.of(self.snapshot.fetch)

        columns, fetched = await self.in_thread(start)
        return Result(columns=columns, batches=self._rows(fetched, self.snapshot.fetch))

    async def _rows(
        self, fetched: Fetched, fetch: Callable[[], pa.RecordBatch | None]
    ) -> AsyncIterator[pa.RecordBatch]:
        while True:
            for batch in fetched.batches:
                yield batch
            if fetched.error is not None:
                raise fetched.error
            if fetched.ended:
                return
            fetched = await self.in_thread(partial(Fetched.of, fetch))


def _columns(
    names: Sequence[str], types: Sequence[str], sources: Sequence[tuple[str, Source | None]]
) -> Sequence[Column]:
    """Return a query's columns, with their sources if they are certain."""
    if len(sources) != len(names):
        return [Column(name, kind) for name, kind in zip(names, types, strict=True)]
    return [
        Column(name, kind, source if known.lower() == name.lower() else None)
        for name, kind, (known, source) in zip(names, types, sources, strict=True)
    ]


def _bound(statement: Statement, context: TranslationContext) -> BoundSql:
    rows = statement.rows
    return BoundSql(to_duckdb(statement, context), () if rows is None else rows.source[1])


def _sleeps(tree: exp.Expr) -> bool:
    return any(call.name.upper() == "SLEEP" for call in tree.find_all(exp.Anonymous))


def _dropped_database(tree: exp.Expr) -> str | None:
    """Return the database that a statement drops, in lower case; None if it drops none."""
    if not isinstance(tree, exp.Drop) or tree.args.get("kind") not in {"DATABASE", "SCHEMA"}:
        return None
    table = tree.find(exp.Table)
    return None if table is None else table.name.lower()


def _sequences(context: TranslationContext) -> list[str]:
    return [sql for sql in context.follow_up if sql.startswith("CREATE SEQUENCE")]


def _comments(context: TranslationContext) -> list[str]:
    return [sql for sql in context.follow_up if sql.startswith("COMMENT")]
