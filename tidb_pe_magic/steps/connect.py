"""The step `connect`: open a SQL connection to the private host, and register it with jupysql in a shell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests import ConnectRequest
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.model import (
    Connection,
    Notice,
    PackageLoading,
    SavedConnection,
    TlsMode,
)
from tidb_pe_magic.runtime.open_connections import OpenConnection
from tidb_pe_magic.runtime.waiter import describe
from tidb_pe_magic.steps import connection_files, doctor, named_connections, saved_connections
from tidb_pe_magic.steps.background_imports import jupysql_is_imported
from tidb_pe_magic.steps.clusters import eligible_cluster, service_of
from tidb_pe_magic.steps.connections import is_registered
from tidb_pe_magic.steps.endpoints import chosen_endpoint, for_endpoint
from tidb_pe_magic.steps.login import open_awake
from tidb_pe_magic.steps.preflight import checks
from tidb_pe_magic.steps.sql_cells import SqlCells
from tidb_pe_magic.steps.sql_user import login_name, password_name

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sqlalchemy import Engine

    from tidb_pe_magic.commands.requests import Login
    from tidb_pe_magic.database.engine import Target, TestedEngine
    from tidb_pe_magic.model import Cluster, EndpointPlan, EventHook, Result, VpcEndpoint
    from tidb_pe_magic.runtime.context import Context

_DEFAULT = ConnectRequest()
_UNREACHED = frozenset({"dns", "network", "tcp", "handshake"})


_FRAMES = "%sql and %%sql return DataFrames now: SqlMagic.autopandas is on until the connection is closed."
# Seconds. A connection that hangs before the login fails within twelve, so that the doctor can find the
# stage.
_LOGIN_AND_DOCTOR = 12.0
# Seconds to list the databases, if the requested one does not exist.
_NAMES, _MOST_NAMES = 3.0, 10


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where to connect: from the clouds, or from a saved connection, which has only the endpoint's ID."""

    cluster: Cluster
    endpoint_id: str
    host: str
    port: int
    endpoint: VpcEndpoint | None = None


def connect(context: Context, request: ConnectRequest, on_event: EventHook) -> Connection:
    """Log in over the private endpoint, and register the connection under its alias.

    The step waits for a sleeping cluster. If the login fails, an older connection of the same alias remains
    unchanged.

    Raises:
        StepOrderError: the endpoint does not exist, or is not Connected yet.
        InvalidRequest: no connection of this name is saved, its file is broken or not trusted, or it
            cannot be saved.
        MissingCredentials: no password was found.
        ConnectionFailed: with the failed stage, and a diagnosis if it helps.
        WaitCancelled: the stop button, or the cancel event.
    """
    if request.save_to is not None:
        connection_files.file_at(request.save_to).check()  # before the password prompt
    if request.connection is not None:
        return _reopen(context, request.connection, request, on_event)
    if request.trust_file:
        raise errors.InvalidRequest("--trust-file", "works only with a connection file, @FILE.json.")
    cluster = eligible_cluster(context, request.cluster)
    endpoint = chosen_endpoint(context, cluster, request.endpoint)
    return connect_over(context, cluster, endpoint, _with_database(context, cluster, request), on_event)


def _with_database(context: Context, cluster: Cluster, request: ConnectRequest) -> ConnectRequest:
    """Return the request with the alias's previous database, if the request selects none."""
    connection = context.connections.get(request.alias)
    if request.database or connection is None or connection.cluster.cluster_id != cluster.cluster_id:
        return request
    return replace(request, database=connection.database or None)


def _reopen(context: Context, name: str, request: ConnectRequest, on_event: EventHook) -> Connection:
    """Reopen a saved connection; values of the request override saved ones."""
    for flag, given in (("--cluster", request.cluster), ("--endpoint", request.endpoint)):
        if given:
            raise errors.InvalidRequest(
                flag,
                f"cannot be given with @{name}, which has its own.",
                advice=f"Leave {flag} or @{name} out.",
            )
    named = named_connections.find(context, name)
    saved = named.connection
    source = PasswordSource.parse(saved.password_from) if saved.password_from else None
    login = replace(
        request,
        alias=request.alias if request.alias != _DEFAULT.alias else saved.name,
        user=login_name(saved.cluster, request.user, no_prefix=request.no_prefix, default=saved.user),
        no_prefix=True,
        database=request.database or saved.database or None,
        password_from=request.password_from or source,
        tls=request.tls if request.tls != _DEFAULT.tls else saved.tls,
        tls_name=request.tls_name or saved.tls_name or None,
        ca=request.ca or saved.ca or None,
    )
    if named.file is not None:
        connection_files.check(named.file, login, request, emulated=context.emulated)
        on_event(Notice(text=connection_files.summary(named.file, login)))
    elif request.trust_file:
        raise errors.InvalidRequest("--trust-file", "works only with a connection file, @FILE.json.")
    place = Destination(
        cluster=saved.cluster, endpoint_id=saved.endpoint_id, host=saved.host, port=saved.port
    )
    try:
        connection = _open_at(context, place, login, on_event)
    except errors.ConnectionFailed as error:
        failure = error
    else:
        context.cluster_id = saved.cluster.cluster_id
        return connection
    # Outside the handler, because an error of the look-up is a separate one.
    if failure.stage in _UNREACHED and named_connections.is_deleted(context, saved):
        raise named_connections.deleted_endpoint(context, named, failure)
    raise failure


def connect_over(
    context: Context, cluster: Cluster, endpoint: VpcEndpoint, login: Login, on_event: EventHook
) -> Connection:
    """Log in over this endpoint, and register the connection under its alias.

    Raises:
        StepOrderError: the endpoint is not Connected yet.
        MissingCredentials: no password was found.
        ConnectionFailed: with the stage that failed.
    """
    if not endpoint.ready:
        command = for_endpoint("wait", getattr(login, "endpoint", None))
        raise errors.StepOrderError(f"{describe(endpoint)}: not connected yet.", advice=Advice("", command))
    place = Destination(
        cluster=cluster,
        endpoint_id=endpoint.endpoint_id,
        host=endpoint.domain,
        port=service_of(cluster).port,
        endpoint=endpoint,
    )
    return _open_at(context, place, login, on_event)


def _open_at(context: Context, place: Destination, login: Login, on_event: EventHook) -> Connection:
    if context.shell is not None and not jupysql_is_imported():
        on_event(PackageLoading(package="jupysql"))
    from tidb_pe_magic.database.engine import Target  # noqa: PLC0415 - sqlalchemy is slow to import
    from tidb_pe_magic.database.first_query import first_query  # noqa: PLC0415 - sqlalchemy is slow to import

    user = login_name(place.cluster, login.user, no_prefix=login.no_prefix)
    password = sql_passwords.password_of(
        context.environ,
        user,
        login.password_from,
        context.prompt,
        entry=password_name(place.cluster, user),
    )
    target = Target(
        host=place.host,
        port=place.port,
        user=user,
        database=login.database or "",
        password=password.secret,
        tls=TlsMode(login.tls),
        tls_name=login.tls_name or "",
        gateway_names=place.cluster.gateway_names,
        ca=context.authorities(login.ca),
    )
    opened = _open(context, place, target, login.connect_timeout, on_event)
    try:
        saved, shared = _save(context, place, target, login)
        connection = Connection(
            alias=login.alias,
            cluster=place.cluster,
            endpoint_id=place.endpoint_id,
            host=place.host,
            port=place.port,
            user=user,
            database=login.database or "",
            server_version=opened.server_version,
            tls=opened.tls,
            password_source=password.source,
            registered=context.shell is not None,
            ca=target.ca,
            saved=saved,
            shared=shared,
            first_query=first_query(opened.engine, login.database or "") if context.shell is not None else "",
            engine=opened.engine,
            operate=partial(_operate, context, login.alias, opened.engine),
            via=context.via,
            emulated=context.emulated,
        )
        replaced = _register(context, connection, _terms(context, place.cluster, place.endpoint_id, login))
    except BaseException:
        opened.engine.dispose()
        raise
    if replaced is not None:
        replaced.schema.close()
        replaced.session.close()
        replaced.connection.engine.dispose()
    return connection


def _operate(context: Context, alias: str, engine: Engine, name: str, **values: Any) -> Result:
    """Perform an operation over this connection.

    Raises:
        StepOrderError: the connection is closed, or another one has its alias now.
    """
    record = context.connections.record(alias)
    if record is None or record.connection.engine is not engine:
        raise errors.StepOrderError(
            f"this connection {alias} is closed.", advice=Advice("", Suggestion("connect", "--alias", alias))
        )
    return context.perform(name, OPERATIONS[name].request.of(alias=alias, **values))


def _register(context: Context, connection: Connection, terms: Hashable) -> OpenConnection | None:
    """Register the connection under its alias, in jupysql too; return the alias's previous connection."""
    from tidb_pe_magic.database.alias import AliasSession  # noqa: PLC0415 - sqlalchemy is slow to import
    from tidb_pe_magic.database.schema.cache import SchemaCache  # noqa: PLC0415 - as above

    alias, engine = connection.alias, connection.engine
    with context.connections.lock:
        if context.shell is None:
            session = AliasSession(engine)
        else:
            from tidb_pe_magic.database import jupysql  # noqa: PLC0415 - jupysql takes seconds to import

            statements = SqlCells(context, alias)
            if jupysql.register(context.shell, engine, alias, statements, framed=True):
                context.emit(Notice(text=_FRAMES))
            session = AliasSession(engine, lambda: jupysql.held_connection(alias, engine))
        # In a shell, read the names for completion; elsewhere, read them when an error message needs them.
        schema = SchemaCache(engine, lambda: session.database, background=context.shell is not None)
        record = OpenConnection(connection=connection, terms=terms, session=session, schema=schema)
        return context.connections.put(record)


def _open(
    context: Context, place: Destination, target: Target, login_timeout: float, on_event: EventHook
) -> TestedEngine:
    started = context.clock()
    try:
        return open_awake(context, target, login_timeout=login_timeout, on_event=on_event)
    except errors.ConnectionFailed as error:
        failure = error
    # Outside the handler, so that the driver's error is not part of the message.
    if (failure.stage, failure.kind) == ("login", "timeout"):
        longer = f"--connect-timeout {2 * login_timeout:g}"
        failure.advise(f"The cluster may still be waking up. Run the same command again, or add {longer}.")
        raise failure
    if failure.kind == "database":
        if meant := _similar_databases(target, failure):
            failure.advise(meant)
        raise failure
    end = started + _LOGIN_AND_DOCTOR
    raise doctor.with_diagnosis(context, failure, target, place.cluster, place.endpoint, end=end)


def _similar_databases(target: Target, failure: errors.ConnectionFailed) -> str:
    """Return a hint with the closest or all existing databases; empty if the server does not list them."""
    from tidb_pe_magic.database.engine import open_engine  # noqa: PLC0415 - sqlalchemy is slow to import
    from tidb_pe_magic.database.schema import suggestions  # noqa: PLC0415 - as above
    from tidb_pe_magic.database.schema.cache import SchemaCache  # noqa: PLC0415 - as above

    try:
        opened = open_engine(replace(target, database=""), timeout=_NAMES)
    except errors.ConnectionFailed:
        return ""
    schema = SchemaCache(opened.engine, lambda: "")
    try:
        names = schema.read_now(())
        meant = suggestions.similar_database(failure.reason, names)
        listed = ", ".join(names.own_databases[:_MOST_NAMES])
    except errors.TidbPeError:
        return ""
    finally:
        schema.close()
        opened.engine.dispose()
    if meant:
        return f"Did you mean --database {meant}?"
    return f"The server has these databases: {listed}." if listed else ""


def _save(context: Context, place: Destination, target: Target, login: Login) -> tuple[str, str]:
    """Save the connection as the request asks; return the file of --save, and the one of --save-to."""
    if not isinstance(login, ConnectRequest):
        return "", ""
    connection = SavedConnection(
        name=login.alias,
        cluster=place.cluster,
        endpoint_id=place.endpoint_id,
        host=place.host,
        port=place.port,
        user=target.user,
        database=target.database,
        tls=target.tls.value,
        tls_name=target.tls_name,
        # Another kernel may start in a different directory, and without TIDB_CA.
        ca=str(Path(target.ca).expanduser().absolute()) if target.ca else "",
        password_from=str(login.password_from or ""),
    )
    if login.save_to is not None:
        connection_files.write(login.save_to, connection, context.now())
    saved = str(saved_connections.save(context.environ, connection)) if login.save else ""
    return saved, login.save_to or ""


def check_password(context: Context, planned: EndpointPlan, login: Login) -> None:
    """Refuse a login without a password early; an existing open connection needs none.

    If endpoints cannot be listed, an open connection over any endpoint may use the planned one.

    Raises:
        MissingCredentials: no password was found, and a prompt is not possible.
        MissingDependency: `keyring` is not installed.
        InvalidRequest: the password file cannot be read.
    """
    cluster, connection = planned.cluster, context.connections.get(login.alias)
    endpoint_id = planned.existing.endpoint_id if planned.existing else ""
    if connection is not None and checks.is_unsure(planned):
        endpoint_id = connection.endpoint_id
    if _reusable(context, cluster, endpoint_id, login) is None:
        user = login_name(cluster, login.user, no_prefix=login.no_prefix)
        entry = password_name(cluster, user)
        sql_passwords.check(context.environ, user, login.password_from, context.prompt, entry=entry)


def reusable_connection(
    context: Context, cluster: Cluster, endpoint: VpcEndpoint, login: Login
) -> Connection | None:
    """Return the alias's open connection if it matches the request and still answers."""
    return _reusable(context, cluster, endpoint.endpoint_id, login)


def _reusable(context: Context, cluster: Cluster, endpoint_id: str, login: Login) -> Connection | None:
    from tidb_pe_magic.database.engine import answers  # noqa: PLC0415 - sqlalchemy is slow to import

    record = context.connections.record(login.alias)
    if record is None or record.terms != _terms(context, cluster, endpoint_id, login):
        return None
    connection = record.connection
    return connection if is_registered(connection) and answers(connection.engine) else None


def _terms(context: Context, cluster: Cluster, endpoint_id: str, login: Login) -> Hashable:
    """Return the properties that identify a connection: host, user and TLS requirements."""
    user = login_name(cluster, login.user, no_prefix=login.no_prefix)
    where = (cluster.cluster_id, endpoint_id)  # one endpoint can serve several clusters
    return *where, user, login.database, login.tls, login.tls_name, context.authorities(login.ca)
