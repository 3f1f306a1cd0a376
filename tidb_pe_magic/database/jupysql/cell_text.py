"""The first line and the Jinja templates of a `%%sql` cell, before jupysql chooses the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
from sql.command import SQLCommand
from sql.connection.connection import ConnectionManager
from sql.util import is_valid_python_code

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.errors import InvalidRequest, StepOrderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_jupysqls_own = SQLCommand._var_expand  # noqa: SLF001 - jupysql has no other place to hook into
_RAW = "Write text that contains {{, {% or {# as {% raw %} … {% endraw %}, or bind it as :name."


def refuse_unknown_names(is_ours: Callable[[object], bool]) -> None:
    """Let cells of our connections fail if a template or the first line has an unknown name.

    jupysql replaces an unknown `{{name}}` with nothing, which changes the statement, and takes an unknown
    alias for SQL.

    Args:
        is_ours: returns whether a connection of jupysql is of this package.
    """

    def expand(self: SQLCommand, sql: str, variables: Mapping[str, Any]) -> str:
        name = self.args.line[0] if len(self.args.line) == 1 else ""
        connection = ConnectionManager.connections.get(name, ConnectionManager.current)
        if not is_ours(connection):
            return str(_jupysqls_own(self, sql, variables))
        if self._cell.strip() and name not in ConnectionManager.connections and name not in variables:
            _refuse_alias(name, sql)
        return _render(sql, variables)

    SQLCommand._var_expand = expand  # noqa: SLF001 - see above


def _refuse_alias(name: str, sql: str) -> None:
    """Raise the error for the name of a connection that is not open, where jupysql would refuse the cell."""
    beginning = sql.strip().split(" ", 1)[0]
    if not name.isidentifier() or beginning.endswith(";") or not is_valid_python_code(beginning):
        return
    names = ", ".join(sorted(ConnectionManager.connections))
    raise StepOrderError(
        f"connection {name} is not open; open: {names}.",
        advice=Advice(
            "Use the name of an open connection, or open this one. SQL begins on the second line.",
            Suggestion("connect", "--alias", name),
        ),
    )


def _render(sql: str, variables: Mapping[str, Any]) -> str:
    """Return the SQL with its Jinja templates rendered.

    Raises:
        InvalidRequest: a template is invalid, or uses an unknown variable.
    """
    unknown = ""
    try:
        return str(jinja2.Template(sql, undefined=jinja2.StrictUndefined).render(variables))
    except jinja2.TemplateSyntaxError as error:
        reason = f"the template is invalid: line {error.lineno}: {error.message}."
        raise InvalidRequest("SQL", reason, advice=_RAW) from None
    except jinja2.UndefinedError as error:
        unknown = str(error.message)
    raise InvalidRequest(
        "SQL",
        f"the template cannot be filled: {unknown}.",
        advice="Assign the variable in a cell before this one.",
    )
