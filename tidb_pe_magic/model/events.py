"""Progress of a step: frozen records that are passed to a hook."""

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
    """Event: a step of `run` ended."""

    finished: FinishedStep


@dataclass(frozen=True, kw_only=True)
class PlanShown:
    """Event: `run` is about to create an endpoint."""

    plan: EndpointPlan


@dataclass(frozen=True, kw_only=True)
class EndpointObserved:
    """Event: a wait observed the endpoint's state.

    Attributes:
        endpoint: None if it no longer exists.
        elapsed: seconds since the wait began.
        waiting_for: the goal of the wait, in words.
    """

    endpoint: VpcEndpoint | None
    elapsed: float
    waiting_for: str


@dataclass(frozen=True, kw_only=True)
class ObservationFailed:
    """Event: a look-up during a wait failed; the wait continues."""

    error: str
    elapsed: float


@dataclass(frozen=True, kw_only=True)
class RetryScheduled:
    """Event: an API call failed temporarily, and is retried after a pause.

    Attributes:
        operation: the API operation.
        error: the failure in one line.
        attempt: how many calls have failed so far.
        pause: seconds until the next call.
    """

    operation: str
    error: str
    attempt: int
    pause: float


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Event: a warning that does not end the command."""

    text: str


@dataclass(frozen=True, kw_only=True)
class PackageLoading:
    """Event: a package that takes seconds to import is being imported."""

    package: str


@dataclass(frozen=True, kw_only=True)
class RowsRead:
    """Event: progress of reading a query's result."""

    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class QueryEnded:
    """Event: a query ended; its result is complete unless the event says otherwise."""

    result: QueryResult


@dataclass(frozen=True, kw_only=True)
class TableShown:
    """Event: a CREATE TABLE statement is about to run."""

    statement: str


@dataclass(frozen=True, kw_only=True)
class RowsLoaded:
    """Event: progress of committing a frame's rows.

    Attributes:
        total: rows of the frame.
    """

    rows: int
    total: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FleetProgressed:
    """Event: rows of a fleet changed their state.

    Attributes:
        action: the command on the fleet.
        rows: all rows in their current state.
        changed: the rows that changed since the previous event.
        elapsed: seconds since the action began.
    """

    action: str
    rows: tuple[FleetRow, ...]
    changed: tuple[FleetRow, ...]
    elapsed: float


@dataclass(frozen=True, kw_only=True)
class FleetEnded:
    """Event: an action on a fleet has processed every row; some rows may have failed."""

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
    """Ignore an event: the default hook."""


_GONE = "gone"


def changes_with(changes: tuple[StateChange, ...], event: Event) -> tuple[StateChange, ...]:
    """Return the state changes so far, and a further one if the event's states differ from the last."""
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
