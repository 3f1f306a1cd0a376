"""Why a connection does not work: what the clouds know of it, and a look at each stage."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.retries import once
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.remedies import Subject
from tidb_pe_magic.model import (
    STAGES,
    Cluster,
    Diagnosis,
    Outcome,
    Stage,
    TlsMode,
    VpcEndpoint,
    Whereabouts,
)
from tidb_pe_magic.steps.clusters import named_cluster
from tidb_pe_magic.steps.endpoints import chosen_endpoint
from tidb_pe_magic.steps.preflight.facts import Denied, gap
from tidb_pe_magic.steps.sql_users import login_name
from tidb_pe_magic.threads import within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.commands.requests import DoctorRequest, SqlLogin
    from tidb_pe_magic.database.connector import Target
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context

T = TypeVar("T")

_USUAL_PORT = 4000
# Seconds. Together below ten: that is the promise, whatever hangs.
_ALL, _CLOUDS, _LEAST = 9.5, 5.0, 3.5
# Stages whose failure a closer look explains; a refused login is not tried again.
_EXAMINED = frozenset({"dns", "tcp", "handshake", "tls"})


def doctor(context: Context, request: DoctorRequest, on_event: EventHook) -> Diagnosis:  # noqa: ARG001
    """Examine the connection stage by stage; with a host alone, without asking any cloud.

    Raises:
        StepOrderError: no host is given, and there is no endpoint.
        ServiceUnavailable: no host is given, and the clouds do not answer in time.
    """
    from tidb_pe_magic.database import doctor  # noqa: PLC0415 - pymysql is imported by need

    started = context.clock()
    known = _known(context, request)
    if known.denied and not request.host:
        return _hostless(request, known)
    subject = _subject(context, request, known)
    return doctor.examine(subject, timeout=_left(context, started + _ALL))


def explained(  # noqa: PLR0913 - what was tried, and the time that is left
    context: Context,
    failure: errors.ConnectionFailed,
    target: Target,
    cluster: Cluster,
    endpoint: VpcEndpoint | None,
    *,
    end: float,
) -> errors.ConnectionFailed:
    """Return the failure of a connection with the likeliest cause and the next command as its advice.

    Args:
        context: the clients; its clock tells when `end` is.
        failure: what was met.
        target: what was to be connected to.
        cluster: whose it is.
        endpoint: by which way, where that was asked.
        end: when there has to be an answer, by that clock.
    """
    from tidb_pe_magic.database import doctor, remedies  # noqa: PLC0415 - pymysql is imported by need

    if failure.stage == "query" and not failure.advice:
        known = Subject(target=target, cluster=cluster, endpoint=endpoint)
        return _advised(failure, *remedies.explain(failure, (), known))
    if failure.stage not in _EXAMINED:
        return failure
    subject = Subject(target=target, cluster=cluster, endpoint=endpoint, here=_here(context), last="tls")
    diagnosis = doctor.examine(subject, timeout=_left(context, end))
    better = _advised(failure, diagnosis.causes, diagnosis.next_command)
    better.diagnosis = diagnosis
    return better


def _advised(
    failure: errors.ConnectionFailed, causes: Sequence[str], next_command: str
) -> errors.ConnectionFailed:
    """Return the failure with the likeliest of the causes, if there is one."""
    advice = f"Likely: {causes[0]} Next: {next_command}" if causes else failure.advice
    return errors.ConnectionFailed(failure.stage, failure.reason, advice=advice, kind=failure.kind)


def _left(context: Context, end: float) -> float:
    """Return the seconds that the stages have: too few would blame whatever comes first."""
    return min(_ALL, max(_LEAST, end - context.clock()))


class _Known(NamedTuple):
    """What the clouds know; with a host, what cannot be asked is left out, and why."""

    cluster: Cluster | None = None
    endpoint: VpcEndpoint | None = None
    unknown: str = ""
    denied: Denied | None = None


def _subject(context: Context, request: DoctorRequest, known: _Known) -> Subject:
    from tidb_pe_magic.database.connector import Target  # noqa: PLC0415 - pymysql is imported by need
    from tidb_pe_magic.database.remedies import Subject  # noqa: PLC0415

    cluster, endpoint = known.cluster, known.endpoint
    user = login_name(cluster, request.user, no_prefix=request.no_prefix) if cluster else request.user or ""
    return Subject(
        target=Target(
            host=request.host or (endpoint.domain if endpoint else ""),
            port=_port(request, cluster),
            user=user,
            database=request.database or "",
            password=Secret(""),
            tls=TlsMode(request.tls),
            tls_name=request.tls_name or "",
            gateway_names=cluster.gateway_names if cluster else (),
            ca=request.ca or "",
        ),
        password=_password(context, request, user),
        password_from=str(request.password_from or ""),
        cluster=cluster,
        endpoint=endpoint,
        here=_here(context) if endpoint else None,
        unknown=known.unknown,
    )


def _port(request: DoctorRequest, cluster: Cluster | None) -> int:
    return request.port or (cluster.service.port if cluster and cluster.service else _USUAL_PORT)


def _hostless(request: DoctorRequest, known: _Known) -> Diagnosis:
    """Say that there is nothing to examine, since the one who asks may not look the host up."""
    port = _port(request, known.cluster)
    cluster = ["--cluster", known.cluster.cluster_id] if known.cluster else []
    named = shlex.join(["doctor", *cluster])
    first, *rest = STAGES
    detail = f"the host is not known: {known.denied}"
    cause = (
        f"The host cannot be looked up: {known.denied}. Name the endpoint (--endpoint ep-…, as create showed "
        "it), or the host (in the console, VPC > Endpoints: Domain Name of Endpoint Service); or ask for the "
        "permission: %tidb_pe permissions."
    )
    return Diagnosis(
        host="",
        port=port,
        stages=(
            Stage(name=first, outcome=Outcome.UNKNOWN, detail=detail, seconds=0.0),
            *(Stage(name=name, outcome=Outcome.NOT_REACHED) for name in rest),
        ),
        causes=(cause,),
        next_command=f"%tidb_pe {named} --host HOST --port {port}",
    )


def _known(context: Context, request: DoctorRequest) -> _Known:
    if request.host and not (request.cluster or request.endpoint):
        return _Known()

    def ask() -> _Known:
        cluster = None
        try:
            with once():  # the time limit leaves none for a second call
                cluster = named_cluster(context, request.cluster)
                return _Known(cluster, chosen_endpoint(context, cluster, request.endpoint))
        except errors.PermissionDenied as error:
            denied = gap(error)
            return _Known(cluster, None, f"the endpoint is not known: {denied}", denied)

    try:
        return _in_time(ask)
    except errors.TidbPeError as error:
        if not request.host or isinstance(error, errors.InvalidRequest):
            raise
        return _Known(unknown=str(error))


def _in_time(ask: Callable[[], T]) -> T:
    try:
        return within(_CLOUDS, ask, name="tidb_pe-doctor")
    except errors.TidbPeError:
        raise  # some of them are TimeoutErrors too
    except TimeoutError:
        raise errors.ServiceUnavailable(
            f"no answer in {_CLOUDS:g} s.",
            operation="asking the clouds for the endpoint",
            advice="Without the clouds: %tidb_pe doctor --host HOST --port PORT",
        ) from None


def _here(context: Context) -> Whereabouts | None:
    return context.whereabouts()


def _password(context: Context, request: SqlLogin, user: str) -> Callable[[], Secret] | None:
    """Return how to get the password, where there is a source; nobody is asked unless that was asked for."""
    kept = sql_passwords.stored(context.environ, user) if request.password_from is None else None
    if kept is None and request.password_from is None and not context.environ.get("TIDB_PASSWORD"):
        return None

    def give() -> Secret:
        return sql_passwords.password_of(context.environ, user, request.password_from, context.prompt).secret

    return give
