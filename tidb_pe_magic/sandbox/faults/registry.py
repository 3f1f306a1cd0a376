"""The pending faults."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.faults.names import check_operation
from tidb_pe_magic.sandbox.request_log import RequestLog
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidb_pe_magic.sandbox.faults.fault import Fault, Point
    from tidb_pe_magic.sandbox.request_log import Request

#: A killed caller never fetches its answer.
_HELD_SECONDS = 60.0


@dataclass(slots=True)
class _PendingFault:
    fault: Fault
    skip: int
    left: int


@dataclass(slots=True)
class Hold:
    """A call that is held at a point; when it is released, its connection ends without an answer.

    Attributes:
        reached: set when the call is at the point.
    """

    point: Point
    calls_left: int
    reached: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """End the call; if it is held before its execution, it is never executed."""
        self._released.set()

    def block(self) -> None:
        """Hold the call for at most a minute."""
        self.reached.set()
        self._released.wait(_HELD_SECONDS)


class Faults:
    """The faults that a sandbox stages; thread-safe.

    Faults strike in the order of adding. Each one strikes its number of calls.

    Attributes:
        requests: the log of every call.
    """

    def __init__(
        self,
        operations: Mapping[Service, frozenset[str]] = MappingProxyType({}),
        requests: RequestLog | None = None,
    ) -> None:
        """Start without faults.

        Args:
            operations: each service's operation names, to refuse mistyped ones; empty: accept any.
            requests: the log of calls; default: a new one.
        """
        self.requests = RequestLog() if requests is None else requests
        self._known = operations
        self._lock = threading.Lock()
        self._pending: list[_PendingFault] = []
        self._holds: list[Hold] = []
        self._closing = threading.Event()

    def add(self, *faults: Fault) -> None:
        """Add faults.

        Raises:
            ValueError: the operation does not exist.
        """
        for fault in faults:
            if self._known:
                check_operation(fault, self._known)
        with self._lock:
            self._pending += [_PendingFault(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Remove all faults; the log remains."""
        with self._lock:
            self._pending.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that have not struck their number of times."""
        with self._lock:
            return tuple(pending.fault for pending in self._pending)

    def state(self) -> tuple[Fault, ...]:
        """Return the pending faults, with the remaining counts of `times` and `skip`."""
        with self._lock:
            return tuple(replace(each.fault, times=each.left, skip=each.skip) for each in self._pending)

    def restore(self, state: tuple[Fault, ...]) -> None:
        """Replace the faults."""
        self.clear()
        self.add(*state)

    @contextlib.contextmanager
    def hold(self, number: int, point: Point) -> Iterator[Hold]:
        """Hold the `number`-th next call to a cloud's API, before or after its execution."""
        hold = Hold(point, number)
        with self._lock:
            self._holds.append(hold)
        try:
            yield hold
        finally:
            hold.release()
            with self._lock:
                self._holds.remove(hold)

    def close(self) -> None:
        """End every wait of a black hole, a drip and a hold."""
        self._closing.set()
        with self._lock:
            for hold in self._holds:
                hold.release()

    def pause(self, seconds: float) -> bool:
        """Wait for the duration of a fault; return True if the sandbox ends."""
        return self._closing.wait(seconds)

    # Called by the servers

    def arrived(self, service: Service, operation: str) -> tuple[Request, Hold | None]:
        """Record a call, and return its fault and its hold."""
        with self._lock:
            call = self.requests.arrived(service, operation, self._strike(service, operation))
            return call, None if service is Service.SQL else self._matching_hold()

    def _strike(self, service: Service, operation: str) -> Fault | None:
        for pending in self._pending:
            if not pending.fault.strikes(service, operation):
                continue
            if pending.skip:
                pending.skip -= 1
                continue
            pending.left -= 1
            if not pending.left:
                self._pending.remove(pending)
            return pending.fault
        return None

    def _matching_hold(self) -> Hold | None:
        found = None
        for hold in self._holds:
            hold.calls_left -= 1
            if hold.calls_left == 0:
                found = hold
        return found
