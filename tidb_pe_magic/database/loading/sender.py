"""Sends the pieces of a frame, each a transaction, over several connections, and tracks commits.

The rows of a new table are sent with LOAD DATA LOCAL INFILE, which a server stores faster than INSERTs. It is
part of the transaction like an INSERT. After the first statement that the server refuses, or that does not
store all rows of its piece without a warning, the rest are sent with INSERT, which reports an error for a
value that does not fit. TiDB Cloud allows LOAD DATA LOCAL INFILE on Starter and Essential (documentation,
"Limited SQL Features on TiDB Cloud").
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pymysql.err
from pymysql.constants import ER, SERVER_STATUS

from tidb_pe_magic.database.greeting import LOST
from tidb_pe_magic.database.loading.lines import send_lines
from tidb_pe_magic.database.queries.failures import driver_errors
from tidb_pe_magic.database.queries.inflight import run_interruptibly
from tidb_pe_magic.errors import ConnectionFailed, QueryFailed, TidbPeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidb_pe_magic.database.loading.lines import LinesWriter
    from tidb_pe_magic.database.loading.statements import InsertWriter, Piece
    from tidb_pe_magic.database.queries.inflight import InFlight

CONNECTIONS = 4
_TRIES, _PAUSE = 6, 0.2  # for each piece; seconds, doubled each time
_SETTLE_SECONDS = 2.0
_CONNECTION_KILLED = 1927  # MariaDB
_LOST = LOST | {ER.SERVER_SHUTDOWN, _CONNECTION_KILLED}
# After these errors the whole transaction can be sent again. Numbers and meanings: "Error Codes and
# Troubleshooting" of TiDB's documentation, and pkg/errno/errcode.go of pingcap/tidb. The documentation allows
# a retry of the whole transaction after 8002, 8022 and 8028, and a retry after 9007. About 9005 it says only
# that a Region is unavailable. Its COMMIT did not take place: if the result of a COMMIT is undetermined, the
# server closes the connection instead of sending an error (pkg/server/conn.go of pingcap/tidb). [GUESS]: the
# gateway of Starter and Essential does the same.
_FOR_UPDATE_CONFLICT, _COMMIT_ROLLED_BACK, _SCHEMA_CHANGED = 8002, 8022, 8028
_WRITE_CONFLICT, _REGION_UNAVAILABLE = 9007, 9005
_AGAIN = frozenset(
    {
        ER.LOCK_DEADLOCK,
        ER.LOCK_WAIT_TIMEOUT,
        _COMMIT_ROLLED_BACK,
        _WRITE_CONFLICT,
        _FOR_UPDATE_CONFLICT,
        _REGION_UNAVAILABLE,
        _SCHEMA_CHANGED,
    }
)
# A COMMIT fails for good with these: the key exists, or the transaction (8004) or a row (8025) is too large.
# The same documentation lists both numbers; that nothing was committed follows as for 9005.
_TRANSACTION_TOO_LARGE, _ENTRY_TOO_LARGE = 8004, 8025
_ROLLED_BACK = frozenset({ER.DUP_ENTRY, _TRANSACTION_TOO_LARGE, _ENTRY_TOO_LARGE})
# Settings of the sessions, in one statement. The server rejects values that do not fit instead of changing
# them; 0 does not request the next AUTO_INCREMENT; a backslash is an escape character.
_SETTINGS = (
    "SET autocommit = 0, "
    "sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'"
)


@dataclass
class Ledger:
    """The state of the pieces of a frame.

    Attributes:
        committed: pieces that the server has confirmed.
        in_doubt: pieces whose COMMIT was sent without an answer from the server.
        rows: number of committed rows.
        bytes: size of their statements.
    """

    committed: set[Piece] = field(default_factory=set)
    in_doubt: set[Piece] = field(default_factory=set)
    rows: int = 0
    bytes: int = 0
    _under_way: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def begin_commit(self, piece: Piece) -> None:
        """Record that a COMMIT is about to be sent."""
        with self._changed:
            self._under_way += 1
            self.in_doubt.add(piece)

    def end_commit(self, piece: Piece, size: int, *, committed: bool | None) -> None:
        """Record the answer to a COMMIT; None if the answer was lost."""
        with self._changed:
            self._under_way -= 1
            if committed is not None:
                self.in_doubt.discard(piece)
            if committed:
                self.committed.add(piece)
                self.rows += piece.rows
                self.bytes += size
            self._changed.notify_all()

    def settle(self) -> None:
        """Wait briefly for the answers to the COMMITs that were sent."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, _SETTLE_SECONDS)


class Sender:
    """Sends the pieces of a frame."""

    def __init__(
        self, flight: InFlight, writer: InsertWriter, *, zone: str = "", lines: LinesWriter | None = None
    ) -> None:
        """Create the sender without sending anything.

        Args:
            flight: of the engine; its sessions can be stopped.
            writer: of the frame.
            zone: the sessions' time zone; empty for the server's own.
            lines: writes the rows for LOAD DATA; None if only INSERT stores them safely.
        """
        self._flight = flight
        self._writer = writer
        self._lines = lines
        self._settings = f"{_SETTINGS}, time_zone = '{zone}'" if zone else _SETTINGS
        self._pieces: list[Piece] = []
        self._lock = threading.Lock()
        self.ledger = Ledger()

    def send(
        self, pieces: Sequence[Piece], *, cancel: threading.Event, on_progress: Callable[[], None]
    ) -> TidbPeError | None:
        """Send and commit every piece; return the error that ended it early, if any.

        Args:
            pieces: each a transaction.
            cancel: set it to end this.
            on_progress: called several times a second, to report progress.
        """
        self._pieces = list(reversed(pieces))
        works = [self._work] * min(CONNECTIONS, len(pieces))
        failure: TidbPeError | None = None
        try:
            if works:
                run_interruptibly(works, self._flight, cancel=cancel, on_progress=on_progress)
        except TidbPeError as error:
            failure = error
        self.ledger.settle()
        return failure

    def _next(self) -> Piece | None:
        with self._lock:
            return self._pieces.pop() if self._pieces and not self._flight.stopped.is_set() else None

    def _work(self) -> None:
        """Send pieces over one connection, or over a new one after a failure, until none are left."""
        piece = self._next()
        tries = 0
        while piece is not None:
            try:
                with self._flight.own_session() as session:
                    self._prepare(session)
                    while piece is not None:
                        self._send(session, piece)
                        piece, tries = self._next(), 0
            except _Retry as again:
                # Nothing of the piece was stored, or sending it again changes nothing.
                tries += 1
                self._pause(tries, again.failure)
            except ConnectionFailed as failure:
                # The state of a COMMIT whose answer is lost is unknown; another login would not help.
                if (piece in self.ledger.in_doubt and not self._writer.keys) or failure.stage in {
                    "tls",
                    "login",
                }:
                    raise
                tries += 1
                self._pause(tries, failure)

    def _pause(self, tries: int, failure: TidbPeError) -> None:
        if tries >= _TRIES or self._flight.stopped.wait(_PAUSE * 2**tries):
            raise failure

    def _prepare(self, session: Any) -> None:
        with driver_errors():
            session.query(self._settings)

    def _send(self, session: Any, piece: Piece) -> None:
        try:
            size = self._send_lines(session, piece) or self._insert(session, piece)
        except pymysql.err.MySQLError as error:
            # No COMMIT was sent, so the server rolls the statement back.
            self._raise_failure(session, error)
        with self._flight.uninterruptible(session):
            self._commit(session, piece, size)

    def _send_lines(self, session: Any, piece: Piece) -> int:
        """Send a piece with LOAD DATA, and return its size; 0 if nothing is stored and INSERT is next."""
        writer = self._lines
        statement = None if writer is None else writer.statement(piece)
        if writer is None or statement is None:
            return 0
        try:
            stored, warnings = send_lines(session, statement, writer.packet)
        except pymysql.err.MySQLError as error:
            self._lines = None
            if not session.open or error.args[0] in _LOST | _AGAIN | {ER.QUERY_INTERRUPTED}:
                raise
        else:
            if (stored, warnings) == (piece.rows, 0):
                return len(statement.sql) + len(statement.lines)
            self._lines = None
            if not session.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
                raise _incomplete(stored, piece.rows)
        session.query("ROLLBACK")
        return 0

    def _insert(self, session: Any, piece: Piece) -> int:
        """Send a piece with INSERT, and return its size."""
        statements = self._writer.statements(piece)
        for statement in statements:
            changed = session.query(statement.sql)
            if not self._writer.keys and changed != statement.rows:
                session.query("ROLLBACK")
                raise _incomplete(changed, statement.rows)
        return sum(len(statement.sql) for statement in statements)

    def _raise_failure(self, session: Any, error: pymysql.err.MySQLError) -> None:
        again = not session.open or error.args[0] in _LOST | _AGAIN
        session.discard()
        raise _Retry(_failure(error)) if again else _failure(error)

    def _commit(self, session: Any, piece: Piece, size: int) -> None:
        self.ledger.begin_commit(piece)
        failure: TidbPeError | None = None
        committed, again = None, False
        try:
            session.query("COMMIT")
            committed = True
        except pymysql.err.MySQLError as error:
            failure, code = _failure(error), error.args[0]
            if code in _AGAIN | _ROLLED_BACK:
                committed = False
            again = code in _AGAIN or (committed is None and bool(self._writer.keys))
        finally:
            self.ledger.end_commit(piece, size, committed=committed)
        if failure is None:
            return
        session.discard()
        raise _Retry(failure) if again else failure


def _incomplete(stored: int, rows: int) -> QueryFailed:
    return QueryFailed(0, f"the server stored {stored:,} of {rows:,} rows.")


class _Retry(Exception):  # noqa: N818 - no failure yet
    """A piece can be sent again.

    Attributes:
        failure: the error to raise after too many attempts.
    """

    def __init__(self, failure: TidbPeError) -> None:
        super().__init__(str(failure))
        self.failure = failure


def _failure(error: pymysql.err.MySQLError) -> TidbPeError:
    try:
        with driver_errors():
            raise error
    except TidbPeError as failure:
        return failure
