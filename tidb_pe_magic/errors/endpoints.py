"""Errors of creating, waiting for and deleting endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Advice, Suggestion, as_advice
from tidb_pe_magic.errors.base import TidbPeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.model import Finding, Fleet, VpcEndpoint


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
