"""The input of a text, and the common parts of all texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import EndpointStatus, RamAction, Severity
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tidb_pe_magic.model import Cluster, EndpointPlan, EndpointZone, Finding, VpcEndpoint


@dataclass(frozen=True, kw_only=True)
class Origins:
    """The source of each of a plan's values, in a few words."""

    vpc: str
    security_groups: str
    zones: str
    vswitches: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ExportSource:
    """The input of a text.

    Attributes:
        plan: with the existing endpoint, if there is one; then the text describes that endpoint.
        origins: the source of each value of an endpoint to be created.
        token: the plan's own ClientToken; equal plans have equal tokens.
    """

    plan: EndpointPlan
    origins: Origins
    token: str

    @property
    def cluster(self) -> Cluster:
        """The cluster that the endpoint leads to."""
        return self.plan.cluster

    @property
    def existing(self) -> VpcEndpoint | None:
        """The existing endpoint that the text describes; None if the text creates one."""
        return self.plan.existing

    @property
    def port(self) -> str:
        """The service's port."""
        return str(self.cluster.service.port) if self.cluster.service else ""

    @property
    def zones(self) -> tuple[EndpointZone, ...]:
        """The zones that the endpoint has or will have, ordered by ID."""
        staying = (zone for zone in self.plan.zones if zone.status != EndpointStatus.DELETING)
        return tuple(sorted(staying, key=lambda zone: zone.zone_id))

    @property
    def removed_zones(self) -> tuple[EndpointZone, ...]:
        """The zones that are being removed."""
        return tuple(zone for zone in self.plan.zones if zone.status == EndpointStatus.DELETING)

    @property
    def security_group_ids(self) -> tuple[str, ...]:
        """The security groups, ordered by ID."""
        return tuple(sorted(self.plan.security_group_ids))

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of the existing endpoint, ordered by key."""
        tags = self.existing.tags if self.existing else ()
        return {tag.key: tag.value for tag in sorted(tags, key=lambda tag: tag.key)}

    @property
    def inbound_finding(self) -> Finding | None:
        """The finding that an inbound rule is missing, with the rule."""
        return next((finding for finding in self.plan.findings if finding.rule is not None), None)

    def hides(self, action: RamAction) -> bool:
        """Return whether the result of this RAM action for the existing endpoint is unknown."""
        return self.existing is not None and action in self.existing.missing_actions


@dataclass(frozen=True)
class ExportText:
    """An endpoint in the format of a tool.

    Attributes:
        text: lines end with a line feed, the last one with none.
        warnings: what is missing, and what to decide before use; the text contains them, too.
    """

    text: str
    warnings: tuple[str, ...] = ()


def comment(text: str = "") -> str:
    """Return a comment line with unsafe characters escaped; an empty text gives a separator."""
    return f"# {one_line(text)}".rstrip()


def subject(source: ExportSource) -> str:
    """Return a description of the endpoint."""
    endpoint = source.existing
    what = (
        f"endpoint {endpoint.endpoint_id}, which exists"
        if endpoint
        else "the endpoint that create would make"
    )
    return f"{what}, for TiDB Cloud cluster {source.cluster.display_name} ({source.cluster.cluster_id})"


def bill(source: ExportSource) -> str:
    """Return what is billed, in one sentence."""
    zones = "1 zone" if len(source.zones) == 1 else f"{len(source.zones)} zones"
    payer = source.plan.service.payer
    if source.existing is not None:
        payer = source.existing.attributes.payer or payer
        if source.hides(RamAction.ENDPOINT_ZONES):
            zones = "each zone"
    if payer == "Endpoint":
        return (
            f"Billed to this account: {zones}, by the hour, from creation until deletion, and traffic per GB."
        )
    return f"Billed to {'the service' if payer == 'EndpointService' else payer}: {zones}."


def warnings(source: ExportSource) -> tuple[str, ...]:
    """Return what to review before the text is used, one line each."""
    found = [
        f"{finding.check} ({finding.severity}): {finding.summary}{_no_rule_note(finding)}"
        for finding in source.plan.findings
        if finding.severity != Severity.OK and not _says_what_exists(source, finding)
    ]
    found += [f"differs from the request: {difference}" for difference in source.plan.differences]
    endpoint = source.existing
    if endpoint is not None:
        if not endpoint.ready:
            found.append(f"still changing: {endpoint.states()}; export again after wait")
        found += [f"omitted: zone {zone.zone_id}, which is being removed" for zone in source.removed_zones]
        found += [f"omitted: all that needs RAM action {action}" for action in endpoint.missing_actions]
        if endpoint.ours:
            found.append(
                "it has the tag created-by=tidb_pe_magic: until that is changed, delete in a notebook "
                "deletes it without --adopted"
            )
    return tuple(map(one_line, found))


def _no_rule_note(finding: Finding) -> str:
    """Return why the text has no inbound rule although one is missing."""
    blocked = finding.check == "port" and finding.severity == Severity.STOP and finding.rule is None
    return " No rule is added: a Drop rule overrides any rule." if blocked else ""


def _says_what_exists(source: ExportSource, finding: Finding) -> bool:
    """Return whether the text itself already says everything in the finding."""
    known = source.existing is not None and finding.check == "existing-endpoint"
    return known and finding.severity == Severity.WARN


def header(source: ExportSource, *, how: Iterable[str]) -> Iterator[str]:
    """Yield the comment at the beginning of a text, after its mark."""
    yield comment()
    yield comment(f"{subject(source)[:1].upper()}{subject(source)[1:]}.")
    yield from map(comment, how)
    yield comment(bill(source))
    judged = warnings(source)
    if judged:
        yield comment()
        yield comment("Review first:")
        yield from (comment(f"- {warning}") for warning in judged)


def writable(text: str) -> str:
    """Return the text if every tool can read it.

    Raises:
        InvalidRequest: it contains half of a surrogate pair.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidRequest(
            "FORMAT", f"{one_line(text)} contains half of a surrogate pair, which cannot be written."
        )
    return text
