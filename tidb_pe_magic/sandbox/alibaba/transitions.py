"""The times of an endpoint's state changes, and their observers.

Three modes decide when a transition happens: `immediate` (all of them before the call returns),
`manual` (one for each `Transitions.tick`) and `time` (spread over seconds by one timer thread).
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from tidb_pe_magic.sandbox.alibaba.endpoint_states import DELETED, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from tidb_pe_magic.sandbox.alibaba.endpoint_states import Endpoint
    from tidb_pe_magic.sandbox.alibaba.world_state import Mode

#: Number of transitions between Creating and Connected, over which mode `time` distributes its seconds.
_STEPS_TO_CONNECTED = 3


class Transitions:
    """Endpoints with changing states, and observers that are called for each change.

    Every method may be called from any thread. Observers run outside the lock, in the order of the
    changes, in the thread of the change (in mode `time` also in the timer's); a mutating method
    returns after they have run.
    """

    def __init__(self, mode: Mode, seconds: float, clock: Callable[[], float]) -> None:
        """Start without endpoints; in mode `time`, `seconds` pass between Creating and Connected."""
        self.mode: Mode = mode
        self._clock = clock
        self._step = seconds / _STEPS_TO_CONNECTED
        self._endpoints: dict[str, Endpoint] = {}
        self._observers: list[Callable[[Endpoint], None]] = []
        self._events: deque[Endpoint] = deque()
        self._due: dict[str, float] = {}
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._delivery = threading.RLock()
        self._depth = 0
        self._changes = 0
        self._closed = False
        self._timer: threading.Thread | None = None

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """A copy of the current endpoints by ID."""
        with self._lock:
            return MappingProxyType(dict(self._endpoints))

    def subscribe(self, observer: Callable[[Endpoint], None]) -> None:
        """Call `observer` after each state change, including the last one with status `Deleted`."""
        with self._lock:
            self._observers.append(observer)

    def subscribe_only(self, observer: Callable[[Endpoint], None]) -> None:
        """Call only this observer from now on."""
        with self._lock:
            self._observers = [observer]

    @contextlib.contextmanager
    def exclusive_change(self) -> Iterator[None]:
        """Lock the state, so that a check and its change are atomic.

        Without a change, do not wait for the observers of other changes.
        """
        deliver = False
        try:
            with self._lock:
                self._depth += 1
                before = self._changes
                try:
                    yield
                finally:
                    self._depth -= 1
                    deliver = self._depth == 0 and self._changes != before
                    self._wake.notify_all()
        finally:
            if deliver:
                self._deliver()

    def announce(self) -> None:
        """Call the observers with every endpoint's current state, because its network has changed."""
        with self.exclusive_change():
            self._events.extend(self._endpoints.values())
            self._changes += 1

    def set_pace(self, mode: Mode, seconds: float) -> None:
        """Set the mode of transitions; `seconds` pass between Creating and Connected."""
        with self.exclusive_change():
            self.mode, self._step = mode, seconds / _STEPS_TO_CONNECTED

    def tick(self) -> bool:
        """Advance every endpoint by one transition; return whether anything changed."""
        with self.exclusive_change():
            before = dict(self._endpoints)
            for endpoint in before.values():
                self._advance_one(endpoint)
            return before != self._endpoints

    def run_due(self) -> None:
        """Make the transitions that are due by the clock (mode `time`)."""
        with self.exclusive_change():
            now = self._clock()
            while self._due and min(self._due.values()) <= now:
                endpoint_id = min(self._due, key=self._due.__getitem__)
                due = self._due.pop(endpoint_id)
                moved = self._advance_one(self._endpoints[endpoint_id])
                if advance(moved) is not moved:
                    # From the due time, not from now, so that late wake-ups do not accumulate.
                    self._due[endpoint_id] = due + self._step

    def close(self) -> None:
        """Stop the timer of mode `time`; the state can still be read."""
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join()

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the timer."""
        self.close()

    def _run_timer(self) -> None:
        while True:
            with self._wake:
                while not self._closed:
                    wait = min(self._due.values()) - self._clock() if self._due else None
                    if wait is not None and wait <= 0:
                        break
                    self._wake.wait(wait)
                if self._closed:
                    return
            self.run_due()

    # State; each of these needs the lock

    def _change(self, endpoint_id: str, **changes: object) -> None:
        with self.exclusive_change():
            self._begin(replace(self._endpoints[endpoint_id], **changes))  # type: ignore[arg-type]

    def _begin(self, endpoint: Endpoint) -> None:
        self._store(endpoint)
        if self.mode == "immediate":
            while (moved := advance(endpoint)) is not endpoint:
                self._store(moved)
                if moved.endpoint_status == DELETED:
                    return
                endpoint = moved
        elif self.mode == "time" and advance(endpoint) is not endpoint:
            self._due.setdefault(endpoint.endpoint_id, self._clock() + self._step)
            self._start_timer()

    def _start_timer(self) -> None:
        if self._due and self._timer is None and not self._closed:
            self._timer = threading.Thread(target=self._run_timer, name="sandbox-world", daemon=True)
            self._timer.start()

    def _advance_one(self, endpoint: Endpoint) -> Endpoint:
        moved = advance(endpoint)
        if moved is not endpoint:
            self._store(moved)
        return moved

    def _store(self, endpoint: Endpoint) -> None:
        if endpoint.endpoint_status == DELETED:
            del self._endpoints[endpoint.endpoint_id]
            self._due.pop(endpoint.endpoint_id, None)
        else:
            self._endpoints[endpoint.endpoint_id] = endpoint
        self._events.append(endpoint)
        self._changes += 1

    def _deliver(self) -> None:
        # The delivery lock keeps the order of changes when two threads deliver at once.
        with self._delivery:
            while True:
                with self._lock:
                    if not self._events:
                        return
                    endpoint, observers = self._events.popleft(), tuple(self._observers)
                for observer in observers:
                    observer(endpoint)
