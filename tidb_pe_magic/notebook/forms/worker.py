"""The form's worker thread, so that callbacks return immediately."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.forms.state import Clicks

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]


class Origin(Enum):
    """The source of a job.

    Attributes:
        CLICK: a button; Cancel removes the job.
        FIELD: a changed field; a click during the job is accepted and follows.
        STEP: an opened step.
        FOLLOW_UP: the previous job; both are canceled together.
    """

    CLICK = "click"
    FIELD = "field"
    STEP = "step"
    FOLLOW_UP = "follow-up"


@dataclass(frozen=True)
class _QueuedJob:
    job: Job
    origin: Origin


class Worker:
    """Runs jobs one after another in a thread that ends after the last job.

    Widget callbacks may come from several threads, because front ends can handle each comm in a subshell.
    """

    def __init__(self, on_change: Callable[[Clicks], None]) -> None:
        """Create an idle worker.

        Args:
            on_change: receives the new effect of a click.
        """
        self._on_change = on_change
        self._lock = threading.RLock()
        self._waiting: list[_QueuedJob] = []
        self._running: Origin | None = None
        self._reported = Clicks.START
        self._thread = 0
        self._idle = threading.Event()
        self._idle.set()
        self.cancelled = threading.Event()

    @property
    def clicks(self) -> Clicks:
        """The current effect of a click."""
        with self._lock:
            if self._running is None:
                return Clicks.START
            origins = {self._running, *(each.origin for each in self._waiting)}
            return Clicks.FOLLOW if origins == {Origin.FIELD} else Clicks.IGNORE

    def click(self, job: Job) -> bool:
        """Run a click's job now or after the current look-ups; return False if it is ignored.

        A click after typing in a field follows immediately after the check of that field.
        """
        with self._lock:
            if self.clicks is Clicks.IGNORE:
                return False
            self._do(job, Origin.CLICK)
            return True

    def then(self, job: Job) -> None:
        """Run the job now, or after the current jobs; a job that already waits is not added twice."""
        self._do(job, Origin.STEP)

    def look_up(self, job: Job) -> None:
        """Do the same for a changed field."""
        self._do(job, Origin.FIELD)

    def cancel(self) -> None:
        """Cancel the current job, its follow-ups and a waiting click."""
        with self._lock:
            dropped = {Origin.CLICK, Origin.FOLLOW_UP}
            self._waiting = [each for each in self._waiting if each.origin not in dropped]
            self.cancelled.set()

    def close(self) -> None:
        """Cancel the current job and all waiting jobs."""
        with self._lock:
            self._waiting.clear()
            self.cancelled.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds until the worker is idle; return whether it is."""
        return self._idle.wait(timeout)

    def _do(self, job: Job, origin: Origin) -> None:
        with self._lock:
            if self._running is not None:
                if threading.get_ident() == self._thread:
                    origin = Origin.FOLLOW_UP
                if job not in (each.job for each in self._waiting):
                    self._waiting.append(_QueuedJob(job, origin))
                    self._report()
                return
            self._running = origin
            self._idle.clear()
            self.cancelled = threading.Event()
            self._report()
        work = without_values()(self._work)
        threading.Thread(target=work, args=(job,), name="tidb_pe-form", daemon=True).start()

    def _work(self, job: Job) -> None:
        self._thread = threading.get_ident()
        following: Job | None = job
        try:
            while following is not None:
                following()
                following = self._next()
        except BaseException:
            self._end()
            raise

    def _next(self) -> Job | None:
        with self._lock:
            if not self._waiting:
                self._end()
                return None
            following = self._waiting.pop(0)
            self._running = following.origin
            if self.cancelled.is_set() and following.origin is not Origin.FOLLOW_UP:
                self.cancelled = threading.Event()  # it was set before this job was added
            self._report()
            return following.job

    def _report(self) -> None:
        clicks = self.clicks
        if clicks is not self._reported:
            self._reported = clicks
            self._on_change(clicks)

    def _end(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._running = None
            self._thread = 0  # another thread can reuse this one's number
            self._report()
            self._idle.set()
