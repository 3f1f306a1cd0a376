"""What every result has."""

from __future__ import annotations

from dataclasses import dataclass, field

WORDED = {"worded": True}
"""Metadata of a field whose sentences may advise a command, which each skin has in its own spelling."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base of what the steps return.

    Attributes:
        via: API hosts that replace the clouds' own by an environment variable; empty against the real clouds.
    """

    via: tuple[str, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """Why a cluster or a network cannot be used: the restriction's name, and the reason."""

    name: str
    reason: str
