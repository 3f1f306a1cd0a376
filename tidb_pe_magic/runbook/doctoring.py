"""Why a connection does not work: what the clouds know of it, and a look at each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.limited import within
from tidb_pe_magic.clouds.retrying import once
from tidb_pe_magic.credentials import Secret, sql_password
from tidb_pe_magic.model import Cluster, Diagnosis, TlsMode, VpcEndpoint, Whereabouts
from tidb_pe_magic.runbook import discovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.database.connector import Target
    from tidb_pe_magic.database.doctor import Subject
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runbook.context import Context
    from tidb_pe_magic.runbook.requests import DoctorRequest, SqlLogin

T = TypeVar("T")

_USUAL_PORT = 4000
# Seconds. Together below ten: that is the promise, whatever hangs.
_ALL, _CLOUDS, _LEAST = 9.5, 5.0, 4.0
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
    subject = _subject(context, request)
    left = max(_LEAST, _ALL - (context.clock() - started))
    return doctor.examine(subject, timeout=left)


def explained(
    context: Context,
    failure: errors.ConnectionFailed,
    target: Target,
    cluster: Cluster,
    endpoint: VpcEndpoint,
) -> errors.ConnectionFailed:
    """Return the failure of a connection with the likeliest cause and the next command as its advice."""
    from tidb_pe_magic.database import doctor  # noqa: PLC0415 - pymysql is imported by need

    if failure.stage not in _EXAMINED:
        return failure
    subject = doctor.Subject(
        target=target, cluster=cluster, endpoint=endpoint, here=_here(context), last="tls"
    )
    diagnosis = doctor.examine(subject, timeout=_ALL)
    advice = f"Likely: {diagnosis.causes[0]} Next: {diagnosis.next_command}" if diagnosis.causes else ""
    better = errors.ConnectionFailed(
        failure.stage, failure.reason, advice=advice or failure.advice, kind=failure.kind
    )
    better.diagnosis = diagnosis
    return better


def _subject(context: Context, request: DoctorRequest) -> Subject:
    from tidb_pe_magic.database.connector import Target  # noqa: PLC0415 - pymysql is imported by need
    from tidb_pe_magic.database.doctor import Subject  # noqa: PLC0415

    cluster, endpoint, unknown = _known(context, request)
    user = request.user or (f"{cluster.user_prefix}.root" if cluster else "")
    service = cluster.service if cluster else None
    return Subject(
        target=Target(
            host=request.host or (endpoint.domain if endpoint else ""),
            port=request.port or (service.port if service else _USUAL_PORT),
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
        unknown=unknown,
    )


def _known(context: Context, request: DoctorRequest) -> tuple[Cluster | None, VpcEndpoint | None, str]:
    """Return what the clouds know; with a host, what cannot be asked is left out, and why."""
    if request.host and not (request.cluster or request.endpoint):
        return None, None, ""

    def ask() -> tuple[Cluster, VpcEndpoint]:
        with once():  # the time limit leaves none for a second call
            cluster = discovery.named_cluster(context, request.cluster)
            return cluster, discovery.chosen_endpoint(context, cluster, request.endpoint)

    try:
        cluster, endpoint = _in_time(ask)
    except errors.TidbPeError as error:
        if not request.host or isinstance(error, errors.InvalidRequest):
            raise
        return None, None, str(error)
    return cluster, endpoint, ""


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
    if request.password_from is None and not context.environ.get("TIDB_PASSWORD"):
        return None

    def give() -> Secret:
        return sql_password(
            request.password_from, user=user, environ=context.environ, prompt=context.prompt
        ).secret

    return give
