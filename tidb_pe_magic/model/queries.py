"""The result of a query."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the fields' types can be resolved at run time
from dataclasses import dataclass, field
from typing import Any

from tidb_pe_magic.model.base import Result


@dataclass(frozen=True, kw_only=True)
class QueryResult(Result):
    """What a query returned, and what reading it took.

    Attributes:
        alias: of the connection.
        data: a pandas DataFrame, a pyarrow Table or a Dask DataFrame; None where it was written to a file.
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
