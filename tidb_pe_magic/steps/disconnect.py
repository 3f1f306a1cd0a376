"""The step `disconnect`: close connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.model import Disconnection
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import DisconnectRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def disconnect(context: Context, request: DisconnectRequest, on_event: EventHook) -> Disconnection:  # noqa: ARG001
    """Close the connection and remove its alias from jupysql; a closed connection is not an error."""
    closed = close(context, request.alias)
    forgotten = saved_connections.forget(context.environ, request.alias) if request.forget else False
    return Disconnection(alias=request.alias, closed=closed, forgotten=forgotten)


def close(context: Context, alias: str) -> bool:
    """Close one of our connections; return False if the alias is not open."""
    with context.connections.lock:
        record = context.connections.take(alias)
        if record is None:
            return False
        record.schema.close()
        connection = record.connection
        if connection.registered:
            from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

            jupysql.unregister(alias, connection.engine)
    record.session.close()
    connection.engine.dispose()
    return True


def close_all(context: Context, endpoint_id: str | None = None) -> tuple[str, ...]:
    """Close every connection, or every connection over an endpoint, and return their aliases."""
    aliases = tuple(
        alias
        for alias, connection in tuple(context.connections.items())
        if endpoint_id in {None, connection.endpoint_id}
    )
    for alias in aliases:
        close(context, alias)
    return aliases
