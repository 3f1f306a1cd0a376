"""Registers an engine with jupysql's `%sql`, and removes it again.

jupysql is imported inside the functions: importing it takes seconds.
"""

from __future__ import annotations

import atexit
import warnings
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy.exc

from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.database.jupysql import autopandas
from tidb_pe_magic.database.jupysql.plots import plots_on_demand
from tidb_pe_magic.database.login_connection import CannotConnect
from tidb_pe_magic.errors import InvalidRequest, MissingDependency, StepOrderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell
    from sql.connection import SQLAlchemyConnection
    from sql.magic import SqlMagic
    from sqlalchemy import Connection, Engine

    from tidb_pe_magic.database.jupysql.connection import Statements

# The engines that `register` added and that are still in use.
_registered: weakref.WeakValueDictionary[str, Engine] = weakref.WeakValueDictionary()


class _NoConnection:
    """Takes the place of a closed connection that jupysql would otherwise continue to use.

    With another connection in its place, the next `%sql` would run in a database that the user did not
    choose.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, _: str) -> NoReturn:
        raise _closed(self._alias)


def _closed(alias: str) -> StepOrderError:
    return StepOrderError(
        f"no active connection: {alias!r} is closed.",
        advice=Advice("Connect again, or choose another connection.", Suggestion("connect")),
    )


def register(
    shell: InteractiveShell,
    engine: Engine,
    alias: str,
    statements: Statements,
    *,
    framed: bool = False,
) -> bool:
    """Make `engine` the current connection of `%sql`, with the name `alias`.

    Load jupysql if necessary, and close an earlier connection of this alias.

    Args:
        shell: IPython's.
        engine: of the connection.
        alias: its name.
        statements: runs what is asked in `%sql`.
        framed: `%sql` should return DataFrames, unless the user set another option.

    Returns:
        Whether `%sql` does so because of this call.

    Raises:
        InvalidRequest: `%sql` belongs to another extension.
        MissingDependency: jupysql cannot be imported.
        ConnectionFailed: the engine no longer connects; an earlier connection with the alias stays.
    """
    magic = _sql_magic(shell)
    from sql.connection import ConnectionManager  # noqa: PLC0415

    from tidb_pe_magic.database.jupysql.connection import (  # noqa: PLC0415 - imports jupysql
        ColumnarConnection,
        adapt_jupysql,
    )

    _try(engine)
    old = ConnectionManager.connections.get(alias)
    if old is not None and _engine(old) is engine:
        # Closing it disposes of the engine's pool, so it must happen before the new one is registered.
        old.close()
        old = None
    adapt_jupysql()
    ColumnarConnection(engine, alias=alias, config=magic, statements=statements)
    if old is not None:
        # jupysql drops it without closing it.
        old.close()
    _registered[alias] = engine
    # Registered after jupysql's own hook, and so called before it: that one tries to display something when
    # IPython is exiting and cannot.
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    return framed and autopandas.turn_on(magic, alias)


def _close_all() -> None:
    for alias, engine in list(_registered.items()):
        unregister(alias, engine)


def holds(alias: str, engine: Engine) -> bool:
    """Return whether jupysql has this engine under this name: `%sql --close` may have removed it."""
    import sys  # noqa: PLC0415

    manager = getattr(sys.modules.get("sql.connection"), "ConnectionManager", None)
    return manager is not None and _engine(manager.connections.get(alias)) is engine


def is_current(alias: str, engine: Engine) -> bool:
    """Return whether `%sql` uses this engine under this name if no connection is given."""
    import sys  # noqa: PLC0415

    manager = getattr(sys.modules.get("sql.connection"), "ConnectionManager", None)
    return holds(alias, engine) and manager is not None and manager.current is manager.connections[alias]


def held_connection(alias: str, engine: Engine) -> Connection | None:
    """Return jupysql's connection for this engine and name, if any."""
    import sys  # noqa: PLC0415

    if not holds(alias, engine):
        return None
    manager = sys.modules["sql.connection"].ConnectionManager
    connection: Connection = manager.connections[alias].connection_sqlalchemy
    return connection


def unregister(alias: str, engine: Engine | None = None) -> bool:
    """Close the connection with this alias; return whether there was one.

    Args:
        alias: its name.
        engine: close it only if it still belongs to this engine.
    """
    import sys  # noqa: PLC0415

    if "sql.connection" not in sys.modules:
        return False
    from sql.connection import ConnectionManager  # noqa: PLC0415

    connection = ConnectionManager.connections.get(alias)
    ours = connection is not None and (engine is None or _engine(connection) is engine)
    if ours:
        ConnectionManager.close_connection_with_descriptor(alias)
    if connection is None or ours:
        autopandas.put_back(alias)
    current = ConnectionManager.current
    if not ConnectionManager.connections:
        # jupysql would suggest connection strings of its own.
        ConnectionManager._error_no_connection = lambda: _closed(alias)  # noqa: SLF001 - no other place
    if current is not None and all(current is not other for other in ConnectionManager.connections.values()):
        ConnectionManager.current = _NoConnection(alias)
    return ours


def _sql_magic(shell: InteractiveShell) -> SqlMagic:
    try:
        with plots_on_demand(), warnings.catch_warnings():
            # Its source contains escape sequences for which Python warns when it compiles them.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            from sql.magic import SqlMagic  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependency(
            f"jupysql cannot be imported: {error}.", advice=Advice("", ShellCommand("pip install jupysql"))
        ) from None
    find_line: Callable[[str], Any] = shell.find_line_magic
    find_cell: Callable[[str], Any] = shell.find_cell_magic
    for magic in (find_line("sql"), find_cell("sql")):
        owner = getattr(magic, "__self__", magic)
        module = str(getattr(owner, "__module__", "?"))
        ours = module.partition(".")[0] == __package__.partition(".")[0]
        if magic is not None and not ours and not isinstance(owner, SqlMagic):
            name = f"{module}.{type(owner).__name__}"
            raise InvalidRequest(
                "%sql", f"belongs to {name}, not to jupysql.", advice="Unload that extension first."
            )
    # If a platform has its own %sql, jupysql is available only under its second name.
    if find_line("jupysql") is None:
        # It prints where it searched for its configuration, with paths of this machine.
        run_cell_magic: Callable[[str, str, str], object] = shell.run_cell_magic
        run_cell_magic("capture", "", "get_ipython().extension_manager.load_extension('sql')")
    magic = getattr(find_line("jupysql"), "__self__", None)
    if not isinstance(magic, SqlMagic):
        raise MissingDependency(
            "the package `sql` is not jupysql's.",
            advice=Advice("", ShellCommand("pip uninstall ipython-sql; pip install jupysql")),
        )
    return magic


def _try(engine: Engine) -> None:
    failure = None
    try:
        engine.connect().close()
    except sqlalchemy.exc.DBAPIError as error:
        if not isinstance(error.orig, CannotConnect):
            raise
        failure = error.orig.failure
    if failure is not None:
        raise failure


def _engine(connection: SQLAlchemyConnection | None) -> Engine | None:
    # Connections of other kinds may use the alias.
    inner = getattr(connection, "connection_sqlalchemy", None)
    return getattr(inner, "engine", None)
