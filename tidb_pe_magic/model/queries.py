"""The result of a query."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the fields' types can be resolved at run time
from dataclasses import dataclass, field
from typing import Any

from tidb_pe_magic.model.base import Result


@dataclass(frozen=True, kw_only=True)
class PlanOperator:
    """One operator of a plan, as TiDB's EXPLAIN has it.

    Attributes:
        tree: the lines before its name, two characters for each level.
        depth: levels above it.
        estimated_rows: None where TiDB has none.
        rows: that it returned; None where the statement was not run.
        seconds: of it and all below it; None where they are not known.
        task: where it works: root, cop[tikv], mpp[tiflash].
        access_object: the table, partition or index that it reads.
        execution: what TiDB measured, as it writes it.
        memory: as TiDB writes it, such as 1.02 KB; empty where the statement was not run.
        disk: in the same way.
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
        statement: its beginning, without the strings in it.
        operators: of TiDB, each above those that it reads from.
        analyzed: the statement was run.
        columns: of another server's EXPLAIN, whose rows are as they came.
        rows: with the columns.
    """

    statement: str
    operators: tuple[PlanOperator, ...] = ()
    analyzed: bool = False
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class QueryResult(Result):
    """What a query returned, and what reading it took.

    Attributes:
        alias: of the connection.
        data: a pandas DataFrame, a pyarrow Table, a Dask DataFrame or a `QueryPlan`; None for a file.
        path: the Parquet file, or the directory of several; empty where none was written.
        rows: how many were read.
        changed: how many a statement changed that returns none; None where there is nothing to count.
        returned: the statement returns rows, if only none.
        bytes: how many the server sent.
        seconds: from the statement to the result.
        zero_dates: column -> how many dates that no calendar has (0000-00-00) became NaT.
        request_units: what the statement cost; None where it is not known: the server is not asked about what
            was quick.
        exact_decimals: DECIMAL columns that stay exact because a float64 would lose digits of a value.
        cut: there were more rows than `--max-rows`.
        deferred: nothing has been read yet: Dask's workers will.
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
    request_units: float | None = None
    exact_decimals: tuple[str, ...] = ()
    cut: bool = False
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class LoadResult(Result):
    """What was loaded: every row is committed.

    Attributes:
        alias: of the connection.
        table: with its database.
        rows: how many were sent.
        bytes: of the statements that brought them.
        seconds: from the frame to the last commit.
        created: the CREATE TABLE that made the table; empty where it was there.
        replaced: another table had the name before.
        keys: columns by which rows that were there already were updated.
    """

    alias: str
    table: str
    rows: int
    bytes: int
    seconds: float
    created: str = ""
    replaced: bool = False
    keys: tuple[str, ...] = ()
