"""The connection of a step, by its alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import USUAL_ALIAS, Advice, Suggestion
from tidb_pe_magic.commands.requests import ConnectRequest
from tidb_pe_magic.steps import connection_files, saved_connections
from tidb_pe_magic.steps.connect import connect

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import ConnectionFields
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.runtime.open_connections import OpenConnection


def connection_of(context: Context, request: ConnectionFields, on_event: EventHook) -> OpenConnection:
    """Return the connection of `@NAME`, `@FILE.json` or the alias; open it if it is only saved.

    Raises:
        StepOrderError: the alias is neither open nor saved.
        InvalidRequest: `@NAME` does not exist, or its file cannot be used.
        MissingCredentials: the connection is only saved, and its password was not found.
        ConnectionFailed: it cannot be opened.
    """
    alias = _resolve_alias(context, request.connection, request.alias, on_event)
    if context.connections.record(alias) is None and alias in saved_connections.names(context.environ):
        connect(context, ConnectRequest(connection=alias), on_event)
    record = context.connections.record(alias)
    if record is None:
        raise not_open(context, alias)
    return record


def _resolve_alias(context: Context, name: str | None, alias: str, on_event: EventHook) -> str:
    """Return the alias that a request names by `@` or by `--alias`; open what the @ names if necessary.

    Raises:
        InvalidRequest: both are given, the name does not exist, or its file cannot be used.
    """
    if name is None:
        return alias
    if alias != USUAL_ALIAS:
        raise errors.InvalidRequest("--alias", f"does not go together with @{name}.")
    return _open(context, name, on_event)


def _open(context: Context, name: str, on_event: EventHook) -> str:
    """Return the alias of the connection that an @ names; open it if it is not open.

    Raises:
        InvalidRequest: it does not exist, its file cannot be used, or its alias is another connection's.
    """
    if not connection_files.is_path(name):
        if context.connections.record(name) is None:
            connect(context, ConnectRequest(connection=name), on_event)
        return name
    wanted = connection_files.read(name).connection
    there = context.connections.get(wanted.name)
    if there is None:
        return connect(context, ConnectRequest(connection=name), on_event).alias
    if (there.cluster.cluster_id, there.host, there.port) == (
        wanted.cluster.cluster_id,
        wanted.host,
        wanted.port,
    ):
        return wanted.name
    raise errors.InvalidRequest(
        f"@{name}",
        f"its alias {wanted.name} is open for cluster {there.cluster.display_name} at {there.host}.",
        advice=Advice(
            "Open the file under another alias.",
            Suggestion("connect", f"@{name}", "--alias", f"{wanted.name}_2"),
        ),
    )


def not_open(context: Context, alias: str) -> errors.StepOrderError:
    """Return the error for an alias that is not open, with the open aliases."""
    others = ", ".join(context.connections)
    return errors.StepOrderError(
        f"connection {alias} is not open" + (f"; open: {others}." if others else "."),
        advice=Advice("", Suggestion("connect", "--alias", alias)),
    )
