"""Many endpoints at once: one row for each cluster and VPC of a fleet file."""

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
    """The state of a fleet's row."""

    QUEUED = "queued"
    PLANNING = "planning"
    CREATE = "to create"
    ADOPT = "adopt"
    EXISTS = "exists"
    CREATING = "creating"
    CONNECTING = "connecting"
    READY = "ready"
    NOT_READY = "not ready"
    ABSENT = "absent"
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"


IN_MOTION = frozenset({RowState.PLANNING, RowState.CREATING, RowState.CONNECTING, RowState.DELETING})
"""The states of a row that is in progress."""


@dataclass(frozen=True, kw_only=True)
class FleetRow:
    """One cluster in one VPC: its plan, its progress, or its result.

    Attributes:
        number: from 1, in the file's order.
        cluster: name or ID, as in the file.
        region_id: the cluster's region; empty if the cluster was not found.
        zones: IDs of the planned zones, or of the endpoint's zones, as far as they were looked up.
        billed_zones: number of zones that are billed because of the planned or finished creation; 0 if
            nothing is created.
        row_state: a `RowState`.
        endpoint_id: empty if the endpoint does not exist.
        host: the endpoint's domain, which is the SQL host.
        adopted: the endpoint already existed and was not changed.
        detail: both states of the endpoint, or why the row failed.
        remarks: differences between the existing endpoint and the file, and further endpoints.
        findings: warnings of the preflight, and findings that stop the row.
        next_command: the command for this row only.
        shares_row: number of the row whose endpoint this row shares; the endpoint is created, waited for and
            billed in that row. 0 if the row has its own endpoint.
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
        """The action on this row failed, entirely or in part."""
        return self.row_state == RowState.FAILED


@dataclass(frozen=True, kw_only=True)
class Fleet(Result):
    """The rows of a fleet file after an action.

    Attributes:
        action: init, plan, apply, status or delete.
        path: path of the file.
        rows: in the file's order; empty after init.
        seconds: duration of the action.
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
        """Total number of zones that are billed because of the planned or finished creations."""
        return sum(row.billed_zones for row in self.rows)

    @property
    def failures(self) -> int:
        """Number of failed rows."""
        return sum(row.failed for row in self.rows)


def row_counts(rows: tuple[FleetRow, ...]) -> dict[str, int]:
    """Return the number of rows in each state that occurs, in the order of the states."""
    found = [row.row_state for row in rows]
    return {state: found.count(state) for state in dict.fromkeys((*RowState, *found)) if state in found}
