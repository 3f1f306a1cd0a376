"""The checks of the preflight: pure functions of the clouds' answers, before anything is billed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests.values import endpoint_name
from tidb_pe_magic.model import EndpointStatus, Finding, RamAction, Severity
from tidb_pe_magic.steps.preflight import network_checks
from tidb_pe_magic.steps.preflight.facts import ASK_FOR_IT, DeniedLookup, capital, denied_finding
from tidb_pe_magic.steps.preflight.network_checks import DEFAULT_ZONES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidb_pe_magic.model import EndpointPlan, VpcEndpoint
    from tidb_pe_magic.steps.preflight.facts import Facts

MOST_SKEW = 15 * 60  # seconds; Alibaba Cloud refuses a signature that is older or younger
# If no endpoint was found, a finding of this check means that endpoints could not be looked up.
_UNSURE = "existing-endpoint"
_OK, _WARN, _STOP = Severity.OK, Severity.WARN, Severity.STOP
_MOST_SEVERE_FIRST = (_STOP, _WARN, _OK)
# Tag of CreateVpcEndpoint (Alibaba Cloud API reference, PrivateLink 2020-04-15).
_TAG_KEY = re.compile(r"(?!aliyun|acs:)(?!.*https?://).{1,64}", re.DOTALL)
_TAG_VALUE = re.compile(r"(?!.*https?://).{0,128}", re.DOTALL)
_MOST_TAGS = 20


def findings(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings of all checks, the most severe first, then in the order of the checks."""
    return most_severe_first(finding for check in CHECKS if (finding := check(facts)) is not None)


def is_unsure(planned: EndpointPlan) -> bool:
    """Return whether the endpoint may already exist although none was found."""
    return planned.existing is None and any(finding.check == _UNSURE for finding in planned.findings)


def most_severe_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings sorted by severity."""
    return tuple(sorted(found, key=lambda finding: _MOST_SEVERE_FIRST.index(finding.severity)))


def dry_run_denied(denied: DeniedLookup) -> Finding:
    """Return the finding for a denied dry run, with its consequence for `create`."""
    found = denied_finding("dry-run", denied)
    return replace(found, summary=f"{found.summary} Without it, create will be refused too.")


def check_clock(facts: Facts) -> Finding | None:
    """Check this machine's clock: signed requests need one that is right within 15 minutes."""
    ahead = facts.survey.clock_ahead
    evidence = ""
    if ahead is not None:
        minutes = f"{abs(ahead) / 60:.0f} minutes {'ahead of' if ahead > 0 else 'behind'}"
        evidence = f"it is {minutes} TiDB Cloud's" if abs(ahead) >= 60 else "it agrees with TiDB Cloud's"  # noqa: PLR2004 - a minute
    if facts.survey.clock_refused or (ahead is not None and abs(ahead) > MOST_SKEW):
        by = (
            "Alibaba Cloud refuses it"
            if facts.survey.clock_refused
            else "Alibaba Cloud refuses such requests"
        )
        return Finding(
            check="clock",
            severity=_STOP,
            summary=f"This machine's clock is more than 15 minutes off; {by}.",
            evidence=evidence,
            advice="Set the clock, for example with sudo chronyc makestep.",
        )
    if ahead is None:
        return None
    return Finding(check="clock", severity=_OK, summary="The clock is right.", evidence=evidence)


def check_product(facts: Facts) -> Finding | None:
    """Check that PrivateLink is activated, an order that only the user can place."""
    check = "product-open"
    match facts.survey.product_open:
        case None:
            return None
        case DeniedLookup() as denied:
            return denied_finding(check, denied)
        case True:
            return Finding(check=check, severity=_OK, summary="PrivateLink is activated.")
        case _:
            return Finding(
                check=check,
                severity=_STOP,
                summary="PrivateLink is not activated for this Alibaba Cloud account.",
                evidence="CheckProductOpen: NeedOpenProduct",
                advice="Activate it in the console (VPC > Endpoints). Only you can place this order.",
            )


def check_cluster(facts: Facts) -> Finding:
    """Check the cluster against the tutorial's restrictions."""
    restriction = facts.survey.cluster.restriction
    if restriction is None:
        return Finding(
            check="cluster", severity=_OK, summary=f"Cluster {facts.survey.cluster.display_name} is eligible."
        )
    advice = Advice("Choose another cluster.", Suggestion("clusters"))
    if restriction.name == "state":
        advice = Advice("Wait until it is ACTIVE. TiDB Cloud shows the instance's state under My TiDB.")
    return Finding(check="cluster", severity=_STOP, summary=f"{capital(restriction.reason)}.", advice=advice)


def check_service(facts: Facts) -> Finding | None:
    """Check that this account sees the endpoint service."""
    check = "service-visible"
    if isinstance(facts.survey.service, DeniedLookup):
        return denied_finding(check, facts.survey.service)
    if facts.survey.service is not None:
        return Finding(check=check, severity=_OK, summary="This account sees the endpoint service.")
    if facts.survey.product_open is False or facts.survey.clock_refused:
        return None  # not looked up, because the answer would be the same refusal
    service = facts.survey.cluster.service
    return Finding(
        check=check,
        severity=_STOP,
        summary="This account does not see the endpoint service: the account is not on the service's "
        "allow-list, the service is in another region, or it was deleted.",
        evidence=f"ListVpcEndpointServicesByEndUser: no {service.service_name if service else 'service'} "
        f"in {facts.survey.cluster.region_id}",
        advice="Check the account of the access key; then ask TiDB Cloud support to allow the account.",
    )


def check_address_version(facts: Facts) -> Finding | None:
    """Check the address version: the endpoint is created for IPv4."""
    service, check = facts.visible_service, "address-version"
    if service is None:
        return None
    version = service.address_version
    evidence = f"AddressIpVersion {version}"
    if version == "IPv4":
        return Finding(
            check=check, severity=_OK, summary="The service is reached over IPv4.", evidence=evidence
        )
    if version == "DualStack":
        return Finding(
            check=check,
            severity=_WARN,
            summary="The service is dual-stack. The endpoint will use IPv4 only.",
            evidence=evidence,
            advice="If clients have only IPv6 addresses, create the endpoint in the console.",
        )
    if version == "IPv6":
        return Finding(
            check=check,
            severity=_STOP,
            summary="The service is IPv6-only. This tool creates endpoints for IPv4 only.",
            evidence=evidence,
            advice="Create the endpoint in the console.",
        )
    return Finding(
        check=check,
        severity=_WARN,
        summary=f"Cannot tell: the service's address version {version} is not known here.",
        evidence=evidence,
    )


def check_business_status(facts: Facts) -> Finding | None:
    """Check whether an existing endpoint is locked because a payment is overdue."""
    endpoint, check = facts.planned.existing, "business-status"
    if endpoint is None or endpoint.business_status == "Normal":
        return None
    locked = endpoint.is_locked()
    return Finding(
        check=check,
        severity=_STOP if locked else _WARN,
        summary=f"Endpoint {endpoint.endpoint_id} "
        + ("is locked: a payment is overdue." if locked else f"is {endpoint.business_status}."),
        evidence=f"EndpointBusinessStatus {endpoint.business_status}",
        advice=Advice("Pay the bill, then plan again.", Suggestion("plan"))
        if locked
        else "See the Alibaba Cloud account.",
    )


def _serves(endpoint: VpcEndpoint) -> str:
    clusters = endpoint.clusters or ()
    listed = ", ".join(each.name_among(clusters) for each in clusters)
    return f" It serves {listed}." if clusters else ""


def check_existing(facts: Facts) -> Finding | None:
    """Report an existing endpoint for this service and VPC, which is adopted."""
    check = _UNSURE
    if facts.denied is not None:
        return denied_finding(check, facts.denied)
    existing = facts.planned.existing
    if existing is None:
        return None
    if _is_empty(existing):
        return _empty(existing)
    hidden = " and ".join(existing.missing_actions)
    return Finding(
        check=check,
        severity=_WARN,
        summary=f"{existing.endpoint_id} exists for this service and VPC; it is adopted, unchanged."
        + _serves(existing)
        + (f" Some details are unknown: RAM action {hidden} is missing." if hidden else ""),
        evidence=existing.states(),
        advice=ASK_FOR_IT if hidden else Advice("Nothing to do.", Suggestion("endpoints")),
    )


def _is_empty(endpoint: VpcEndpoint) -> bool:
    """Return whether the endpoint is known to lack zones, or to lose all of them."""
    zones_are_known = RamAction.ENDPOINT_ZONES not in endpoint.missing_actions
    return zones_are_known and all(zone.status == EndpointStatus.DELETING for zone in endpoint.zones)


def _empty(endpoint: VpcEndpoint) -> Finding:
    flag = () if endpoint.ours else ("--adopted",)
    return Finding(
        check=_UNSURE,
        severity=_STOP,
        summary=f"{endpoint.endpoint_id} exists for this service and VPC, but has no zone, so it cannot "
        "be reached. Its deletion may be unfinished.",
        evidence=endpoint.states(),
        advice=Advice(
            "Delete the endpoint, then run the same command again.",
            Suggestion("delete", endpoint.endpoint_id, "--yes", *flag),
        ),
    )


def check_second(facts: Facts) -> Finding | None:
    """Report endpoints in other VPCs, because a second endpoint doubles the cost."""
    if facts.planned.existing is not None or not facts.elsewhere:
        return None
    others = ", ".join(f"{other.endpoint_id} (in {other.vpc_id})" for other in facts.elsewhere)
    one = len(facts.elsewhere) == 1
    return Finding(
        check="second-endpoint",
        severity=_WARN,
        summary=f"This account has {'an endpoint' if one else 'endpoints'} for this cluster in another VPC: "
        f"{others}. A new one in {facts.planned.vpc.vpc_id} is billed in addition.",
        evidence="; ".join(other.states() for other in facts.elsewhere),
        advice=Advice(
            "Nothing to do if you want both. Over a route (VPC peering, CEN), the existing one is usable.",
            Suggestion("connect", "--endpoint", facts.elsewhere[0].endpoint_id),
        ),
    )


def check_auto_accept(facts: Facts) -> Finding | None:
    """Check auto-accept: without it, the service's owner must accept the connection."""
    service, check = facts.visible_service, "auto-accept"
    if service is None or (facts.planned.existing is not None and facts.planned.existing.ready):
        return None
    if service.auto_accept:
        return Finding(check=check, severity=_OK, summary="The connection is accepted automatically.")
    return Finding(
        check=check,
        severity=_WARN,
        summary="The service's owner has to accept the connection. Until then it stays Disconnected.",
        evidence="AutoAcceptEnabled false",
        advice="After create, give the endpoint's ID to the cluster's owner in TiDB Cloud.",
    )


def check_payer(facts: Facts) -> Finding | None:
    """Report who is billed, and for how many zones."""
    service, check = facts.visible_service, "payer"
    if service is None or facts.planned.existing is not None:
        return None
    zones = "1 zone" if len(facts.planned.zones) == 1 else f"{len(facts.planned.zones)} zones"
    evidence = f"Payer {service.payer}, {zones}"
    if service.payer == "Endpoint":
        more = len(facts.planned.zones) > DEFAULT_ZONES
        return Finding(
            check=check,
            severity=_WARN if more else _OK,
            summary=f"This account is billed for {zones} by the hour, from creation until deletion.",
            evidence=evidence,
            advice=f"{DEFAULT_ZONES} zones are enough for redundancy: choose with --zone." if more else "",
        )
    if service.payer == "EndpointService":
        return Finding(
            check=check,
            severity=_WARN,
            summary=f"The service's owner, not this account, is billed for {zones}.",
            evidence=evidence,
            advice="Make sure that its owner knows.",
        )
    return Finding(
        check=check,
        severity=_WARN,
        summary=f"Cannot tell who is billed: {service.payer} is not known.",
        evidence=evidence,
    )


def check_name(facts: Facts) -> Finding | None:
    """Check the name against the rules of CreateVpcEndpoint."""
    if facts.planned.existing is not None:
        return None
    try:
        endpoint_name(facts.planned.name)
    except ValueError:
        return Finding(
            check="name",
            severity=_STOP,
            summary="The name has to be 2 to 128 letters, digits, hyphens or underscores, a letter first.",
            evidence=facts.planned.name,
            advice="Choose another with --name.",
        )
    return Finding(
        check="name", severity=_OK, summary="The name follows the rules.", evidence=facts.planned.name
    )


def check_tags(facts: Facts) -> Finding | None:
    """Check the tags against the rules of CreateVpcEndpoint."""
    if facts.planned.existing is not None:
        return None
    wrong = [f"{k}={v}" for k, v in facts.tags if not (_TAG_KEY.fullmatch(k) and _TAG_VALUE.fullmatch(v))]
    repeated = len({key for key, _ in facts.tags}) < len(facts.tags)
    if not wrong and not repeated and len(facts.tags) <= _MOST_TAGS:
        return Finding(check="tags", severity=_OK, summary="The tags follow the rules.")
    return Finding(
        check="tags",
        severity=_STOP,
        summary="A tag's key has 1 to 64 characters, and its value at most 128. Neither contains a URL. Each "
        f"key occurs once, and none begins with aliyun or acs:. At most {_MOST_TAGS} tags are allowed.",
        evidence=", ".join(wrong),
        advice="Choose other tags.",
    )


CHECKS: tuple[Callable[[Facts], Finding | None], ...] = (
    check_clock,
    check_product,
    check_cluster,
    check_service,
    check_address_version,
    check_business_status,
    network_checks.check_zones,
    network_checks.check_security_groups,
    network_checks.check_route,
    network_checks.check_port,
    check_existing,
    check_second,
    check_auto_accept,
    check_payer,
    check_name,
    check_tags,
)
