"""The connection for other clients: the tutorial's "Connect With"."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clients import formats
from tidb_pe_magic.clients.base import ClientTarget
from tidb_pe_magic.model import ClientProgram, ConnectionString, SavedConnection, TlsMode
from tidb_pe_magic.steps import connections, saved_connections
from tidb_pe_magic.steps.clusters import eligible_cluster, service_of
from tidb_pe_magic.steps.endpoints import chosen_endpoint
from tidb_pe_magic.steps.sql_user import login_name

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import ConnectionStringRequest
    from tidb_pe_magic.model import Cluster, Connection, EventHook
    from tidb_pe_magic.runtime.context import Context

# Seconds to read the server's greeting; without an answer, the text is written anyway.
_LOOK = 4.0
# Debian-based systems, Red Hat-based systems, Alpine and macOS.
_SYSTEM_CA = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def connection_string(
    context: Context,
    request: ConnectionStringRequest,
    on_event: EventHook,  # noqa: ARG001
) -> ConnectionString:
    """Write the connection in a client's format; without a client, list the clients.

    Raises:
        StepOrderError: no connection of this alias is open or saved, or the endpoint does not exist.
        InvalidRequest: the client's format cannot represent a value.
        ConnectionFailed: the server's certificate is refused.
    """
    if request.with_ is None:
        clients = (ClientProgram(name=each.name, title=each.title) for each in formats.FORMATS.values())
        return ConnectionString(clients=tuple(clients))
    connection = _known_connection(context, request)
    unseen: tuple[str, ...] = ()
    if isinstance(connection, SavedConnection):
        target, unseen = _saved_target(context, connection, request)
    elif connection is not None:
        target = _open_target(connection, request)
    else:
        target, unseen = _requested_target(context, request)
    written = formats.write(request.with_, replace(target, system_ca=_system_ca()))
    return ConnectionString(
        client=request.with_,
        title=formats.FORMATS[request.with_].title,
        text=written.text,
        notes=written.notes,
        warnings=(*unseen, *written.warnings),
    )


def _known_connection(
    context: Context, request: ConnectionStringRequest
) -> Connection | SavedConnection | None:
    """Return the requested open or saved connection; None for the cluster's endpoint."""
    if request.alias is not None:
        if request.alias in context.connections:
            return context.connections[request.alias]
        if request.alias in saved_connections.names(context.environ):
            return saved_connections.load(context.environ, request.alias)
        raise errors.StepOrderError(
            f"no connection {request.alias} is open or saved.",
            advice=Advice("Connect first, or omit --alias.", Suggestion("connect")),
        )
    if request.cluster or request.endpoint:
        return None
    return next(reversed(tuple(context.connections.values())), None)


def _saved_target(
    context: Context, saved: SavedConnection, request: ConnectionStringRequest
) -> tuple[ClientTarget, tuple[str, ...]]:
    """Return the target of `connect @NAME` with these options, without calling a cloud."""
    target = ClientTarget(
        host=saved.host,
        port=saved.port,
        user=login_name(saved.cluster, request.user, no_prefix=request.no_prefix, default=saved.user),
        database=request.database or saved.database,
        tls=TlsMode(saved.tls if request.tls == TlsMode.AUTO else request.tls),
        tls_name=request.tls_name or saved.tls_name,
        ca=_absolute(context.authorities(request.ca or saved.ca)),
    )
    return _probe_tls(target, saved.cluster) if target.tls == TlsMode.AUTO else (target, ())


def _open_target(connection: Connection, request: ConnectionStringRequest) -> ClientTarget:
    """Return the open connection's properties, changed by the request."""
    mode, name = TlsMode(request.tls), request.tls_name or ""
    if mode == TlsMode.AUTO and not name:
        mode, name = connections.settled_tls(connection)
    elif mode == TlsMode.AUTO:
        mode = TlsMode.VERIFY_IDENTITY
    return ClientTarget(
        host=connection.host,
        port=connection.port,
        user=login_name(
            connection.cluster, request.user, no_prefix=request.no_prefix, default=connection.user
        ),
        database=request.database or connection.database,
        tls=mode,
        tls_name=name,
        ca=_absolute(request.ca or connection.ca),
    )


def _requested_target(
    context: Context, request: ConnectionStringRequest
) -> tuple[ClientTarget, tuple[str, ...]]:
    """Return the target of `connect` with these options, and a warning if the server does not answer."""
    cluster = eligible_cluster(context, request.cluster)
    endpoint = chosen_endpoint(context, cluster, request.endpoint)
    target = ClientTarget(
        host=endpoint.domain,
        port=service_of(cluster).port,
        user=login_name(cluster, request.user, no_prefix=request.no_prefix),
        database=request.database or "",
        tls=TlsMode(request.tls),
        tls_name=request.tls_name or "",
        ca=_absolute(context.authorities(request.ca)),
    )
    return _probe_tls(target, cluster) if target.tls == TlsMode.AUTO else (target, ())


def _probe_tls(target: ClientTarget, cluster: Cluster) -> tuple[ClientTarget, tuple[str, ...]]:
    """Read the server's TLS support and the certificate's verified name, without a login.

    Raises:
        ConnectionFailed: its certificate is refused, as `connect` would.
    """
    from tidb_pe_magic.credentials.secrets import Secret  # noqa: PLC0415
    from tidb_pe_magic.database import connector  # noqa: PLC0415 - pymysql is imported by need
    from tidb_pe_magic.database.deadline import Deadline  # noqa: PLC0415

    asked = connector.Target(
        host=target.host,
        port=target.port,
        user=target.user,
        database="",
        password=Secret(""),
        tls_name=target.tls_name,
        gateway_names=cluster.gateway_names,
        ca=target.ca,
    )
    try:
        with Deadline(_LOOK) as deadline:
            seen = connector.Connector(asked, timeout=_LOOK).inspect(deadline)
    except errors.ConnectionFailed as error:
        if error.stage == "tls" and error.kind == "not offered":
            return replace(target, tls=TlsMode.OFF), ()
        if error.stage == "tls":
            raise
        name = target.tls_name or next(iter(cluster.gateway_names), target.host)
        place = f"{target.address} does not answer this machine ({error.stage})"
        unseen = f"{place}, so this text assumes that it offers TLS for {name}."
        return replace(target, tls=TlsMode.VERIFY_IDENTITY, tls_name=name), (unseen,)
    return replace(target, tls=TlsMode.VERIFY_IDENTITY, tls_name=seen.verified_name), ()


def _absolute(path: str) -> str:
    """Return the path in a form that other programs can use from any directory."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _system_ca() -> str:
    known = (ssl.get_default_verify_paths().cafile or "", *_SYSTEM_CA)
    return next((path for path in known if path and Path(path).is_file()), _SYSTEM_CA[0])
