"""Findings of the preflight and of `doctor`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tidb_pe_magic.advice import Advice, NextCommand
from tidb_pe_magic.model.authorization import Authorization
from tidb_pe_magic.model.base import Result
from tidb_pe_magic.model.security_rules import SecurityRule


class Severity(StrEnum):
    """The severity of a finding: with `stop`, `create` refuses without --force."""

    OK = "ok"
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check of the preflight.

    Attributes:
        check: its name, such as `security-group`; stable across runs.
        summary: the finding in one sentence.
        evidence: the clouds' answers that prove it; empty if the summary says enough.
        advice: what to do about it; empty if nothing has to be done.
        rule: the missing inbound rule; its source is empty if this machine's address is unknown. None if no
            rule is missing or would help.
    """

    check: str
    severity: Severity
    summary: str
    evidence: str = ""
    advice: str | Advice = ""
    rule: SecurityRule | None = None


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """This machine's location ("this notebook"), from the ECS metadata service.

    Attributes:
        private_ip: this machine's address in the VPC; empty if it is unknown.
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
"""The stages of a connection from name to query, in order."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The result of one stage of a connection.

    Attributes:
        name: one of `STAGES`.
        detail: the observation in one sentence.
        seconds: duration; None if the stage was not reached.
    """

    name: str
    outcome: Outcome
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Result):
    """The diagnosis of a connection: each stage, and the likely causes of the first failure.

    Attributes:
        host: empty if it could not be looked up.
        causes: likely causes of the first failure, the most likely first.
        next_command: the next command.
        authorization: the rule that allows the endpoint, if the login was refused.
        first_query: a SELECT for the next command, if that is a SQL cell.
    """

    host: str
    port: int
    stages: tuple[Stage, ...]
    causes: tuple[str, ...] = ()
    next_command: NextCommand | None = None
    authorization: Authorization | None = None
    first_query: str = field(default="", metadata={"plain": False})

    @property
    def failed(self) -> Stage | None:
        """The first stage that failed."""
        return next((stage for stage in self.stages if stage.outcome == Outcome.FAILED), None)


@dataclass(frozen=True, kw_only=True)
class Permissions(Result):
    """The smallest set of permissions that the access key's owner needs.

    Attributes:
        policy: a RAM policy, as JSON text for the RAM console.
        clean_up: the policy also allows deletion.
    """

    policy: str
    clean_up: bool
