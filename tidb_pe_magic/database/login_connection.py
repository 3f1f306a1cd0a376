"""A PyMySQL connection that logs in without leaving its password behind."""

from __future__ import annotations

import ssl
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import pymysql.err
from pymysql.connections import Connection
from pymysql.constants import CR

from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.database import greeting, refusals
from tidb_pe_magic.errors import ConnectionFailed

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.deadline import Deadline
    from tidb_pe_magic.database.tls import NamedContext

    # Generic only in its stubs.
    _Driver = Connection[Any]
else:
    _Driver = Connection

# PyMySQL's exceptions for a violation of the protocol.
_PROTOCOL_ERRORS = (ValueError, LookupError, AssertionError, struct.error, TypeError)
# Login methods that reveal the password on an unencrypted connection; the last one as a hash that is easily
# reversed.
_CLEAR_TEXT = ("mysql_clear_password", "dialog", "mysql_old_password")
_CLEAR_TEXT_ASKED = "The server asks for the password in clear text, and the connection is not encrypted"
# Login methods whose full exchange TiDB requires TLS for: without it, even the right password is refused.
_NEEDS_ENCRYPTION = ("caching_sha2_password", "tidb_sm3_password", "sha256_password")


class CannotConnect(pymysql.err.OperationalError):
    """The driver's error for a connection that could not be created; its frames hold no password.

    Attributes:
        failure: the stage, the reason and the advice.
    """

    def __init__(self, failure: ConnectionFailed) -> None:
        """Use the number that drivers use for "cannot connect"."""
        super().__init__(CR.CR_CONN_HOST_ERROR, str(failure))
        self.failure = failure


class CertificateError(ConnectionFailed):
    """The TLS handshake failed.

    Attributes:
        error: OpenSSL's error.
    """

    def __init__(self, error: ssl.SSLError) -> None:
        """Keep the error: the reason is given after reading the certificate again."""
        super().__init__("tls", f"the TLS handshake failed: {error}.")
        self.error = error


class _ClearTextRefused:
    """Replaces the login methods that send the clear-text password, on unencrypted connections."""

    def __init__(self, connection: _Driver) -> None:
        """Take the connection, as PyMySQL's authentication plugins do."""

    def authenticate(self, _: object) -> NoReturn:
        """Send nothing."""
        raise pymysql.err.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, _CLEAR_TEXT_ASKED)


class LoginConnection(_Driver):
    """A PyMySQL connection that holds its password only during the login.

    Attributes:
        tls_offered: the server's last greeting offered TLS.
    """

    _read_timeout: float | None
    _write_timeout: float | None
    _auth_plugin_name: str
    _force_close: Callable[[], None]

    def __init__(
        self, *, secret: Secret, context: NamedContext | None, plain_if_offered: bool, **arguments: Any
    ) -> None:
        """Prepare a connection; `establish` opens it.

        Args:
            secret: the password.
            context: what the certificate is verified with; None for an unencrypted connection.
            plain_if_offered: stay unencrypted even if the server offers TLS.
            arguments: the arguments that SQLAlchemy passes to PyMySQL.
        """
        clear_text: dict[str, Callable[[_Driver], Any]] = {}
        if context is None:
            clear_text = dict.fromkeys(_CLEAR_TEXT, _ClearTextRefused)
        super().__init__(
            **arguments,
            defer_connect=True,
            local_infile=False,
            ssl=context,
            ssl_disabled=context is None,
            auth_plugin_map=clear_text,
        )
        self.tls_offered = False
        self._login_method = ""
        self._secret = secret
        self._context = context
        self._plain_if_offered = plain_if_offered
        self._encrypted = False
        self._deadline: Deadline | None = None

    @property
    def _secure(self) -> bool:
        return self._encrypted

    @_secure.setter
    def _secure(self, secure: bool) -> None:
        # PyMySQL sets it between the TLS handshake and the login.
        self._encrypted = secure
        if secure and self._deadline is not None:
            self._deadline.reach_login()

    def establish(self, deadline: Deadline, reached: greeting.ServerConnection | None = None) -> None:
        """Connect, unless `reached` is already connected, and log in.

        Raises:
            ConnectionFailed: nothing is left open.
        """
        sock, self.tls_offered = reached or greeting.reach(self.host, self.port, deadline)
        try:
            # The driver reads the same greeting, so both see the same values.
            self._check_offer()
        except BaseException:
            sock.close()
            raise
        failure = self._log_in(sock, deadline)
        if failure is not None:
            # Raised here, outside the driver's frames: some of them hold the password.
            raise failure

    def _check_offer(self) -> None:
        if self._context is not None and not self.tls_offered:
            raise ConnectionFailed(
                "tls",
                "the server does not offer TLS.",
                advice="On a private endpoint an unencrypted connection is possible: connect again with "
                "--tls auto or --tls off",
                kind="not offered",
            )
        if self._context is None and self.tls_offered and not self._plain_if_offered:
            raise ConnectionFailed(
                "tls",
                "the server offers TLS now, but did not when this connection was first opened.",
                advice=Advice("Connect again to use it.", Suggestion("connect")),
            )

    def _log_in(self, sock: socket.socket, deadline: Deadline) -> BaseException | None:
        self._secure = False
        self._deadline = deadline
        if self._context is None:
            deadline.reach_login()
        # As bytes: the driver would encode a string as Latin-1, but the server compares UTF-8.
        self.password = self._secret.reveal().encode()
        try:
            self.connect(sock)
        except pymysql.err.MySQLError as error:
            return self._failure(error, deadline)
        except RuntimeError as error:  # a package for this login method is missing
            kind = refusals.ENCRYPTION_FIRST.kind
            return ConnectionFailed(
                "login",
                f"{error}.",
                advice=Advice(
                    "Use --tls auto, or install the package.", ShellCommand("pip install cryptography")
                ),
                kind=kind,
            )
        except _PROTOCOL_ERRORS as error:
            return greeting.closed_early(f"it violates the MySQL protocol ({type(error).__name__})")
        except KeyboardInterrupt:
            return KeyboardInterrupt()
        finally:
            self.password, self._deadline = b"", None
        return None

    def _failure(self, error: pymysql.err.MySQLError, deadline: Deadline) -> ConnectionFailed:
        origin = getattr(error, "original_exception", None)
        stage = "tls" if self._context is not None and not self._secure else "login"
        if deadline.is_over:
            return ConnectionFailed(stage, f"no answer in {deadline.seconds:.3g} s.", kind="timeout")
        if isinstance(origin, ssl.SSLError):
            return CertificateError(origin)
        if len(error.args) > 1 and isinstance(error.args[0], int):
            return self._refusal(error.args[0], str(error.args[1]), stage)
        return ConnectionFailed(stage, f"{error}.")

    def _refusal(self, code: int, message: str, stage: str) -> ConnectionFailed:
        unencrypted = self._context is None
        plain = unencrypted and self.tls_offered
        failure = greeting.server_error(code, message, stage=stage, plain=plain)
        better = None
        if unencrypted and failure.kind == "password" and self._login_method.startswith(_NEEDS_ENCRYPTION):
            better = refusals.ENCRYPTION_FIRST
        elif unencrypted and message == _CLEAR_TEXT_ASKED:
            better = refusals.CLEAR_TEXT
        if better is None:
            return failure
        return ConnectionFailed(better.stage, failure.reason, advice=better.advice, kind=better.kind)

    def _request_authentication(self) -> None:
        # The greeting's method; a request to switch to the user's own method replaces it.
        self._login_method = str(self._auth_plugin_name)
        super()._request_authentication()  # type: ignore[misc]

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:  # the rest differs between releases
        self._login_method = plugin_name.decode("ascii", "replace")
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]

    def _read_query_result(self, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002 - PyMySQL's signature
        try:
            return super()._read_query_result(unbuffered)  # type: ignore[misc, no-any-return]
        except RuntimeError:  # PyMySQL's refusal, which leaves the server waiting for the file
            self._force_close()
        raise pymysql.err.OperationalError(
            CR.CR_LOAD_DATA_LOCAL_INFILE_REJECTED,
            "the server asked for a file of this machine; nothing was sent, and the connection is closed",
        )

    @contextmanager
    def packet_timeout(self, seconds: float | None) -> Iterator[None]:
        """Set the timeout for each packet; None means no limit."""
        kept = self._read_timeout, self._write_timeout
        self._read_timeout = self._write_timeout = seconds
        try:
            yield
        finally:
            self._read_timeout, self._write_timeout = kept
