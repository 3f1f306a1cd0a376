"""Requests that only a notebook supports: the form, and the sandbox in the kernel's machine."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.commands.fields import Request, non_empty, option, pattern_rule, seconds
from tidb_pe_magic.commands.requests.cloud import ClusterFields

FORM_STEPS = ("cluster", "create", "connect")
SANDBOX_ACTIONS = ("start", "stop", "status")
SANDBOX_MODES = ("immediate", "manual", "time")


@dataclass(frozen=True, kw_only=True)
class FormRequest(ClusterFields):
    """Show the form."""

    step: str | None = option(
        "only this step; default: all three",
        positional=True,
        choices=FORM_STEPS,
    )


@dataclass(frozen=True, kw_only=True)
class SandboxRequest(Request):
    """Start, stop or check the sandbox."""

    action: str = option(
        "what to do",
        default=...,
        positional=True,
        choices=SANDBOX_ACTIONS,
    )
    mode: str = option(
        "when the emulated cloud changes state",
        default="time",
        choices=SANDBOX_MODES,
    )
    seconds: float = option(
        "time from creation to Connected in mode time", default=6.0, metavar="S", parse=seconds
    )
    upstream: str | None = option(
        "another MySQL-protocol server instead of the embedded database", metavar="HOST:PORT", parse=non_empty
    )
    flights: str | None = option(
        "rows of the flights table; default: all",
        metavar="N",
        parse=pattern_rule(r"[1-9][0-9]*", "must be a whole number above 0"),
    )
    fleet: str | None = option(
        "number of additional clusters, named fleet-1 and so on, with two VPCs for them",
        metavar="N",
        parse=pattern_rule(r"[1-9][0-9]*", "must be a whole number above 0"),
    )
    exclusive: tuple[str, ...] = option(
        "cluster, or a pattern such as 'fleet-*', with its own endpoint service and no user prefix; "
        "repeatable; the other clusters of a region share one service",
        default=(),
        metavar="NAME",
        parse=non_empty,
        many=True,
    )
