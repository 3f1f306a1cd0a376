"""An endpoint as a script of commands for the Alibaba Cloud CLI.

Operations and parameters have the API's own names, with lists flattened to `--Zone.1.ZoneId`: the form from
before the CLI's plugins, which still works. `--waiter` polls until a field has a value. (The CLI's
documentation, "Migrate from legacy to plugin-based Alibaba Cloud CLI" and "Poll the return results".)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.exports.attributes import all_attributes
from tidb_pe_magic.exports.base import ExportText, comment, header, warnings
from tidb_pe_magic.exports.marks import SHEBANG, add_mark
from tidb_pe_magic.exports.shell import command, quote
from tidb_pe_magic.model import OUR_TAG, RamAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidb_pe_magic.exports.base import ExportSource
    from tidb_pe_magic.model import VpcEndpoint

NAME = "aliyun-cli"
_KEY = "The key comes from the aliyun CLI (aliyun configure, or its environment), not from this script."
_ADDING = ("The first command adds the missing inbound rule; the others show the endpoint.", _KEY)
_READING = ("The commands show the endpoint and change nothing.", _KEY)
_PLANNED = (
    "The commands create the endpoint and wait for it; nothing has been created yet. If an endpoint of this",
    "service and VPC exists by then, it is reused. The ClientToken belongs to the plan, so running the",
    "script twice at once creates one endpoint.",
    _KEY,
)
_UNTAGGED = f"CreateVpcEndpoint, without the tag {'='.join(OUR_TAG)}: delete needs --adopted in a notebook."
_LONGEST_WAIT = "600"  # seconds; the maximum of --waiter
_ANSWERED = r's/.*"EndpointId":[[:space:]]*"\(ep-[A-Za-z0-9]*\)".*/\1/p'


def write(source: ExportSource) -> ExportText:
    """Return the script.

    Raises:
        InvalidRequest: a value cannot be an argument of a command.
    """
    existing = _READING if source.inbound_finding is None else _ADDING
    lines = [*header(source, how=existing if source.existing else _PLANNED), "", "set -eu"]
    for part in (
        _rule(source),
        _show_state(source, source.existing) if source.existing else _create_commands(source),
    ):
        written = tuple(part)
        lines += ["", *written] if written else []
    return ExportText(add_mark(NAME, lines, first=SHEBANG), warnings(source))


def _create_commands(source: ExportSource) -> Iterator[str]:
    plan, origins = source.plan, source.origins
    yield comment("Existing endpoints of this service and VPC (including those being deleted):")
    asked = [("ServiceName", plan.service.service_name), ("VpcId", plan.vpc.vpc_id)]
    yield from _keep_answer(source, "privatelink ListVpcEndpoints", asked)
    yield ""
    yield comment(_UNTAGGED)
    for name, origin in (
        ("ServiceName, RegionId", "TiDB Cloud: the cluster's service"),
        ("VpcId", origins.vpc),
        ("EndpointName", origins.name),
        ("SecurityGroupId", origins.security_groups),
        ("ZoneId", origins.zones),
        ("VSwitchId", origins.vswitches),
    ):
        yield comment(f"- {name}: {origin}")
    yield 'if [ -z "$endpoint_id" ]; then'
    for line in _keep_answer(source, "privatelink CreateVpcEndpoint", _creation(source)):
        yield f"  {line}"
    yield "fi"
    yield '[ -n "$endpoint_id" ] || { echo "the answer contains no endpoint" >&2; exit 1; }'
    yield ""
    yield from _wait(source, '"$endpoint_id"')
    yield from _read(source, '"$endpoint_id"', "ListVpcEndpointZones")


def _keep_answer(
    source: ExportSource, operation: str, parameters: Iterable[tuple[str, str]]
) -> Iterator[str]:
    """Yield the command of `operation`, which shows the answer and keeps the first endpoint ID in it."""
    yield "answer=$("
    yield from _aliyun(source, operation, parameters, indent="  ")
    yield ")"
    yield "printf '%s\\n' \"$answer\""
    yield f"endpoint_id=$(printf '%s\\n' \"$answer\" | tr ',' '\\n' | sed -n '{_ANSWERED}' | head -n 1)"


def _creation(source: ExportSource) -> Iterator[tuple[str, str]]:
    plan = source.plan
    yield "ServiceName", plan.service.service_name
    yield "VpcId", plan.vpc.vpc_id
    yield "EndpointType", "Interface"
    yield "EndpointName", plan.name
    for number, group_id in enumerate(source.security_group_ids, 1):
        yield f"SecurityGroupId.{number}", group_id
    for number, zone in enumerate(source.zones, 1):
        yield f"Zone.{number}.ZoneId", zone.zone_id
        yield f"Zone.{number}.VSwitchId", zone.vswitch_id
    yield "ClientToken", source.token


def _show_state(source: ExportSource, endpoint: VpcEndpoint) -> Iterator[str]:
    ident = quote(endpoint.endpoint_id)
    yield comment("As reported by the API:")
    yield from (comment(f"- {name}: {value}") for name, value in all_attributes(endpoint))
    yield from (comment(f"- Tag {key}: {value}") for key, value in source.tags.items())
    yield from _read(source, ident, "GetVpcEndpointAttribute")
    yield ""
    yield comment("As reported by the API:")
    if source.hides(RamAction.ENDPOINT_ZONES):
        yield comment(f"- unknown: RAM action {RamAction.ENDPOINT_ZONES} is missing")
    for zone in (*source.zones, *source.removed_zones):
        address = ", ".join(each for each in (zone.eni_ip, zone.ipv6_address) if each)
        yield comment(f"- {zone.zone_id}, vSwitch {zone.vswitch_id}, address {address}: {zone.status}")
    yield from _read(source, ident, "ListVpcEndpointZones")
    yield ""
    yield comment("As reported by the API:")
    if source.hides(RamAction.ENDPOINT_SECURITY_GROUPS):
        yield comment(f"- unknown: RAM action {RamAction.ENDPOINT_SECURITY_GROUPS} is missing")
    yield from (comment(f"- {group_id}") for group_id in source.security_group_ids)
    yield from _read(source, ident, "ListVpcEndpointSecurityGroups")
    if not endpoint.ready:
        yield ""
        yield from _wait(source, ident)


def _read(source: ExportSource, ident: str, operation: str) -> Iterator[str]:
    return _aliyun(source, f"privatelink {operation}", (), further=[("EndpointId", ident)])


def _wait(source: ExportSource, ident: str) -> Iterator[str]:
    yield comment("Wait until the private host answers, for at most 10 minutes:")
    until = f"expr='ConnectionStatus' to='Connected' timeout={_LONGEST_WAIT}"
    further = [("EndpointId", ident), ("waiter", until)]
    yield from _aliyun(source, "privatelink GetVpcEndpointAttribute", (), further=further)


def _rule(source: ExportSource) -> Iterator[str]:
    finding = source.inbound_finding
    if finding is None or finding.rule is None:
        return
    rule = finding.rule
    yield comment(f"Preflight, {finding.check}: {finding.summary}")
    yield comment("- PortRange: TiDB Cloud, the service's port; SecurityGroupId: the endpoint's first")
    if rule.source_cidr:
        yield comment("- SourceCidrIp: ECS metadata, this notebook's address")
        cidr = quote(rule.source_cidr)
    else:
        yield comment("- SourceCidrIp: unknown")
        yield ': "${NOTEBOOK_CIDR:?set it to the network or address of the notebook, such as 10.0.1.5/32}"'
        cidr = '"$NOTEBOOK_CIDR"'
    # One rule as separate parameters: the CLI does not parse --Permissions.1.…, which the API accepts too.
    permission = [
        ("SecurityGroupId", rule.security_group_id),
        ("IpProtocol", rule.protocol),
        ("PortRange", rule.port_range),
        ("Policy", rule.policy),
        ("Priority", rule.priority),
        ("Description", f"Notebook to TiDB Cloud (preflight: {finding.check})"),
    ]
    further = [("SourceCidrIp", cidr)]
    yield from _aliyun(source, "ecs AuthorizeSecurityGroup", permission, further=further)


def _aliyun(
    source: ExportSource,
    operation: str,
    parameters: Iterable[tuple[str, str]],
    *,
    further: Iterable[tuple[str, str]] = (),
    indent: str = "",
) -> Iterator[str]:
    """Yield the command of `operation`, product and name.

    The parameters' values are arbitrary text; those of `further` are shell words.
    """
    region = quote(source.cluster.region_id)
    # --region chooses the API's host; RegionId is the parameter of the call.
    both = [("region", region), ("RegionId", region)]
    written = [(name, quote(value)) for name, value in parameters]
    return command(("aliyun", operation), [*both, *written, *further], indent)
