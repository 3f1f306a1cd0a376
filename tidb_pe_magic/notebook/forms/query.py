"""A first query over the connection: lists of databases and tables, a statement, and its DataFrame."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.commands.requests import QueryRequest, TablesRequest
from tidb_pe_magic.commands.write import cell
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.views import view
from tidb_pe_magic.errors import TidbPeError
from tidb_pe_magic.notebook.forms import fragments, widgets
from tidb_pe_magic.notebook.forms.fields import Field, FieldSet
from tidb_pe_magic.notebook.forms.operation import Action
from tidb_pe_magic.notebook.forms.page_sync import use_one_thread
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState

_LIMIT = 1000  # rows to read
_SHOWN = 20
_ROWS = 5
_VERSION = "SELECT VERSION()"


class QueryStep:
    """The lists of databases and tables, a statement, and its result.

    Attributes:
        box: its controls; hidden until a connection is open.
        databases: the list of databases.
        tables: the list of tables of the selected database.
        sql: the statement.
        run: executes it.
        frame: the most recent DataFrame; None before the first query.
    """

    def __init__(self, session: FormSession) -> None:
        """Create the controls, hidden."""
        self._session, self._store = session, session.store
        self.frame: Any = None
        self._suggested = _VERSION
        self._drawing = 0  # the thread that updates the lists
        self.databases, self.tables = _list("Databases"), _list("Tables")
        self.databases.observe(without_values()(self._on_database), "value")
        self.tables.observe(without_values()(self._on_table), "value")
        self.sql = _Statement(QueryRequest, "sql", description="First query")
        self.sql.value = _VERSION
        self._hint: Any = widgets.HTML()
        self.run = Action(
            session,
            "query",
            "Run the query",
            FieldSet(QueryRequest, [self.sql]),
            enabled=lambda state: state.connection is not None,
            given=self._connection_fields,
            then=self._read,
            show=_rows,
            write=_cell,
        )
        lists = [widgets.VBox([each]).add_class("tidb-pe-field") for each in (self.databases, self.tables)]
        self.box: Any = widgets.VBox(
            [widgets.VBox(lists).add_class("tidb-pe-fields"), self._hint, self.sql.box, self.run.box],
            layout={},
        )
        self.box.add_class("tidb-pe-part")
        self._store.observe(self._draw, "connection")
        self._store.observe(self._draw_lists, "database", "tables")
        self._draw(self._store.state)

    def start(self, connection: model.Connection) -> None:
        """List the databases and tables, suggest a query, and show the controls, in the worker's thread.

        The suggestion comes first, because a later one would replace text that the user is typing.
        """
        try:
            tables = self._session.perform("tables", TablesRequest.of(alias=connection.alias))
        except TidbPeError as error:
            self._hint.value = fragments.hint(f"Databases and tables could not be listed: {error.prose}")
        else:
            self._hint.value = ""
            if isinstance(tables, model.Tables):
                self._show_tables(tables, connection)
        self._store.update(connection=connection)

    def _show_tables(self, tables: model.Tables, connection: model.Connection) -> None:
        """Show the tables of the connection's database, or of the first database with tables."""
        database = connection.database or next((each.database for each in tables), "")
        self._store.update(tables=tables, database=database)
        largest = max(_tables_of(tables, database), key=lambda each: each.rows or 0, default=None)
        self._suggest(largest.name if largest else "", connection)

    def _draw(self, state: FormState) -> None:
        self.box.layout.display = "" if state.connection else "none"
        if state.connection is None:
            self.run.clear()

    def _draw_lists(self, state: FormState) -> None:
        databases = state.tables.databases if state.tables else ()
        tables = [(_with_rows(each), each.name) for each in _tables_of(state.tables, state.database)]
        self._drawing = threading.get_ident()
        try:
            if self.databases.options != databases:
                self.databases.options = databases
            self.databases.value = state.database if state.database in databases else None
            # New options select the first table, although the user has not chosen it.
            self.tables.options = tables
            self.tables.value = None
        finally:
            self._drawing = 0

    def _on_database(self, change: Any) -> None:
        if change["new"] and self._drawing != threading.get_ident():
            self._store.update(database=change["new"])

    def _on_table(self, change: Any) -> None:
        connection = self._store.state.connection
        if change["new"] and connection is not None and self._drawing != threading.get_ident():
            self._suggest(change["new"], connection)

    def _suggest(self, table: str, connection: model.Connection) -> None:
        """Set the statement to a query of the table, unless the user has written another one.

        Args:
            table: the table's name; empty without a table.
            connection: the connection of the query.
        """
        if self.sql.value != self._suggested:
            return
        from tidb_pe_magic.database.schema.identifiers import sql_name  # noqa: PLC0415 - it needs SQLAlchemy

        database = self._store.state.database
        name = sql_name("" if connection.database == database else database, table)
        self._suggested = f"SELECT * FROM {name} LIMIT 10" if table else _VERSION  # noqa: S608 - quoted
        self.sql.value = self._suggested
        self.run.draw()

    def _connection_fields(self) -> dict[str, Any]:
        connection = self._store.state.connection
        return {"alias": connection.alias if connection else None, "max_rows": _LIMIT}

    def _read(self, result: model.QueryResult) -> None:
        self.frame = result.data


class _Statement(Field):
    """A multi-line SQL field."""

    def _make(self) -> Any:
        return self._with_description(widgets.Textarea(rows=3))


def _list(label: str) -> Any:
    control = widgets.Select(description=label, options=(), rows=_ROWS, tooltip=label)
    use_one_thread(control)
    return control


def _tables_of(tables: model.Tables | None, database: str) -> tuple[model.TableSummary, ...]:
    return tuple(each for each in tables or () if each.database == database)


def _with_rows(table: model.TableSummary) -> str:
    """Return the table's name, with its approximate number of rows."""
    if table.rows is None:
        return one_line(f"{table.name} (view)")
    return one_line(f"{table.name} ({table.rows:,} {'row' if table.rows == 1 else 'rows'})")


def _cell(name: str, request: Request) -> str:
    return cell(name, request, "sql")


def _rows(result: model.QueryResult) -> str:
    table: str = result.data.to_html(max_rows=_SHOWN, show_dimensions=False, border=0)
    return as_html(replace(view(replace(result, via=())), block=())) + table
