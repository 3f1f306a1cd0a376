"""The private host as a SQL connection, in jupysql where there is a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.credentials import sql_password
from tidb_pe_magic.model import Connection, Disconnection, TlsMode
from tidb_pe_magic.runbook import discovery, doctoring
from tidb_pe_magic.runbook.waiter import describe

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tidb_pe_magic.model import Cluster, EventHook, VpcEndpoint
    from tidb_pe_magic.runbook.context import Context
    from tidb_pe_magic.runbook.requests import ConnectRequest, DisconnectRequest, Login


# Seconds. What hangs is answered in twelve: the login leaves the doctor enough to name the stage.
_LOGIN, _LOGIN_AND_DOCTOR = 8.0, 12.0


def connect(context: Context, request: ConnectRequest, on_event: EventHook) -> Connection:  # noqa: ARG001
    """Log in over the private endpoint, and register the connection under its alias.

    A login that fails leaves an older connection of the same alias as it is.

    Raises:
        StepOrderError: there is no endpoint, or it is not Connected yet.
        MissingCredentials: no password was found.
        ConnectionFailed: with the stage that failed, and with a diagnosis where a closer look helps.
    """
    cluster = discovery.eligible_cluster(context, request.cluster)
    endpoint = discovery.chosen_endpoint(context, cluster, request.endpoint)
    return open_connection(context, cluster, endpoint, request)


def open_connection(context: Context, cluster: Cluster, endpoint: VpcEndpoint, login: Login) -> Connection:
    """Log in over this endpoint, and register the connection under its alias.

    Raises:
        StepOrderError: the endpoint is not Connected yet.
        MissingCredentials: no password was found.
        ConnectionFailed: with the stage that failed.
    """
    from tidb_pe_magic.database.engine import Target, open_engine  # noqa: PLC0415 - sqlalchemy is slow to import

    if not endpoint.ready:
        command = discovery.for_endpoint("wait", getattr(login, "endpoint", None))
        raise errors.StepOrderError(
            f"{describe(endpoint)}: not connected yet.", advice=f"Run %tidb_pe {command}."
        )
    user = sql_user(cluster, login)
    password = sql_password(login.password_from, user=user, environ=context.environ, prompt=context.prompt)
    port = discovery.noted_service(cluster).port
    target = Target(
        host=endpoint.domain,
        port=port,
        user=user,
        database=login.database or "",
        password=password.secret,
        tls=TlsMode(login.tls),
        tls_name=login.tls_name or "",
        gateway_names=cluster.gateway_names,
        ca=login.ca or "",
    )
    failure, started = None, context.clock()
    try:
        opened = open_engine(target, timeout=_LOGIN)
    except errors.ConnectionFailed as error:
        failure = error
    if failure is not None:
        # Outside the handler: the driver's own error is no part of what is told.
        end = started + _LOGIN_AND_DOCTOR
        raise doctoring.explained(context, failure, target, cluster, endpoint, end=end)
    try:
        if context.shell is not None:
            from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

            jupysql.register(context.shell, opened.engine, login.alias)
    except BaseException:
        opened.engine.dispose()
        raise
    replaced = context.connections.pop(login.alias, None)
    if replaced is not None:
        replaced.engine.dispose()
    connection = Connection(
        alias=login.alias,
        cluster=cluster,
        endpoint_id=endpoint.endpoint_id,
        host=endpoint.domain,
        port=port,
        user=user,
        database=login.database or "",
        server_version=opened.server_version,
        tls=opened.tls,
        password_source=password.source,
        registered=context.shell is not None,
        ca=login.ca or "",
        engine=opened.engine,
        via=hosts.overrides(context.environ),
    )
    context.connections[login.alias] = connection
    context.terms[login.alias] = _terms(cluster, endpoint, login)
    return connection


def kept_connection(
    context: Context, cluster: Cluster, endpoint: VpcEndpoint, login: Login
) -> Connection | None:
    """Return the open connection of the alias where it is what is asked for, and still answers."""
    from tidb_pe_magic.database.engine import answers  # noqa: PLC0415 - sqlalchemy is slow to import

    connection = context.connections.get(login.alias)
    if connection is None or context.terms.get(login.alias) != _terms(cluster, endpoint, login):
        return None
    return connection if is_registered(connection) and answers(connection.engine) else None


def is_registered(connection: Connection) -> bool:
    """Tell whether jupysql still knows the connection; without a shell it never had to."""
    if not connection.registered:
        return True
    from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

    return jupysql.holds(connection.alias, connection.engine)


def _terms(cluster: Cluster, endpoint: VpcEndpoint, login: Login) -> Hashable:
    """Return what makes one connection another one: where, as whom, and what the server has to prove."""
    user = sql_user(cluster, login)
    return endpoint.endpoint_id, user, login.database, login.tls, login.tls_name, login.ca


def sql_user(cluster: Cluster, login: Login) -> str:
    """Return the SQL user: the one that is named, as it is, or the cluster's root."""
    return login.user or f"{cluster.user_prefix}.root"


def disconnect(context: Context, request: DisconnectRequest, on_event: EventHook) -> Disconnection:  # noqa: ARG001
    """Close the connection and take its alias from jupysql; one that is closed already is no error."""
    return Disconnection(alias=request.alias, closed=close(context, request.alias))


def close(context: Context, alias: str) -> bool:
    """Close one of our connections; False where there is none of this alias."""
    connection = context.connections.pop(alias, None)
    context.terms.pop(alias, None)
    if connection is None:
        return False
    if connection.registered:
        from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

        jupysql.unregister(alias, connection.engine)
    connection.engine.dispose()
    return True


def close_all(context: Context, endpoint_id: str | None = None) -> tuple[str, ...]:
    """Close every connection, or every one over an endpoint, and return their aliases."""
    aliases = tuple(
        alias
        for alias, connection in tuple(context.connections.items())
        if endpoint_id in {None, connection.endpoint_id}
    )
    for alias in aliases:
        close(context, alias)
    return aliases
