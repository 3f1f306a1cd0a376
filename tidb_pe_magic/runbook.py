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
from tidb_pe_magic.credentials.prompt import ask, ask_yes_no
from tidb_pe_magic.credentials.redaction import hide_values
from tidb_pe_magic.credentials.secrets import Environment
from tidb_pe_magic.errors import StepOrderError, TidbPeError
from tidb_pe_magic.runtime.context import Context, usual_frames
from tidb_pe_magic.runtime.known_names import KnownNames

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
    """Bind a method to the operation of its name; the method's body is only its docstring.

    Its arguments are the fields of the operation's request. It returns the step's result; for a query, the
    data of that result.
    """
    name, signature = method.__name__.replace("_", "-"), inspect.signature(method)

    @functools.wraps(method)
    def perform(self: Runbook, /, *args: P.args, **kwargs: P.kwargs) -> R:
        values = signature.bind(self, *args, **kwargs).arguments
        del values["self"]
        try:
            result = self.perform(name, OPERATIONS[name].request.of(**values))
        except TidbPeError as error:
            error.spelling = python  # for this error only
            raise
        return cast("R", result.data if isinstance(result, model.QueryResult) else result)

    return perform


class Runbook:
    """The tutorial's steps as methods. Each reads the current state first, so it is safe to call again.

    ::

        with Runbook() as runbook:
            runbook.cluster("demo")
            runbook.create(vpc="vpc-…", security_group=["sg-…"])
            runbook.wait()
            engine = runbook.connect(database="test").engine

    Keys are looked up at each call, in the order that `whoami` shows: the environment, then the profiles of
    `ticloud` and of Alibaba Cloud's command line, then RAM roles.

    Every method raises `InvalidRequest` for invalid input, `MissingCredentials` if a key is missing, and
    `ApiError` if a cloud refuses a call; each method documents its further errors.
    """

    def __init__(  # noqa: PLR0913 - each is an edge that a test or a skin replaces
        self,
        *,
        shell: InteractiveShell | None = None,
        on_event: model.EventHook = model.ignore_event,
        environ: Mapping[str, str] | None = None,
        prompt: Callable[[str], Secret] = ask,
        confirm: Callable[[str], bool] = ask_yes_no,
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
        """Create a runbook without calling anything.

        Args:
            shell: IPython's shell, in which `connect` registers with jupysql; without one, `connect` only
                creates an engine.
            on_event: receives the frozen events of `model.Event` while a step works.
            environ: replaces `os.environ`.
            prompt: asks the user for a password.
            confirm: asks before a billed creation; raises EOFError if no user can answer.
            cancel: set it to end a wait.
            clock: seconds, monotonic.
            sleep: waits at most that many seconds; returns True if the wait was cancelled.
            answer_timeout: seconds to wait for a cloud's answer to one call.
            profile: ticloud profile whose key is used; takes precedence over the environment.
            metadata_timeout: seconds for each answer of the ECS metadata service.
            cell_events: opens the display for the events of one `%%sql` statement; default: `on_event`.
            cell_frames: returns `dtypes` and `decimals` for the frames that `%%sql` returns.
            counts_units: returns whether to ask for the Request Units of statements that take 50 ms or more.
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
        """Show the cluster and the open connections."""
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
        """The names of the open SQL connections, the one opened last at the end."""
        return tuple(self._context.connections)

    @property
    def known(self) -> KnownNames:
        """Known names, for completion."""
        return self._known

    @property
    def cluster_id(self) -> str:
        """The default cluster of most steps: the ID of the one used last, or TIDB_PE_CLUSTER."""
        from tidb_pe_magic.runtime.context import CLUSTER  # noqa: PLC0415 - only when it is needed

        return self._context.cluster_id or self._context.environ.get(CLUSTER, "")

    def perform(  # noqa: PLR0913 - what distinguishes one call from another
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
        """Run the operation `name`: every interface and every method below calls this.

        Args:
            name: a key of `OPERATIONS`.
            request: created by the operation's request class.
            on_event: default: the runbook's own.
            cancel: ends a wait of this call only; default: the runbook's own.
            prompt: asks for a password in this call; default: the runbook's own.
            remember: use the cluster of this call as the default of later calls.
            cell: the call is a notebook cell: a query runs in the session that the alias's cells share.
        """
        context = self._context.for_call(cancel=cancel, prompt=prompt, remember=remember, cell=cell)
        hosts.overrides(context.environ)  # refuse an invalid host before anything else happens
        listener = on_event or self._on_event
        try:
            with context.events_to(listener):
                result = OPERATIONS[name].resolve()(context, request, listener)
        except BaseException as error:
            failure = hide_values(error, context.environ)
            if failure is error:
                raise
        else:
            self._known.learn(result)
            return self._with_caller(result, context)
        raise failure

    @staticmethod
    def _with_caller(result: model.Result, context: Context) -> model.Result:
        # A connection captures its hosts when it starts; its alias keeps the same object.
        via, emulated = context.via, context.emulated
        if (result.via, result.emulated) == (via, emulated):
            return result
        return replace(result, via=via, emulated=emulated)

    @operation
    def clusters(self) -> model.Clusters:
        """List clusters (1.1), usable ones first, each with the restriction that it does not meet."""

    @operation
    def cluster(self, cluster: str) -> model.Cluster:
        """Select a cluster (1.2-1.4) as the default of the steps that follow.

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
        """Look up the endpoint service from the endpoint owner's account (2.5-2.6).

        Raises:
            NotFound: the service is not visible to this account.
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
        """Show what `create` would create and bill (2.1-2.8), using the API's dry run; change nothing.

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
        """Create the endpoint (2.1-2.8), or adopt the existing one for this service and VPC.

        Args:
            cluster: name or ID; default: the last one used.
            vpc: ID; default: this notebook's VPC if usable, else the region's only usable one, else the only
                one that has an endpoint.
            security_group: IDs, at most 10; default: one whose rules allow this notebook to reach the port.
            zone: `ZONE`, `ZONE=VSWITCH` or `all`; each zone is billed by the hour; default: two zones, this
                notebook's zone first.
            name: of the endpoint.
            force: continue even if the preflight reports a blocking problem.

        Raises:
            NotEligible: VPC, vSwitch or zone cannot be used with this cluster.
            PreflightFailed: the endpoint would not work; nothing was created.
        """

    @operation
    def wait(
        self, *, cluster: str | None = None, endpoint: str | None = None, timeout: float = 600.0
    ) -> model.VpcEndpoint:
        """Wait until the endpoint is Active and its connection Connected (2.9).

        Args:
            cluster: name or ID; default: the last one used.
            endpoint: ID; default: the one that this kernel created or used last, else the cluster's only one.
            timeout: seconds.

        Raises:
            StepOrderError: there is no endpoint yet.
            WaitTimeout: the time limit was reached; the cloud continues its work.
            WaitCancelled: the wait was stopped; the cloud continues its work.
            EndpointFailed: the endpoint cannot become connected.
        """

    @operation
    def authorize(self, *, cluster: str | None = None, endpoint: str | None = None) -> model.Authorization:
        """Show the Authorized Networks rule of the cluster that allows the endpoint; change nothing.

        Args:
            cluster: name or ID; default: the last one used.
            endpoint: ID; default: the cluster's only one.
        """

    @operation
    def connect(  # noqa: PLR0913 - the options of the command
        self,
        connection: str | None = None,
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
        """Log in to the private host, and register the connection with jupysql if there is a shell.

        Args:
            connection: `@NAME` of a saved connection, or `@FILE.json` of a connection file, opened without
                calling a cloud; other arguments override the saved values.
            cluster: name or ID; default: the last one used.
            endpoint: ID; default: the cluster's only one.
            alias: name of the connection; an older one of this name is closed after the login succeeds.
            connect_timeout: seconds until the login is abandoned; a login wakes a paused cluster.
            no_prefix: use the user name exactly as given.
            user: SQL user, with or without the cluster's prefix; default: the cluster's root.
            database: default: none.
            password_from: `prompt`, `env:NAME`, `keyring:SERVICE` or `file:PATH`; default: the password that
                `sql_user` stored, then `TIDB_PASSWORD`, then a prompt.
            tls: auto, off, verify-ca or verify-identity.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.
            save: save the connection under its alias, without the password, for `connect("@NAME")`.
            save_to: write it to this .json file, without secrets, for a colleague's `connect("@FILE.json")`.
            trust_file: connect even if the file's host or TLS options are not those of a private endpoint.

        Raises:
            InvalidRequest: no saved connection has this name, or its file is invalid or not trusted.
            StepOrderError: there is no endpoint, or it is not Connected yet.
            ConnectionFailed: with the stage that failed.
        """

    @operation
    def connections(self) -> model.Connections:
        """List the open and the saved connections; iterating gives the open ones."""

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
        """Write the connection in the format of another client (3.4); `str()` of the result is only the text.

        Args:
            with_: the client; without it the clients are listed and nothing else happens.
            cluster: name or ID; default: the last one used.
            endpoint: ID; default: the cluster's only one.
            alias: open or saved connection that provides the other values; default: the one opened last,
                unless a cluster or an endpoint is given.
            no_prefix: use the user name exactly as given.
            user: SQL user, with or without the cluster's prefix; default: the connection's user, or the
                cluster's root.
            database: default: the connection's, or none.
            tls: auto, off, verify-ca or verify-identity; auto takes the connection's setting, or what the
                server offers.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.

        Raises:
            StepOrderError: no connection has this alias, or there is no endpoint.
            InvalidRequest: the client's format cannot hold a value.
            ConnectionFailed: the server's certificate was rejected.
        """

    @operation
    def query(  # noqa: PLR0913 - the options of the command
        self,
        sql: str,
        params: Mapping[str, object] | Sequence[object] | None = None,
        *,
        connection: str | None = None,
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
        """Return the result of a statement over an open or saved connection.

        Several threads may call it at once: each uses a connection of the alias's pool. Progress arrives as
        events; `QueryEnded` has rows, bytes, seconds and the number of invalid dates.

        Args:
            sql: one statement.
            params: values for each `?` (a sequence) or `:name` (a mapping); bound, never put into the text.
            connection: `@NAME` of an open or saved connection, or `@FILE.json` of a connection file, instead
                of `alias`; opened first if it is not open.
            alias: open or saved connection; a saved one is opened first.
            max_rows: maximum number of rows to read.
            max_memory: bytes that the result may use; default: half of the free memory.
            arrow: return a `pyarrow.Table`.
            dtypes: of the frame's columns: `pandas` (int64, float64, str, datetime64), `arrow`, or
                `numpy_nullable`.
            decimals: `auto` converts DECIMAL columns to Int64 or float64 if no value loses a digit,
                `exact` never converts, `float` always does.
            to_parquet: write to this file as rows arrive; memory does not grow with the result.
            to_csv: write to this CSV file in the same way, with every value exact.
            partition_on: integer column whose ranges are read in parallel, all from one snapshot.
            partitions: number of ranges, each over its own connection; rows come in the order of the ranges.
            explain: return the server's plan, a `model.QueryPlan`, without running the statement.
            explain_analyze: run the statement, and return the plan with rows and time for each operator.
            engine: `dask` returns a Dask DataFrame whose partitions its workers read.

        Returns:
            A `pandas.DataFrame`, or the type that `arrow` or `engine` selects; None if written to a file.

        Raises:
            StepOrderError: the connection does not exist.
            MissingDependency: the extra `arrow`, or `dask`, is not installed.
            QueryError: the query was refused, stopped or too large; the connection can be used again.
            ConnectionFailed: the connection was lost.
        """

    @operation
    def tables(
        self,
        name: str | None = None,
        *,
        connection: str | None = None,
        alias: str = "tidb",
        system: bool = False,
    ) -> model.Tables | model.TableDetails:
        """List databases and tables, or describe one table, from information_schema.

        Args:
            name: `table`, `database.table` or `database`, with `*` for any characters; default: every table.
            connection: `@NAME` of an open or saved connection, or `@FILE.json` of a connection file, instead
                of `alias`; opened first if it is not open.
            alias: open or saved connection; a saved one is opened first.
            system: include the server's own databases.

        Returns:
            `TableDetails` of one table: columns, indexes, five rows as a DataFrame (`sample`) and an example
            query (`select`); otherwise `Tables`.

        Raises:
            StepOrderError: the connection is neither open nor saved.
            InvalidRequest: the table or database does not exist.
            QueryError: the server refused the query.
            ConnectionFailed: the connection was lost.
        """

    @operation
    def load(  # noqa: PLR0913 - the options of the command
        self,
        frame: object,
        table: str,
        *,
        if_exists: str = "fail",
        keys: Sequence[str] | None = None,
        connection: str | None = None,
        alias: str = "tidb",
    ) -> model.LoadResult:
        """Load a frame into a table over several connections.

        A new table is created completely or not at all; appended rows are committed in batches. Values arrive
        unchanged: a value that cannot is refused before anything is sent. NaN, NaT, NA and None become NULL.

        Args:
            frame: a pandas or polars DataFrame, a `pyarrow.Table`, or the path of a CSV or Parquet file.
            table: its name, also as `database.table`.
            if_exists: `fail`, `append`, or `replace`, which keeps the old table until the new one is loaded.
            keys: columns of a primary or unique key; a repeated load updates rows instead of adding them. A
                new table gets it as its primary key.
            connection: as for `query`.
            alias: open or saved connection; a saved one is opened first.

        Raises:
            InvalidRequest: a value cannot be stored unchanged, or the table exists or has other columns.
            LoadFailed: the load ended early; the error says which rows are committed.
            StepOrderError: the connection does not exist.
            ConnectionFailed: the server did not answer; nothing was sent.
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
        """Create, list or delete SQL users, or rotate a password, which is stored and never shown.

        Args:
            action: create, list, delete or rotate.
            name: with or without the cluster's prefix.
            cluster: name or ID; default: the last one used.
            role: readonly, readwrite or admin, of a new user.
            store: auto, keyring or file: where the password is stored.
            no_prefix: use the name exactly as given.
            yes: must be True for delete.

        Raises:
            Conflict: a user of this name already exists.
            NotFound: the user does not exist.
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
        """Examine the connection stage by stage; return within ten seconds, even if something hangs.

        Args:
            cluster: name or ID; default: the last one used.
            endpoint: ID; default: the cluster's only one.
            host: examine this host without calling a cloud, unless a cluster or an endpoint is given too.
            port: default: the cluster's, or 4000 with a host.
            no_prefix: use the user name exactly as given.
            user: SQL user, with or without the cluster's prefix; default: the cluster's root.
            database: default: none.
            password_from: as in `connect`; without it, and without `TIDB_PASSWORD`, the login is skipped.
            tls: auto, off, verify-ca or verify-identity.
            tls_name: name to expect in the server's certificate.
            ca: PEM file of certificate authorities.

        Raises:
            StepOrderError: no host is given, and there is no endpoint.
        """

    @operation
    def disconnect(self, *, alias: str = "tidb", forget: bool = False) -> model.Disconnection:
        """Close a connection; with `forget`, also delete the saved connection of this name.

        Closing a closed connection is not an error.
        """

    @operation
    def status(self, *, cluster: str | None = None, endpoint: str | None = None) -> model.RunbookStatus:
        """Show the state of each step as the clouds report it, and the next command."""

    @operation
    def endpoints(self, *, cluster: str | None = None, region: str | None = None) -> model.Endpoints:
        """List this account's endpoints for the cluster's service, the first 20 with zones and addresses.

        Args:
            cluster: name or ID; default: the last one used.
            region: ID; list every endpoint of this region that was created here, instead of a cluster's.
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
        """Delete an endpoint: connections, zones, then the endpoint. Return when it is deleted.

        Args:
            endpoint: ID.
            cluster: name or ID of a cluster in the endpoint's region; default: the last one used.
            timeout: seconds.
            region: ID of the endpoint's region, instead of a cluster in it.
            yes: must be True.
            adopted: must be True for an endpoint without the tag created-by=tidb_pe_magic.
            shared: must be True for an endpoint that serves other ACTIVE clusters.

        Raises:
            InvalidRequest: the endpoint does not exist, and none of this ID was created or deleted here.
            NotEligible: it does not have the tag, or serves other ACTIVE clusters.
            WaitTimeout: the time limit was reached; the cloud continues its work.
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
        """Run every step in order and skip finished ones; further options as in `create` and `connect`.

        With `yes` a billed endpoint is created without asking.

        Raises:
            ChoiceRequired: several VPCs or security groups are possible, and none is the clear choice.
            NotConfirmed: a billed creation was not confirmed, or no user can answer; nothing was created.
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
        """Plan, create, check or delete the endpoints of many clusters and VPCs.

        Args:
            action: init, which writes a template of the file, plan, apply, status or delete.
            file: path of the TOML file.
            parallel: rows to process at a time, at most 16.
            timeout: seconds to wait for all the rows together.
            force: create endpoints even if the preflight reports a blocking problem.
            yes: must be True for delete.
            adopted: also delete endpoints without the tag created-by=tidb_pe_magic.
            shared: also delete endpoints that serve ACTIVE clusters outside their rows.

        Raises:
            InvalidRequest: the file is invalid; every problem is listed, and nothing was done.
            FleetFailed: some rows failed; its `fleet` has every row.
            WaitCancelled: it was stopped; the clouds continue their work, and the same call resumes it.
        """

    @operation
    def whoami(self, *, profile: str | None = None) -> model.Whoami:
        """Show whose keys are used, where they come from, and whether a read call succeeds with each.

        Args:
            profile: ticloud profile to use from now on.

        Raises:
            InvalidRequest: the ticloud profile does not exist.
        """

    @operation
    def permissions(self, *, cluster: str | None = None, clean_up: bool = False) -> model.Permissions:
        """Show the minimal RAM policy for plan, create, wait and connect, as JSON; change nothing.

        Args:
            cluster: name or ID, used only for its region; default: the last one used, else every region.
            clean_up: include the permissions of `delete`.
        """

    @operation
    def history(self, *, limit: int = 20, queries: bool = False) -> model.History:
        """Show what this user changed in Alibaba Cloud from this machine, the latest first.

        Args:
            limit: maximum number of entries.
            queries: show the queries of this process instead, which are not stored in a file.
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
            cluster: as in `create`, like the next four.
            vpc: see `cluster`.
            security_group: see `cluster`.
            zone: see `cluster`.
            name: see `cluster`.
            endpoint: ID of an existing one; default: the one that `plan` would adopt, or else the one that
                `create` would create.
            to: file to write; an existing file is replaced only if it is an unchanged earlier export.
            replace: replace any other file, too.

        Raises:
            InvalidRequest: the file exists and is not an earlier export, or an argument is invalid.
            StepOrderError: the endpoint is being deleted, or information to plan one is missing.
        """

    @operation
    def help(self, topic: str | None = None) -> model.HelpText:
        """Explain a topic, in Markdown; without a topic, list the topics.

        Args:
            topic: one of those that `help()` lists, such as costs, keys or tls.
        """
