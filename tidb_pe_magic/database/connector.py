"""Opens the sessions of one engine: determines the TLS name once, and requires it in every later session."""

from __future__ import annotations

import contextlib
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql.err
from pymysql.constants import CLIENT

from tidb_pe_magic.credentials.redaction import bug_error
from tidb_pe_magic.database import greeting, tls
from tidb_pe_magic.database.deadline import Deadline
from tidb_pe_magic.database.login_connection import CannotConnect, CertificateError
from tidb_pe_magic.database.session import Session
from tidb_pe_magic.errors import ConnectionFailed
from tidb_pe_magic.model import TlsMode, TlsReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.credentials.secrets import Secret


#: Whether the sessions opened in this context allow LOAD DATA LOCAL. The driver still refuses a server that
#: asks for a file, except for `load`, which sends its own lines instead of one.
allows_lines: ContextVar[bool] = ContextVar("tidb_pe_allows_lines", default=False)
#: Seconds for an interrupted cell to notify the server.
_KILL_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """Host, user, database and TLS verification of a connection.

    Attributes:
        tls_name: the only name that is accepted in the certificate.
        gateway_names: names that are also accepted in mode auto.
        ca: file of certificate authorities; empty for the system's.
    """

    host: str
    port: int
    user: str
    database: str
    password: Secret
    tls: TlsMode = TlsMode.AUTO
    tls_name: str = ""
    gateway_names: tuple[str, ...] = ()
    ca: str = ""


class Connector:
    """Opens sessions; the first session determines whether TLS is used, and the server's name."""

    def __init__(self, target: Target, *, timeout: float, login_timeout: float | None = None) -> None:
        """Check the TLS options, without connecting.

        Args:
            target: host, user, database and TLS verification.
            timeout: seconds for each session, from name resolution to the end of the login.
            login_timeout: seconds from the start until a login is abandoned, if this is longer: a paused
                cluster wakes at the login, also when a connection is reopened.

        Raises:
            InvalidRequest: the CA file or the TLS name cannot be used.
        """
        self._target = target
        self._timeout, self._login_timeout = timeout, login_timeout
        self._names = tls.candidate_names(target.tls, target.host, target.tls_name, target.gateway_names)
        self._context = None if target.tls == TlsMode.OFF else tls.make_context(target.tls, target.ca)
        self._settled = target.tls == TlsMode.OFF
        self._offered = False
        self._arguments: dict[str, Any] = {}

    def connect(self, arguments: Mapping[str, Any], deadline: Deadline | None) -> Session:
        """Return an open session.

        Args:
            arguments: the arguments that SQLAlchemy passes to PyMySQL.
            deadline: the time limit; by default, the session has its own.

        Raises:
            CannotConnect: its traceback contains no frame of the driver.
        """
        self._arguments = dict(arguments)
        failure: Exception
        try:
            if deadline is not None:
                return self._connect(deadline)
            with Deadline(self._timeout, login=self._login_timeout) as own:
                return self._connect(own)
        except ConnectionFailed as error:
            failure = CannotConnect(error)
        except Exception as error:  # noqa: BLE001 - raised below: the driver's frames hold the password
            failure = bug_error(error)
        raise failure

    def report(self) -> TlsReport:
        """Return how the sessions are secured."""
        return tls.report(self._target.tls, self._context, host=self._target.host, offered=self._offered)

    def inspect(self, deadline: Deadline) -> tls.CertificateSeenError:
        """Verify the server's certificate as the first `connect` does, and stop before the login.

        Raises:
            ConnectionFailed: the certificate is rejected, or the server has none.
        """
        looking = tls.make_inspecting_context(self._target.tls, self._target.ca)
        self._context = looking
        self._arguments = {"host": self._target.host, "port": self._target.port, "user": self._target.user}
        seen = None
        try:
            self._settle(deadline)
        except tls.CertificateSeenError as ended:
            seen = ended
        if seen is None:
            raise AssertionError("a handshake that only reads the certificate must not reach the login")
        seen.version, seen.verified_name = looking.version, looking.expected_name
        return seen

    def _connect(self, deadline: Deadline) -> Session:
        if self._settled:
            session = self._session(self._context)
            self._open(session, deadline)
        else:
            session = self._settle(deadline)
            self._settled = True
        self._offered = session.tls_offered
        return session

    def _settle(self, deadline: Deadline) -> Session:
        """Return the first session, using the first name that the certificate contains."""
        reached: greeting.ServerConnection | None = greeting.reach(
            self._target.host, self._target.port, deadline
        )
        plain_is_fine = self._target.tls == TlsMode.AUTO and not isinstance(
            self._context, tls.InspectingContext
        )
        if plain_is_fine and reached and not reached.tls_offered:
            self._context = None
        for name in self._names:
            if self._context is not None:
                self._context.expected_name = name
            session = self._session(self._context)
            try:
                self._open(session, deadline, reached)
            except CertificateError:
                reached = None  # another name may match; every other failure is final
            else:
                return session
        raise self._name_failure(deadline)

    def _open(
        self, session: Session, deadline: Deadline, reached: greeting.ServerConnection | None = None
    ) -> None:
        """Open a session; explain a certificate that is rejected for more than its name."""
        try:
            session.establish(deadline, reached)
        except CertificateError as rejected:
            if not self._settled and tls.is_name_mismatch(rejected.error):
                raise
            if tls.is_name_mismatch(rejected.error):
                failure = self._name_failure(deadline)
            else:
                failure = self._chain_failure(rejected.error, deadline)
        else:
            return
        raise failure

    def _name_failure(self, deadline: Deadline) -> ConnectionFailed:
        seen = self._inspect_certificate(deadline, verify=True)
        if isinstance(seen, CertificateError):
            # OpenSSL compares the name before it checks the dates.
            return self._chain_failure(seen.error, deadline)
        if isinstance(seen, ConnectionFailed):
            return seen
        return tls.NameMismatch(self._names, seen.names)

    def _chain_failure(self, error: ssl.SSLError, deadline: Deadline) -> ConnectionFailed:
        der = b""
        if isinstance(error, ssl.SSLCertVerificationError):
            seen = self._inspect_certificate(deadline, verify=False)
            der = b"" if isinstance(seen, ConnectionFailed) else seen.der
        return tls.chain_failure(error, der)

    def _inspect_certificate(
        self, deadline: Deadline, *, verify: bool
    ) -> tls.CertificateSeenError | ConnectionFailed:
        """Read the server's certificate again, without a login."""
        context = tls.make_reading_context(self._target.ca, self._names[0], verify=verify)
        try:
            self._session(context).establish(deadline)
        except tls.CertificateSeenError as seen:
            return seen
        except ConnectionFailed as failure:
            return failure
        msg = "a handshake that only reads the certificate must not reach the login"
        raise AssertionError(msg)

    def _kill(self, number: int) -> None:
        """End another session of the server over a new session; ignore a failure to do so.

        Whether TiDB Cloud's gateway passes KILL to the right server is [GUESS].
        """
        with contextlib.suppress(CannotConnect, pymysql.err.MySQLError), Deadline(_KILL_SECONDS) as deadline:
            session = self.connect(self._arguments, deadline)
            with contextlib.closing(session), session.cursor() as cursor:
                cursor.execute(f"KILL {number:d}")

    def _session(self, context: tls.NamedContext | None) -> Session:
        arguments = dict(self._arguments)
        if allows_lines.get():
            arguments["client_flag"] = arguments.get("client_flag", 0) | CLIENT.LOCAL_FILES
        return Session(
            secret=self._target.password,
            context=context,
            plain_if_offered=self._target.tls == TlsMode.OFF,
            timeout=self._timeout,
            login_timeout=self._login_timeout,
            reopen=self._open,
            kill=self._kill,
            **arguments,
        )
