"""What was changed in the clouds from here, as the journal has it."""

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
    """One call that was to change something.

    Attributes:
        time: of its beginning, UTC, as in 2026-11-22T20:15:03Z.
        operation: the API operation.
        resource: what was changed or made.
        region_id: where.
        result: one of `MutationResult`.
        code: the cloud's error code; empty where there was none.
        request_id: what the cloud's support asks for; empty where there was no answer.
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
        time: of its beginning, UTC, as in 2026-11-22T20:15:03Z.
        alias: of the connection.
        statement: its beginning, without the strings in it and without values of parameters.
        rows: that were read; 0 where it failed.
        changed: rows that were changed; None for a statement that returns rows, or that failed.
        seconds: that it took.
        request_units: what it cost; None where it is not known: the server is not asked about quick queries.
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
    """The latest mutations, or the latest queries of this process, the latest first.

    Attributes:
        path: the journal's file; empty for queries, which are in no file.
        total: how many the journal has, or how many queries there were.
        queries: None where these are mutations.
        problem: why some of it cannot be read; empty where all of it can.
    """

    items: tuple[Mutation, ...]
    path: str
    total: int
    problem: str = ""
    queries: tuple[PastQuery, ...] | None = None
