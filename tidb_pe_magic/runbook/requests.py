"""One frozen dataclass per operation: parser, form and signature are made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, Self

from tidb_pe_magic.clients.formats import FORMATS
from tidb_pe_magic.credentials import PasswordSource
from tidb_pe_magic.errors import TOPICS
from tidb_pe_magic.model import SQL_ROLES, TlsMode
from tidb_pe_magic.runbook.fields import (
    Request,
    count,
    matching,
    non_empty,
    one_of,
    option,
    seconds,
    switch,
    whole_number,
)

vpc_id = matching(r"vpc-[A-Za-z0-9]+", "a VPC ID looks like vpc-t4nabc123 (see %tidb_pe networks)")
security_group_id = matching(
    r"sg-[A-Za-z0-9]+", "a security group ID looks like sg-t4nabc123 (see %tidb_pe networks)"
)
endpoint_id = matching(r"ep-[A-Za-z0-9]+", "an endpoint ID looks like ep-t4nabc123 (see %tidb_pe endpoints)")
alias_name = matching(
    r"[A-Za-z_][A-Za-z0-9_]*", "an alias is a letter or underscore, then letters, digits or underscores"
)
# EndpointName of CreateVpcEndpoint (Alibaba Cloud API reference, PrivateLink 2020-04-15).
endpoint_name = matching(
    r"[A-Za-z\u4e00-\u9fff][A-Za-z0-9_\-\u4e00-\u9fff]{1,127}",
    "2 to 128 letters, digits, hyphens or underscores, a letter first",
)
_zone_id = matching(r"[a-z]{2,}-[a-z0-9-]*[a-z0-9]", "a zone ID looks like ap-southeast-1a")
_vswitch_id = matching(r"vsw-[A-Za-z0-9]+", "a vSwitch ID looks like vsw-t4nabc123 (see %tidb_pe networks)")
_host = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9]+)?"
)
_LARGEST_PORT = 65535


def host_name(text: str) -> str:
    """Read a host name or an address; what is not one is not repeated, it may hold a password."""
    if _host.fullmatch(text):
        return text
    msg = "must be a host name or an address alone, without user, password or port"
    raise ValueError(msg)


def port_number(text: str) -> int:
    """Read a TCP port."""
    if text.isascii() and text.isdigit() and 0 < int(text) <= _LARGEST_PORT:
        return int(text)
    msg = f"must be a number between 1 and {_LARGEST_PORT}"
    raise ValueError(msg)


def sql_parameters(text: str) -> Mapping[str, object] | Sequence[object]:
    """Read a statement's parameters: a JSON list, or a JSON object; numbers stay exact."""
    try:
        values: Any = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, (dict, list)):
        return values
    msg = (
        """must be JSON in single quotes: a list for ? in the SQL, or an object for :name, as '{"name": 1}'"""
    )
    raise ValueError(msg)


def written_parameters(value: object) -> str:
    """Write parameters as the JSON that `sql_parameters` reads; numbers stay exact."""
    if isinstance(value, Mapping):
        items = (f"{json.dumps(str(name))}: {written_parameters(each)}" for name, each in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(written_parameters, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


_sizes = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_size = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.ASCII | re.IGNORECASE)


def byte_size(text: str) -> int:
    """Read a number of bytes, such as `800MB` or `2.5GB`."""
    matched = _size.fullmatch(text)
    if matched and (size := int(float(matched[1]) * _sizes[matched[2].upper()])):
        return size
    msg = "must be a size such as 800MB or 2.5GB"
    raise ValueError(msg)


@dataclass(frozen=True)
class ZoneChoice:
    """A zone that the endpoint shall be in, and the vSwitch there if one is named; `all` is every zone."""

    zone_id: str
    vswitch_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ZONE`, `ZONE=VSWITCH` or `all`.

        Raises:
            ValueError: with what would be valid.
        """
        zone, equals, vswitch = text.partition("=")
        if text == "all":
            return cls("all")
        return cls(_zone_id(zone), _vswitch_id(vswitch) if equals else "")

    def __str__(self) -> str:
        """Write it as it is typed."""
        return f"{self.zone_id}={self.vswitch_id}" if self.vswitch_id else self.zone_id


@dataclass(frozen=True, kw_only=True)
class ClustersRequest(Request):
    """List the clusters."""


@dataclass(frozen=True, kw_only=True)
class HelpRequest(Request):
    """Explain a topic."""

    topic: str | None = option(
        "what to explain; without it the topics are listed",
        metavar="TOPIC",
        parse=one_of(TOPICS),
        positional=True,
        choices=TOPICS,
    )


@dataclass(frozen=True, kw_only=True)
class WhoamiRequest(Request):
    """Show whose keys are used."""

    profile: str | None = option(
        "ticloud profile to use from now on in this kernel, before every other place; "
        "default: as the environment says",
        metavar="NAME",
        parse=non_empty,
    )


@dataclass(frozen=True, kw_only=True)
class ClusterRequest(Request):
    """Take note of a cluster."""

    cluster: str = option(
        "name or ID of the cluster", default=..., metavar="NAME_OR_ID", parse=non_empty, positional=True
    )


@dataclass(frozen=True, kw_only=True)
class ClusterStep(Request):
    """Base of the steps that concern one cluster."""

    cluster: str | None = option(
        "name or ID of the cluster; default: the last one named in this kernel, then TIDB_PE_CLUSTER",
        metavar="NAME_OR_ID",
        parse=non_empty,
    )


@dataclass(frozen=True, kw_only=True)
class EndpointStep(ClusterStep):
    """Base of the steps that concern one endpoint of a cluster."""

    endpoint: str | None = option(
        "ID of the endpoint; default: the only one of this cluster", metavar="ID", parse=endpoint_id
    )


@dataclass(frozen=True, kw_only=True)
class NetworksRequest(ClusterStep):
    """List the networks."""


@dataclass(frozen=True, kw_only=True)
class VerifyRequest(ClusterStep):
    """Verify the endpoint service."""


@dataclass(frozen=True, kw_only=True)
class Placement(Request):
    """Where the endpoint shall be, and what it is called."""

    vpc: str | None = option(
        "ID of the VPC; default: this notebook's, or the only usable one of the region",
        metavar="ID",
        parse=vpc_id,
    )
    security_group: tuple[str, ...] = option(
        "ID of a security group of that VPC; repeatable; default: the only one",
        default=(),
        metavar="ID",
        parse=security_group_id,
        many=True,
    )
    zone: tuple[ZoneChoice, ...] = option(
        "zone, with or without a vSwitch in it, or all; repeatable; each zone is billed; "
        "default: two zones with a usable vSwitch, this notebook's first",
        default=(),
        metavar="ZONE[=VSWITCH]",
        parse=ZoneChoice.parse,
        many=True,
    )
    name: str | None = option("name of the endpoint", metavar="N", parse=endpoint_name)


@dataclass(frozen=True, kw_only=True)
class PlanRequest(Placement, ClusterStep):
    """Show what would be made."""


@dataclass(frozen=True, kw_only=True)
class Resolve(Request):
    """Whether to go on where the preflight says stop."""

    force: bool = option("go on even though the preflight says stop", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class CreateRequest(Resolve, Placement, ClusterStep):
    """Make the endpoint, or adopt the one that exists."""


@dataclass(frozen=True, kw_only=True)
class Patience(Request):
    """How long to wait."""

    timeout: float = option("seconds to wait at most", default=600.0, metavar="S", parse=seconds)


@dataclass(frozen=True, kw_only=True)
class WaitRequest(Patience, EndpointStep):
    """Wait for the endpoint."""


@dataclass(frozen=True, kw_only=True)
class SqlUser(Request):
    """As whom to log in, and in which database."""

    user: str | None = option(
        "SQL user, the cluster's prefix is added where it is missing; default: the cluster's root",
        metavar="U",
        parse=non_empty,
    )
    no_prefix: bool = option(
        "leave the SQL user's name alone: add no cluster's prefix", default=False, parse=switch
    )
    database: str | None = option("database to use; default: none", metavar="D", parse=non_empty)


_SQL_USER_ACTIONS = ("create", "list", "delete", "rotate")
sql_user_name = matching(
    r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", "a SQL user's name is letters, digits, underscores, dots, @ or hyphens"
)


@dataclass(frozen=True, kw_only=True)
class SqlUserRequest(ClusterStep):
    """Manage a cluster's SQL users."""

    action: str = option(
        "create, list, delete or rotate (a new password)",
        default=...,
        metavar="ACTION",
        parse=one_of(_SQL_USER_ACTIONS),
        positional=True,
        choices=_SQL_USER_ACTIONS,
    )
    name: str | None = option(
        "SQL user, the cluster's prefix is added where it is missing",
        metavar="NAME",
        parse=sql_user_name,
        positional=True,
    )
    role: str | None = option(
        "what a new user may do", metavar="|".join(SQL_ROLES), parse=one_of(SQL_ROLES), choices=SQL_ROLES
    )
    store: str = option(
        "where the password is kept; auto is the keyring where there is one, else a file for its owner alone",
        default="auto",
        metavar="auto|keyring|file",
        parse=one_of(("auto", "keyring", "file")),
        choices=("auto", "keyring", "file"),
    )
    no_prefix: bool = option("leave the name alone: add no cluster's prefix", default=False, parse=switch)
    yes: bool = option("really delete it", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class SqlTls(Request):
    """What the server has to prove."""

    tls: str = option(
        "TLS; auto verifies chain and name wherever the server offers TLS",
        default=TlsMode.AUTO.value,
        metavar="|".join(TlsMode),
        parse=one_of(TlsMode),
        choices=tuple(TlsMode),
    )
    tls_name: str | None = option(
        "name to expect in the server's certificate; default: the host or the cluster's gateway names",
        metavar="NAME",
        parse=non_empty,
    )
    ca: str | None = option(
        "PEM file of the certificate authorities to trust; default: the system's",
        metavar="PATH",
        parse=non_empty,
    )


@dataclass(frozen=True, kw_only=True)
class SqlPassword(Request):
    """Where the password is."""

    password_from: PasswordSource | None = option(  # noqa: RUF009 - a field like the others
        "where the password is; default: TIDB_PASSWORD in the environment, then a prompt",
        metavar="prompt|env:NAME|keyring:SERVICE|file:PATH",
        parse=PasswordSource.parse,
    )


@dataclass(frozen=True, kw_only=True)
class SqlLogin(SqlTls, SqlPassword, SqlUser):
    """How to log in to the SQL service."""


@dataclass(frozen=True, kw_only=True)
class Login(SqlLogin):
    """How to log in, and what the connection is called."""

    alias: str = option(
        "name of the connection in %%sql cells", default="tidb", metavar="A", parse=alias_name
    )


def saved_name(text: str) -> str:
    """Read `@NAME`, the name of a saved connection; return the name.

    What is not one is not repeated, it may be a password.
    """
    if re.fullmatch(r"@[A-Za-z_][A-Za-z0-9_]*", text):
        return text[1:]
    msg = "must be the name of a saved connection with an @ before it (see %tidb_pe connections)"
    raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class ConnectRequest(Login, EndpointStep):
    """Connect over the private endpoint."""

    profile: str | None = option(
        "saved connection to make again, without asking a cloud; other options replace what is saved",
        metavar="@NAME",
        parse=saved_name,
        write="@{}".format,
        positional=True,
    )
    save: bool = option(
        "save it under its alias, for connect @NAME in another kernel; the password is not saved",
        default=False,
        parse=switch,
    )


@dataclass(frozen=True, kw_only=True)
class ConnectionsRequest(Request):
    """List the connections."""


@dataclass(frozen=True, kw_only=True)
class DoctorRequest(SqlLogin, EndpointStep):
    """Examine the connection stage by stage."""

    host: str | None = option(
        "host to examine, without asking any cloud unless a cluster or an endpoint is named too; "
        "default: the endpoint's",
        metavar="H",
        parse=host_name,
    )
    port: int | None = option(
        "port to examine; default: the cluster's, or 4000 with a host", metavar="P", parse=port_number
    )


@dataclass(frozen=True, kw_only=True)
class ConnectionStringRequest(SqlTls, SqlUser, EndpointStep):
    """Write a connection for another client."""

    with_: str | None = option(
        "the client; without it they are listed", metavar="CLIENT", parse=one_of(FORMATS), choices=FORMATS
    )
    alias: str | None = option(
        "open connection to take everything from that is not given; default: the one that was opened last, "
        "unless a cluster or an endpoint is named",
        metavar="A",
        parse=alias_name,
    )


@dataclass(frozen=True, kw_only=True)
class DisconnectRequest(Request):
    """Close a connection."""

    alias: str = option("name of the connection", default="tidb", metavar="A", parse=alias_name)
    forget: bool = option("delete the saved connection of this name, too", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class QueryRequest(Request):
    """Read a query's result."""

    sql: str = option("the statement", default=..., metavar="SQL", parse=non_empty, positional=True)
    params: Mapping[str, object] | Sequence[object] | None = option(
        "values for each ? (a list) or :name (an object) in the SQL, as JSON; they are bound, never pasted",
        metavar="JSON",
        parse=sql_parameters,
        write=written_parameters,
        taken=(Mapping, Sequence),
    )
    alias: str = option("name of the connection", default="tidb", metavar="A", parse=alias_name)
    max_rows: int | None = option("read so many rows at most", metavar="N", parse=whole_number(1, 10**15))
    max_memory: int | None = option(
        "memory that the result may take; default: half of what is free", metavar="SIZE", parse=byte_size
    )
    arrow: bool = option("return a pyarrow Table", default=False, parse=switch)
    dtypes: str = option(
        "the frame's columns: of Arrow's types, or of pandas' nullable ones",
        default="arrow",
        metavar="arrow|numpy_nullable",
        parse=one_of(("arrow", "numpy_nullable")),
        choices=("arrow", "numpy_nullable"),
    )
    to_parquet: str | None = option(
        "write the result to this Parquet file (with --partitions: this directory) as it comes",
        metavar="PATH",
        parse=non_empty,
    )
    partition_on: str | None = option(
        "integer column whose ranges are read at the same time, all as of one moment",
        metavar="COLUMN",
        parse=non_empty,
    )
    partitions: int | None = option(
        "how many ranges, each over its own connection", metavar="K", parse=whole_number(1, 256)
    )
    engine: str = option(
        "dask: a Dask DataFrame, whose partitions its workers read",
        default="pandas",
        metavar="pandas|dask",
        parse=one_of(("pandas", "dask")),
        choices=("pandas", "dask"),
    )


@dataclass(frozen=True, kw_only=True)
class StatusRequest(EndpointStep):
    """Show each step's state."""


@dataclass(frozen=True, kw_only=True)
class EndpointsRequest(ClusterStep):
    """List the endpoints of a cluster."""


@dataclass(frozen=True, kw_only=True)
class PermissionsRequest(Request):
    """Show what the access key's owner has to be allowed."""

    cluster: str | None = option(
        "name or ID of the cluster whose region the policy is for; default: the last one named, "
        "else every region",
        metavar="NAME_OR_ID",
        parse=non_empty,
    )
    clean_up: bool = option("allow deletion too", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class HistoryRequest(Request):
    """Show the journal."""

    limit: int = option("changes to show at most, the latest ones", default=20, metavar="N", parse=count)


@dataclass(frozen=True, kw_only=True)
class DeleteRequest(Patience, ClusterStep):
    """Delete an endpoint."""

    endpoint: str = option(
        "ID of the endpoint", default=..., metavar="ENDPOINT_ID", parse=endpoint_id, positional=True
    )
    yes: bool = option("really delete it", default=False, parse=switch)
    adopted: bool = option("delete it even though it was not made here", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class RunRequest(Login, Patience, Resolve, Placement, ClusterRequest):
    """Every step in order."""
