"""A MySQL session that can be opened again in place, without its holder noticing."""

from __future__ import annotations

import contextlib
import ssl
import struct
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self

import pymysql.err
from pymysql.connections import Connection
from pymysql.constants import CR, SERVER_STATUS

from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.database import forks, greeting, refusals
from tidb_pe_magic.database.deadline import Deadline
from tidb_pe_magic.database.effects import Effect, effect_of
from tidb_pe_magic.errors import ConnectionFailed

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.tls import NamedContext

    # Generic in its stubs only.
    _Driver = Connection[Any]
else:
    _Driver = Connection

# What PyMySQL raises where a peer does not keep to the protocol.
_PROTOCOL_ERRORS = (ValueError, LookupError, AssertionError, struct.error, TypeError)

_PING_SECONDS = 3.0
_LONGEST = 80  # characters of a statement that is named
# Login methods that give the password away on an unencrypted connection; the last one as a hash that is
# undone in moments.
_CLEAR_TEXT = ("mysql_clear_password", "dialog", "mysql_old_password")
_CLEAR_TEXT_ASKED = "The server asks for the password in clear text, and the connection is not encrypted"
# Login methods whose full exchange TiDB does over TLS only: without it, the right password is refused too.
_NEEDS_ENCRYPTION = ("caching_sha2_password", "tidb_sm3_password", "sha256_password")


class SessionStateLost(UserWarning):
    """A connection was opened again, and what statements like SET had changed in the old one is gone."""

    @classmethod
    def of(cls, settings: Sequence[str]) -> Self:
        """Name the statements whose effect is gone."""
        texts = "; ".join(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…" for each in settings)
        return cls(
            f"The server had closed the connection. It was opened again, without the effect of: {texts}."
        )


class CannotConnect(pymysql.err.OperationalError):
    """The driver's error for a connection that could not be created; its frames hold no password.

    Attributes:
        failure: the stage, the reason and the advice.
    """

    def __init__(self, failure: ConnectionFailed) -> None:
        """Take the number that drivers use for "cannot connect"."""
        super().__init__(CR.CR_CONN_HOST_ERROR, str(failure))
        self.failure = failure


class CertificateRejected(ConnectionFailed):
    """The TLS handshake failed.

    Attributes:
        error: OpenSSL's word on it.
    """

    def __init__(self, error: ssl.SSLError) -> None:
        """Keep the error: why it failed is told after another look at the certificate."""
        super().__init__("tls", f"the TLS handshake failed: {error}.")
        self.error = error


class _ClearTextRefused:
    """Stands for the login methods that send the password as it is, on unencrypted connections."""

    def __init__(self, connection: _Driver) -> None:
        """Take the connection, as PyMySQL's authentication plugins do."""

    def authenticate(self, _: object) -> NoReturn:
        """Send nothing."""
        raise pymysql.err.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, _CLEAR_TEXT_ASKED)


class Session(_Driver):
    """A PyMySQL connection that holds its password only while it logs in.

    Attributes:
        tls_offered: the server's last greeting offered TLS.
        pinned: it stays its holder's session for good: when it is lost, it is opened again in place, after
            the error was shown, and whoever uses it is told what the new one lacks.
        idle_limit: seconds after which a NAT may have forgotten the connection.
    """

    server_status: int
    db: str | bytes | None
    _read_timeout: float | None
    _write_timeout: float | None
    _auth_plugin_name: str
    _force_close: Callable[[], None]
    thread_id: Callable[[], int]

    def __init__(  # noqa: PLR0913 - what the connector knows
        self,
        *,
        secret: Secret,
        context: NamedContext | None,
        plain_if_offered: bool,
        timeout: float,
        login_timeout: float | None,
        reopen: Callable[[Session, Deadline], None],
        kill: Callable[[int], None],
        **arguments: Any,
    ) -> None:
        """Prepare a session; `establish` opens it.

        Args:
            secret: the password.
            context: what the certificate is verified with; None for an unencrypted session.
            plain_if_offered: stay unencrypted even where the server offers TLS.
            timeout: seconds for opening it again, and for the answer to a ping.
            login_timeout: seconds for opening it again, once the login is reached, where it may take longer.
            reopen: calls `establish`, and explains its failure.
            kill: ends a session of the server's, by its number there.
            arguments: what SQLAlchemy would give to PyMySQL.
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
        self.pinned = False
        self.idle_limit = 5.0
        self.server_status = 0
        self._login_method = ""
        self._secret = secret
        self._context = context
        self._plain_if_offered = plain_if_offered
        self._timeout, self._login_timeout = timeout, login_timeout
        self._reopen = reopen
        self._kill = kill
        self._settings: list[str] = []
        self._identity = 0
        self._in_block = False
        self._encrypted = False
        self._deadline: Deadline | None = None
        self._used = time.monotonic()
        forks.watch(self)

    @property
    def _secure(self) -> bool:
        return self._encrypted

    @_secure.setter
    def _secure(self, secure: bool) -> None:
        # PyMySQL sets it between the TLS handshake and the login.
        self._encrypted = secure
        if secure and self._deadline is not None:
            self._deadline.reach_login()

    def establish(self, deadline: Deadline, reached: greeting.Reached | None = None) -> None:
        """Connect, unless the server is `reached` already, and log in.

        Raises:
            ConnectionFailed: with nothing left open.
        """
        sock, self.tls_offered = reached or greeting.reach(self.host, self.port, deadline)
        try:
            # The driver reads this same greeting: what holds here holds for it.
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
                "the server offers no TLS.",
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
        # As bytes: the driver would encode a string as Latin-1, the server compares UTF-8.
        self.password = self._secret.reveal().encode()
        try:
            self.connect(sock)
        except pymysql.err.MySQLError as error:
            return self._failure(error, deadline)
        except RuntimeError as error:  # the driver lacks a package for this login method
            kind = refusals.ENCRYPTION_FIRST.kind
            return ConnectionFailed(
                "login",
                f"{error}.",
                advice=Advice("Use --tls auto, or install it.", ShellCommand("pip install cryptography")),
                kind=kind,
            )
        except _PROTOCOL_ERRORS as error:
            return greeting.closed_early(f"it does not keep to the MySQL protocol ({type(error).__name__})")
        except KeyboardInterrupt:
            return KeyboardInterrupt()
        finally:
            self.password, self._deadline = b"", None
        self._settings.clear()
        self._identity = 0
        return None

    def _failure(self, error: pymysql.err.MySQLError, deadline: Deadline) -> ConnectionFailed:
        origin = getattr(error, "original_exception", None)
        stage = "tls" if self._context is not None and not self._secure else "login"
        if deadline.expired:
            return ConnectionFailed(stage, f"no answer in {deadline.seconds:.3g} s.", kind="timeout")
        if isinstance(origin, ssl.SSLError):
            return CertificateRejected(origin)
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
        # The greeting's method; a request to switch to the user's own replaces it.
        self._login_method = str(self._auth_plugin_name)
        super()._request_authentication()  # type: ignore[misc]

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:  # what follows differs between releases
        self._login_method = plugin_name.decode("ascii", "replace")
        return super()._process_auth(plugin_name, *rest)  # type: ignore[misc]

    def _read_query_result(self, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002 - PyMySQL's signature
        try:
            return super()._read_query_result(unbuffered)  # type: ignore[misc, no-any-return]
        except RuntimeError:  # PyMySQL's refusal, which leaves a server that waits for the file
            self._force_close()
        raise pymysql.err.OperationalError(
            CR.CR_LOAD_DATA_LOCAL_INFILE_REJECTED,
            "the server asked for a file of this machine; nothing was sent, and the connection is closed",
        )

    @property
    def in_transaction(self) -> bool:
        """A transaction is open, as the server said last."""
        return self.open and self.holds_transaction

    @property
    def holds_transaction(self) -> bool:
        """The server's last word leaves room for uncommitted work, which must not be lost in silence."""
        autocommit = self.autocommit_mode and self.server_status & SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT
        return not autocommit or bool(self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    @property
    def database(self) -> str:
        """The database that it is in; empty for none."""
        # The driver replaces the text when it logs in.
        return self.db.decode() if isinstance(self.db, bytes) else self.db or ""

    @property
    def settings(self) -> tuple[str, ...]:
        """The statements whose effect a new session would lack, in their order; USE is repeated in one."""
        off = not self.server_status & SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT and self.autocommit_mode
        return (*self._settings, "SET autocommit = 0") if off else tuple(self._settings)

    def identity(self) -> int:
        """Return the number that KILL takes; the session must be idle.

        The server's greeting has room for 32 bits of it. TiDB counts in 64 where
        `enable-32bits-connection-id` is off, and by itself when the short numbers have run out.

        Raises:
            MySQLError: the connection is lost.
        """
        if not self._identity:
            with contextlib.closing(self.cursor()) as cursor:
                cursor.execute("SELECT CONNECTION_ID()")
                row = cursor.fetchone()
            self._identity = int(row[0]) if row else self.thread_id()
        return self._identity

    def effect(self, statement: str) -> Effect:
        """Return what a statement does to this session."""
        plain = self.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
        return effect_of(statement, escapes=not plain)

    def revive(self, statement: str) -> tuple[str, ...]:
        """Open the session again if it is gone and neither a transaction nor `statement` needs the old one.

        Returns:
            The statements whose effect the new session lacks.

        Raises:
            CannotConnect: it cannot be opened again; a later call tries once more.
        """
        # Whoever holds a pinned session has been shown the error that closed it, and what it cost.
        if not (self.pinned and not self.open):
            effect = self.effect(statement)
            if effect.about_past:
                return ()
            if self.holds_transaction or effect.reads_variables:
                self._refuse_silence()
                return ()
            if self._answers():
                return ()
        lost, failure = self.settings, None
        try:
            with Deadline(self._timeout, login=self._login_timeout) as deadline:
                self._reopen(self, deadline)
        except ConnectionFailed as error:
            failure = CannotConnect(error)
        if failure is not None:
            raise failure
        return lost

    def _refuse_silence(self) -> None:
        """Fail now where an idle connection is gone: the statement might wait for its answer for ever."""
        if time.monotonic() - self._used > self.idle_limit and not self._answers():
            raise pymysql.err.OperationalError(
                CR.CR_SERVER_LOST, "Lost connection to MySQL server while the session was idle"
            )

    def _answers(self) -> bool:
        if not self.open:
            return False
        try:
            self.ping(reconnect=False)
        except BaseException as error:
            # An answer that comes later would be taken for the next statement's.
            self._force_close()
            if not isinstance(error, pymysql.err.MySQLError):
                raise
            return False
        return True

    def ping(self, reconnect: bool = False) -> None:  # type: ignore[override]  # noqa: FBT001, FBT002 - the driver's
        """Ask for a sign of life, for a few seconds: behind a NAT that forgot it, none ever comes."""
        with self.bounded(min(self._timeout, _PING_SECONDS)):
            super().ping(reconnect)  # type: ignore[call-overload]

    def is_calm(self) -> bool:
        """Let a KILL QUERY that came too late end a statement of no importance; False where that is lost."""
        with self.bounded(min(self._timeout, _PING_SECONDS)):
            for _ in range(2):
                try:
                    with contextlib.closing(self.cursor()) as cursor:
                        cursor.execute("DO 0")
                except pymysql.err.MySQLError:
                    continue
                return True
        return False

    @contextmanager
    def bounded(self, seconds: float | None) -> Iterator[None]:
        """Wait for each packet no longer than this; None is no limit."""
        kept = self._read_timeout, self._write_timeout
        self._read_timeout = self._write_timeout = seconds
        try:
            yield
        finally:
            self._read_timeout, self._write_timeout = kept

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        super()._execute_command(command, sql)  # type: ignore[misc]
        self._used = time.monotonic()

    def leave_to_parent(self) -> None:
        """Close this process's end of a connection that belongs to the process that it was forked off."""
        if not self.open:
            return
        if self.pinned and self.holds_transaction:
            self._settings.append("BEGIN")
        self._force_close()

    def query(self, sql: str, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002 - the driver's signature
        """Execute a statement; where it is interrupted, the server is told to end it too."""
        try:
            return super().query(sql, unbuffered)
        except KeyboardInterrupt:
            # The driver has closed its socket, which a server notices only when it has something to send.
            self._force_close()
            self._kill(self._identity or self.thread_id())
            raise

    def remember(self, statement: str) -> None:
        """Note what an executed statement changed in the session, for the time after a reconnection."""
        effect = self.effect(statement)
        if effect.database:
            self.db = effect.database
        if effect.setting and effect.setting not in self._settings:
            self._settings.append(effect.setting)

    def discard(self) -> None:
        """Close the connection without a word: what it would say next is not known."""
        self._force_close()

    def begin_block(self) -> None:
        """Take note that statements no longer commit by themselves, until `commit` or `rollback`.

        Without autocommit, unlike after BEGIN, a DDL statement or a deadlock in the block does not end it.
        """
        self.autocommit_mode = False
        self._in_block = True

    def commit(self) -> None:
        """Commit; where every statement was committed by itself, a lost connection loses nothing."""
        self._end(super().commit, nothing_to_lose=not self.holds_transaction)
        self._end_block()

    def rollback(self) -> None:
        """Roll back; a lost connection was rolled back by the server."""
        self._end(super().rollback, nothing_to_lose=True)
        self._end_block()

    def _end_block(self) -> None:
        if not self._in_block:
            return
        self._in_block, self.autocommit_mode = False, True
        if self.open:
            self._end(partial(self.autocommit, True), nothing_to_lose=True)  # noqa: FBT003 - the driver's signature

    def _end(self, statement: Callable[[], None], *, nothing_to_lose: bool) -> None:
        try:
            if nothing_to_lose:
                # A pool takes connections back with a ROLLBACK, which a forgotten one would never answer.
                with self.bounded(self._timeout):
                    statement()
            else:
                statement()
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError, pymysql.err.InternalError) as error:
            # Out of sync, or of sequence: the rest of an answer that an interrupt cut off came in its place.
            cut_off = (
                isinstance(error, pymysql.err.InternalError) or error.args[0] == CR.CR_COMMANDS_OUT_OF_SYNC
            )
            if not nothing_to_lose or not (cut_off or error.args[0] in greeting.LOST):
                raise
            self._force_close()
