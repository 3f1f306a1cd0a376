"""Every error that this package raises on purpose.

::

    TidbPeError                      one line in a notebook, yet the cell fails
    ├─ InvalidRequest(ValueError)    field, reason, what would be valid
    │   └─ ChoiceRequired            commands: the complete command for each candidate
    ├─ StepOrderError                what is missing, and the command that provides it
    ├─ MissingCredentials            every place that was looked in
    ├─ MissingDependency             the command that installs it
    ├─ ApiError                      operation, code, request_id, advice
    │   ├─ AuthenticationFailed
    │   ├─ PermissionDenied
    │   ├─ NotFound
    │   ├─ Conflict
    │   ├─ QuotaExceeded
    │   ├─ Throttled                 retry_after
    │   └─ ServiceUnavailable
    ├─ NotEligible                   a restriction of the tutorial, named
    ├─ NotConfirmed                  a billed creation that nobody confirmed; nothing was created
    ├─ JournalError                  what was to be changed cannot be written down, so it was not
    ├─ PreflightFailed               check: what would go wrong, found before anything was made
    ├─ WaitError                     the last observation
    │   ├─ WaitTimeout
    │   ├─ WaitCancelled
    │   └─ EndpointFailed
    ├─ FleetFailed                   fleet: some rows of a fleet failed, the others are done
    ├─ ConnectionFailed              stage, advice
    └─ QueryError                    a query that has no result
        ├─ QueryFailed               code: the server refused the statement, or ended it
        ├─ QueryCancelled            the stop button
        ├─ LoadFailed                committed, in_doubt, left: a load that ended early
        └─ ResultTooLarge            more than the memory that a result may take
    UnexpectedError                  a bug: its traceback as text, without the value of any variable

Anything that is not a `TidbPeError` is a bug; a notebook and the console show it as an `UnexpectedError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.model import Diagnosis, Finding, Fleet, VpcEndpoint

_ENDS = (".", "!", "?", "…")


TOPICS = (
    "commands",
    "connections",
    "costs",
    "export",
    "fleets",
    "front-ends",
    "keys",
    "load",
    "permissions",
    "queries",
    "sandbox",
    "scripts",
    "speed",
    "tls",
    "troubleshooting",
    "versions",
)
"""What `%tidb_pe help` explains, each in a file of the package."""


class TidbPeError(Exception):
    """Base of the expected errors: shown as one line, without a traceback.

    Attributes:
        message: what went wrong, in one sentence.
        advice: what to do next, usually a command; may be empty.
        topic: of `TOPICS`, that explains errors of this class; may be empty.
    """

    topic = ""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep the message and the advice apart, so that a form can show them separately."""
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        """Return the message and the advice on one line, whatever a remote system put into them."""
        return one_line(f"{self.message} {self.advice}".strip())

    @property
    def line(self) -> str:
        """The one line that is shown: the kind of error, the message, and the topic that explains it."""
        line = f"{type(self).__name__}: {self}"
        if not self.topic:
            return line
        # A command at the end has no full stop.
        return f"{line}{'' if line.endswith(_ENDS) else '.'} More: %tidb_pe help {self.topic}"

    def _render_traceback_(self) -> list[str]:
        """Give IPython the one line that replaces the traceback.

        IPython calls this method on an exception that has it, and the cell still counts as failed.
        """
        return [self.line]


class UnexpectedError(Exception):
    """A bug, in this package or in one that it calls: its traceback is shown, but no value of a variable.

    Attributes:
        trace: the traceback as text, without known secrets.
    """

    def __init__(self, message: str, trace: str) -> None:
        """Keep text alone: the original exception and its frames can hold keys."""
        super().__init__(message)
        self.trace = trace
        self.add_note(f"The original traceback:\n{trace}")

    def __str__(self) -> str:
        """Return the original exception's class and message, and what to do."""
        return (
            f"{self.args[0]} (a bug in tidb_pe_magic or in a package that it uses. "
            "Report it with this traceback, which shows no values.)"
        )

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to show, whatever its mode of tracebacks is."""
        return [*self.trace.splitlines(), f"{type(self).__name__}: {self}"]


class InvalidRequest(TidbPeError, ValueError):
    """Input that cannot be used.

    Attributes:
        field: the option or argument, as it is typed.
        reason: what is wrong with it.
    """

    def __init__(self, field: str, reason: str, *, advice: str = "") -> None:
        """Name the field first: it is what the reader has to change."""
        super().__init__(f"{field}: {reason}" if field else reason, advice=advice)
        self.field = field
        self.reason = reason


class ChoiceRequired(InvalidRequest):
    """Several values are possible, and none is the clear choice.

    Attributes:
        candidates: each value, and what it is.
        commands: the complete command for each candidate, with what it is as a comment.
    """

    def __init__(
        self, field: str, reason: str, candidates: Iterable[tuple[str, str]], commands: Iterable[str] = ()
    ) -> None:
        """List the commands where they are known, and the values elsewhere."""
        self.candidates, self.commands = tuple(candidates), tuple(commands)
        listed = " | ".join(self.commands) or ", ".join(
            f"{value} ({what})" for value, what in self.candidates
        )
        super().__init__(field, reason, advice=f"Choose one: {listed}")

    @property
    def line(self) -> str:
        """The reason, then one command in each line, so that it can be copied."""
        if not self.commands:
            return super().line
        first = one_line(f"{type(self).__name__}: {self.message} Choose one:")
        return "\n".join((first, *(f"  {one_line(command)}" for command in self.commands)))

    def _render_traceback_(self) -> list[str]:
        return self.line.splitlines()


class NotConfirmed(TidbPeError):
    """A creation that is billed was not confirmed, and nothing was created."""

    topic = "costs"


class StepOrderError(TidbPeError):
    """A step lacks what an earlier one provides; the advice is the command that provides it."""


class MissingCredentials(TidbPeError):
    """No key or password was found.

    Attributes:
        looked_in: every place that was looked in, in order.
    """

    topic = "keys"

    def __init__(self, what: str, looked_in: Iterable[str], *, advice: str = "") -> None:
        """List the places, so that the reader can choose one to fill."""
        self.looked_in = tuple(looked_in)
        super().__init__(f"no {what} found; looked in {', '.join(self.looked_in)}.", advice=advice)


class MissingDependency(TidbPeError):
    """An optional package is absent; the advice is the command that installs it."""

    @classmethod
    def of(cls, package: str, requirement: str) -> Self:
        """Name the package, and what pip installs it by."""
        return cls(f"{package} is not installed.", advice=f"Install it: pip install {requirement}")


class ApiError(TidbPeError):
    """A cloud's API refused or failed.

    Attributes:
        operation: the API operation, in the cloud's own spelling.
        code: the cloud's error code, or `HTTP <status>` where it gave none.
        request_id: what the cloud's support asks for; may be empty.
        transient: the same call may succeed in a moment.
        fault: who can change what led to it: request, account, key, service (its owner), cloud, or nobody,
            where it passes by itself; empty where that is not known.
    """

    transient = False
    fault = ""

    def __init__(
        self, message: str, *, operation: str, code: str = "", request_id: str = "", advice: str = ""
    ) -> None:
        """Put operation, code and request id into the one line."""
        detail = f"{operation} failed"
        if code:
            detail += f" ({code})"
        detail += f": {message}"
        if request_id:
            detail += f" [request id {request_id}]"
        super().__init__(detail, advice=advice)
        self.operation = operation
        self.code = code
        self.request_id = request_id


class AuthenticationFailed(ApiError):
    """The key is unknown, disabled or wrong, or this machine's clock is."""

    topic = "keys"


class PermissionDenied(ApiError):
    """The key is right, but may not do this."""

    topic = "permissions"


class NotFound(ApiError):
    """The resource does not exist, or is not visible to this account."""


class Conflict(ApiError):
    """The resource's present state does not allow the operation."""


class QuotaExceeded(ApiError):
    """A limit on the number of resources is reached."""

    topic = "troubleshooting"


class Throttled(ApiError):
    """Too many requests.

    Attributes:
        retry_after: seconds to wait, where the cloud said so.
    """

    topic = "troubleshooting"

    transient = True

    def __init__(  # noqa: PLR0913 - one more than every ApiError has
        self,
        message: str,
        *,
        operation: str,
        code: str = "",
        request_id: str = "",
        advice: str = "",
        retry_after: float | None = None,
    ) -> None:
        """Keep the cloud's word on how long to wait."""
        super().__init__(message, operation=operation, code=code, request_id=request_id, advice=advice)
        self.retry_after = retry_after


class ServiceUnavailable(ApiError):
    """The API did not answer, or answered with a failure of its own."""

    topic = "troubleshooting"

    transient = True


class NotEligible(TidbPeError):
    """A restriction of private endpoints on Alibaba Cloud.

    Attributes:
        restriction: provider, plan, state, service, region, zone; of an endpoint to delete: tag or shared.
    """

    topic = "troubleshooting"

    def __init__(self, restriction: str, reason: str, *, advice: str = "") -> None:
        """Name the restriction first."""
        super().__init__(f"{restriction}: {reason}", advice=advice)
        self.restriction = restriction


class JournalError(TidbPeError):
    """The journal cannot be used, and nothing was changed."""

    topic = "troubleshooting"


class PreflightFailed(TidbPeError):
    """What was asked for would not work, and nothing was made.

    Attributes:
        check: the first check that says stop.
        findings: everything that the preflight found, the gravest first.
    """

    topic = "troubleshooting"

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Say what the first finding found, its mend, and how to go on all the same."""
        self.findings = tuple(findings)
        first = self.findings[0]
        more = sum(finding.severity == "stop" for finding in self.findings[1:])
        also = f" ({more} more: see %tidb_pe plan)" if more else ""
        super().__init__(
            f"preflight ({first.check}): {first.summary}{also}",
            advice=f"{first.mend} To go on all the same: --force.".strip(),
        )
        self.check = first.check


class WaitError(TidbPeError):
    """A wait ended without its goal.

    Attributes:
        last: the last state of the endpoint that was seen, if any.
    """

    topic = "troubleshooting"

    def __init__(self, message: str, *, last: VpcEndpoint | None = None, advice: str = "") -> None:
        """Keep the last observation."""
        super().__init__(message, advice=advice)
        self.last = last


class WaitTimeout(WaitError):
    """The time given was not enough; the cloud's work goes on."""


class WaitCancelled(WaitError):
    """The wait was stopped; the cloud's work goes on."""


class EndpointFailed(WaitError):
    """The endpoint reached a state from which it cannot become Connected."""


class FleetFailed(TidbPeError):
    """Some rows of a fleet failed, and the others are done.

    Attributes:
        fleet: every row, with what became of it; shown before this error.
    """

    def __init__(self, fleet: Fleet, *, advice: str = "") -> None:
        """Say what the first row that failed met."""
        failed = [row for row in fleet.rows if row.failed]
        first = failed[0]
        super().__init__(
            f"{len(failed)} of {len(fleet.rows)} rows failed; row {first.number} ({first.cluster} in "
            f"{first.vpc_id}): {first.detail}",
            advice=advice,
        )
        self.fleet = fleet


class ConnectionFailed(TidbPeError):
    """The SQL connection could not be made.

    Attributes:
        stage: dns, network, tcp, handshake, tls, login or query: the first that failed.
        reason: what happened there, in one sentence.
        kind: the sort of failure within its stage, in one word; may be empty.
        diagnosis: what `doctor` found afterwards, where it was asked.
    """

    topic = "troubleshooting"

    def __init__(self, stage: str, reason: str, *, advice: str = "", kind: str = "") -> None:
        """Name the stage first."""
        super().__init__(f"no connection ({stage}): {reason}", advice=advice)
        if stage == "tls":
            self.topic = "tls"
        self.stage = stage
        self.reason = reason
        self.kind = kind
        self.diagnosis: Diagnosis | None = None


class QueryError(TidbPeError):
    """Base of what ends a query without its result; the connection can be used again."""

    topic = "queries"


class QueryFailed(QueryError):
    """The server refused the statement, or ended it.

    Attributes:
        code: MySQL's error number.
        reason: the server's message.
        excerpt: the line of the statement that the server means, and a caret under the place; may be empty.
    """

    def __init__(self, code: int, message: str, *, advice: str = "", excerpt: tuple[str, ...] = ()) -> None:
        """Put the number first: it is what people search for."""
        super().__init__(f"{code}: {message.rstrip(' .')}." if code else message, advice=advice)
        self.code = code
        self.reason = message
        self.excerpt = excerpt
        if excerpt:
            self.add_note("\n".join(excerpt))

    @property
    def line(self) -> str:
        """The one line of every error, and the excerpt below it."""
        return "\n".join((super().line, *self.excerpt))

    def _render_traceback_(self) -> list[str]:
        return self.line.splitlines()


class QueryCancelled(QueryError):
    """The query was stopped here; the message is what is known of it on the server."""


class LoadFailed(QueryError):
    """A load ended before every row was committed.

    Attributes:
        committed: rows that are in the table for certain.
        in_doubt: ranges of the frame's rows of which the server has not said whether they are there, as
            `frame.iloc` takes them: each ends before its second number.
        left: ranges of rows that are not there for certain.
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
        remains: str = "",
        repeatable: bool = False,
        stopped: bool = False,
    ) -> None:
        """Say what is in the table, what is not, and what is not known.

        Args:
            table: its name.
            cause: what ended the load.
            committed: see the class.
            total: rows of the frame.
            in_doubt: see the class.
            left: see the class.
            whole: the rows were sent to a table beside it, so that none of them is in the table.
            remains: that other table, as SQL has it, where it could not be dropped.
            repeatable: the same load can be repeated.
            stopped: see the class.
        """
        doubted = sum(end - start for start, end in in_doubt)
        reason = "it was stopped." if stopped else cause.message
        if whole:
            message = f"nothing was loaded, and {table} is as it was: {reason}"
        else:
            message = f"{committed:,} of {total:,} rows are committed in {table}: {reason}"
        if doubted:
            message += (
                f" It is not known whether {doubted:,} further rows are committed (frame rows "
                f"{_ranges(in_doubt)}), because the answer to their COMMIT was lost."
            )
        if remains:
            advice = f"The rows that were sent are in a table of their own. Delete it: DROP TABLE {remains}"
        elif whole:
            advice = cause.advice if not stopped else ""
        elif repeatable:
            advice = "Run it again: rows that are there are not added twice."
        elif left:
            advice = f"Frame rows that are not in the table: {_ranges(left)}."
        else:
            advice = ""
        super().__init__(message, advice=advice)
        self.committed, self.in_doubt, self.left, self.stopped = committed, in_doubt, left, stopped


_SHOWN_RANGES = 4


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    """Return ranges of rows, each with its first and its last one."""
    shown = ", ".join(f"{start}-{end - 1}" for start, end in ranges[:_SHOWN_RANGES])
    more = len(ranges) - _SHOWN_RANGES
    return shown if more <= 0 else f"{shown} and {more} more ranges: see `left` and `in_doubt` of the error"


class ResultTooLarge(QueryError):
    """The result takes more memory than it may; reading was stopped before the kernel had to be."""
