"""SQL connections, and the status of the steps that lead to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence  # noqa: TC003 - types can be resolved at run time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import NextCommand
from tidb_pe_magic.model.base import Result
from tidb_pe_magic.model.clusters import Cluster
from tidb_pe_magic.model.endpoints import VpcEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from tidb_pe_magic.model.queries import LoadResult


class TlsMode(StrEnum):
    """How the SQL connection is secured; `auto` verifies the certificate if the server offers TLS."""

    AUTO = "auto"
    OFF = "off"
    VERIFY_CA = "verify-ca"
    VERIFY_IDENTITY = "verify-identity"


@dataclass(frozen=True, kw_only=True)
class TlsReport:
    """How the SQL connection is secured.

    Attributes:
        encrypted: TLS is in use.
        verified_name: the name that the server's certificate was checked against; empty if no name was
            checked.
        description: one line for people.
    """

    encrypted: bool
    verified_name: str
    description: str


def _no_connection(name: str, **values: Any) -> Result:  # noqa: ARG001 - what `connect` replaces
    raise RuntimeError("this connection was not opened by connect")


@dataclass(frozen=True, kw_only=True)
class Connection(Result):
    """A SQL connection over a private endpoint, registered with jupysql if IPython runs.

    Attributes:
        engine: SQLAlchemy engine, autocommit; works with `pandas.read_sql`.
        registered: `%sql` knows the alias.
        password_source: where the password came from, never the password.
        ca: file with the trusted certificate authorities; empty for the system's.
        saved: file in which it was saved for other kernels; empty if it was not saved.
        shared: connection file it was written to for colleagues, as the user named it; empty for none.
        operate: performs an operation over it, given the operation's name and the values of its fields.
        first_query: a SELECT from an existing table; empty if none was searched or found.
    """

    alias: str
    cluster: Cluster
    endpoint_id: str
    host: str
    port: int
    user: str
    database: str
    server_version: str
    tls: TlsReport
    password_source: str
    registered: bool
    ca: str = ""
    saved: str = ""
    shared: str = ""
    first_query: str = ""
    engine: Engine = field(repr=False, compare=False, metadata={"plain": False})
    operate: Callable[..., Any] = field(
        default=_no_connection, repr=False, compare=False, metadata={"plain": False}
    )

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | Sequence[object] | None = None,
        **options: Any,
    ) -> Any:
        """Read a statement's result, as `Runbook.query` does, over a separate connection.

        Args:
            sql: one statement.
            params: values for each `?` (a sequence) or `:name` (a mapping); bound, never pasted.
            options: of `Runbook.query`, such as `max_rows`, `dtypes` or `to_parquet`.

        Returns:
            A `pandas.DataFrame`, or the type that the options select.

        Raises:
            StepOrderError: the connection is closed.
            QueryError: refused, stopped or too large; the connection can be used again.
            ConnectionFailed: the connection was lost.
        """
        return self.operate("query", sql=sql, params=params, **options).data

    def load(
        self, frame: object, table: str, *, if_exists: str = "fail", keys: Sequence[str] = ()
    ) -> LoadResult:
        """Load a frame into a table, as `Runbook.load` does.

        Args:
            frame: a pandas or polars DataFrame, a `pyarrow.Table`, or the path of a CSV or Parquet file.
            table: the table's name, or `database.table`.
            if_exists: `fail`, `append` or `replace`.
            keys: columns of a primary or unique key; a repeated load updates the rows with these keys.

        Raises:
            StepOrderError: the connection is closed.
            InvalidRequest: a value cannot be stored exactly, the table already exists, or its columns differ.
            LoadFailed: the load ended early; the error says which rows are committed.
            ConnectionFailed: the server could not be reached; nothing was sent.
        """
        result: LoadResult = self.operate(
            "load", frame=frame, table=table, if_exists=if_exists, keys=keys or None
        )
        return result


@dataclass(frozen=True, kw_only=True)
class SavedConnection:
    """A saved connection, which another kernel can open again without calling a cloud. It contains no secret.

    Attributes:
        name: the name after the @; also the alias.
        cluster: name of the cluster when the connection was saved.
        tls: auto, off, verify-ca or verify-identity, as requested.
        tls_name: the only name that the certificate may contain; empty for the host or a gateway name.
        ca: file with certificate authorities; empty for the system's.
        password_from: where the password is; empty for the password that `sql-user` stored, then
            `TIDB_PASSWORD`, then a prompt.
    """

    name: str
    cluster: Cluster
    endpoint_id: str
    host: str
    port: int
    user: str
    database: str
    tls: str
    tls_name: str
    ca: str
    password_from: str


@dataclass(frozen=True, kw_only=True)
class BrokenConnection:
    """An unusable file of a saved connection, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Connections(Result):
    """The connections that are open in this kernel, and those that are saved.

    Attributes:
        open: the open connections, in the order of opening.
        saved: the saved connections, by name.
        broken: files that cannot be read.
        directory: directory of the saved connections.
    """

    open: tuple[Connection, ...]
    saved: tuple[SavedConnection, ...]
    broken: tuple[BrokenConnection, ...] = ()
    directory: str = ""

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over the open connections."""
        return iter(self.open)

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self.open)

    def __getitem__(self, alias: str) -> Connection:
        """Return the open connection of this alias.

        Raises:
            KeyError: no connection of this alias is open.
        """
        for connection in self.open:
            if connection.alias == alias:
                return connection
        raise KeyError(alias)


@dataclass(frozen=True, kw_only=True)
class ClientProgram:
    """A supported client: its name for `--with`, and its product name."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class ConnectionString(Result):
    """A connection in another client's format; without a client, the list of supported clients.

    Attributes:
        client: its name; empty if no client was requested.
        text: the text to copy, one or more lines; it looks the password up and never contains it.
        notes: further instructions.
        warnings: features that this client does not support.
        clients: the supported clients, if no client was requested.
    """

    client: str = ""
    title: str = ""
    text: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    clients: tuple[ClientProgram, ...] = ()

    def __str__(self) -> str:
        """Return only the text, so that it can be printed or written to a file."""
        return self.text


@dataclass(frozen=True, kw_only=True)
class Disconnection(Result):
    """The result of `disconnect`.

    Attributes:
        closed: False if the connection did not exist.
        forgotten: a saved connection of this name was deleted.
    """

    alias: str
    closed: bool
    forgotten: bool = False


NOT_REACHED = "not reached"
"""Detail of a step whose previous steps are not done yet."""


@dataclass(frozen=True, kw_only=True)
class StepStatus:
    """The current state of one step in the clouds; `done` is None if it is unknown."""

    step: str
    done: bool | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class RunbookStatus(Result):
    """Each step's state, and the next command.

    Attributes:
        cluster: None if it is not chosen or cannot be used.
        endpoint: the endpoint of the steps, if it exists.
        aliases: aliases of this kernel's open SQL connections over the endpoint.
        first_query: a SELECT for the next command, if that is a SQL cell.
        known: facts that this machine knows without a cloud, if no key was found.
    """

    steps: tuple[StepStatus, ...]
    next_command: NextCommand | None
    cluster: Cluster | None = field(default=None, repr=False)
    endpoint: VpcEndpoint | None = field(default=None, repr=False)
    aliases: tuple[str, ...] = ()
    first_query: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FinishedStep:
    """A step of `run`: `skipped` if it was already done; `seconds` is wall time."""

    step: str
    detail: str
    seconds: float
    skipped: bool = False


@dataclass(frozen=True, kw_only=True)
class RunReport(Result):
    """The steps of `run`, and the connection that it opened."""

    steps: tuple[FinishedStep, ...]
    endpoint: VpcEndpoint
    connection: Connection
