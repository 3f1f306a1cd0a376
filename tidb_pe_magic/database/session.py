"""A MySQL session that can be opened again in place, without its holder noticing."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pymysql.err
from pymysql.constants import CR, SERVER_STATUS

from tidb_pe_magic.database import forks, greeting
from tidb_pe_magic.database.deadline import Deadline
from tidb_pe_magic.database.effects import Effect, effect_of
from tidb_pe_magic.database.login_connection import CannotConnect, LoginConnection
from tidb_pe_magic.errors import ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.tls import NamedContext

_PING_SECONDS = 3.0
_LONGEST = 80  # characters of a statement that is named


class SessionStateLost(UserWarning):
    """A connection was opened again, and what statements like SET had changed in the old one is gone."""

    @classmethod
    def of(cls, settings: Sequence[str]) -> Self:
        """Name the statements whose effect is gone."""
        texts = "; ".join(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…" for each in settings)
        return cls(
            f"The server had closed the connection. It was opened again, without the effect of: {texts}."
        )


class Session(LoginConnection):
    """A connection that is opened again where its server has closed it.

    Attributes:
        pinned: it stays its holder's session for good: when it is lost, it is opened again in place, after
            the error was shown, and whoever uses it is told what the new one lacks.
        idle_limit: seconds after which a NAT may have forgotten the connection.
    """

    server_status: int
    db: str | bytes | None
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
        super().__init__(secret=secret, context=context, plain_if_offered=plain_if_offered, **arguments)
        self.pinned = False
        self.idle_limit = 5.0
        self.server_status = 0
        self._timeout, self._login_timeout = timeout, login_timeout
        self._reopen = reopen
        self._kill = kill
        self._settings: list[str] = []
        self._identity = 0
        self._in_block = False
        self._used = time.monotonic()
        forks.watch(self)

    def establish(self, deadline: Deadline, reached: greeting.Reached | None = None) -> None:
        """Connect, unless the server is `reached` already, and log in to a session that has no settings.

        Raises:
            ConnectionFailed: with nothing left open.
        """
        super().establish(deadline, reached)
        self._settings.clear()
        self._identity = 0

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
