"""The result of a query."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the fields' types can be resolved at run time
from dataclasses import dataclass, field
from typing import Any

from tidb_pe_magic.model.base import Result


@dataclass(frozen=True, kw_only=True)
class PlanOperator:
    """One operator of a plan, as in TiDB's EXPLAIN.

    Attributes:
        tree: the tree lines before its name, two characters for each level.
        depth: number of levels above it.
        estimated_rows: None if TiDB has no estimate.
        rows: number of returned rows; None if the statement was not run.
        seconds: time of it and all operators below it; None if unknown.
        task: where it runs: root, cop[tikv], mpp[tiflash].
        access_object: the table, partition or index that it reads.
        execution: TiDB's measurements, in TiDB's format.
        memory: in TiDB's format, such as 1.02 KB; empty if the statement was not run.
        disk: in the same format.
    """

    name: str
    tree: str = ""
    depth: int = 0
    estimated_rows: float | None = None
    rows: int | None = None
    seconds: float | None = None
    task: str = ""
    access_object: str = ""
    info: str = ""
    execution: str = ""
    memory: str = ""
    disk: str = ""


@dataclass(frozen=True, kw_only=True)
class QueryPlan(Result):
    """The server's plan of a statement.

    Attributes:
        statement: its first characters, without string literals.
        operators: TiDB's operators, each before the operators that it reads from.
        analyzed: the statement was run.
        columns: columns of another server's EXPLAIN.
        rows: rows of these columns, unchanged.
    """

    statement: str
    operators: tuple[PlanOperator, ...] = ()
    analyzed: bool = False
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class QueryResult(Result):
    """A query's result and its figures.

    Attributes:
        alias: of the connection.
        data: a pandas DataFrame, a pyarrow Table, a Dask DataFrame or a `QueryPlan`; None for a file.
        path: the Parquet file, or the directory of several; empty if no file was written.
        rows: number of rows read.
        changed: number of rows that a statement without a result changed; None if the server counts none.
        returned: the statement returns a result, possibly without rows.
        bytes: number of bytes that the server sent.
        seconds: from the statement to the result.
        zero_dates: column -> number of invalid dates (0000-00-00) that were converted to NaT.
        server_warnings: the server's warnings about the statement, such as a text that was cut.
        request_units: the statement's cost; None if unknown: the cost of quick statements is not looked up.
        exact_decimals: DECIMAL columns that stay exact because a float64 would lose digits of a value.
        cut: the result had more rows than `--max-rows`.
        deferred: nothing has been read yet; Dask's workers will read it.
    """

    alias: str
    data: Any = field(default=None, repr=False, compare=False, metadata={"plain": False})
    path: str = ""
    rows: int = 0
    changed: int | None = None
    returned: bool = True
    bytes: int = 0
    seconds: float = 0.0
    zero_dates: Mapping[str, int] = field(default_factory=dict)
    server_warnings: tuple[str, ...] = ()
    request_units: float | None = None
    exact_decimals: tuple[str, ...] = ()
    cut: bool = False
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class LoadResult(Result):
    """A finished load, with every row committed.

    Attributes:
        alias: of the connection.
        table: the table's name, with its database.
        rows: number of rows sent.
        bytes: total size of the INSERT statements.
        seconds: from the frame to the last commit.
        created: the table's CREATE TABLE statement; empty if the table already existed.
        replaced: the load replaced an existing table.
        keys: key columns of the rows that were updated if they already existed.
    """

    alias: str
    table: str
    rows: int
    bytes: int
    seconds: float
    created: str = ""
    replaced: bool = False
    keys: tuple[str, ...] = ()
