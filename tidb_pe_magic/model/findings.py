"""Findings before an endpoint is created, and why a connection does not work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidb_pe_magic.advice import Advice, NextCommand
from tidb_pe_magic.model.authorization import Authorization
from tidb_pe_magic.model.base import Result
from tidb_pe_magic.model.security_rules import SecurityRule


class Severity(StrEnum):
    """How much a finding matters: `stop` makes `create` refuse without --force."""

    OK = "ok"
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check of the preflight.

    Attributes:
        check: its name, such as `security-group`; the same one at each run.
        summary: what was found, in one sentence.
        evidence: what the clouds answered that shows it; empty where the summary says it all.
        advice: what to do about it; empty where there is nothing to do.
        rule: the inbound rule whose lack was found; its source is empty where this machine's address is
            not known. None also where no rule would help.
    """

    check: str
    severity: Severity
    summary: str
    evidence: str = ""
    advice: str | Advice = ""
    rule: SecurityRule | None = None


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Where this machine is, as the ECS metadata service tells it: "this notebook".

    Attributes:
        private_ip: this machine's own address in the VPC; empty where it is not told.
    """

    region_id: str
    zone_id: str
    vpc_id: str
    vswitch_id: str
    private_ip: str = ""


class Outcome(StrEnum):
    """How a stage of a diagnosis ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "cannot tell"
    NOT_REACHED = "not reached"


STAGES = ("dns", "network", "tcp", "handshake", "tls", "login", "query")
"""The stages on the way to a query, in their order."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage on the way to a query.

    Attributes:
        name: one of `STAGES`.
        detail: what was seen, in one sentence.
        seconds: how long it took; None where it was not reached.
    """

    name: str
    outcome: Outcome
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Result):
    """Why a connection does not work, or that it does.

    Attributes:
        host: empty where it could not be looked up.
        causes: likely causes of the first failure, the likeliest first.
        next_command: what to run next.
        authorization: the rule that allows the endpoint, where the login was refused.
    """

    host: str
    port: int
    stages: tuple[Stage, ...]
    causes: tuple[str, ...] = ()
    next_command: NextCommand | None = None
    authorization: Authorization | None = None

    @property
    def failed(self) -> Stage | None:
        """The first stage that failed."""
        return next((stage for stage in self.stages if stage.outcome == Outcome.FAILED), None)


@dataclass(frozen=True, kw_only=True)
class Permissions(Result):
    """The least that the access key's owner has to be allowed.

    Attributes:
        policy: a RAM policy, as JSON text that the RAM console takes.
        clean_up: the policy also allows deletion.
    """

    policy: str
    clean_up: bool
