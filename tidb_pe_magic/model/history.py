"""Changes in the clouds from this machine, as recorded in the journal, and this process's queries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidb_pe_magic.model.base import Result


class MutationResult(StrEnum):
    """How a mutation ended."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    UNKNOWN = "no answer"
    FOUND = "found later"
    OPEN = "interrupted or under way"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One mutating API call.

    Attributes:
        time: start time in UTC, as in 2026-11-22T20:15:03Z.
        operation: the API operation.
        resource: the changed or created resource.
        region_id: region of the resource.
        result: one of `MutationResult`.
        code: the cloud's error code; empty without an error.
        request_id: for the cloud's support; empty if no answer arrived.
        emulated: the API was replaced by one on this machine.
    """

    time: str
    operation: str
    resource: str
    region_id: str
    result: str
    code: str = ""
    request_id: str = ""
    emulated: bool = False


class QueryOutcome(StrEnum):
    """How a query ended."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class PastQuery:
    """A query of this process.

    Attributes:
        time: start time in UTC, as in 2026-11-22T20:15:03Z.
        alias: alias of the connection.
        statement: its first characters, without string literals and parameter values.
        rows: number of rows read; 0 if it failed.
        changed: number of changed rows; None for a statement that returns rows or failed.
        seconds: duration.
        request_units: its cost; None if unknown: the cost of quick queries is not looked up.
        outcome: one of `QueryOutcome`.
    """

    time: str
    alias: str
    statement: str
    rows: int = 0
    changed: int | None = None
    seconds: float = 0.0
    request_units: float | None = None
    outcome: str = QueryOutcome.DONE


@dataclass(frozen=True, kw_only=True)
class History(Result):
    """The most recent mutations, or the most recent queries of this process, newest first.

    Attributes:
        path: the journal's file; empty for queries, which are not written to a file.
        total: number of mutations in the journal, or of queries.
        queries: None for mutations.
        request_units: measured cost of all queries of this process, also of those that are not listed.
        problem: why a part of it cannot be read; empty if all of it can be read.
    """

    items: tuple[Mutation, ...]
    path: str
    total: int
    problem: str = ""
    queries: tuple[PastQuery, ...] | None = None
    request_units: float = 0.0
