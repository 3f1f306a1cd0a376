"""Every error that this package raises on purpose.

::

    TidbPeError                      what is wrong, then what to do; the cell fails
    ├─ InvalidRequest(ValueError)    field, reason, what would be valid
    │   ├─ ChoiceRequired            commands: the complete command for each candidate
    │   └─ UnknownName               a name or an ID that does not exist
    ├─ StepOrderError                what is missing, and the command that provides it
    ├─ MissingCredentials            every place that was searched
    ├─ MissingDependency             the command that installs it
    ├─ ApiError                      operation, code, request_id, advice
    │   ├─ AuthenticationFailed
    │   ├─ PermissionDenied
    │   ├─ NotFound
    │   ├─ Conflict
    │   ├─ QuotaExceeded
    │   ├─ Throttled                 retry_after
    │   └─ ServiceUnavailable
    ├─ NotEligible                   the restriction that is not met
    ├─ NotConfirmed                  a billed creation was not confirmed; nothing was created
    ├─ JournalError                  a change could not be recorded, so it was not made
    ├─ PreflightFailed               check: what would fail, found before anything was created
    ├─ WaitError                     the last observation
    │   ├─ WaitTimeout
    │   ├─ WaitCancelled
    │   └─ EndpointFailed
    ├─ FleetFailed                   fleet: some rows of a fleet failed, the others are done
    ├─ ConnectionFailed              stage, advice
    └─ QueryError                    a query without a result
        ├─ QueryFailed               code: the server refused the statement, or ended it
        ├─ QueryCancelled            the stop button
        ├─ LoadFailed                committed, in_doubt, left: a load that ended early
        └─ ResultTooLarge            more memory than a result may use
    UnexpectedError                  a bug: its traceback as text, without the values of variables

Anything that is not a `TidbPeError` is a bug; a notebook and the console show it as an `UnexpectedError`.
"""

from __future__ import annotations

import re
import sys
import textwrap
import traceback
from typing import TYPE_CHECKING, Self

from tidb_pe_magic.advice import (
    Advice,
    ShellCommand,
    Suggestion,
    as_advice,
    magic,
    spell_advice,
    with_commands,
)
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.advice import NextCommand, Spelling
    from tidb_pe_magic.model import Diagnosis, Finding, Fleet, VpcEndpoint

_WIDTH = 96  # columns of a terminal
_CELL_WIDTH = 88  # columns: in a window of 900 pixels JupyterLab breaks a longer line within a word
_TRY = ("Try: ", " Or: ")
_WORD = re.compile(r"[a-z]+(?=[ ,;.(]|$)")  # not a flag, an identifier, a host name or a field name


class TidbPeError(Exception):
    """Base of the expected errors. They show what is wrong and what to do, without a traceback.

    Attributes:
        message: what went wrong, in one sentence.
        advice: what to do next, in sentences; may be empty.
        commands: what to run next, the best one first; may be empty.
        topic: the help topic that explains errors of this class; may be empty.
        excerpt: lines of the statement, shown below the sentences; may be empty.
        spelling: the default way to write commands: as in a notebook, or as Python for errors of `Runbook`'s
            methods.
    """

    topic = ""
    excerpt: tuple[str, ...] = ()
    spelling: Spelling = staticmethod(magic)

    def __init__(self, message: str, *, advice: str | Advice = "") -> None:
        """Keep the message and the advice apart, so that a form can show them separately."""
        super().__init__(message)
        self.message = message
        self.advise(advice)

    def advise(self, advice: str | Advice) -> None:
        """Replace the advice; for callers that know more about the attempt."""
        given = as_advice(advice)
        self.advice: str = given.text
        self.commands: tuple[NextCommand, ...] = given.commands

    @property
    def full_advice(self) -> Advice:
        """The sentences and the commands together, for an error that is derived from this one."""
        return Advice(self.advice, *self.commands)

    def __str__(self) -> str:
        """Return message, advice and command on one line, with control characters escaped."""
        return one_line(with_commands(self.prose, self.commands, self.spelling))

    @property
    def prose(self) -> str:
        """The message and the advice on one line, without a command."""
        return one_line(f"{self.message} {self.advice}")

    def text(self, spelling: Spelling | None = None, *, width: int = _WIDTH) -> str:
        """Return the text for a person: the sentences, wrapped at words, then each command on its own line.

        Args:
            spelling: how commands are written; default: the error's own.
            width: columns of the sentences.
        """
        lines = textwrap.wrap(self.sentences, width, break_long_words=False, break_on_hyphens=False)
        lines += self.excerpt
        for lead, typed in self.suggestions(spelling):
            lines += [(" " * len(lead) if below else lead) + line for below, line in enumerate(typed)]
        return "\n".join(lines)

    @property
    def sentences(self) -> str:
        """The message and the advice on one line, with a capital, without a command."""
        return _capitalize(self.prose)

    def suggestions(self, spelling: Spelling | None = None) -> list[tuple[str, list[str]]]:
        """Return what to run next: the word that leads to each command, and the command's lines.

        Args:
            spelling: how commands are written; default: the error's own.
        """
        commands = self.commands or ((Suggestion("help", self.topic),) if self.topic else ())
        return [
            (
                _TRY[min(number, 1)],
                list(map(one_line, spell_advice(each, spelling or self.spelling).splitlines())),
            )
            for number, each in enumerate(commands)
        ]

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows instead of the traceback.

        IPython calls this method on an exception that defines it, and the cell still counts as failed. When
        `%tb` calls it, the exception is no longer being handled; then the class and the line are named too.
        """
        lines = self.text(width=_CELL_WIDTH).splitlines()
        if sys.exc_info()[1] is not None:
            return lines
        frames = traceback.extract_tb(self.__traceback__)
        where = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return [f"{type(self).__module__}.{type(self).__qualname__}, raised at", *where, *lines]


def _capitalize(sentence: str) -> str:
    """Return the sentence with a capital, unless it begins with an identifier or a name."""
    return sentence[:1].upper() + sentence[1:] if _WORD.match(sentence) else sentence


class UnexpectedError(Exception):
    """A bug in this package or in one that it calls. Its traceback is shown without the values of variables.

    Attributes:
        trace: the traceback as text, without known secrets.
    """

    def __init__(self, message: str, trace: str) -> None:
        """Keep only text: the original exception and its frames can hold keys."""
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
        """Return the lines that IPython shows in every traceback mode."""
        return [*self.trace.splitlines(), f"{type(self).__name__}: {self}"]


class InvalidRequest(TidbPeError, ValueError):
    """Invalid input.

    Attributes:
        field: the option or argument, as typed.
        reason: what is wrong with it.
    """

    def __init__(self, field: str, reason: str, *, advice: str | Advice = "") -> None:
        """Put the field first: it is what the reader has to change."""
        super().__init__(f"{field}: {reason}" if field else reason, advice=advice)
        self.field = field
        self.reason = reason


class ChoiceRequired(InvalidRequest):
    """Several values are possible, and none is the clear choice.

    Attributes:
        candidates: each value and its description.
        commands: the complete command for each candidate, if known.
    """

    def __init__(
        self,
        field: str,
        reason: str,
        candidates: Iterable[tuple[str, str]],
        commands: Iterable[NextCommand] = (),
    ) -> None:
        """List the candidates with their descriptions."""
        self.candidates = tuple(candidates)
        listed = ", ".join(f"{value} ({what})" for value, what in self.candidates)
        super().__init__(field, reason, advice=Advice(f"Choose one: {listed}.", *commands))


class NotConfirmed(TidbPeError):
    """A billed creation was not confirmed, and nothing was created."""

    topic = "costs"


class UnknownName(InvalidRequest):
    """A name or an ID that does not exist."""


class StepOrderError(TidbPeError):
    """An earlier step has not been run; the advice is its command."""


class MissingCredentials(TidbPeError):
    """No key or password was found.

    Attributes:
        looked_in: every place that was searched, in order.
        what: what is missing, in a few words.
    """

    topic = "keys"

    def __init__(self, what: str, looked_in: Iterable[str], *, advice: str | Advice = "") -> None:
        """List the places, so that the reader can choose one of them."""
        self.looked_in = tuple(looked_in)
        self.what = f"no {what} found"
        super().__init__(f"no {what} found; looked in {', '.join(self.looked_in)}.", advice=advice)


class MissingDependency(TidbPeError):
    """An optional package is missing; the advice is the command that installs it."""

    @classmethod
    def of(cls, package: str, requirement: str) -> Self:
        """Name the package and its pip requirement."""
        return cls(
            f"{package} is not installed.", advice=Advice("", ShellCommand(f"pip install {requirement}"))
        )


class ApiError(TidbPeError):
    """A cloud's API refused or failed.

    Attributes:
        operation: the API operation, in the cloud's own spelling.
        code: the cloud's error code, or `HTTP <status>` if the answer had none.
        request_id: the ID that the cloud's support asks for; may be empty.
        transient: the same call may succeed in a moment.
        fault: who can fix the cause: request, account, key, service (its owner), cloud, or nobody if it ends
            by itself; empty if unknown.
    """

    transient = False
    fault = ""

    def __init__(
        self, message: str, *, operation: str, code: str = "", request_id: str = "", advice: str | Advice = ""
    ) -> None:
        """Put operation, code and request ID into the one line."""
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
    """The key is unknown, disabled or wrong, or this machine's clock is wrong."""

    topic = "keys"


class PermissionDenied(ApiError):
    """The key is valid, but has no permission for this."""

    topic = "permissions"


class NotFound(ApiError):
    """The resource does not exist, or is not visible to this account."""


class Conflict(ApiError):
    """The resource's current state does not allow the operation."""


class QuotaExceeded(ApiError):
    """A limit on the number of resources is reached."""

    topic = "troubleshooting"


class Throttled(ApiError):
    """Too many requests.

    Attributes:
        retry_after: seconds to wait, if the cloud sent them.
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
        advice: str | Advice = "",
        retry_after: float | None = None,
    ) -> None:
        """Keep the cloud's retry delay."""
        super().__init__(message, operation=operation, code=code, request_id=request_id, advice=advice)
        self.retry_after = retry_after


class ServiceUnavailable(ApiError):
    """The API did not answer, or answered with an internal error."""

    topic = "troubleshooting"

    transient = True


class NotEligible(TidbPeError):
    """A restriction of private endpoints on Alibaba Cloud.

    Attributes:
        restriction: provider, plan, state, service, region, zone; for an endpoint to delete: tag or shared.
    """

    topic = "troubleshooting"

    def __init__(self, restriction: str, reason: str, *, advice: str | Advice = "") -> None:
        """Put the restriction first."""
        super().__init__(f"{restriction}: {reason}", advice=advice)
        self.restriction = restriction


class JournalError(TidbPeError):
    """The journal cannot be used, and nothing was changed."""

    topic = "troubleshooting"


class PreflightFailed(TidbPeError):
    """The request would not work, and nothing was created.

    Attributes:
        check: the first check that failed.
        findings: everything that the preflight found, the most severe first.
    """

    topic = "troubleshooting"

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Report the first finding, how to fix it, and how to continue anyway."""
        self.findings = tuple(findings)
        first = self.findings[0]
        more = sum(finding.severity == "stop" for finding in self.findings[1:])
        also = f" ({more} more {'problem' if more == 1 else 'problems'})" if more else ""
        super().__init__(
            f"preflight ({first.check}): {first.summary}{also}",
            advice=_to_continue(as_advice(first.advice)),
        )
        self.check = first.check


def _to_continue(advice: Advice) -> Advice:
    text = f"{advice.text} Use --force to continue anyway.".strip()
    return Advice(text, *(advice.commands or (Suggestion("plan"),)))


class WaitError(TidbPeError):
    """A wait ended before its goal was reached.

    Attributes:
        last: the last observed state of the endpoint, if any.
    """

    topic = "troubleshooting"

    def __init__(self, message: str, *, last: VpcEndpoint | None = None, advice: str | Advice = "") -> None:
        """Keep the last observation."""
        super().__init__(message, advice=advice)
        self.last = last


class WaitTimeout(WaitError):
    """The time limit was reached; the cloud continues its work."""


class WaitCancelled(WaitError):
    """The wait was stopped; the cloud continues its work."""


class EndpointFailed(WaitError):
    """The endpoint reached a state from which it cannot become Connected."""


class FleetFailed(TidbPeError):
    """Some rows of a fleet failed; the others are done.

    Attributes:
        fleet: every row with its outcome; shown before this error.
    """

    def __init__(self, fleet: Fleet, *, advice: str | Advice = "") -> None:
        """Report the error of the first failed row."""
        failed = [row for row in fleet.rows if row.failed]
        first = failed[0]
        super().__init__(
            f"{len(failed)} of {len(fleet.rows)} rows failed; row {first.number} ({first.cluster} in "
            f"{first.vpc_id}): {first.detail}",
            advice=advice,
        )
        self.fleet = fleet


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
        remains: str = "",
        repeatable: bool = False,
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
            remains: the name of the temporary table, quoted for SQL, if it could not be dropped.
            repeatable: the same load can be run again.
            stopped: see the class.
        """
        doubted = sum(end - start for start, end in in_doubt)
        reason = "it was stopped." if stopped else cause.message
        if whole:
            message = f"nothing was loaded, and {table} is unchanged: {reason}"
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
            advice = f"Frame rows that are not in the table: {_ranges(left)}."
        else:
            advice = ""
        super().__init__(message, advice=advice)
        self.committed, self.in_doubt, self.left, self.stopped = committed, in_doubt, left, stopped


_SHOWN_RANGES = 4


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    """Return ranges of rows, each with its first and its last row."""
    shown = ", ".join(f"{start}-{end - 1}" for start, end in ranges[:_SHOWN_RANGES])
    more = len(ranges) - _SHOWN_RANGES
    return shown if more <= 0 else f"{shown} and {more} more ranges: see `left` and `in_doubt` of the error"


class ResultTooLarge(QueryError):
    """The result needs more memory than allowed; reading stopped before the kernel ran out of memory."""
