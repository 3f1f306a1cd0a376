"""The state of a session that its statements read and change: user, database, variables, counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox.mysql.create_table import sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.request_units import LastQuery
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA
from tidb_pe_magic.sandbox.mysql.time_zones import duckdb_zone, zone_of
from tidb_pe_magic.sandbox.mysql.translate import TranslationContext
from tidb_pe_magic.sandbox.mysql.variables import TIDB_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.mysql.lineage import Columns
    from tidb_pe_magic.sandbox.mysql.variables import Variables

_CLOCK = "%Y-%m-%d %H:%M:%S.%f"


@dataclass
class SessionState:
    """The state of one session.

    Attributes:
        variables: the system variables.
        user_variables: by name, without the @.
        username: None before a login.
        connection_id: of the connection; 0 before a login.
        database: the current one; None if the session has not chosen one.
        statement: the text of the running statement.
        row_count: ROW_COUNT() of the last statement.
        counts_found: the client counts the rows that an UPDATE finds, not only those that it changes.
    """

    variables: Variables
    user_variables: dict[str, Any] = field(default_factory=dict)
    username: str | None = None
    connection_id: int = 0
    database: str | None = None
    statement: str | None = None
    last_query: LastQuery = field(default_factory=LastQuery)
    last_insert_id: int = 0
    row_count: int = -1
    counts_found: bool = False

    def reset(self) -> None:
        """Return to the defaults, with the same user and database."""
        self.variables.reset()
        self.user_variables.clear()
        self.last_insert_id = 0

    def search_path(self) -> str:
        """Return DuckDB's statement that makes the session's database the current one."""
        if self.database is None:
            return "SET search_path = 'main'"
        schema = HIDDEN_SCHEMA if self.database.lower() == "information_schema" else self.database
        return f"SET search_path = {sql_string(f'{sql_name(schema)},main')}"

    def context(
        self, tables: Mapping[str, Callable[[], str]], columns: Columns, *, exact: bool = True
    ) -> TranslationContext:
        """Return the context of a statement that begins now.

        `tables` are the queries of the tables of information_schema that depend on the session;
        `columns` looks up the columns of a table.
        """
        zone, moment = self.variables.get("time_zone"), datetime.now(UTC)
        return TranslationContext(
            functions=self._information_functions(),
            variable=self.variables.get,
            user_variables=self.user_variables,
            now=moment.astimezone(zone_of(zone)).strftime(_CLOCK),
            utc=moment.strftime(_CLOCK),
            zone=duckdb_zone(zone),
            columns=columns,
            tables=tables,
            exact=exact,
        )

    def _information_functions(self) -> dict[str, Callable[[], Any]]:
        functions: dict[str, Callable[[], Any]] = {
            "VERSION": lambda: self.variables.get("version"),
            "CURRENT_VERSION": lambda: self.variables.get("version"),
            "TIDB_VERSION": lambda: TIDB_VERSION,
            "CONNECTION_ID": lambda: self.connection_id,
            "LAST_INSERT_ID": lambda: self.last_insert_id,
            "ROW_COUNT": lambda: self.row_count,
            "CURRENT_ROLE": lambda: "NONE",
        }
        functions |= dict.fromkeys(("DATABASE", "SCHEMA", "CURRENT_SCHEMA"), lambda: self.database)
        functions |= dict.fromkeys(
            ("USER", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER"), lambda: f"{self.username}@%"
        )
        return functions
