"""A result as a Dask DataFrame: its workers read the ranges, each over its own connection.

The graph contains the source of the password, not the password; each worker looks it up.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tidb_pe_magic.credentials.secrets import PasswordSource, sql_password
from tidb_pe_magic.database.engine import Target, open_engine
from tidb_pe_magic.database.queries.inflight import InFlight
from tidb_pe_magic.database.queries.statement import BoundStatement, Tally, read
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.frames import FrameOptions
    from tidb_pe_magic.database.queries.ranges import ReadTimestamp
    from tidb_pe_magic.database.queries.statement import Sink

_PROMPTED, _DEFAULT = "prompt", "TIDB_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class WorkerLogin:
    """Where workers log in, and where each of them finds the password.

    Attributes:
        password_from: `env:NAME`, `keyring:SERVICE` or `file:PATH`, looked up where the worker runs.
    """

    host: str
    port: int
    user: str
    database: str
    tls: str
    tls_name: str
    ca: str
    password_from: str

    def target(self) -> Target:
        """Look up the password, and return where to log in.

        Raises:
            MissingCredentials: the password was not found.
        """
        source = PasswordSource.parse(self.password_from)
        password = sql_password(source, user=self.user, environ=os.environ, prompt=_nobody)
        return Target(
            host=self.host,
            port=self.port,
            user=self.user,
            database=self.database,
            password=password.secret,
            tls=TlsMode(self.tls),
            tls_name=self.tls_name,
            ca=self.ca,
        )


def password_reference(source: str) -> str:
    """Return where a worker finds the password of a connection.

    Raises:
        InvalidRequest: the password was typed, so a worker cannot find it.
    """
    if source == _DEFAULT:
        return f"env:{_DEFAULT}"
    if source == _PROMPTED:
        raise InvalidRequest(
            "--engine",
            "Dask workers cannot ask for a password.",
            advice="Connect with --password-from env:NAME, keyring:SERVICE or file:PATH, which each worker "
            "looks up.",
        )
    return source


def distributed_frame(
    queries: Sequence[BoundStatement],
    source: WorkerLogin,
    moment: ReadTimestamp,
    schema: pa.Schema,
    options: FrameOptions,
) -> Any:
    """Return a Dask DataFrame with a partition for each query; read nothing yet.

    The declared types determine the dtypes, so all partitions have the same ones.
    """
    from dask import config, dataframe  # noqa: PLC0415 - an optional package

    make: Callable[..., Any] = dataframe.from_map
    # Text keeps the type that it has in a pandas frame.
    with config.set({"dataframe.convert-string": False}):
        return make(
            read_partition,
            queries,
            source=source,
            moment=moment,
            options=options,
            meta=options.of_schema(schema).frame(schema.empty_table()),
            enforce_metadata=False,
            label="tidb",
        )


def read_partition(
    query: BoundStatement, *, source: WorkerLogin, moment: ReadTimestamp, options: FrameOptions
) -> pd.DataFrame:
    """Read one range; runs on a worker.

    Raises:
        MissingCredentials: the worker does not find the password.
        ConnectionFailed: it cannot log in.
        QueryFailed: the server no longer has the snapshot.
    """
    batches: list[pa.RecordBatch] = []
    schemas: list[pa.Schema] = []

    def take(batch: pa.RecordBatch) -> bool:
        batches.append(batch)
        return True

    def begin(schema: pa.Schema) -> Sink:
        schemas.append(schema)
        return take

    engine = open_engine(source.target()).engine
    try:
        flight = InFlight(engine)
        with flight.from_pool() as session:
            moment.enter(session)
            read(flight, session, query, Tally(), begin)
    finally:
        engine.dispose()
    table = pa.Table.from_batches(batches, schema=schemas[0])
    return options.of_schema(table.schema).frame(table)


def _nobody(question: str) -> Secret:
    raise MissingCredentials("SQL password", (question, "a prompt, which a worker does not have"))
