"""The step `doctor`: diagnose a connection with the clouds' data and a test of each stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.advice import SQL, Advice, NextCommand, Suggestion
from tidb_pe_magic.clouds.retries import once
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.subject import Subject
from tidb_pe_magic.model import (
    STAGES,
    Cluster,
    ConnectionStatus,
    Diagnosis,
    Outcome,
    Stage,
    TlsMode,
    VpcEndpoint,
    Whereabouts,
)
from tidb_pe_magic.steps import connections
from tidb_pe_magic.steps.clusters import named_cluster
from tidb_pe_magic.steps.endpoints import chosen_endpoint
from tidb_pe_magic.steps.preflight.facts import DeniedLookup, denial_of
from tidb_pe_magic.steps.sql_user import login_name, password_name
from tidb_pe_magic.threads import within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.commands.requests import DoctorRequest, SqlLogin
    from tidb_pe_magic.database.connector import Target
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context

T = TypeVar("T")

_USUAL_PORT = 4000
# Seconds. The total stays below ten, even if something hangs.
_ALL, _CLOUDS, _LEAST = 9.5, 5.0, 3.5
# Stages whose failure a diagnosis can explain; a refused login is not repeated.
_EXAMINED = frozenset({"dns", "tcp", "handshake", "tls"})
# The server has given the reason, so a diagnosis adds nothing.
_SAID = frozenset({"required", "limit", "blocked"})


def doctor(context: Context, request: DoctorRequest, on_event: EventHook) -> Diagnosis:  # noqa: ARG001
    """Examine the connection stage by stage; if only a host is given, without calling a cloud.

    Raises:
        StepOrderError: no host is given, and the endpoint does not exist.
        ServiceUnavailable: no host is given, and the clouds do not answer in time.
    """
    from tidb_pe_magic.database import doctor  # noqa: PLC0415 - pymysql is imported by need

    started = context.clock()
    known = _cloud_facts(context, request)
    if known.denied and not request.host:
        return _hostless(request, known)
    subject = _subject(context, request, known)
    diagnosis = doctor.examine(subject, timeout=_remaining(context, started + _ALL))
    failed = diagnosis.failed
    if failed is None:
        return _with_open_connection(context, diagnosis, subject)
    if known.endpoint is None or failed.name != "login":
        return diagnosis
    cluster = known.cluster.display_name if known.cluster else ""
    return replace(diagnosis, authorization=known.endpoint.authorization(cluster=cluster))


def _with_open_connection(context: Context, diagnosis: Diagnosis, subject: Subject) -> Diagnosis:
    """Return the diagnosis with a cell as the next command if this kernel is connected to the same server."""
    target = subject.target
    for connection in reversed(tuple(context.connections.values())):
        there = connection.host, connection.port, connection.user
        if there == (target.host, target.port, target.user) and connections.is_registered(connection):
            following = Suggestion(SQL, connection.alias)
            return replace(diagnosis, next_command=following, first_query=connection.first_query)
    return diagnosis


def with_diagnosis(  # noqa: PLR0913 - the attempt, and the remaining time
    context: Context,
    failure: errors.ConnectionFailed,
    target: Target,
    cluster: Cluster,
    endpoint: VpcEndpoint | None,
    *,
    end: float,
) -> errors.ConnectionFailed:
    """Return the failure of a connection, with the most likely cause and the next command as its advice.

    Args:
        context: the clients, and the clock of `end`.
        failure: the original error.
        target: the target of the connection.
        cluster: the endpoint's cluster.
        endpoint: the endpoint, if it was looked up.
        end: deadline, by that clock.
    """
    from tidb_pe_magic.database import doctor, remedies  # noqa: PLC0415 - pymysql is imported by need

    subject = Subject(target=target, cluster=cluster, endpoint=endpoint, age=_age(context, endpoint))
    if failure.stage == "login" or failure.kind in _SAID:
        return _with_advice(failure, *remedies.explain(failure, (), subject))
    if failure.stage == "query" and not failure.advice:
        return _with_advice(failure, *remedies.explain(failure, (), subject))
    if failure.stage not in _EXAMINED:
        return failure
    subject = replace(subject, here=_location(context), last="tls")
    diagnosis = doctor.examine(subject, timeout=_remaining(context, end))
    better = _with_advice(failure, diagnosis.causes, diagnosis.next_command)
    better.diagnosis = diagnosis
    return better


def _with_advice(
    failure: errors.ConnectionFailed, causes: Sequence[str], next_command: NextCommand | None
) -> errors.ConnectionFailed:
    """Return the failure with the most likely cause, if known; for a login, with all causes."""
    if not causes:
        return failure
    likely = " Or: ".join(causes if failure.stage == "login" else causes[:1])
    advice = Advice(f"Likely: {likely}", *((next_command,) if next_command else ()))
    return errors.ConnectionFailed(failure.stage, failure.reason, advice=advice, kind=failure.kind)


def _remaining(context: Context, end: float) -> float:
    """Return the seconds for the stages; with too few, the first stage would fail."""
    return min(_ALL, max(_LEAST, end - context.clock()))


class _CloudFacts(NamedTuple):
    """The clouds' data; if a host is given, failed look-ups are left out, with the reason."""

    cluster: Cluster | None = None
    endpoint: VpcEndpoint | None = None
    unknown: str = ""
    denied: DeniedLookup | None = None
    auto_accept: bool | None = None


def _subject(context: Context, request: DoctorRequest, known: _CloudFacts) -> Subject:
    from tidb_pe_magic.database.connector import Target  # noqa: PLC0415 - pymysql is imported by need
    from tidb_pe_magic.database.subject import Subject  # noqa: PLC0415

    cluster, endpoint = known.cluster, known.endpoint
    user = login_name(cluster, request.user, no_prefix=request.no_prefix) if cluster else request.user or ""
    return Subject(
        auto_accept=known.auto_accept,
        target=Target(
            host=request.host or (endpoint.domain if endpoint else ""),
            port=_port(request, cluster),
            user=user,
            database=request.database or "",
            password=Secret(""),
            tls=TlsMode(request.tls),
            tls_name=request.tls_name or "",
            gateway_names=cluster.gateway_names if cluster else (),
            ca=context.authorities(request.ca),
        ),
        password=_password(context, request, user, password_name(cluster, user) if cluster else user),
        password_from=str(request.password_from or ""),
        ca=request.ca or "",
        cluster=cluster,
        endpoint=endpoint,
        here=_location(context) if endpoint else None,
        age=_age(context, endpoint),
        unknown=known.unknown,
    )


def _port(request: DoctorRequest, cluster: Cluster | None) -> int:
    return request.port or (cluster.service.port if cluster and cluster.service else _USUAL_PORT)


def _hostless(request: DoctorRequest, known: _CloudFacts) -> Diagnosis:
    """Return the error for a host that the user has no permission to look up."""
    port = _port(request, known.cluster)
    cluster = ["--cluster", known.cluster.cluster_id] if known.cluster else []
    first, *rest = STAGES
    detail = f"the host is not known: {known.denied}"
    cause = (
        f"The host cannot be looked up: {known.denied}. Name the endpoint (--endpoint ep-…, as create showed "
        "it), or the host (in the console, VPC > Endpoints: Domain Name of Endpoint Service); or ask for the "
        "permission."
    )
    return Diagnosis(
        host="",
        port=port,
        stages=(
            Stage(name=first, outcome=Outcome.UNKNOWN, detail=detail, seconds=0.0),
            *(Stage(name=name, outcome=Outcome.NOT_REACHED) for name in rest),
        ),
        causes=(cause,),
        next_command=Suggestion("doctor", *cluster, "--host", "HOST", "--port", str(port)),
    )


def _cloud_facts(context: Context, request: DoctorRequest) -> _CloudFacts:
    if request.host and not (request.cluster or request.endpoint):
        return _CloudFacts()

    def ask() -> _CloudFacts:
        cluster = None
        try:
            with once():  # the time limit does not allow a second call
                cluster = named_cluster(context, request.cluster)
                endpoint = chosen_endpoint(context, cluster, request.endpoint)
                return _CloudFacts(cluster, endpoint, auto_accept=_auto_accept(context, endpoint))
        except errors.PermissionDenied as error:
            denied = denial_of(error)
            return _CloudFacts(cluster, None, f"the endpoint is not known: {denied}", denied)

    try:
        return _in_time(ask)
    except errors.TidbPeError as error:
        if not request.host or isinstance(error, errors.InvalidRequest):
            raise
        return _CloudFacts(unknown=error.prose)


def _auto_accept(context: Context, endpoint: VpcEndpoint) -> bool | None:
    """Return whether an endpoint that is not connected must be accepted; None if unknown."""
    if endpoint.connection_status != ConnectionStatus.DISCONNECTED:
        return None
    try:
        service = context.alibaba(endpoint.region_id).service(endpoint.service_name)
    except errors.ApiError:
        return None
    return service.auto_accept if service else None


def _in_time(ask: Callable[[], T]) -> T:
    without_clouds = Suggestion("doctor", "--host", "HOST")
    try:
        return within(_CLOUDS, ask, name="tidb_pe-doctor")
    except TimeoutError:
        raise errors.ServiceUnavailable(
            f"no answer in {_CLOUDS:g} s.",
            operation="asking the clouds for the endpoint",
            advice=Advice("Or examine the host without the clouds.", without_clouds),
        ) from None
    except errors.ServiceUnavailable as error:
        error.advise(Advice(error.advice, *error.commands, without_clouds))
        raise


def _age(context: Context, endpoint: VpcEndpoint | None) -> float | None:
    """Return the seconds since the endpoint was created, by this machine's clock; None if unknown."""
    try:
        created = datetime.fromisoformat(endpoint.created) if endpoint else None
    except ValueError:
        return None
    if created is None or created.tzinfo is None:
        return None
    return max(0.0, context.now() - created.timestamp())


def _location(context: Context) -> Whereabouts | None:
    return context.whereabouts()


def _password(context: Context, request: SqlLogin, user: str, entry: str) -> Callable[[], Secret] | None:
    """Return the password's source, if it exists; never prompt unless the request asks for a prompt."""
    kept = sql_passwords.stored_password(context.environ, entry) if request.password_from is None else None
    if kept is None and request.password_from is None and not context.environ.get("TIDB_PASSWORD"):
        return None

    def give() -> Secret:
        return sql_passwords.password_of(
            context.environ, user, request.password_from, context.prompt, entry=entry
        ).secret

    return give
