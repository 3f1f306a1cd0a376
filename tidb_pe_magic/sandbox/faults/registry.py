"""Which faults are still to come."""

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

#: A caller that has been killed never comes back for its answer.
_HELD_SECONDS = 60.0


@dataclass(slots=True)
class _Pending:
    fault: Fault
    skip: int
    left: int


@dataclass(slots=True)
class Hold:
    """A call that is stopped at a point; when it is released, its connection ends without an answer.

    Attributes:
        reached: set when the call is there.
    """

    point: Point
    calls_left: int
    reached: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """End the call where it is: stopped before it is carried out, it never is."""
        self._released.set()

    def stop_here(self) -> None:
        """Keep the call, for a minute at most."""
        self.reached.set()
        self._released.wait(_HELD_SECONDS)


class Faults:
    """The faults that a sandbox stages; may be used from any thread.

    A fault that was added earlier strikes first. Each strikes its own number of calls and is over.

    Attributes:
        requests: the log of every call.
    """

    def __init__(
        self,
        operations: Mapping[Service, frozenset[str]] = MappingProxyType({}),
        requests: RequestLog | None = None,
    ) -> None:
        """Stage nothing.

        Args:
            operations: the names that each service has, so that a mistyped one is refused; any where empty.
            requests: where calls are taken note of; default: a log of its own.
        """
        self.requests = RequestLog() if requests is None else requests
        self._known = operations
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []
        self._holds: list[Hold] = []
        self._closing = threading.Event()

    def add(self, *faults: Fault) -> None:
        """Stage these faults too.

        Raises:
            ValueError: there is no such operation.
        """
        for fault in faults:
            if self._known:
                check_operation(fault, self._known)
        with self._lock:
            self._pending += [_Pending(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Let nothing go wrong any more; the log stays."""
        with self._lock:
            self._pending.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that have not struck as often as they shall."""
        with self._lock:
            return tuple(pending.fault for pending in self._pending)

    def state(self) -> tuple[Fault, ...]:
        """Return what is still to come, without the calls that were struck or let pass."""
        with self._lock:
            return tuple(replace(each.fault, times=each.left, skip=each.skip) for each in self._pending)

    def restore(self, state: tuple[Fault, ...]) -> None:
        """Stage these faults and no others."""
        self.clear()
        self.add(*state)

    @contextlib.contextmanager
    def hold(self, number: int, point: Point) -> Iterator[Hold]:
        """Stop the `number`-th call to a cloud's API from now on, before or after it is carried out."""
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
        """Wait, as the kinds do that take time; True where the sandbox ends."""
        return self._closing.wait(seconds)

    # What the servers call

    def arrived(self, service: Service, operation: str) -> tuple[Request, Hold | None]:
        """Take note of a call, and say what will go wrong with it and where it is held."""
        with self._lock:
            call = self.requests.arrived(service, operation, self._strike(service, operation))
            return call, None if service is Service.SQL else self._held()

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

    def _held(self) -> Hold | None:
        found = None
        for hold in self._holds:
            hold.calls_left -= 1
            if hold.calls_left == 0:
                found = hold
        return found
