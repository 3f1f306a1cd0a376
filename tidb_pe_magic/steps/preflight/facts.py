"""The facts that the preflight checks: the clouds' answers, and the denied look-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.model import (
    OUR_TAG,
    Cluster,
    EndpointPlan,
    Finding,
    Networks,
    SecurityGroup,
    SecurityRules,
    Severity,
    VerifiedService,
    VpcEndpoint,
    Whereabouts,
    ram,
)
from tidb_pe_magic.steps.clusters import service_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

ASK_FOR_IT = Advice("Ask for the permission.", Suggestion("permissions"))


@dataclass(frozen=True)
class DeniedLookup:
    """A denied look-up, with its RAM action."""

    action: str

    def __str__(self) -> str:
        """Return the reason, as the end of a sentence."""
        known = ram.is_action(self.action)
        return f"RAM action {self.action} is missing" if known else f"{self.action} is not allowed"


def look_up(call: Callable[[], T]) -> T | DeniedLookup:
    """Return the look-up's result, or the missing permission."""
    try:
        return call()
    except errors.PermissionDenied as error:
        return denial_of(error)


def answer_of(found: tuple[T, ...] | DeniedLookup) -> tuple[T, ...]:
    """Return the results of a look-up; empty if it was denied."""
    return () if isinstance(found, DeniedLookup) else found


def denial_of(error: errors.PermissionDenied) -> DeniedLookup:
    """Return the missing permission, or the operation for TiDB Cloud, which has no permissions."""
    return DeniedLookup(ram.action_of(error.operation) or error.operation)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The look-ups before planning.

    Attributes:
        clock_ahead: seconds by which this machine's clock is ahead of TiDB Cloud's; None: unknown.
        clock_refused: Alibaba Cloud refused this machine's clock, so every other look-up fails.
        product_open: PrivateLink is activated; None if it was not looked up.
        networks: None if they were not looked up; denied parts are missing.
        service: None if this account does not see it.
        here: this machine's location; None if unknown.
        rules: inbound rules by security group; later look-ups add more.
    """

    cluster: Cluster
    clock_ahead: float | None
    clock_refused: bool = False
    product_open: bool | DeniedLookup | None = None
    networks: Networks | None = None
    service: VerifiedService | DeniedLookup | None = None
    here: Whereabouts | None = None
    rules: dict[str, SecurityRules | DeniedLookup] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether PrivateLink would refuse every look-up."""
        return self.clock_refused or self.product_open is False

    @property
    def assumed_service(self) -> VerifiedService:
        """The service as this account sees it, or as TiDB Cloud describes it."""
        if isinstance(self.service, VerifiedService):
            return self.service
        service = service_of(self.cluster)
        return VerifiedService(
            service_name=service.service_name,
            service_id="",
            region_id=service.region_id,
            zones=service.zones,
            auto_accept=True,
            payer="Endpoint",
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The clouds' answers, and the plan.

    Attributes:
        zones_asked: the request has zones; otherwise they are the default.
        rules: inbound rules of the planned security groups.
        denied: the missing permission for the look-up of endpoints; None if it was answered.
        elsewhere: endpoints that this account has for the same service in other VPCs.
    """

    survey: Survey
    planned: EndpointPlan
    zones_asked: bool = False
    rules: Mapping[str, SecurityRules | DeniedLookup] = field(default_factory=dict)
    denied: DeniedLookup | None = None
    elsewhere: tuple[VpcEndpoint, ...] = ()
    tags: tuple[tuple[str, str], ...] = (OUR_TAG,)

    @property
    def visible_service(self) -> VerifiedService | None:
        """The service as this account sees it, if it is visible."""
        return self.survey.service if isinstance(self.survey.service, VerifiedService) else None

    @property
    def groups(self) -> tuple[SecurityGroup, ...]:
        """The planned security groups, as far as they are known."""
        vpcs = self.survey.networks.vpcs if self.survey.networks else ()
        return tuple(
            group
            for vpc in vpcs
            for group in vpc.security_groups
            if group.security_group_id in self.planned.security_group_ids
        )


def denied_finding(check: str, denied: DeniedLookup) -> Finding:
    """Return the finding for a missing permission."""
    return Finding(
        check=check,
        severity=Severity.WARN,
        summary=f"Cannot tell: {denied}.",
        advice=ASK_FOR_IT,
    )


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]
