"""What was changed in the clouds from here, as the journal has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tidb_pe_magic.model.base import WORDED, Result


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
    """

    time: str
    operation: str
    resource: str
    region_id: str
    result: str
    code: str = ""
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class History(Result):
    """The latest mutations, the latest first.

    Attributes:
        path: the journal's file.
        total: how many the journal has.
        problem: why some of it cannot be read; empty where all of it can.
    """

    items: tuple[Mutation, ...]
    path: str
    total: int
    problem: str = field(default="", metadata=WORDED)
