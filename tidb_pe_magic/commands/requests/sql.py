"""Requests to the SQL side: users, connections and queries, and the run that ends with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidb_pe_magic.advice import USUAL_ALIAS, Suggestion
from tidb_pe_magic.clients.formats import FORMATS
from tidb_pe_magic.commands.fields import Request, non_empty, option, seconds, switch, whole_number
from tidb_pe_magic.commands.requests.cloud import (
    ClusterFields,
    ClusterRequest,
    EndpointFields,
    ForceField,
    Placement,
    TimeoutField,
)
from tidb_pe_magic.commands.requests.values import (
    alias_name,
    byte_size,
    certificate_name,
    column_names,
    connection_name,
    file_path,
    host_name,
    json_path,
    port_number,
    sql_name,
    sql_parameters,
    sql_user_name,
    table_name,
    write_names,
    write_parameters,
)
from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.model import SQL_ROLES, TlsMode


@dataclass(frozen=True, kw_only=True)
class SqlUserFields(Request):
    """The user to log in as, and the database."""

    user: str | None = option(
        "SQL user; the cluster's prefix is added if it is missing; default: the cluster's root",
        metavar="U",
        parse=sql_name,
    )
    no_prefix: bool = option(
        "use the user name exactly as given, without adding the cluster's prefix", default=False, parse=switch
    )
    database: str | None = option("database to use; default: none", metavar="D", parse=sql_name)


_SQL_USER_ACTIONS = ("create", "list", "delete", "rotate")


@dataclass(frozen=True, kw_only=True)
class SqlUserRequest(ClusterFields):
    """Manage a cluster's SQL users."""

    action: str = option(
        "what to do; rotate sets a new password",
        default=...,
        metavar="ACTION",
        positional=True,
        choices=_SQL_USER_ACTIONS,
    )
    name: str | None = option(
        "SQL user; the cluster's prefix is added if it is missing",
        metavar="NAME",
        parse=sql_user_name,
        positional=True,
    )
    role: str | None = option("permissions of a new user", choices=SQL_ROLES)
    store: str = option(
        "where to store the password; auto: the keyring if available, else a file that only you can read",
        default="auto",
        choices=("auto", "keyring", "file"),
    )
    no_prefix: bool = option("use the name exactly as given, without a prefix", default=False, parse=switch)
    yes: bool = option("confirm the deletion", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class SqlTls(Request):
    """How the server's certificate is verified."""

    tls: str = option(
        "TLS; auto verifies chain and name whenever the server offers TLS",
        default=TlsMode.AUTO.value,
        choices=TlsMode,
    )
    tls_name: str | None = option(
        "name to expect in the server's certificate; default: the host or the cluster's gateway names",
        metavar="NAME",
        parse=certificate_name,
    )
    ca: str | None = option(
        "PEM file of the certificate authorities to trust; default: TIDB_CA, then the system's",
        metavar="PATH",
        parse=file_path,
    )


@dataclass(frozen=True, kw_only=True)
class SqlPassword(Request):
    """Where to find the password."""

    password_from: PasswordSource | None = option(  # noqa: RUF009 - a field like the others
        "where to find the password; default: the one stored by sql-user, then TIDB_PASSWORD, then a prompt",
        metavar="prompt|env:NAME|keyring:SERVICE|file:PATH",
        parse=PasswordSource.parse,
    )


@dataclass(frozen=True, kw_only=True)
class SqlLogin(SqlTls, SqlPassword, SqlUserFields):
    """How to log in to the SQL service."""


@dataclass(frozen=True, kw_only=True)
class Login(SqlLogin):
    """How to log in, and the name of the connection."""

    alias: str = option(
        "name of the connection in %%sql cells", default=USUAL_ALIAS, metavar="A", parse=alias_name
    )
    connect_timeout: float = option(
        "seconds until the login is abandoned; a login wakes a paused cluster",
        default=60.0,
        metavar="S",
        parse=seconds,
    )


@dataclass(frozen=True, kw_only=True)
class ConnectRequest(Login, EndpointFields):
    """Connect over the private endpoint."""

    connection: str | None = option(
        "saved connection (@NAME) or connection file (@FILE.json) to open again, without calling a cloud; "
        "other options override the saved values",
        metavar="@NAME",
        parse=connection_name("a cluster goes after --cluster"),
        instead=(Suggestion("connect", "--cluster", "CLUSTER"),),
        write="@{}".format,
        positional=True,
    )
    save: bool = option(
        "save it under its alias, for connect @NAME in another kernel; the password is not saved",
        default=False,
        parse=switch,
    )
    save_to: str | None = option(
        "write it to this .json file for colleagues, who connect with @FILE.json and their own password; no "
        "secret is written",
        metavar="PATH",
        parse=json_path,
    )
    trust_file: bool = option(
        "connect even if the host or the TLS options in @FILE.json are not those of a private endpoint",
        default=False,
        parse=switch,
    )


@dataclass(frozen=True, kw_only=True)
class ConnectionsRequest(Request):
    """List the connections."""


@dataclass(frozen=True, kw_only=True)
class DoctorRequest(SqlLogin, EndpointFields):
    """Examine the connection stage by stage."""

    host: str | None = option(
        "host to examine; no cloud is called unless a cluster or an endpoint is given too; "
        "default: the endpoint's",
        metavar="H",
        parse=host_name,
    )
    port: int | None = option(
        "port to examine; default: the cluster's, or 4000 with a host", metavar="P", parse=port_number
    )


@dataclass(frozen=True, kw_only=True)
class ConnectionStringRequest(SqlTls, SqlUserFields, EndpointFields):
    """Write a connection for another client."""

    with_: str | None = option("the client; without it, list the clients", metavar="CLIENT", choices=FORMATS)
    alias: str | None = option(
        "open or saved connection that provides the other values; default: the one opened last, "
        "unless a cluster or an endpoint is given",
        metavar="A",
        parse=alias_name,
    )


@dataclass(frozen=True, kw_only=True)
class DisconnectRequest(Request):
    """Close a connection."""

    alias: str = option("name of the connection", default=USUAL_ALIAS, metavar="A", parse=alias_name)
    forget: bool = option("also delete the saved connection of this name", default=False, parse=switch)


def _connection_option(hint: str) -> Any:
    """Return the option of `@NAME`; the hint says what else was perhaps meant."""
    return option(
        "open or saved connection (@NAME) or connection file (@FILE.json) to use instead of --alias; it is "
        "opened first if it is not open",
        metavar="@NAME",
        parse=connection_name(hint),
        write="@{}".format,
        positional=True,
    )


@dataclass(frozen=True, kw_only=True)
class ConnectionFields(Request):
    """The connection of a request, as its first word."""

    connection: str | None = _connection_option("put a value with spaces in single quotes")
    alias: str = option(
        "open or saved connection; a saved one is opened first",
        default=USUAL_ALIAS,
        metavar="A",
        parse=alias_name,
    )


_DTYPES = ("pandas", "arrow", "numpy_nullable")
_DECIMALS = ("auto", "exact", "float")


@dataclass(frozen=True, kw_only=True)
class QueryRequest(ConnectionFields):
    """Return a query's result."""

    connection: str | None = _connection_option("put a statement, or a value with spaces, in single quotes")
    sql: str = option("the statement", default=..., metavar="SQL", parse=non_empty, positional=True)
    params: Mapping[str, object] | Sequence[object] | None = option(
        "values for each ? (a list) or :name (an object) in the SQL, as JSON; always bound, never inserted",
        metavar="JSON",
        parse=sql_parameters,
        write=write_parameters,
        python_types=(Mapping, Sequence),
    )
    max_rows: int | None = option("maximum rows to read", metavar="N", parse=whole_number(1, 10**15))
    max_memory: int | None = option(
        "memory limit of the result; default: half of the free memory", metavar="SIZE", parse=byte_size
    )
    arrow: bool = option("return a pyarrow Table", default=False, parse=switch)
    dtypes: str = option(
        "types of the frame's columns: pandas' usual ones, Arrow's, or pandas' nullable ones",
        default="pandas",
        choices=_DTYPES,
    )
    decimals: str = option(
        "DECIMAL columns: auto converts to numbers if no value loses a digit, exact never, float always",
        default="auto",
        choices=_DECIMALS,
    )
    to_parquet: str | None = option(
        "write the result to this Parquet file as rows arrive; an older file is replaced at the end. "
        "With --partitions: write to this new directory",
        metavar="PATH",
        parse=file_path,
    )
    to_csv: str | None = option(
        "write the result to this CSV file, or with --partitions to this new directory; every value is exact",
        metavar="PATH",
        parse=file_path,
    )
    partition_on: str | None = option(
        "integer column of the result whose ranges are read in parallel, all from one snapshot",
        metavar="COLUMN",
        parse=sql_name,
    )
    partitions: int | None = option(
        "number of ranges, each over its own connection", metavar="K", parse=whole_number(1, 256)
    )
    explain: bool = option(
        "show the server's query plan as a tree, without running the statement", default=False, parse=switch
    )
    explain_analyze: bool = option(
        "run the statement and show the plan with the rows and the time of each operator; a statement that "
        "changes data is refused",
        default=False,
        parse=switch,
    )
    engine: str = option(
        "dask: return a Dask DataFrame whose workers read the partitions",
        default="pandas",
        choices=("pandas", "dask"),
    )


@dataclass(frozen=True, kw_only=True)
class TablesRequest(ConnectionFields):
    """List the contents of the databases."""

    name: str | None = option(
        "table, database.table or database; * matches any characters; default: every table",
        metavar="NAME",
        parse=sql_name,
        positional=True,
    )
    system: bool = option("include the server's own databases", default=False, parse=switch)


@dataclass(frozen=True, kw_only=True)
class LoadRequest(ConnectionFields):
    """Load a frame into a table."""

    frame: object = option(
        "a .csv or .parquet file or, in a notebook, the name of a variable that holds a DataFrame",
        default=...,
        metavar="FRAME",
        parse=file_path,
        positional=True,
        python_types=(object,),
    )
    table: str = option(
        "table to load into, also as DATABASE.TABLE; required", default=..., metavar="T", parse=table_name
    )
    if_exists: str = option(
        "if the table exists: fail, append to it, or replace it once the new one is complete",
        default="fail",
        choices=("fail", "append", "replace"),
    )
    keys: Sequence[str] | None = option(
        "columns of a primary or unique key, such as a,b; with --if-exists append, existing rows are "
        "updated, so that the load can be repeated; a new table gets it as its primary key",
        metavar="COLUMNS",
        parse=column_names,
        write=write_names,
        python_types=(Sequence,),
    )


@dataclass(frozen=True, kw_only=True)
class RunRequest(Login, TimeoutField, ForceField, Placement, ClusterRequest):
    """Every step in order."""

    yes: bool = option("create a billed endpoint without asking", default=False, parse=switch)
