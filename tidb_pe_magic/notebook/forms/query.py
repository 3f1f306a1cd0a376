"""A first query over the connection, and its DataFrame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic.commands.requests import QueryRequest
from tidb_pe_magic.commands.write import cell
from tidb_pe_magic.display.layout import as_html
from tidb_pe_magic.display.views import view
from tidb_pe_magic.notebook.forms.session import Action
from tidb_pe_magic.notebook.forms.fields import Field, Sheet

if TYPE_CHECKING:
    from tidb_pe_magic import model
    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.notebook.forms.session import Desk

_LIMIT = 1000  # rows that are read: it is a first look
_SHOWN = 20
_VERSION = "SELECT VERSION()"
_TABLES = "SHOW TABLES"


class QueryStep:
    """A statement, and the rows that it answers.

    Attributes:
        box: its controls; hidden until there is a connection.
        sql: the statement.
        run: executes it.
        frame: the DataFrame that was read last; None before.
    """

    def __init__(self, desk: Desk) -> None:
        """Be hidden."""
        self._alias = ""
        self.frame: Any = None
        self.sql = _Statement(QueryRequest, "sql", description="First query")
        self.sql.value = _VERSION
        self.run = Action(
            desk,
            "query",
            "Run the query",
            Sheet(QueryRequest, [self.sql]),
            given=self._given,
            then=self._read,
            show=_rows,
            write=_cell,
        )
        self.box: Any = widgets.VBox([self.sql.box, self.run.box]).add_class("tidb-pe-query")
        self.hide()

    def hide(self) -> None:
        """Show neither the statement nor what came of it."""
        self.run.outcome.value, self.box.layout.display = "", "none"

    def over(self, connection: model.Connection) -> None:
        """Ask over this connection."""
        self._alias = connection.alias
        if self.sql.value in {_VERSION, _TABLES}:
            self.sql.value = _TABLES if connection.database else _VERSION
        self.box.layout.display = ""
        self.run.refresh()

    def _given(self) -> dict[str, Any]:
        return {"alias": self._alias or None, "max_rows": _LIMIT}

    def _read(self, result: model.QueryResult) -> None:
        self.frame = result.data


class _Statement(Field):
    """SQL, in as many lines as it takes."""

    def _make(self) -> Any:
        return self._described(widgets.Textarea(rows=3))


def _cell(name: str, request: Request) -> str:
    return cell(name, request, "sql")


def _rows(result: model.QueryResult) -> str:
    table: str = result.data.to_html(max_rows=_SHOWN, show_dimensions=False, border=0)
    return as_html(replace(view(replace(result, via=())), block=())) + table
