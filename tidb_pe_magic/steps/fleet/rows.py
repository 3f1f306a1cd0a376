"""The current rows of a run: changed in any thread, reported in the command's thread."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model import EndpointStatus, FleetProgressed, FleetRow, RowState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidb_pe_magic.advice import Suggestion
    from tidb_pe_magic.model import Event, EventHook, VpcEndpoint
    from tidb_pe_magic.steps.fleet.file import Entry


# Each row has its own values of these fields, even if rows share an endpoint.
_OWN = frozenset({"number", "cluster", "vpc_id", "billed_zones", "remarks", "next_command", "shares_row"})


class RowProgress:
    """The state of each row, and the events that are not reported yet."""

    def __init__(
        self, action: str, entries: Iterable[Entry], *, clock: Callable[[], float], on_event: EventHook
    ) -> None:
        """Start with every row queued."""
        self._action, self._clock, self._on_event = action, clock, on_event
        self._started = clock()
        self._lock = threading.Lock()
        self._rows = {
            entry.number: FleetRow(number=entry.number, cluster=entry.cluster, vpc_id=entry.vpc_id)
            for entry in entries
        }
        self._followers: dict[int, dict[int, Suggestion]] = {}
        self._changed: set[int] = set()
        self._heard: list[Event] = []

    @property
    def rows(self) -> tuple[FleetRow, ...]:
        """Every row's current state."""
        with self._lock:
            return tuple(self._rows.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._started

    def share(self, entry: Entry, follower: Entry, *, alone: Suggestion) -> None:
        """Share a row's endpoint with another row: both rows show its state, and it is billed once.

        Args:
            entry: the row that is processed.
            follower: the other row.
            alone: the command that examines only the other row, if they fail.
        """
        with self._lock:
            self._followers.setdefault(entry.number, {})[follower.number] = alone
        self.change(follower, shares_row=entry.number)

    def change(self, entry: Entry, **changes: Any) -> None:
        """Update a row, and the rows that share its endpoint."""
        with self._lock:
            self._change(entry.number, changes)
            for number, alone in self._followers.get(entry.number, {}).items():
                followed = {name: value for name, value in changes.items() if name not in _OWN}
                self._change(
                    number, followed | ({"next_command": alone} if "next_command" in changes else {})
                )

    def _change(self, number: int, changes: dict[str, Any]) -> None:
        before = self._rows[number]
        now = replace(before, **changes)
        if now != before:
            self._rows[number] = now
            self._changed.add(number)

    def fail(self, entry: Entry, reason: str, **changes: Any) -> None:
        """Mark a row as failed, with the reason."""
        self.change(entry, row_state=RowState.FAILED, detail=reason, **changes)

    def collect(self, event: Event) -> None:
        """Store an event of a thread until `publish`."""
        with self._lock:
            self._heard.append(event)

    def publish(self, *, anyway: bool = False) -> None:
        """Report the changes since the last call, in this thread; `anyway`: also without changes."""
        with self._lock:
            heard, self._heard = self._heard, []
            rows = tuple(self._rows.values())
            changed = tuple(row for row in rows if row.number in self._changed)
            self._changed.clear()
        if changed or anyway:
            self._on_event(
                FleetProgressed(action=self._action, rows=rows, changed=changed, elapsed=self.elapsed)
            )
        for event in heard:
            self._on_event(event)


def states(endpoint: VpcEndpoint) -> str:
    """Return a short description of both states."""
    return f"{endpoint.endpoint_status}, {endpoint.connection_status}"


def of_endpoint(endpoint: VpcEndpoint, *remarks: str, unready: str = RowState.CONNECTING) -> dict[str, Any]:
    """Return a row's fields for its endpoint.

    Args:
        endpoint: the endpoint's current state.
        remarks: remarks in addition to its states.
        unready: the row's state while the endpoint is neither ready nor being deleted.
    """
    state = RowState.READY if endpoint.ready else unready
    if endpoint.endpoint_status == EndpointStatus.DELETING:
        state = RowState.DELETING
    zones = {"zones": tuple(zone.zone_id for zone in endpoint.zones)} if endpoint.zones else {}
    return {
        "row_state": state,
        "endpoint_id": endpoint.endpoint_id,
        "host": endpoint.domain,
        "detail": states(endpoint),
        **({"remarks": remarks} if remarks else {}),
        **zones,
    }
