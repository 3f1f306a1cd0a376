"""Many endpoints at once: a row for each cluster and VPC of a fleet's file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import NextCommand
from tidb_pe_magic.model.base import Result
from tidb_pe_magic.model.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator


class RowState(StrEnum):
    """Where a row of a fleet stands."""

    QUEUED = "queued"
    PLANNING = "planning"
    MAKE = "make"
    ADOPT = "adopt"
    EXISTS = "exists"
    MAKING = "making"
    CONNECTING = "connecting"
    READY = "ready"
    NOT_READY = "not ready"
    ABSENT = "absent"
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"


IN_MOTION = frozenset({RowState.PLANNING, RowState.MAKING, RowState.CONNECTING, RowState.DELETING})
"""The states of a row that something is being done about."""


@dataclass(frozen=True, kw_only=True)
class FleetRow:
    """One cluster in one VPC: what would be done, what is done, or what was done.

    Attributes:
        number: from 1, in the file's order.
        cluster: as the file names it.
        region_id: the cluster's; empty where the cluster was not found.
        zones: the IDs of the zones that are planned, or of those that the endpoint has, as far as they
            were looked up.
        billed_zones: zones that are billed from the creation on that was planned or done; 0 where nothing
            is made.
        row_state: of `RowState`.
        endpoint_id: empty where there is none.
        host: the endpoint's domain, which is the SQL host.
        adopted: the endpoint existed already and was left as it is.
        detail: both states of the endpoint, or why the row failed.
        remarks: how an endpoint that exists differs from what the file says, and others beside it.
        findings: what the preflight warns of, and what stops the row.
        next_command: what to run for this row alone.
        shares_row: number of the row that this one shares its endpoint with, which is created, waited for and
            billed there; 0 for an endpoint of its own.
    """

    number: int
    cluster: str
    vpc_id: str
    region_id: str = ""
    zones: tuple[str, ...] = ()
    billed_zones: int = 0
    row_state: str = RowState.QUEUED
    endpoint_id: str = ""
    host: str = ""
    adopted: bool = False
    detail: str = ""
    remarks: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    next_command: NextCommand | None = None
    shares_row: int = 0

    @property
    def failed(self) -> bool:
        """Nothing could be done for this row, or not all of it."""
        return self.row_state == RowState.FAILED


@dataclass(frozen=True, kw_only=True)
class Fleet(Result):
    """The rows of a fleet's file, after an action.

    Attributes:
        action: init, plan, apply, status or delete.
        path: of the file.
        rows: in the file's order; none after init.
        seconds: that the action took.
    """

    action: str
    path: str
    rows: tuple[FleetRow, ...] = ()
    seconds: float = 0.0

    def __iter__(self) -> Iterator[FleetRow]:
        """Iterate over the rows."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    @property
    def billed_zones(self) -> int:
        """Zones in all that are billed from the creations on that were planned or done."""
        return sum(row.billed_zones for row in self.rows)

    @property
    def failures(self) -> int:
        """How many rows failed."""
        return sum(row.failed for row in self.rows)


def row_counts(rows: tuple[FleetRow, ...]) -> dict[str, int]:
    """Return how many rows are in each state that occurs, in the order in which rows go through them."""
    found = [row.row_state for row in rows]
    return {state: found.count(state) for state in dict.fromkeys((*RowState, *found)) if state in found}
