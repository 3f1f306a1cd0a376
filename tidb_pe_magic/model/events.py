"""What a step tells while it works: frozen records, given to a hook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidb_pe_magic.model.connections import FinishedStep
from tidb_pe_magic.model.endpoints import EndpointPlan, StateChange, VpcEndpoint
from tidb_pe_magic.model.fleets import Fleet, FleetRow
from tidb_pe_magic.model.queries import QueryResult


@dataclass(frozen=True, kw_only=True)
class StepStarted:
    """Event: a step of `run` begins."""

    step: str


@dataclass(frozen=True, kw_only=True)
class StepFinished:
    """Event: a step of `run` has ended."""

    finished: FinishedStep


@dataclass(frozen=True, kw_only=True)
class PlanShown:
    """Event: what `run` is about to create."""

    plan: EndpointPlan


@dataclass(frozen=True, kw_only=True)
class EndpointObserved:
    """Event: a state of the endpoint was seen while waiting.

    Attributes:
        endpoint: None where it is gone.
        elapsed: seconds since the wait began.
        waiting_for: what the wait is for, in words.
    """

    endpoint: VpcEndpoint | None
    elapsed: float
    waiting_for: str


@dataclass(frozen=True, kw_only=True)
class ObservationFailed:
    """Event: the clouds could not be asked this time; the wait goes on."""

    error: str
    elapsed: float


@dataclass(frozen=True, kw_only=True)
class RetryScheduled:
    """Event: a call of an API failed temporarily, and is repeated after a pause.

    Attributes:
        operation: the API operation.
        error: the failure in one line.
        attempt: how many calls have failed so far.
        pause: seconds until the next one.
    """

    operation: str
    error: str
    attempt: int
    pause: float


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Event: something to know that does not end the command."""

    text: str


@dataclass(frozen=True, kw_only=True)
class PackageLoading:
    """Event: a package that takes seconds to import is being imported."""

    package: str


@dataclass(frozen=True, kw_only=True)
class RowsRead:
    """Event: so much of a query's result has been read."""

    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class QueryEnded:
    """Event: a query has its result, which is complete unless it says otherwise."""

    result: QueryResult


@dataclass(frozen=True, kw_only=True)
class TableShown:
    """Event: the statement that is about to make a table."""

    statement: str


@dataclass(frozen=True, kw_only=True)
class RowsLoaded:
    """Event: so much of a frame has been committed.

    Attributes:
        total: rows of the frame.
    """

    rows: int
    total: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FleetProgressed:
    """Event: rows of a fleet have got on.

    Attributes:
        action: what is done to the fleet.
        rows: all of them, as they are now.
        changed: those that have changed since the last such event.
        elapsed: seconds since the action began.
    """

    action: str
    rows: tuple[FleetRow, ...]
    changed: tuple[FleetRow, ...]
    elapsed: float


@dataclass(frozen=True, kw_only=True)
class FleetEnded:
    """Event: an action on a fleet has gone through every row, some of which may have failed."""

    fleet: Fleet


Event = (
    StepStarted
    | StepFinished
    | PlanShown
    | EndpointObserved
    | ObservationFailed
    | RetryScheduled
    | Notice
    | PackageLoading
    | RowsRead
    | QueryEnded
    | TableShown
    | RowsLoaded
    | FleetProgressed
    | FleetEnded
)


EventHook = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """Do nothing with an event: the hook of a caller that has none."""


_GONE = "gone"


def changes_with(changes: tuple[StateChange, ...], event: Event) -> tuple[StateChange, ...]:
    """Return the changes of state so far, and one more where the event shows other states than the last."""
    if not isinstance(event, EndpointObserved):
        return changes
    endpoint = event.endpoint
    seen = (endpoint.endpoint_status, endpoint.connection_status) if endpoint else (_GONE, _GONE)
    if changes and seen == (changes[-1].endpoint_status, changes[-1].connection_status):
        return changes
    status, connection = seen
    return (
        *changes,
        StateChange(elapsed=event.elapsed, endpoint_status=status, connection_status=connection),
    )
