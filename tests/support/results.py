"""Results and events for the display tests: of every kind, readable or hostile."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import types
import typing

from hypothesis import strategies as st

from tidb_pe_magic import model
from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.model.schemas import TableDetails

EVENTS: tuple[type, ...] = typing.get_args(model.Event)


def _subclasses(base: type) -> list[type]:
    direct: list[type] = base.__subclasses__()
    return direct + [deeper for each in direct for deeper in _subclasses(each)]


RESULTS = [kind for kind in _subclasses(model.Result) if kind.__module__.startswith(model.__name__)]

# Characters that have broken terminals and pages elsewhere, and all others.
_ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "</code></td></table><style>*{display:none}</style>",
    "&lt;b&gt;",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe\u2066\u200f",
    "first\nNext: %tidb_pe delete ep-x --yes",
    "a\r\x0b\x0c\x1c\x85\u2028\u2029b",
    "报表分析",
    "",
)
_TEXT = st.sampled_from(_ATTACKS) | st.text(st.characters(exclude_categories=()), max_size=12)
# Values that are never empty: a statement, a command.
_SOME_TEXT = _TEXT.filter(str.strip)
# The words that views branch on, so that each branch is covered.
_KNOWN: dict[str, tuple[str, ...]] = {
    "provider": ("alicloud", "aws"),
    "plan": ("STARTER", "ESSENTIAL"),
    "state": ("ACTIVE", "PAUSED"),
    "status": ("Available", "Pending"),
    "payer": ("Endpoint", "EndpointService"),
    "endpoint_status": tuple(model.EndpointStatus),
    "connection_status": tuple(model.ConnectionStatus),
    "zone_id": ("ap-southeast-1a",),
    "zones": ("ap-southeast-1a",),
    "group_type": ("normal", "enterprise"),
    "action": ("create", "delete", "list", "rotate", "init", "plan", "apply"),
    "row_state": tuple(model.RowState),
}
_SIMPLE: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 70000),
    float: st.floats(0, 1e6),
    object: st.none(),
    typing.Any: _TEXT,
}


@functools.cache
def hostile(kind: type) -> st.SearchStrategy[typing.Any]:
    """Return instances of a dataclass of `model` with arbitrary text in its strings."""
    if kind is Suggestion:
        return st.builds(lambda words: Suggestion(*words), st.lists(_TEXT, min_size=1, max_size=3))
    if kind is Advice:
        commands = st.lists(hostile(Suggestion) | st.builds(ShellCommand, _SOME_TEXT), max_size=2)
        return st.builds(lambda text, commands: Advice(text, *commands), _TEXT, commands)
    hints = typing.get_type_hints(kind, localns={"Engine": object})
    built = st.builds(
        kind, **{field.name: _of(hints[field.name], field.name) for field in dataclasses.fields(kind)}
    )
    return built.map(_with_whole_rows) if kind is TableDetails else built


def _with_whole_rows(details: TableDetails) -> TableDetails:
    """Return each row a value for each column, as a server does."""
    width = len(details.columns)
    rows = tuple((*row, *[None] * width)[:width] for row in details.rows if width)
    return dataclasses.replace(details, rows=rows)


def _of(hint: typing.Any, name: str) -> st.SearchStrategy[typing.Any]:
    if hint is str:
        known, words = _KNOWN.get(name), _SOME_TEXT if name in {"statement", "line"} else _TEXT
        return st.sampled_from(known) | words if known else words
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, enum.EnumType):
        return st.sampled_from(list(hint))
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return st.lists(_of(arguments[0], name), max_size=2).map(tuple)
    if typing.get_origin(hint) is types.UnionType:
        return st.one_of([st.none() if each is type(None) else _of(each, name) for each in arguments])
    if typing.get_origin(hint) is collections.abc.Callable:
        return st.just(str)
    if typing.get_origin(hint) is collections.abc.Mapping:
        return st.dictionaries(*(_of(argument, name) for argument in arguments), max_size=2)
    return st.deferred(lambda: hostile(hint))


ZONES = ("ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c")
SERVICE_NAME = "com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo"
CLUSTER = model.Cluster(
    cluster_id="10581112723110012345",
    display_name="demo",
    provider="alicloud",
    region_id="ap-southeast-1",
    plan="STARTER",
    state="ACTIVE",
    user_prefix="3kXJ2QvWm9Zp1aB",
    service=model.EndpointService(
        service_name=SERVICE_NAME, zones=ZONES, region_id="ap-southeast-1", port=4000
    ),
)
SERVICE = model.VerifiedService(
    service_name=SERVICE_NAME,
    service_id="epsrv-t4ndemo",
    region_id="ap-southeast-1",
    zones=ZONES,
    auto_accept=True,
    payer="Endpoint",
)
ENDPOINT = model.VpcEndpoint(
    endpoint_id="ep-t4nabc123",
    name="tidb-demo",
    service_name=SERVICE_NAME,
    vpc_id="vpc-t4nabc123",
    region_id="ap-southeast-1",
    domain="ep-t4nabc123.epsrv-t4ndemo.ap-southeast-1.privatelink.aliyuncs.com",
    endpoint_status="Active",
    connection_status="Connected",
    zones=(model.EndpointZone(zone_id=ZONES[0], vswitch_id="vsw-a", eni_ip="10.0.1.7", status="Connected"),),
    security_group_ids=("sg-t4nabc123",),
    ours=True,
)
CREATING = dataclasses.replace(ENDPOINT, endpoint_status="Creating", connection_status="Disconnected")
VPC = model.Vpc(
    vpc_id="vpc-t4nabc123",
    name="analytics",
    region_id="ap-southeast-1",
    cidr_block="10.0.0.0/16",
    status="Available",
    vswitches=tuple(
        model.VSwitch(
            vswitch_id=f"vsw-{zone[-1]}",
            name=f"analytics-{zone[-1]}",
            zone_id=zone,
            vpc_id="vpc-t4nabc123",
            cidr_block="10.0.1.0/24",
            available_ip_count=free,
            status="Available",
        )
        for zone, free in zip((*ZONES, "ap-southeast-1d"), (240, 251, 0, 9), strict=True)
    ),
    security_groups=(
        model.SecurityGroup(
            security_group_id="sg-t4nabc123", name="analytics", vpc_id="vpc-t4nabc123", group_type="normal"
        ),
        model.SecurityGroup(
            security_group_id="sg-t4nmanaged",
            name="managed",
            vpc_id="vpc-t4nabc123",
            group_type="enterprise",
            service_managed=True,
        ),
    ),
)
PLAN = model.EndpointPlan(
    cluster=CLUSTER,
    service=SERVICE,
    vpc=VPC,
    zones=tuple(model.EndpointZone(zone_id=zone, vswitch_id=f"vsw-{zone[-1]}") for zone in ZONES[:2]),
    security_group_ids=("sg-t4nabc123",),
    name="tidb-demo",
    dry_run="passed",
)
CONNECTION = model.Connection(
    alias="tidb",
    cluster=CLUSTER,
    endpoint_id=ENDPOINT.endpoint_id,
    host=ENDPOINT.domain,
    port=4000,
    user="3kXJ2QvWm9Zp1aB.root",
    database="nycflights13",
    server_version="8.0.11-TiDB-v8.5.1",
    tls=model.TlsReport(encrypted=True, verified_name="gateway", description="TLSv1.3, verified for gateway"),
    password_source="env:TIDB_PASSWORD",
    registered=True,
    engine=typing.cast("typing.Any", None),
)
