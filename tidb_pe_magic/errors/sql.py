"""Errors of SQL connections, queries and loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.errors.base import TidbPeError

if TYPE_CHECKING:
    from tidb_pe_magic.advice import Advice
    from tidb_pe_magic.model import Diagnosis

_SHOWN_RANGES = 4


class ConnectionFailed(TidbPeError):
    """The SQL connection could not be opened.

    Attributes:
        stage: dns, network, tcp, handshake, tls, login or query: the first that failed.
        reason: what happened there, in one sentence.
        kind: the kind of failure within its stage, in one word; may be empty.
        diagnosis: the findings of `doctor`, if it ran afterwards.
    """

    topic = "troubleshooting"

    def __init__(self, stage: str, reason: str, *, advice: str | Advice = "", kind: str = "") -> None:
        """Put the stage first."""
        super().__init__(f"no connection ({stage}): {reason}", advice=advice)
        if stage == "tls":
            self.topic = "tls"
        self.stage = stage
        self.reason = reason
        self.kind = kind
        self.diagnosis: Diagnosis | None = None


class QueryError(TidbPeError):
    """Base of the errors that end a query without a result; the connection can be used again."""

    topic = "queries"


class QueryFailed(QueryError):
    """The server refused the statement, or ended it.

    Attributes:
        code: MySQL's error number.
        reason: the server's message.
        excerpt: the line of the statement that the server names, a caret under the position; may be empty.
    """

    topic = ""

    def __init__(
        self, code: int, message: str, *, advice: str | Advice = "", excerpt: tuple[str, ...] = ()
    ) -> None:
        """Put the error number first: it is what people search for."""
        super().__init__(f"{code}: {message.rstrip(' .')}." if code else message, advice=advice)
        self.code = code
        self.reason = message
        self.excerpt = excerpt
        if excerpt:
            self.add_note("\n".join(excerpt))


class QueryCancelled(QueryError):
    """The query was stopped here; the message says what is known about it on the server."""


class LoadFailed(QueryError):
    """A load ended before every row was committed.

    Attributes:
        committed: rows that are certainly in the table.
        in_doubt: ranges of the frame's rows whose COMMIT the server has not confirmed, as `frame.iloc` takes
            them: the end is exclusive.
        left: ranges of rows that are certainly not in the table.
        stopped: the stop button ended it.
    """

    topic = "load"

    def __init__(  # noqa: PLR0913 - all that is known
        self,
        table: str,
        cause: TidbPeError,
        *,
        committed: int,
        total: int,
        in_doubt: tuple[tuple[int, int], ...] = (),
        left: tuple[tuple[int, int], ...] = (),
        whole: bool = False,
        replaces: bool = False,
        remains: str = "",
        repeatable: bool = False,
        hint: str = "",
        stopped: bool = False,
    ) -> None:
        """Report the rows that are in the table, those that are not, and those in doubt.

        Args:
            table: its name.
            cause: what ended the load.
            committed: see the class.
            total: rows of the frame.
            in_doubt: see the class.
            left: see the class.
            whole: the rows were sent to a temporary table, so none of them is in the table.
            replaces: that table would have replaced an existing one.
            remains: the name of the temporary table, quoted for SQL, if it could not be dropped.
            repeatable: the same load can be run again.
            hint: what to do about rows that are not in the table.
            stopped: see the class.
        """
        doubted = sum(end - start for start, end in in_doubt)
        reason = "it was stopped." if stopped else cause.message
        if whole and replaces:
            message = f"nothing was loaded, and {table} is unchanged: {reason}"
        elif whole:
            message = f"nothing was loaded into {table}: {reason}"
        else:
            message = f"{committed:,} of {total:,} rows are committed in {table}: {reason}"
        if doubted:
            message += (
                f" It is not known whether {doubted:,} further rows are committed (frame rows "
                f"{_ranges(in_doubt)}), because the answer to their COMMIT was lost."
            )
        if remains:
            advice = f"The rows are in a temporary table. Delete it: DROP TABLE {remains}"
        elif whole:
            advice = cause.advice if not stopped else ""
        elif repeatable:
            advice = "Run it again. Rows that are already in the table are not added twice."
        elif left:
            advice = f"Frame rows that are not in the table: {_ranges(left)}. {hint}".rstrip()
        else:
            advice = ""
        super().__init__(message, advice=advice)
        self.committed, self.in_doubt, self.left, self.stopped = committed, in_doubt, left, stopped


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    """Return ranges of rows, each with its first and its last row."""
    shown = ", ".join(f"{start}-{end - 1}" for start, end in ranges[:_SHOWN_RANGES])
    more = len(ranges) - _SHOWN_RANGES
    return shown if more <= 0 else f"{shown} and {more} more ranges: see `left` and `in_doubt` of the error"


class ResultTooLarge(QueryError):
    """The result needs more memory than allowed; reading stopped before the kernel ran out of memory."""
