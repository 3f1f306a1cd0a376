"""The step `connections`: list open and saved connections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.model import Connection, Connections, TlsMode
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import ConnectionsRequest
    from tidb_pe_magic.model import Cluster, EventHook, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context


def connections(context: Context, request: ConnectionsRequest, on_event: EventHook) -> Connections:  # noqa: ARG001
    """List this kernel's open connections and the saved ones, without calling a cloud or a server."""
    saved, broken = saved_connections.every(context.environ)
    return Connections(
        open=tuple(context.connections.values()),
        saved=saved,
        broken=broken,
        directory=str(saved_connections.directory(context.environ)),
    )


def open_aliases(context: Context, cluster: Cluster, endpoint_id: str | None = None) -> list[str]:
    """Return the open connections to the cluster, over this endpoint or over any."""
    return [
        connection.alias
        for connection in tuple(context.connections.values())
        if connection.cluster.cluster_id == cluster.cluster_id
        and endpoint_id in {None, connection.endpoint_id}
        and is_registered(connection)
    ]


def with_open_connection(context: Context, cluster: Cluster, endpoint: VpcEndpoint) -> VpcEndpoint:
    """Return the endpoint with this kernel's open connection to the cluster over it, if any."""
    aliases = open_aliases(context, cluster, endpoint.endpoint_id)
    if not aliases:
        return endpoint
    first_query = context.connections[aliases[-1]].first_query
    return replace(endpoint, alias=aliases[-1], first_query=first_query)


def is_registered(connection: Connection) -> bool:
    """Return whether jupysql still has the connection; always True without a shell."""
    if not connection.registered:
        return True
    from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

    return jupysql.holds(connection.alias, connection.engine)


def settled_tls(connection: Connection) -> tuple[TlsMode, str]:
    """Return the TLS mode and name that secure another login like this connection."""
    if not connection.tls.encrypted:
        return TlsMode.OFF, ""
    name = connection.tls.verified_name
    return (TlsMode.VERIFY_IDENTITY if name else TlsMode.VERIFY_CA), name
