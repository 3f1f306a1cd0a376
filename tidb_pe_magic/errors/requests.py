"""Errors of a request: its values, its order, and what this machine lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tidb_pe_magic.advice import Advice, ShellCommand
from tidb_pe_magic.errors.base import TidbPeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.advice import NextCommand


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


class UnknownName(InvalidRequest):
    """A name or an ID that does not exist."""


class NotConfirmed(TidbPeError):
    """A billed creation was not confirmed, and nothing was created."""

    topic = "costs"


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
