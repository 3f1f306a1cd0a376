"""Examines every stage between this machine and a query, in order, within one time limit.

No cached results are used: names are resolved, connections opened and certificates read again, each within
its share of the time, so a stage that hangs is reported and not waited for.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import pymysql.err

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database import greeting, remedies, tcp
from tidb_pe_magic.database.certificate import summarize
from tidb_pe_magic.database.connector import Connector, Target
from tidb_pe_magic.database.deadline import Deadline
from tidb_pe_magic.database.login_connection import CannotConnect
from tidb_pe_magic.errors import ConnectionFailed, TidbPeError
from tidb_pe_magic.model import (
    STAGES,
    Diagnosis,
    Outcome,
    RamAction,
    Stage,
    TlsMode,
)
from tidb_pe_magic.model.networks import is_address
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    import socket

    from tidb_pe_magic.database.session import Session
    from tidb_pe_magic.database.subject import Subject

_SHARE = 0.4  # of the total time, for one stage
_PINGS = 3


class StageOutcome(NamedTuple):
    """The result of a stage."""

    outcome: Outcome
    detail: str


def examine(subject: Subject, *, timeout: float = 9.5) -> Diagnosis:
    """Examine the stages until one fails; return after at most `timeout` seconds.

    Only a password prompt can take longer.

    Raises:
        InvalidRequest: a TLS option cannot be used.
    """
    with contextlib.ExitStack() as opened:
        examination = _Examination(subject, timeout, opened)
        for name in STAGES[: STAGES.index(subject.last) + 1]:
            examination.do(name)
        return examination.diagnosis()


@dataclass
class _Examination:
    """The finished stages, and what they leave for the next ones."""

    subject: Subject
    timeout: float
    opened: contextlib.ExitStack
    stages: list[Stage] = field(default_factory=list)
    failure: ConnectionFailed | None = None
    over: bool = False

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.timeout
        self._addresses: list[tcp.Address] = []
        self._sock: socket.socket | None = None
        self._tls_offered = False
        self._session: tuple[Session, Deadline] | None = None
        # Checks the TLS options before anything is contacted.
        self._connector = Connector(_without_password(self.subject), timeout=self.timeout)

    def do(self, name: str) -> None:
        """Run one stage, or record that it was not reached."""
        if self.over:
            if self.stages[-1].name != name:
                self.stages.append(Stage(name=name, outcome=Outcome.NOT_REACHED))
            return
        started = time.monotonic()
        try:
            seen = getattr(self, f"_{name}")()
        except ConnectionFailed as failure:
            self._record_failure(name, failure, started)
            return
        self._add_stage(name, seen, started)

    def diagnosis(self) -> Diagnosis:
        """Return the findings, with causes and the next command."""
        target = self.subject.target
        causes, command = remedies.explain(self.failure, self.stages, self.subject)
        return Diagnosis(
            host=target.host,
            port=target.port,
            stages=tuple(self.stages),
            causes=causes,
            next_command=command,
        )

    def _add_stage(self, name: str, seen: StageOutcome, started: float) -> None:
        took = time.monotonic() - started
        self.stages.append(Stage(name=name, outcome=seen.outcome, detail=one_line(seen.detail), seconds=took))

    def _record_failure(self, name: str, failure: ConnectionFailed, started: float) -> None:
        """Record a failure; a login that failed only at the database has passed."""
        self.over = True
        self.failure = failure
        if name == "login" and failure.stage == "query":
            self._add_stage("login", StageOutcome(Outcome.PASSED, self._user), started)
            self._add_stage("query", StageOutcome(Outcome.FAILED, failure.reason), started)
            return
        self._add_stage(name, StageOutcome(Outcome.FAILED, failure.reason), started)

    def _share(self) -> Deadline:
        """Return the time limit of one stage."""
        left = self._end - time.monotonic()
        return Deadline(max(0.05, min(left, self.timeout * _SHARE)))

    def _dns(self) -> StageOutcome:
        target, zones = self.subject.target, self.subject.zone_addresses
        with self._share() as deadline:
            found = greeting.resolve(target.host, target.port, deadline)
        self._addresses = [tcp.Address(family, place, "") for family, place in found]
        texts = [address.text for address in self._addresses]
        listed = ", ".join(dict.fromkeys(texts))
        leads = f"{target.host} resolves to {listed}"
        if is_address(target.host):
            leads = f"{target.host} is an address, so no name has to be resolved"
        if self._hides(RamAction.ENDPOINT_ZONES):
            hidden = f"RAM action {RamAction.ENDPOINT_ZONES} is missing"
            return StageOutcome(Outcome.UNKNOWN, f"{leads}; unknown whether that is the endpoint: {hidden}")
        if is_address(target.host) or not zones:
            return StageOutcome(Outcome.PASSED, leads)
        if not set(texts) & zones.keys():
            return StageOutcome(
                Outcome.UNKNOWN,
                f"{leads}: none is an address of the endpoint ({', '.join(zones)})",
            )
        missing = [address for address in zones if address not in texts]
        rest = f"; not to {', '.join(missing)}, which also belongs to the endpoint" if missing else ""
        return StageOutcome(Outcome.PASSED, f"{leads}, the endpoint's own{rest}")

    def _hides(self, action: RamAction) -> bool:
        endpoint = self.subject.endpoint
        return endpoint is not None and action in endpoint.missing_actions

    def _network(self) -> StageOutcome:
        endpoint, here = self.subject.endpoint, self.subject.here
        sources = [tcp.source(address) for address in self._addresses]
        if not any(sources):
            raise ConnectionFailed(
                "network",
                f"this machine has no route to {', '.join(address.text for address in self._addresses)}.",
            )
        route = f"packets leave from {next(filter(None, sources))}"
        if endpoint is None:
            return StageOutcome(
                Outcome.UNKNOWN, f"{self.subject.unknown or 'the endpoint is unknown'}; {route}"
            )
        if here is None:
            return StageOutcome(
                Outcome.UNKNOWN,
                f"it is unknown whether this machine is in {endpoint.vpc_id}, the endpoint's VPC; {route}",
            )
        if here.vpc_id == endpoint.vpc_id:
            return StageOutcome(Outcome.PASSED, f"this machine is in {here.vpc_id}, the endpoint's VPC")
        return StageOutcome(
            Outcome.UNKNOWN,
            f"this machine is in {here.vpc_id} ({here.region_id}), the endpoint in {endpoint.vpc_id} "
            f"({endpoint.region_id}): a route between them is needed",
        )

    def _tcp(self) -> StageOutcome:
        zones, port = self.subject.zone_addresses, self.subject.target.port
        places = [replace(a, label=zones.get(a.text, "")) for a in self._addresses]
        known = {address.text for address in places}
        places += [tcp.literal(ip, port, zone) for ip, zone in zones.items() if ip not in known]
        with self._share() as deadline:
            attempts = tcp.dial(places, deadline)
        for attempt in attempts:
            if attempt.sock is not None:
                self.opened.enter_context(attempt.sock)
        detail = "; ".join(map(str, attempts))
        own = attempts[: len(self._addresses)]
        self._sock = next((attempt.sock for attempt in own if attempt.sock is not None), None)
        kinds = tcp.faults(attempts)
        if self._sock is None:
            answering = any(attempt.sock is not None for attempt in attempts)
            kind = "elsewhere" if answering else remedies.most_informative(kinds)
            raise ConnectionFailed("tcp", f"{detail}.", kind=kind)
        if kinds:
            # The host answers, so later stages can be examined; the problem is in the zone.
            self.failure = ConnectionFailed("tcp", f"{detail}.", kind="zone")
            return StageOutcome(Outcome.FAILED, detail)
        return StageOutcome(Outcome.PASSED, detail)

    def _handshake(self) -> StageOutcome:
        assert self._sock is not None  # noqa: S101 - set by the stage before
        with self._share() as deadline:
            reached = greeting.greet(self._sock, deadline)
        self._tls_offered = reached.tls_offered
        reached.sock.close()
        return StageOutcome(Outcome.PASSED, "a MySQL server answers")

    def _tls(self) -> StageOutcome:
        mode = self.subject.target.tls
        if not self._tls_offered:
            if mode in {TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY}:
                raise ConnectionFailed(
                    "tls", f"the server does not offer TLS, but --tls {mode} requires it.", kind="not offered"
                )
            return StageOutcome(
                Outcome.PASSED, "the server does not offer TLS: the connection is not encrypted"
            )
        if mode == TlsMode.OFF:
            return StageOutcome(
                Outcome.PASSED, "the server offers TLS; --tls off leaves the connection unencrypted"
            )
        with self._share() as deadline:
            seen = self._connector.inspect(deadline)
        # The inspection is complete; the rest is a connection like that of `connect`.
        self._connector = Connector(_without_password(self.subject), timeout=self.timeout)
        summary = summarize(seen.der)
        name = f"verified for {seen.verified_name}" if mode != TlsMode.VERIFY_CA else "its name not checked"
        return StageOutcome(
            Outcome.PASSED,
            f"{seen.version}, certificate {name}, issued by {summary.issuer or 'an unnamed authority'}, "
            f"{_validity(summary.not_after)}",
        )

    @property
    def _user(self) -> str:
        return f"as {self.subject.target.user}"

    def _login(self) -> StageOutcome:
        target = self.subject.target
        reason = ""
        secret: Secret | None = None
        if not target.user:
            reason = "no user is given: use --user"
        elif self.subject.password is None:
            reason = "no password available: set TIDB_PASSWORD, or use --password-from"
        else:
            asked = time.monotonic()
            try:
                secret = self.subject.password()
            except TidbPeError as error:
                reason = str(error)
            # Time that a person needs to type does not count.
            self._end += time.monotonic() - asked
        if secret is None:
            self.over = True
            return StageOutcome(Outcome.UNKNOWN, reason)
        deadline = self.opened.enter_context(self._share())
        connector = Connector(replace(target, password=secret), timeout=self.timeout)
        arguments: dict[str, Any] = {
            "host": target.host,
            "port": target.port,
            "user": target.user,
            "charset": "utf8mb4",
            "autocommit": True,
        }
        if target.database:
            arguments["database"] = target.database
        failure = None
        try:
            session = connector.connect(arguments, deadline)
        except CannotConnect as error:
            failure = error.failure
        if failure is not None:
            raise failure
        self.opened.callback(_end, session)
        self._session = session, deadline
        return StageOutcome(Outcome.PASSED, self._user)

    def _query(self) -> StageOutcome:
        assert self._session is not None  # noqa: S101 - set by the stage before
        session, deadline = self._session
        failure = None
        try:
            with session.cursor() as cursor:
                cursor.execute("SELECT VERSION()")
                (version,) = cursor.fetchone() or ("",)
            latency = median(_ping(session) for _ in range(_PINGS))
        except pymysql.err.MySQLError as error:
            code, message = (*error.args, 0, "")[:2]
            failure = greeting.server_error(code if isinstance(code, int) else 0, str(message), stage="query")
        if failure is not None and deadline.is_over:
            reason = f"no answer to SELECT VERSION() in {deadline.seconds:.1f} s."
            failure = ConnectionFailed("query", reason, kind="silent")
        if failure is not None:
            raise failure
        return StageOutcome(Outcome.PASSED, f"{version}; a round trip takes {1000 * latency:.1f} ms")


def _without_password(subject: Subject) -> Target:
    """Return the target without its password."""
    return replace(subject.target, password=Secret(""))


def _ping(session: Session) -> float:
    started = time.perf_counter()
    session.ping(reconnect=False)
    return time.perf_counter() - started


def _end(session: Session) -> None:
    # Closed without a quit message: a peer that hangs could block it.
    with contextlib.suppress(OSError, pymysql.err.MySQLError):
        session._force_close()  # noqa: SLF001 - the driver has no other way


def _validity(not_after: str) -> str:
    try:
        left = (datetime.strptime(not_after, "%Y-%m-%d").replace(tzinfo=UTC) - datetime.now(UTC)).days
    except ValueError:
        return "its last valid day could not be read"
    return f"valid until {not_after} ({left} {'day' if left == 1 else 'days'} left)"
