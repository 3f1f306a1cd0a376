"""The Python API: class Runbook, one typed method per operation."""

from __future__ import annotations

import functools
import inspect
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, cast

from tidb_pe_magic import model
from tidb_pe_magic.advice import Advice, Suggestion, python
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.credentials.prompt import ask, confirmed
from tidb_pe_magic.credentials.redaction import hide_values
from tidb_pe_magic.credentials.secrets import Environment
from tidb_pe_magic.errors import StepOrderError, TidbPeError
from tidb_pe_magic.runtime.context import Context, usual_frames
from tidb_pe_magic.runtime.known import KnownNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.credentials.secrets import Secret


R = TypeVar("R")
P = ParamSpec("P")


def operation(method: Callable[Concatenate[Runbook, P], R]) -> Callable[Concatenate[Runbook, P], R]:
    """Bind a method, whose body is its docstring, to the operation of its name.

    Its arguments are the fields of the operation's request. It returns the step's result, and for a query the
    data in it.
    """
    name, signature = method.__name__.replace("_", "-"), inspect.signature(method)

    @functools.wraps(method)
    def perform(self: Runbook, /, *args: P.args, **kwargs: P.kwargs) -> R:
        values = signature.bind(self, *args, **kwargs).arguments
        del values["self"]
        try:
            result = self.perform(name, OPERATIONS[name].request.of(**values))
        except TidbPeError as error:
            error.spelling = python  # of this error alone
            raise
        return cast("R", result.data if isinstance(result, model.QueryResult) else result)

    return perform


class Runbook:
    """The tutorial's steps as methods; each looks at what is there first, and may be called twice.

    ::

        with Runbook() as runbook:
            runbook.cluster("demo")
            runbook.create(vpc="vpc-…", security_group=["sg-…"])
            runbook.wait()
            engine = runbook.connect(database="test").engine

    Keys are looked for at each call, in the order that `whoami` shows: the environment, then the profiles of
    `ticloud` and of Alibaba Cloud's command line, then RAM roles.

    Every method raises `InvalidRequest` for input that is not valid, `MissingCredentials` where a key is
    missing, and `ApiError` where a cloud refuses; further errors are named at each.
    """

    def __init__(  # noqa: PLR0913 - each is an edge that a test or a skin replaces
        self,
        *,
        shell: InteractiveShell | None = None,
        on_event: model.EventHook = model.ignore_event,
        environ: Mapping[str, str] | None = None,
        prompt: Callable[[str], Secret] = ask,
        confirm: Callable[[str], bool] = confirmed,
        cancel: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], bool] | None = None,
        answer_timeout: float = 15.0,
        profile: str = "",
        metadata_timeout: float = 0.5,
        cell_events: Callable[[], AbstractContextManager[model.EventHook]] | None = None,
        cell_frames: Callable[[], tuple[str, str]] = usual_frames,
        counts_units: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make a runbook; nothing is called yet.

        Args:
            shell: IPython's shell, in which `connect` registers with jupysql; without one it only makes
                an engine.
            on_event: is given the frozen events of `model.Event` while a step works.
            environ: instead of `os.environ`.
            prompt: asks the person for a password.
            confirm: asks before a billed creation; raises EOFError where nobody can be asked.
            cancel: set it to end a wait.
            clock: seconds, monotonic.
            sleep: waits for at most so many seconds; returns True where the wait was cancelled.
            answer_timeout: seconds that a cloud may be silent in one call.
            profile: ticloud profile whose key is used, whatever the environment holds.
            metadata_timeout: seconds for each answer of the ECS metadata service.
            cell_events: opens what shows the events of one statement of `%%sql`; default: `on_event`.
            cell_frames: returns `dtypes` and `decimals` of the frames that `%%sql` returns.
            counts_units: tells whether to ask for the Request Units of statements that take 50 ms or longer.
        """
        self._on_event = on_event
        self._context = Context(
            shell=shell,
            prompt=prompt,
            confirm=confirm,
            clock=clock,
            sleep=sleep,
            cancel=cancel or threading.Event(),
            answer_timeout=answer_timeout,
            metadata_timeout=metadata_timeout,
            cell_events=cell_events or (lambda: nullcontext(on_event)),
            cell_frames=cell_frames,
            counts_units=counts_units,
        )
        self._context.perform = self.perform
        self._known = KnownNames(self._context.connections)
        self._context.profile = profile
        if environ is not None:
            self._context.environ = Environment(environ)

    def __repr__(self) -> str:
        """Return the cluster and the open connections."""
        return f"Runbook(cluster={self.cluster_id!r}, aliases={self.aliases!r})"

    def __enter__(self) -> Self:
        """Return the runbook."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection and client."""
        self.close()

    def close(self) -> None:
        """Close every SQL connection and API client; endpoints in the cloud stay."""
        from tidb_pe_magic.steps import disconnect  # noqa: PLC0415 - only where something was opened

        disconnect.close_all(self._context)
        self._context.close()

    @property
    def connection(self) -> model.Connection:
        """The SQL connection that was opened last.

        Raises:
            StepOrderError: none is open.
        """
        for connection in reversed(tuple(self._context.connections.values())):
            return connection
        missing = StepOrderError("no SQL connection is open.", advice=Advice("", Suggestion("connect")))
        missing.spelling = python
        raise missing

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names of the open SQL connections, the one that was opened last at the end."""
        return tuple(self._context.connections)

    @property
    def known(self) -> KnownNames:
        """Names that were seen, for completion."""
        return self._known

    @property
    def cluster_id(self) -> str:
        """The cluster that is the default of most steps: the ID of the one named last, or TIDB_PE_CLUSTER."""
        from tidb_pe_magic.runtime.context import CLUSTER  # noqa: PLC0415 - only where it is asked for

        return self._context.cluster_id or self._context.environ.get(CLUSTER, "")

    def perform(  # noqa: PLR0913 - what tells one call from another
        self,
        name: str,
        request: Request,
        on_event: model.EventHook | None = None,
        *,
        cancel: threading.Event | None = None,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = True,
        cell: bool = False,
    ) -> model.Result:
        """Do the operation `name`: what every skin and every method below calls.

        Args:
            name: a row of `OPERATIONS`.
            request: made by the row's request class.
            on_event: default: the runbook's own.
            cancel: ends a wait of this call alone; default: the runbook's own.
            prompt: asks for a password in this call; default: the runbook's own.
            remember: the cluster that this call names is the default of the next ones.
            cell: the call is a notebook's cell: a query runs in the one session that the alias's cells share.
        """
        context = self._context.for_call(cancel=cancel, prompt=prompt, remember=remember, cell=cell)
        hosts.overrides(context.environ)  # a host that is not valid is refused before anything is done
        listener = on_event or self._on_event
        try:
            with context.heard_by(listener):
                result = OPERATIONS[name].resolve()(context, request, listener)
        except BaseException as error:
            failure = hide_values(error, context.environ)
            if failure is error:
                raise
        else:
            self._known.learn(result)
            return self._named(result, context)
        raise failure

    @staticmethod
    def _named(result: model.Result, context: Context) -> model.Result:
        # A connection names the hosts from its beginning: the same object is kept by its alias.
        via, emulated = context.via, context.emulated
        if (result.via, result.emulated) == (via, emulated):
            return result
        return replace(result, via=via, emulated=emulated)

    @operation
    def clusters(self) -> model.Clusters:
        """List the clusters (1.1), usable ones first; each knows the restriction that it meets."""

    @operation
    def cluster(self, cluster: str) -> model.Cluster:
        """Take note of a cluster (1.2-1.4), the default of the steps that follow.

        Args:
            cluster: name or ID.

        Raises:
            NotEligible: provider, plan, state or service do not allow a private endpoint.
        """

    @operation
    def networks(self, *, cluster: str | None = None) -> model.Networks:
        """List VPCs, vSwitches and security groups of the cluster's region, usable ones first."""

    @operation
    def verify(self, *, cluster: str | None = None) -> model.VerifiedService:
        """Look the endpoint service up as the endpoint's owner (2.5-2.6).

        Raises:
            NotFound: it is not visible to this account.
        """

    @operation
    def plan(
        self,
        *,
        cluster: str | None = None,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
    ) -> model.EndpointPlan:
        """Show what `create` would make and bill (2.1-2.8), with the API's dry run; nothing is changed.

        Raises:
            NotEligible: VPC, vSwitch or zone cannot be used with this cluster.
        """

    @operation
    def create(  # noqa: PLR0913 - the options of the command
        self,
        *,
        cluster: str | None = None,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
        force: bool = False,
    ) -> model.CreatedEndpoint:
        """Make the endpoint (2.1-2.8), or adopt the one that exists for this service and VPC.

        Args:
            cluster: name or ID; default: the last one named.
            vpc: ID; default: this notebook's where it is usable, else the only usable one of the region, else
                the only one that has an endpoint.
            security_group: IDs, at most 10; default: one whose rules allow this notebook to reach the port.
            zone: `ZONE`, `ZONE=VSWITCH` or `all`; each zone is billed by the hour; default: two zones,
                this notebook's first.
            name: of the endpoint.
            force: go on even though the preflight says stop.

        Raises:
            NotEligible: VPC, vSwitch or zone cannot be used with this cluster.
            PreflightFailed: it would not work; nothing was created.
        """

    @operation
    def wait(
        self, *, cluster: str | None = None, endpoint: str | None = None, timeout: float = 600.0
    ) -> model.VpcEndpoint:
        """Wait until the endpoint is Active and its connection Connected (2.9).

        Args:
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the one that this kernel created or used last, else the cluster's only one.
            timeout: seconds.

        Raises:
            StepOrderError: there is no endpoint yet.
            WaitTimeout: the time is over; the cloud's work goes on.
            WaitCancelled: the wait was stopped; the cloud's work goes on.
            EndpointFailed: it will never be connected.
        """

    @operation
    def authorize(self, *, cluster: str | None = None, endpoint: str | None = None) -> model.Authorization:
        """Show the rule that allows the endpoint in the cluster's Authorized Networks; nothing is changed.

        Args:
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
        """

    @operation
    def connect(  # noqa: PLR0913 - the options of the command
        self,
        profile: str | None = None,
        *,
        cluster: str | None = None,
        endpoint: str | None = None,
        alias: str = "tidb",
        connect_timeout: float = 60.0,
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        password_from: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
        save: bool = False,
        save_to: str | None = None,
        trust_file: bool = False,
    ) -> model.Connection:
        """Log in to the private host, and register the connection with jupysql where there is a shell.

        Args:
            profile: `@NAME` of a saved connection, or `@FILE.json` of a connection file, opened again without
                asking a cloud; what else is given replaces what is saved.
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            alias: name of the connection; an older one of this name is closed once the login has worked.
            connect_timeout: seconds until the login is given up: a cluster that is asleep wakes at it.
            no_prefix: leave the user's name alone.
            user: SQL user, with the cluster's prefix or without it; default: the cluster's root.
            database: default: none.
            password_from: `prompt`, `env:NAME`, `keyring:SERVICE` or `file:PATH`; default: what
                `sql_user` has kept, then `TIDB_PASSWORD`, then a prompt.
            tls: auto, off, verify-ca or verify-identity.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.
            save: save it under its alias, without the password, for `connect("@NAME")`.
            save_to: write it to this .json file, without secrets, for a colleague's `connect("@FILE.json")`.
            trust_file: connect even if the file's host or TLS options are not those of a private endpoint.

        Raises:
            InvalidRequest: no connection of this name is saved, or its file is broken or not trusted.
            StepOrderError: there is no endpoint, or it is not Connected yet.
            ConnectionFailed: with the stage that failed.
        """

    @operation
    def connections(self) -> model.Connections:
        """List the connections that are open here and those that are saved; iterating gives the open ones."""

    @operation
    def connection_string(  # noqa: PLR0913 - the options of the command
        self,
        *,
        with_: str | None = None,
        cluster: str | None = None,
        endpoint: str | None = None,
        alias: str | None = None,
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
    ) -> model.ConnectionString:
        """Write the connection as another client reads it (3.4); `str()` of the result is the text alone.

        Args:
            with_: the client; without it they are listed, and nothing else is looked at.
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            alias: open or saved connection to take the rest from; default: the one that was opened last,
                unless a cluster or an endpoint is named.
            no_prefix: leave the user's name alone.
            user: SQL user, with the cluster's prefix or without it; default: the connection's, or the
                cluster's root.
            database: default: the connection's, or none.
            tls: auto, off, verify-ca or verify-identity; auto is what the connection has, or what the
                server is seen to offer.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.

        Raises:
            StepOrderError: there is no connection of this alias, or no endpoint.
            InvalidRequest: the client's format cannot hold a value.
            ConnectionFailed: the server's certificate is refused.
        """

    @operation
    def query(  # noqa: PLR0913 - the options of the command
        self,
        sql: str,
        params: Mapping[str, object] | Sequence[object] | None = None,
        *,
        profile: str | None = None,
        alias: str = "tidb",
        max_rows: int | None = None,
        max_memory: int | None = None,
        arrow: bool = False,
        dtypes: str = "pandas",
        decimals: str = "auto",
        to_parquet: str | None = None,
        to_csv: str | None = None,
        partition_on: str | None = None,
        partitions: int | None = None,
        explain: bool = False,
        explain_analyze: bool = False,
        engine: str = "pandas",
    ) -> Any:
        """Read a statement's result over a connection that `connect` has opened.

        It may be called from several threads at once: each has a connection of the alias's pool. Progress
        comes as events; `QueryEnded` has rows, bytes, seconds and how many dates were none.

        Args:
            sql: one statement.
            params: values for each `?` (a sequence) or `:name` (a mapping); bound, never pasted.
            profile: `@NAME` of an open or saved connection, or `@FILE.json` of a connection file, instead of
                `alias`; it is opened first where it is not open.
            alias: of the connection.
            max_rows: read so many rows at most.
            max_memory: bytes that the result may take; default: half of what is free.
            arrow: return a `pyarrow.Table`.
            dtypes: of the frame's columns: `pandas` (int64, float64, str, datetime64), `arrow`, or
                `numpy_nullable`.
            decimals: `auto` makes DECIMAL columns Int64 or float64 where no value loses a digit, `exact`
                never does, `float` always.
            to_parquet: write to this file as the rows come; memory does not grow with the result.
            to_csv: write to this CSV file in the same way, with every value exact.
            partition_on: integer column whose ranges are read at the same time, all as of one moment.
            partitions: how many ranges, each over its own connection; rows come in the ranges' order.
            explain: return the server's plan, a `model.QueryPlan`, without running the statement.
            explain_analyze: run the statement, and return the plan with each operator's rows and time.
            engine: `dask` returns a Dask DataFrame whose partitions its workers read.

        Returns:
            A `pandas.DataFrame`, or what `arrow` or `engine` name; None where it was written to a file.

        Raises:
            StepOrderError: there is no such connection.
            MissingDependency: the extra `arrow`, or `dask`, is not installed.
            QueryError: refused, stopped or too large; the connection can be used again.
            ConnectionFailed: the connection was lost.
        """

    @operation
    def tables(
        self, name: str | None = None, *, alias: str = "tidb", system: bool = False
    ) -> model.Tables | model.TableDetails:
        """List databases and tables, or describe one table, from information_schema.

        Args:
            name: `table`, `database.table` or `database`, with `*` for any characters; default: every table.
            alias: open or saved connection; a saved one is opened first.
            system: the server's own databases too.

        Returns:
            `TableDetails` of one table: columns, indexes, five rows as a DataFrame (`sample`) and a query to
            start from (`select`); otherwise `Tables`.

        Raises:
            StepOrderError: there is no such connection, neither open nor saved.
            InvalidRequest: there is no such table or database.
            QueryError: the server refuses it.
            ConnectionFailed: the connection was lost.
        """

    @operation
    def load(
        self,
        frame: object,
        table: str,
        *,
        if_exists: str = "fail",
        keys: Sequence[str] | None = None,
        alias: str = "tidb",
    ) -> model.LoadResult:
        """Load a frame into a table, over several connections of its own.

        A table that this makes is made whole or not at all; rows that are appended are committed in pieces.
        Values arrive as they are: what would not is refused before anything is sent. NaN, NaT, NA and None
        are NULL.

        Args:
            frame: a pandas or polars DataFrame, a `pyarrow.Table`, or the path of a CSV or Parquet file.
            table: its name, also as `database.table`.
            if_exists: `fail`, `append`, or `replace`, which keeps the old table until the new one is whole.
            keys: columns of a primary or unique key, by which a repeated load updates rows instead of adding
                them; a table that is made gets it as its primary key.
            alias: of the connection.

        Raises:
            InvalidRequest: a value cannot arrive as it is, or the table is in the way or of other columns.
            LoadFailed: it ended early; the error says which rows are committed.
            StepOrderError: there is no such connection.
            ConnectionFailed: the server could not be asked; nothing was sent.
        """

    @operation
    def sql_user(  # noqa: PLR0913 - the options of the command
        self,
        action: str,
        name: str | None = None,
        *,
        cluster: str | None = None,
        role: str | None = None,
        store: str = "auto",
        no_prefix: bool = False,
        yes: bool = False,
    ) -> model.SqlUsers:
        """Make, list or delete SQL users, or give one a new password, which is kept and never shown.

        Args:
            action: create, list, delete or rotate.
            name: with the cluster's prefix or without it.
            cluster: name or ID; default: the last one named.
            role: readonly, readwrite or admin, of a new user.
            store: auto, keyring or file, where the password is kept.
            no_prefix: leave the name alone.
            yes: has to be True for delete.

        Raises:
            Conflict: there is a user of this name already.
            NotFound: there is none.
        """

    @operation
    def doctor(  # noqa: PLR0913 - the options of the command
        self,
        *,
        cluster: str | None = None,
        endpoint: str | None = None,
        host: str | None = None,
        port: int | None = None,
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        password_from: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
    ) -> model.Diagnosis:
        """Examine the connection stage by stage; there is an answer within ten seconds, whatever hangs.

        Args:
            cluster: name or ID; default: the last one named.
            endpoint: ID; default: the cluster's only one.
            host: examined without asking any cloud, unless a cluster or an endpoint is named too.
            port: default: the cluster's, or 4000 with a host.
            no_prefix: leave the user's name alone.
            user: SQL user, with the cluster's prefix or without it; default: the cluster's root.
            database: default: none.
            password_from: as in `connect`; without it, and without `TIDB_PASSWORD`, no login is tried.
            tls: auto, off, verify-ca or verify-identity.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.

        Raises:
            StepOrderError: no host is given, and there is no endpoint.
        """

    @operation
    def disconnect(self, *, alias: str = "tidb", forget: bool = False) -> model.Disconnection:
        """Close a connection, and delete the saved one of this name where `forget` says so.

        One that is closed already is not an error.
        """

    @operation
    def status(self, *, cluster: str | None = None, endpoint: str | None = None) -> model.RunbookStatus:
        """Ask the clouds for each step's state, and name the next command."""

    @operation
    def endpoints(self, *, cluster: str | None = None, region: str | None = None) -> model.Endpoints:
        """List this account's endpoints for the cluster's service, the first 20 with zones and addresses.

        Args:
            cluster: name or ID; default: the last one named.
            region: ID; instead of a cluster's, every endpoint that was created here in it.
        """

    @operation
    def delete(  # noqa: PLR0913 - the options of the command
        self,
        endpoint: str,
        *,
        cluster: str | None = None,
        timeout: float = 600.0,
        region: str | None = None,
        yes: bool = False,
        adopted: bool = False,
        shared: bool = False,
    ) -> model.Deletion:
        """Delete an endpoint: connections, zones, then the endpoint; returns when it is gone.

        Args:
            endpoint: ID.
            cluster: name or ID of a cluster in the endpoint's region; default: the last one named.
            timeout: seconds.
            region: ID of the endpoint's region, instead of a cluster in it.
            yes: has to be True.
            adopted: has to be True for an endpoint that does not carry our tag.
            shared: has to be True for an endpoint that serves other ACTIVE clusters.

        Raises:
            InvalidRequest: there is no such endpoint, and none was ever made or deleted here.
            NotEligible: it does not carry our tag, or serves other ACTIVE clusters.
            WaitTimeout: the time is over; the cloud's work goes on.
        """

    @operation
    def run(  # noqa: PLR0913 - the options of the command
        self,
        cluster: str,
        *,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
        force: bool = False,
        yes: bool = False,
        timeout: float = 600.0,
        alias: str = "tidb",
        connect_timeout: float = 60.0,
        user: str | None = None,
        no_prefix: bool = False,
        database: str | None = None,
        password_from: str | None = None,
        tls: str = "auto",
        tls_name: str | None = None,
        ca: str | None = None,
    ) -> model.RunReport:
        """Do every step in order, skipping what is done; further options as in `create` and `connect`.

        With `yes` an endpoint that is billed is created without asking.

        Raises:
            ChoiceRequired: several VPCs or security groups are possible, and none is the clear choice.
            NotConfirmed: a billed creation was not confirmed, or nobody can be asked; nothing was created.
            StepOrderError: the service's owner has to accept the connection first.
        """

    @operation
    def fleet(  # noqa: PLR0913 - the options of the command
        self,
        action: str,
        file: str,
        *,
        parallel: int = 4,
        timeout: float = 600.0,
        force: bool = False,
        yes: bool = False,
        adopted: bool = False,
        shared: bool = False,
    ) -> model.Fleet:
        """Plan, make, look at or delete the endpoints of many clusters and VPCs.

        Args:
            action: init, which writes a template of the file, plan, apply, status or delete.
            file: path of the TOML file.
            parallel: rows to work on at a time, at most 16.
            timeout: seconds to wait for all the rows together.
            force: make endpoints even though the preflight says stop.
            yes: has to be True for delete.
            adopted: delete endpoints that do not carry our tag, too.
            shared: delete endpoints that also serve ACTIVE clusters that none of their rows names.

        Raises:
            InvalidRequest: the file is not valid; every problem of it is named, and nothing was done.
            FleetFailed: some rows failed; its `fleet` tells of every row.
            WaitCancelled: it was stopped; the clouds' work goes on, and the same call takes it up again.
        """

    @operation
    def whoami(self, *, profile: str | None = None) -> model.Whoami:
        """Show whose keys are used, where they come from, and whether a read call succeeds with each.

        Args:
            profile: ticloud profile to use from now on.

        Raises:
            InvalidRequest: ticloud has no such profile.
        """

    @operation
    def permissions(self, *, cluster: str | None = None, clean_up: bool = False) -> model.Permissions:
        """Show the least RAM policy for plan, create, wait and connect, as JSON; nothing is changed.

        Args:
            cluster: name or ID, for its region alone; default: the last one named, else every region.
            clean_up: also what `delete` needs.
        """

    @operation
    def history(self, *, limit: int = 20, queries: bool = False) -> model.History:
        """Show what this user changed in Alibaba Cloud from this machine, the latest first.

        Args:
            limit: entries at most.
            queries: the queries of this process instead, which no file keeps.
        """

    @operation
    def export(  # noqa: PLR0913 - the options of the command
        self,
        format: str,  # noqa: A002 - the word of the command
        *,
        cluster: str | None = None,
        vpc: str | None = None,
        security_group: Iterable[str] = (),
        zone: Iterable[str] = (),
        name: str | None = None,
        endpoint: str | None = None,
        to: str | None = None,
        replace: bool = False,
    ) -> model.Export:
        """Write the endpoint as infrastructure as code, for review; `str()` of the result is the text.

        Args:
            format: `terraform` or `aliyun-cli`.
            cluster: as in `create`, as are the next four.
            vpc: see `cluster`.
            security_group: see `cluster`.
            zone: see `cluster`.
            name: see `cluster`.
            endpoint: ID of one that exists; default: the one that `plan` would adopt, or else what `create`
                would make.
            to: file to write, which is replaced only where it is an earlier export that nobody has changed.
            replace: replace any other file, too.

        Raises:
            InvalidRequest: the file exists and is none of ours, or an argument is not valid.
            StepOrderError: the endpoint is being deleted, or too little is known to plan one.
        """

    @operation
    def help(self, topic: str | None = None) -> model.HelpText:
        """Explain a topic, in Markdown; without one the topics are listed.

        Args:
            topic: one of `errors.TOPICS`, such as costs, keys or tls.
        """
