"""A MySQL session that can be reopened in place, without its owner noticing."""

from __future__ import annotations

import contextlib
import math
import selectors
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pymysql.err
from pymysql.constants import COMMAND, CR, SERVER_STATUS

from tidb_pe_magic.database import forks, greeting
from tidb_pe_magic.database.deadline import Deadline
from tidb_pe_magic.database.effects import Effect, effect_of
from tidb_pe_magic.database.login_connection import CannotConnect, LoginConnection
from tidb_pe_magic.errors import ConnectionFailed

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.tls import NamedContext

_PING_SECONDS = 3.0
_LONGEST = 80  # characters of a statement that is shown


class SessionStateLost(UserWarning):
    """A connection was reopened, and the effects of statements like SET in the old one are lost."""

    @classmethod
    def of(cls, settings: Sequence[str]) -> Self:
        """List the statements whose effect is lost."""
        texts = "; ".join(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…" for each in settings)
        return cls(f"The server had closed the connection. It was reopened without the effect of: {texts}.")


class Session(LoginConnection):
    """A connection that is opened again where its server has closed it.

    Attributes:
        pinned: its owner keeps it permanently: after a loss, the error is shown, then it is reopened in
            place, and the error of its next statement says what the new session lacks.
        idle_limit: seconds after which a NAT may have forgotten the connection.
        ping_limit: seconds after a ping, such as the pool's, in which a statement sends none of its own.
        awaits_answer: a command was sent, and nothing of its answer has been read.
    """

    db: str | bytes | None
    thread_id: Callable[[], int]
    _sock: socket.socket

    def __init__(  # noqa: PLR0913 - the values that the connector has
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
            context: verifies the certificate; None for an unencrypted session.
            plain_if_offered: stay unencrypted even if the server offers TLS.
            timeout: seconds to reopen it, and for the answer to a ping.
            login_timeout: seconds to reopen it once the login is reached, if this is longer.
            reopen: calls `establish`, and explains its failure.
            kill: ends a session of the server by its ID.
            arguments: the arguments that SQLAlchemy passes to PyMySQL.
        """
        super().__init__(secret=secret, context=context, plain_if_offered=plain_if_offered, **arguments)
        self.pinned = False
        self.idle_limit = 5.0
        self.ping_limit = 0.5
        self._status, self._status_known = 0, False
        self._timeout, self._login_timeout = timeout, login_timeout
        self._reopen = reopen
        self._kill = kill
        self._settings: list[str] = []
        self._identity = 0
        self._in_block = False
        self._used = time.monotonic()
        self._pinged = -math.inf
        self.awaits_answer = False
        forks.watch(self)

    def establish(self, deadline: Deadline, reached: greeting.ServerConnection | None = None) -> None:
        """Connect, unless `reached` is already connected, and log in to a session without settings.

        Raises:
            ConnectionFailed: nothing is left open.
        """
        super().establish(deadline, reached)
        self._settings.clear()
        self._identity = 0

    @property
    def server_status(self) -> int:
        """The flags of the server's last answer that has any: the driver skips those of a SELECT."""
        return self._status

    @server_status.setter
    def server_status(self, flags: int) -> None:
        self._status, self._status_known = flags, True

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, according to the server's last answer."""
        return self.open and self.holds_transaction

    @property
    def holds_transaction(self) -> bool:
        """Whether there may be uncommitted work, which must not be lost silently."""
        autocommit = self.autocommit_mode and self.server_status & SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT
        return not autocommit or bool(self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    @property
    def database(self) -> str:
        """The current database; empty for none."""
        # The driver replaces the text when it logs in.
        return self.db.decode() if isinstance(self.db, bytes) else self.db or ""

    @property
    def settings(self) -> tuple[str, ...]:
        """The statements whose effect a new session would lack, in order; USE is repeated in a new one."""
        off = not self.server_status & SERVER_STATUS.SERVER_STATUS_AUTOCOMMIT and self.autocommit_mode
        return (*self._settings, "SET autocommit = 0") if off else tuple(self._settings)

    def identity(self) -> int:
        """Return the ID for KILL; the session must be idle.

        The server's greeting only has 32 bits of it. TiDB uses 64 bits if `enable-32bits-connection-id` is
        off, or when it has used up the short IDs.

        Raises:
            MySQLError: the connection is lost.
        """
        if not self._identity:
            with contextlib.closing(self.cursor()) as cursor:
                cursor.execute("SELECT CONNECTION_ID()")
                row = cursor.fetchone()
            self._identity = int(row[0]) if row else self.thread_id()
        return self._identity

    def describe(self) -> tuple[str, str | None]:
        """Return the server's VERSION() and the current database, and read the ID for KILL with them.

        Raises:
            MySQLError: the connection is lost.
        """
        with contextlib.closing(self.cursor()) as cursor:
            cursor.execute("SELECT VERSION(), DATABASE(), CONNECTION_ID()")
            row = cursor.fetchone()
        version, database, identity = row or ("", None, 0)
        self._identity = int(identity)
        return str(version), database

    def effect(self, statement: str) -> Effect:
        """Return the effect of a statement on this session."""
        plain = self.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
        return effect_of(statement, escapes=not plain)

    def revive(self, statement: str) -> tuple[str, ...]:
        """Reopen a lost session if neither a transaction nor `statement` needs the old one.

        Returns:
            The statements whose effect the new session lacks.

        Raises:
            CannotConnect: it cannot be reopened; a later call tries again.
        """
        # The user of a pinned session has already seen the error that closed it.
        if not (self.pinned and not self.open):
            effect = self.effect(statement)
            if effect.about_past:
                return ()
            if self.holds_transaction or effect.reads_variables:
                self._refuse_silence()
                return ()
            if self.answers():
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
        """Raise the loss of an idle connection now: the statement might wait forever for its answer."""
        if time.monotonic() - self._used > self.idle_limit and not self.answers():
            raise pymysql.err.OperationalError(
                CR.CR_SERVER_LOST, "Lost connection to MySQL server while the session was idle"
            )

    def answers(self) -> bool:
        """Return whether the session is open and answers; close it otherwise."""
        if not self.open:
            return False
        if time.monotonic() - self._pinged < self.ping_limit and not self.has_input():
            return True
        try:
            self.ping(reconnect=False)
        except BaseException as error:
            # A later answer would be taken as the next statement's.
            self._force_close()
            if not isinstance(error, pymysql.err.MySQLError):
                raise
            return False
        return True

    def ping(self, reconnect: bool = False) -> None:  # type: ignore[override]  # noqa: FBT001, FBT002 - the driver's
        """Ping the server with a short timeout: if a NAT dropped the connection, it never answers."""
        with self.packet_timeout(min(self._timeout, _PING_SECONDS)):
            super().ping(reconnect)  # type: ignore[call-overload]
        self._pinged = time.monotonic()

    def has_input(self) -> bool:
        """Return whether something has arrived that was not read, such as the end of the connection.

        Raises:
            OSError: the connection was closed meanwhile.
        """
        if self._sock is None:
            raise OSError
        with selectors.DefaultSelector() as selector:  # select() fails in a process with many open files
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(timeout=0))

    def is_executing(self) -> bool:
        """Return whether the server still executes a statement: nothing of its answer has arrived."""
        # The thread that waits for the answer can close the connection at any time.
        with contextlib.suppress(OSError, ValueError):
            return self.awaits_answer and self.open and not self.has_input()
        return False

    def absorb_kill(self) -> bool:
        """Let a late KILL QUERY end an unimportant statement; return False if the session is lost."""
        with self.packet_timeout(min(self._timeout, _PING_SECONDS)):
            for _ in range(2):
                try:
                    with contextlib.closing(self.cursor()) as cursor:
                        cursor.execute("DO 0")
                except pymysql.err.MySQLError:
                    continue
                return True
        return False

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        # Closing a prepared statement has no answer, and changes no transaction.
        self._status_known &= command == COMMAND.COM_STMT_CLOSE
        self._pinged = -math.inf
        super()._execute_command(command, sql)  # type: ignore[misc]
        self.awaits_answer = command != COMMAND.COM_STMT_CLOSE
        self._used = time.monotonic()

    def _read_bytes(self, num_bytes: int) -> bytes:
        data: bytes = super()._read_bytes(num_bytes)  # type: ignore[misc]
        self.awaits_answer = False
        return data

    def leave_to_parent(self) -> None:
        """Close this process's end of a connection that belongs to its parent process."""
        if not self.open:
            return
        if self.pinned and self.holds_transaction:
            self._settings.append("BEGIN")
        self._force_close()

    def query(self, sql: str, unbuffered: bool = False) -> int:  # noqa: FBT001, FBT002 - the driver's signature
        """Execute a statement; on an interrupt, ask the server to end it too."""
        try:
            return super().query(sql, unbuffered)
        except KeyboardInterrupt:
            # The driver has closed its socket, which a server notices only when it sends something.
            self._force_close()
            self._kill(self._identity or self.thread_id())
            raise

    def remember(self, statement: str) -> None:
        """Record what an executed statement changed in the session, for a later reconnect."""
        effect = self.effect(statement)
        if effect.database:
            self.db = effect.database
        if effect.setting:
            # In the order of their last execution.
            self._settings = [each for each in self._settings if each != effect.setting] + [effect.setting]

    def discard(self) -> None:
        """Close the connection without a quit message, because its protocol state is unknown."""
        self._force_close()

    def begin_block(self) -> None:
        """Stop committing each statement automatically, until `commit` or `rollback`.

        Without autocommit, unlike after BEGIN, a DDL statement or a deadlock in the block does not end this
        mode.
        """
        self.autocommit_mode = False
        self._in_block = True

    def commit(self) -> None:
        """Commit; if every statement was committed automatically, a lost connection loses nothing."""
        self._end(super().commit, nothing_to_lose=not self.holds_transaction)
        self._end_block()

    def rollback(self) -> None:
        """Roll back; a lost connection was rolled back by the server.

        A pool does so whenever a connection is returned. Nothing is sent if the last answer said that no
        transaction is open.
        """
        if self._status_known and not self.holds_transaction:
            return
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
                # A pool returns connections with a ROLLBACK, which a dropped connection would never answer.
                with self.packet_timeout(self._timeout):
                    statement()
            else:
                statement()
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError, pymysql.err.InternalError) as error:
            # Out of sync: the rest of an interrupted answer arrived instead.
            cut_off = (
                isinstance(error, pymysql.err.InternalError) or error.args[0] == CR.CR_COMMANDS_OUT_OF_SYNC
            )
            if not nothing_to_lose or not (cut_off or error.args[0] in greeting.LOST):
                raise
            self._force_close()
