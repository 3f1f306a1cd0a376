"""The retry policy of both clouds' clients.

It repeats only calls that are safe to repeat: look-ups, deletions (a second one has no effect), and creations
with a ClientToken.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.model import RetryScheduled, ignore_event
from tidb_pe_magic.threads import interruptible_sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.model import EventHook

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 0.5, 8.0, 0.5  # seconds; the pauses double
_single: ContextVar[bool] = ContextVar("single", default=False)


@dataclass(frozen=True, kw_only=True)
class Retries:
    """Repeats a call that failed temporarily, until it succeeds or a limit is reached.

    Attributes:
        attempts: maximum number of calls.
        deadline: seconds after the first call in which the last one must start; long enough for TiDB Cloud's
            per-minute limit of requests to reset.
        answer: seconds to wait for a cloud's answer to one call.
        cancel: set it to end a pause.
        clock: seconds, monotonic.
        sleep: waits at most that many seconds; returns True if the wait was cancelled.
        on_event: receives an event before each pause.
    """

    attempts: int = 6
    deadline: float = 90.0
    answer: float = 15.0
    cancel: Flag = field(default_factory=Flag)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], bool] | None = None
    on_event: EventHook = ignore_event

    def call(self, operation: str, work: Callable[[], T]) -> T:
        """Return the result of `work`, or raise its last error.

        A pause that the cloud requests is respected, unless it would exceed the deadline: then the failure,
        which states the pause, is raised at once.

        Args:
            operation: the API operation.
            work: makes the call; an `ApiError` that is `transient` is retried.

        Raises:
            WaitCancelled: the stop button or the cancel event was used during a pause.
        """
        if self.attempts == 1 or _single.get():
            return work()
        end, attempt, doubled = self.clock() + self.deadline, 1, _FIRST_PAUSE
        while True:
            try:
                return work()
            except errors.ApiError as error:
                # Not for secrets: callers that failed together should not all retry at the same moment.
                asked = error.retry_after if isinstance(error, errors.Throttled) else None
                pause = max(asked or 0.0, doubled) + random.uniform(0, _JITTER)  # noqa: S311
                if not error.transient or attempt >= self.attempts or self.clock() + pause > end:
                    raise
                event = RetryScheduled(operation=operation, error=error.prose, attempt=attempt, pause=pause)
            self._pause(event)
            attempt, doubled = attempt + 1, min(2 * doubled, _LONGEST_PAUSE)

    def _pause(self, event: RetryScheduled) -> None:
        try:
            self.on_event(event)
            cancelled = interruptible_sleep(event.pause, self.cancel, self.sleep)
        except KeyboardInterrupt:
            cancelled = True
        if cancelled:
            # Outside the handler, so that the interrupt is not chained.
            raise errors.WaitCancelled(
                f"stopped while waiting to retry {event.operation}.",
                advice="Run the same command again.",
            )


NO_RETRIES = Retries(attempts=1)


@contextmanager
def once() -> Iterator[None]:
    """Disable retries in this block and thread: a wait polls by itself."""
    before = _single.set(True)
    try:
        yield
    finally:
        _single.reset(before)
