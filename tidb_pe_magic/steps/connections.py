"""The step `connections`: what is open in this kernel, and what is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.model import Connection, Connections, TlsMode
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import ConnectionsRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def connections(context: Context, request: ConnectionsRequest, on_event: EventHook) -> Connections:  # noqa: ARG001
    """List what is open in this kernel, and what is saved; no cloud and no server is asked."""
    saved, broken = saved_connections.every(context.environ)
    return Connections(
        open=tuple(context.connections.values()),
        saved=saved,
        broken=broken,
        directory=str(saved_connections.directory(context.environ)),
    )


def is_registered(connection: Connection) -> bool:
    """Tell whether jupysql still knows the connection; without a shell it never had to."""
    if not connection.registered:
        return True
    from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

    return jupysql.holds(connection.alias, connection.engine)


def settled_tls(connection: Connection) -> tuple[TlsMode, str]:
    """Return what another login has to ask for to be secured as this connection is: mode and name."""
    if not connection.tls.encrypted:
        return TlsMode.OFF, ""
    name = connection.tls.verified_name
    return (TlsMode.VERIFY_IDENTITY if name else TlsMode.VERIFY_CA), name
