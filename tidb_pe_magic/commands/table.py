"""The table of operations: magic, form, console, help and documentation use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from tidb_pe_magic.commands.requests import cloud, fleet, notebook, sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.model import EventHook, Result
    from tidb_pe_magic.runtime.context import Context


class Step(Protocol):
    """The function of a tutorial step."""

    def __call__(self, context: Context, request: Request, on_event: EventHook) -> Result:
        """Read the current state, do what is missing, and return the new state."""


class Skin(StrEnum):
    """An interface in which an operation can be called."""

    LINE = "line"
    """`%tidb_pe NAME` in a notebook or an IPython terminal."""
    CELL = "cell"
    """`%%tidb_pe NAME`, with a body."""
    CONSOLE = "console"
    """`tidb-pe NAME` in a shell."""
    PYTHON = "Python"
    """A method of `Runbook`."""


class Group(StrEnum):
    """The group of an operation: its heading in the help; the value is the topic that lists the group."""

    START = "start"
    ASK = "ask"
    CLEAN_UP = "clean-up"
    STEPS = "steps"
    CONNECTIONS = "connections"
    PLATFORM = "platform"

    @property
    def heading(self) -> str:
        """The heading."""
        return _TITLES[self]

    @property
    def topic(self) -> str:
        """The topic of help that lists the group."""
        return self.value


_TITLES = {
    Group.START: "Get connected",
    Group.ASK: "Ask",
    Group.CLEAN_UP: "Fix and clean up",
    Group.STEPS: "Step by step",
    Group.CONNECTIONS: "Connections",
    Group.PLATFORM: "Platform",
}
FIRST_GROUPS = (Group.START, Group.ASK, Group.CLEAN_UP)
"""The groups on the first screen of help; each other group is a separate topic."""


_USUAL = frozenset({Skin.LINE, Skin.CONSOLE, Skin.PYTHON})


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One row of the table.

    Attributes:
        name: subcommand.
        request: its request class.
        step: `module:function` in `steps`, imported at the first call; default: both are named like the
            operation. Operations without a Python skin have none: the notebook implements them.
        group: the group in the help.
        summary: one line, in the imperative.
        mutates: it can change something in a cloud.
        example: a command as typed; the lines after the first are a cell's body.
        shell_example: the same in a shell, if it differs: a shell has no variables with DataFrames.
        skins: the interfaces that have it.
        elsewhere: why an interface does not have it, and what to do there.
    """

    name: str
    request: type[Request]
    group: Group
    summary: str
    example: str
    shell_example: str = ""
    step: str = ""
    mutates: bool = False
    skins: frozenset[Skin] = _USUAL
    elsewhere: Mapping[Skin, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The `Runbook` method of this operation."""
        return self.name.replace("-", "_")

    def resolve(self) -> Step:
        """Import the step's function."""
        module, _, function = (self.step or f"{self.method}:{self.method}").partition(":")
        return cast("Step", getattr(import_module(f"tidb_pe_magic.steps.{module}"), function))


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(
            name="clusters",
            request=cloud.ClustersRequest,
            group=Group.STEPS,
            summary="List the clusters, and why some cannot be used",
            example="clusters",
        ),
        Operation(
            name="cluster",
            request=cloud.ClusterRequest,
            step="clusters:cluster",
            group=Group.STEPS,
            summary="Select a cluster, and show its service name, zones, region and port",
            example="cluster demo",
        ),
        Operation(
            name="networks",
            request=cloud.NetworksRequest,
            group=Group.STEPS,
            summary="List VPCs, vSwitches and security groups of the cluster's region, usable ones first",
            example="networks",
        ),
        Operation(
            name="verify",
            request=cloud.VerifyRequest,
            group=Group.STEPS,
            summary="Verify that this account can reach the endpoint service",
            example="verify",
        ),
        Operation(
            name="plan",
            request=cloud.PlanRequest,
            group=Group.STEPS,
            summary="Show what create would create and bill, with the API's dry run",
            example="plan --vpc vpc-t4nanalytics0k3m7x --security-group sg-t4nanalytics",
        ),
        Operation(
            name="create",
            request=cloud.CreateRequest,
            group=Group.STEPS,
            summary="Create the endpoint, or adopt the existing one for this service and VPC",
            example="create --vpc vpc-t4nanalytics0k3m7x --security-group sg-t4nanalytics --zone all",
            mutates=True,
        ),
        Operation(
            name="wait",
            request=cloud.WaitRequest,
            group=Group.STEPS,
            summary="Wait until the endpoint is Active and its connection Connected",
            example="wait --timeout 300",
        ),
        Operation(
            name="authorize",
            request=cloud.AuthorizeRequest,
            group=Group.STEPS,
            summary="Show the rule that allows the endpoint, if the cluster has Authorized Networks",
            example="authorize",
        ),
        Operation(
            name="connect",
            request=sql.ConnectRequest,
            group=Group.START,
            summary="Connect to the private host and register the connection with jupysql",
            example="connect --database nycflights13 --save",
        ),
        Operation(
            name="connections",
            request=sql.ConnectionsRequest,
            group=Group.CONNECTIONS,
            summary="List the open and the saved connections",
            example="connections",
        ),
        Operation(
            name="connection-string",
            request=sql.ConnectionStringRequest,
            group=Group.CONNECTIONS,
            summary="Write the connection for another client: --with mysql, jdbc, go, node, dbt and so on",
            example="connection-string --with jdbc",
        ),
        Operation(
            name="query",
            request=sql.QueryRequest,
            group=Group.ASK,
            summary="Read a query's result into a DataFrame, an Arrow table, or a Parquet or CSV file",
            example="query @tidb 'SELECT * FROM airlines' --max-rows 1000",
            skins=frozenset(Skin),
        ),
        Operation(
            name="tables",
            request=sql.TablesRequest,
            group=Group.ASK,
            summary="List databases and tables, or show one table's columns, indexes and first rows",
            example="tables",
        ),
        Operation(
            name="load",
            request=sql.LoadRequest,
            group=Group.ASK,
            summary="Load a DataFrame, or a CSV or Parquet file, into a table",
            example="load frame --table delays",
            shell_example="load delays.csv --table delays",
        ),
        Operation(
            name="sql-user",
            request=sql.SqlUserRequest,
            group=Group.CONNECTIONS,
            summary="Create, list or delete SQL users, or rotate a password, which is stored and never shown",
            example="sql-user create analyst --role readonly",
            mutates=True,
        ),
        Operation(
            name="doctor",
            request=sql.DoctorRequest,
            group=Group.CLEAN_UP,
            summary="Examine name, network, port, TLS and login, and show the cause of the first failure",
            example="doctor --host ep-t4nabc123.epsrv-t4nabc123.ap-southeast-1.privatelink.aliyuncs.com",
        ),
        Operation(
            name="disconnect",
            request=sql.DisconnectRequest,
            group=Group.CONNECTIONS,
            summary="Close a connection and remove it from jupysql",
            example="disconnect --alias tidb",
            skins=frozenset({Skin.LINE, Skin.PYTHON}),
            elsewhere={Skin.CONSOLE: "Connections of `tidb-pe` close when the command ends."},
        ),
        Operation(
            name="status",
            request=cloud.StatusRequest,
            group=Group.START,
            summary="Show each step's current state in the clouds, and the next command",
            example="status",
        ),
        Operation(
            name="endpoints",
            request=cloud.EndpointsRequest,
            group=Group.CLEAN_UP,
            summary="List the endpoints of the cluster's service",
            example="endpoints",
        ),
        Operation(
            name="delete",
            request=cloud.DeleteRequest,
            group=Group.CLEAN_UP,
            summary="Delete an endpoint: first its zones, then the endpoint; wait until it is deleted",
            example="delete ep-t4nabc123 --yes",
            mutates=True,
        ),
        Operation(
            name="run",
            request=sql.RunRequest,
            group=Group.START,
            summary="Show the plan, then do every step in order, skipping finished steps",
            example="run demo --vpc vpc-t4nanalytics0k3m7x --security-group sg-t4nanalytics",
            mutates=True,
        ),
        Operation(
            name="fleet",
            request=fleet.FleetRequest,
            step="fleet.actions:fleet",
            group=Group.PLATFORM,
            summary="Plan, create, check or delete the endpoints of many clusters and VPCs, listed in a file",
            example="fleet init fleet.toml",
            mutates=True,
        ),
        Operation(
            name="whoami",
            request=cloud.WhoamiRequest,
            group=Group.PLATFORM,
            summary="Show the source of each key, whether it works, and what is left of the rate limit",
            example="whoami",
        ),
        Operation(
            name="permissions",
            request=cloud.PermissionsRequest,
            group=Group.PLATFORM,
            summary="Show the minimal RAM policy for the access key's owner, as JSON",
            example="permissions --clean-up",
        ),
        Operation(
            name="history",
            request=cloud.HistoryRequest,
            group=Group.PLATFORM,
            summary="Show what was changed in the clouds from here, with the request IDs",
            example="history --limit 5",
        ),
        Operation(
            name="export",
            request=cloud.ExportRequest,
            group=Group.PLATFORM,
            summary="Write the endpoint, existing or planned, as Terraform or as aliyun CLI commands",
            example="export terraform --to main.tf",
        ),
        Operation(
            name="help",
            request=cloud.HelpRequest,
            step="help:help_topic",
            group=Group.PLATFORM,
            summary="Explain a topic: costs, keys, permissions, queries, TLS, troubleshooting and others",
            example="help tls",
        ),
        Operation(
            name="form",
            request=notebook.FormRequest,
            group=Group.START,
            summary="Show the steps as a form of widgets, each with its command",
            example="form create --cluster demo",
            skins=frozenset({Skin.LINE}),
            elsewhere={Skin.CONSOLE: "A form needs a notebook."},
        ),
        Operation(
            name="sandbox",
            request=notebook.SandboxRequest,
            group=Group.PLATFORM,
            summary="Start, stop or check the embedded clouds with real data; no account needed",
            example="sandbox start",
            skins=frozenset({Skin.LINE}),
            elsewhere={Skin.CONSOLE: "In a shell, run `python -m tidb_pe_magic.sandbox`."},
        ),
    )
}


def available(*skins: Skin) -> dict[str, Operation]:
    """Return the operations that exist in one of these interfaces."""
    return {name: operation for name, operation in OPERATIONS.items() if operation.skins & set(skins)}
