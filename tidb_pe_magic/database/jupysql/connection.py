"""jupysql's connection, with results from the columnar reader."""

from __future__ import annotations

import sys
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import sql.magic as jupysql_magic
import sql.store as jupysql_store
from sql.connection.connection import ConnectionManager, ResultSetCollection, SQLAlchemyConnection
from sql.magic import SqlMagic
from sql.parse import escape_string_literals_with_colon_prefix
from sql.run.resultset import ResultSet
from sql.run.run import run_statements, select_df_type
from sql.warnings import JupySQLQuotedNamedParametersWarning

from tidb_pe_magic.advice import Advice
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.database.abbreviation import abbreviate
from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.jupysql import own_queries
from tidb_pe_magic.database.jupysql.cell_text import refuse_unknown_names
from tidb_pe_magic.database.jupysql.parser_warnings import parse_quietly
from tidb_pe_magic.database.jupysql.results import ColumnarResult
from tidb_pe_magic.database.queries.placeholders import bind, with_variables
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.database.tokens import statements, tokens, without_comments
from tidb_pe_magic.errors import TidbPeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from sqlalchemy import Engine


_save_formatted = jupysql_store.SQLStore.store
_ROUTINES = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"})
_WORDS_OF_CREATE = 8  # CREATE OR REPLACE DEFINER = a@b PROCEDURE


class Statements(Protocol):
    """Runs the statements of a connection, independent of the use of their rows."""

    def run(
        self, query: BoundStatement, *, shown: bool, framed: bool
    ) -> tuple[pa.Table, pd.DataFrame | None]:
        """Run a statement in the alias's session; return its rows, and a frame of them if requested.

        Args:
            query: the statement with its parameters.
            shown: a user typed it: a line under its result says what was read.
            framed: return a frame at once.
        """
        ...

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return rows as a frame."""
        ...


class _ResultSets(ResultSetCollection):  # type: ignore[misc]
    """Stores no results: each already has all its rows, and would live as long as the connection.

    jupysql passes each new ResultSet, which learns here how its columns become a frame.
    """

    def append(self, result: Any) -> None:
        """Make the result create its frames from columns instead of rows."""
        rows = result._sqlaproxy  # noqa: SLF001 - the return value of raw_execute below
        if isinstance(rows, ColumnarResult):
            result.DataFrame, result.PolarsDataFrame = rows.to_pandas, rows.to_polars

    def is_last(self, result: Any) -> bool:  # noqa: ARG002 - jupysql's signature
        """Return True: a later result never makes this one unreadable."""
        return True


class ColumnarConnection(SQLAlchemyConnection):  # type: ignore[misc]
    """A connection of jupysql that reads all results column by column."""

    def __init__(self, engine: Engine, *, alias: str, config: SqlMagic, statements: Statements) -> None:
        """Connect, and become jupysql's current connection.

        Args:
            engine: of the alias.
            alias: its name.
            config: jupysql's options.
            statements: runs the statements.
        """
        self._statements = statements
        self._config = config
        super().__init__(engine, alias=alias, config=config)
        self._result_sets = _ResultSets()
        if not config.autocommit:
            session: Any = self._connection.connection.dbapi_connection
            session.autocommit(False)  # noqa: FBT003 - PyMySQL's signature

    @without_values((Warning,))
    def raw_execute(
        self, query: str, parameters: Mapping[str, Any] | None = None, with_: list[str] | None = None
    ) -> ColumnarResult:
        """Run a statement, and return its rows.

        Args:
            query: one statement.
            parameters: with None, each `:name` is the notebook variable of that name. If
                SqlMagic.named_parameters is enabled, the variables; if it is disabled, an empty dict.
            with_: names of stored snippets that the statement uses.

        Raises:
            TidbPeError: shown as one line.
        """
        if with_:
            query = self._resolve_cte(query, with_)
        if parameters:
            _warn_about_quotes(query, parameters)
        typed = _typed_variables()
        variables = parameters or typed or self._config.shell.user_ns
        params = None if parameters == {} else with_variables(query, None, variables)
        bound = BoundStatement(sql=query) if params is None else self._bind(query, params)
        shown = typed is not None and self._config.feedback > 0
        framed = typed is not None and self._config.autopandas
        table, frame = self._statements.run(bound, shown=shown, framed=framed)
        return ColumnarResult(table, self._statements.frame, frame)

    @without_values((Warning,))
    def execute(self, query: str, with_: list[str] | None = None) -> ColumnarResult:
        """Run one of jupysql's own queries: of a plot, of a test, or of the pages of a table.

        Args:
            query: in standard SQL, with names in double quotes.
            with_: names of stored snippets that the query uses; they are the user's, and in TiDB's SQL.

        Raises:
            TidbPeError: shown as one line.
        """
        found = self.raw_execute(own_queries.tidb_query(query), with_=with_)
        return ColumnarResult(own_queries.drawable_rows(found.table, query), self._statements.frame)

    def backslash_escapes(self) -> bool:
        """Return whether a backslash in a string is an escape character in the session's sql_mode."""
        held = self._connection
        if held.closed or held.invalidated:
            return True
        return Driver(held.connection.dbapi_connection).backslash_escapes

    def _bind(self, query: str, params: Any) -> BoundStatement:
        sql, values = bind(query, params, backslash_escapes=self.backslash_escapes)
        return BoundStatement(sql=sql, params=values)


def adapt_jupysql() -> None:
    """Let jupysql run cells of our connections as TiDB needs it; cells of other connections are as before."""
    jupysql_magic.run_statements = _run_statements
    jupysql_store.SQLStore.store = _save_snippet
    parse_quietly(_is_ours)
    refuse_unknown_names(_is_ours)


def _is_ours(connection: object) -> bool:
    return isinstance(connection, ColumnarConnection)


def _save_snippet(self: jupysql_store.SQLStore, key: str, query: str, with_: list[str] | None = None) -> None:
    """Save a snippet as typed, without its comments, which would end the parentheses around it.

    jupysql also removes `-1` of `5--1`, and hints.
    """
    _save_formatted(self, key, query, with_)
    if any(isinstance(each, ColumnarConnection) for each in ConnectionManager.connections.values()):
        self[key]._query = without_comments(query)  # noqa: SLF001 - jupysql's text of the snippet


def _run_statements(
    connection: Any, text: str, config: SqlMagic, parameters: Mapping[str, Any] | None = None
) -> Any:
    """Run a cell's statements as typed, and return the last one's result.

    jupysql refuses BEGIN, and removes what it takes for comments: `-1` of `5--1`, hints, and the text of
    `/*! */`, which the server would execute.

    Raises:
        TidbPeError: the cell has no statement, or a statement failed.
    """
    if not isinstance(connection, ColumnarConnection) or not text.strip() or _defines_routine(text):
        return run_statements(connection, text, config, parameters=parameters)
    # Comments only: the server says so.
    typed = statements(text, escapes=connection.backslash_escapes()) or [text]
    for number, statement in enumerate(typed, start=1):
        try:
            result = connection.raw_execute(statement, parameters=parameters)
        except TidbPeError as error:
            if len(typed) > 1:
                error.advise(_with_place(error, number, typed))
            raise
    return select_df_type(ResultSet(result, config, typed[-1], connection), config)


def _with_place(error: TidbPeError, number: int, typed: Sequence[str]) -> Advice:
    """Return the error's advice, with the statement that failed and whether others were left out."""
    places = f"This was statement {number} of {len(typed)}: {abbreviate(typed[number - 1])}."
    left_out = "The statements after it were not run." if number < len(typed) else ""
    return Advice(" ".join(filter(None, (error.advice, places, left_out))), *error.commands)


def _defines_routine(text: str) -> bool:
    """Return whether a routine begins, in which semicolons separate statements; TiDB has none, MySQL does."""
    words = [token.word for token in islice(tokens(text), _WORDS_OF_CREATE)]
    return words[:1] == ["CREATE"] and not _ROUTINES.isdisjoint(words)


def _typed_variables() -> Mapping[str, Any] | None:
    """Return the variables that the cell sees, including those of a function around `%sql`.

    Return None for jupysql's own statements, such as those of a plot or a profile. jupysql passes the
    variables only if SqlMagic.named_parameters is enabled.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the only way to jupysql's variables
    while frame is not None:
        if frame.f_code is SqlMagic._execute.__code__:  # noqa: SLF001 - see above
            found: Mapping[str, Any] | None = frame.f_locals.get("user_ns")
            return found
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _warn_about_quotes(query: str, parameters: Mapping[str, Any]) -> None:
    """Warn, as jupysql does, about parameter names in quotes, which are text."""
    _, quoted = escape_string_literals_with_colon_prefix(query)
    if names := sorted(set(quoted) & set(parameters)):
        warnings.warn(
            f"The following variables are defined: {', '.join(names)}. However the parameters are quoted in "
            "the query, if you want to use them as named parameters, remove the quotes.",
            JupySQLQuotedNamedParametersWarning,
            stacklevel=2,
        )
