"""The SQL connection, and where one stands on the way to it."""

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
    """How the SQL connection is secured; `auto` verifies wherever the server offers TLS."""

    AUTO = "auto"
    OFF = "off"
    VERIFY_CA = "verify-ca"
    VERIFY_IDENTITY = "verify-identity"


@dataclass(frozen=True, kw_only=True)
class TlsReport:
    """How the SQL connection is secured.

    Attributes:
        encrypted: TLS is in use.
        verified_name: the name that the server's certificate was checked against; empty where none was.
        description: one line for people.
    """

    encrypted: bool
    verified_name: str
    description: str


def _not_opened(name: str, **values: Any) -> Result:  # noqa: ARG001 - what `connect` replaces
    raise RuntimeError("this connection was not opened by connect")


@dataclass(frozen=True, kw_only=True)
class Connection(Result):
    """A SQL connection over a private endpoint, registered with jupysql where there is a shell.

    Attributes:
        engine: SQLAlchemy engine, autocommit; serves `pandas.read_sql`.
        registered: `%sql` knows the alias.
        password_source: where the password came from, never the password.
        ca: file of the certificate authorities that are trusted; empty for the system's.
        saved: file in which it was saved for other kernels; empty where that was not asked for.
        operate: does an operation over it, by its name and with the values of its fields.
        first_query: a SELECT of a table that exists; empty where none was looked for or found.
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
    first_query: str = ""
    engine: Engine = field(repr=False, compare=False, metadata={"plain": False})
    operate: Callable[..., Any] = field(
        default=_not_opened, repr=False, compare=False, metadata={"plain": False}
    )

    def query(
        self,
        sql: str,
        params: Mapping[str, object] | Sequence[object] | None = None,
        **options: Any,
    ) -> Any:
        """Read a statement's result, as `Runbook.query` does: over a connection of its own.

        Args:
            sql: one statement.
            params: values for each `?` (a sequence) or `:name` (a mapping); bound, never pasted.
            options: of `Runbook.query`, such as `max_rows`, `dtypes` or `to_parquet`.

        Returns:
            A `pandas.DataFrame`, or what the options name.

        Raises:
            StepOrderError: the connection is closed.
            QueryError: refused, stopped or too large; the connection can be used again.
            ConnectionFailed: it was lost.
        """
        return self.operate("query", sql=sql, params=params, **options).data

    def load(
        self, frame: object, table: str, *, if_exists: str = "fail", keys: Sequence[str] = ()
    ) -> LoadResult:
        """Load a frame into a table, as `Runbook.load` does.

        Args:
            frame: a pandas or polars DataFrame, a `pyarrow.Table`, or the path of a CSV or Parquet file.
            table: its name, also as `database.table`.
            if_exists: `fail`, `append` or `replace`.
            keys: columns of a primary or unique key, by which a repeated load updates rows.

        Raises:
            StepOrderError: the connection is closed.
            InvalidRequest: a value cannot arrive as it is, or the table is in the way or of other columns.
            LoadFailed: it ended early; the error says which rows are committed.
            ConnectionFailed: the server could not be asked; nothing was sent.
        """
        result: LoadResult = self.operate(
            "load", frame=frame, table=table, if_exists=if_exists, keys=keys or None
        )
        return result


@dataclass(frozen=True, kw_only=True)
class SavedConnection:
    """A connection as another kernel makes it again, without asking a cloud; nothing in it is secret.

    Attributes:
        name: what stands behind the @; also the alias.
        cluster: as it was when the connection was saved.
        tls: auto, off, verify-ca or verify-identity, as it was asked for.
        tls_name: the only name that the certificate may carry; empty for the host or a gateway name.
        ca: file of certificate authorities; empty for the system's.
        password_from: where the password is; empty for what `sql-user` has kept, then
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
class BrokenProfile:
    """A file that should hold a saved connection, and why it cannot be used."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Connections(Result):
    """The connections that are open in this kernel, and those that are saved.

    Attributes:
        open: in the order in which they were opened.
        saved: by name.
        broken: files that cannot be read.
        directory: where the saved ones are.
    """

    open: tuple[Connection, ...]
    saved: tuple[SavedConnection, ...]
    broken: tuple[BrokenProfile, ...] = ()
    directory: str = ""

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over the open ones."""
        return iter(self.open)

    def __len__(self) -> int:
        """Count the open ones."""
        return len(self.open)

    def __getitem__(self, alias: str) -> Connection:
        """Return the open connection of this alias.

        Raises:
            KeyError: none is open.
        """
        for connection in self.open:
            if connection.alias == alias:
                return connection
        raise KeyError(alias)


@dataclass(frozen=True, kw_only=True)
class ClientFormat:
    """A client that connections can be written for: its name after `--with`, and what it calls itself."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class ConnectionString(Result):
    """A connection as another client reads it; without a client, the clients that there are.

    Attributes:
        client: its name; empty where none was named.
        text: what to copy, of one or more lines; the password is looked up, and never in it.
        notes: what else to do.
        warnings: what this client cannot do.
        clients: the clients that there are, where none was named.
    """

    client: str = ""
    title: str = ""
    text: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    clients: tuple[ClientFormat, ...] = ()

    def __str__(self) -> str:
        """Return the text alone, so that it can be printed or written to a file."""
        return self.text


@dataclass(frozen=True, kw_only=True)
class Disconnection(Result):
    """What `disconnect` found.

    Attributes:
        closed: False where there was no such connection.
        forgotten: a saved connection of this name was deleted.
    """

    alias: str
    closed: bool
    forgotten: bool = False


NOT_REACHED = "not reached"
"""Detail of a step that those before it do not lead to yet."""


@dataclass(frozen=True, kw_only=True)
class StepStatus:
    """One step as the clouds have it now: `done` is None where it cannot be told."""

    step: str
    done: bool | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class RunbookStatus(Result):
    """Each step's state, and the next command.

    Attributes:
        cluster: None where it is not chosen or cannot be used.
        endpoint: the endpoint that the steps are about, if there is one.
        aliases: the SQL connections over it that are open in this kernel.
        first_query: a SELECT for the next command, where that is a cell of SQL.
        known: what this machine knows itself, where no key was found to ask a cloud with.
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
    """A step of `run`: `skipped` where there was nothing left to do; `seconds` of wall time."""

    step: str
    detail: str
    seconds: float
    skipped: bool = False


@dataclass(frozen=True, kw_only=True)
class RunReport(Result):
    """What `run` did, and the connection at its end."""

    steps: tuple[FinishedStep, ...]
    endpoint: VpcEndpoint
    connection: Connection
