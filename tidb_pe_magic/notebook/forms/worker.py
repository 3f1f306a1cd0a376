"""The one thread that works for a form, so that callbacks return at once."""

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
    """Who asked for a job.

    Attributes:
        CLICK: a button; Cancel takes it back.
        FIELD: a changed field: a click is accepted meanwhile and follows.
        STEP: a step that was opened.
        FOLLOW_UP: the job before it, together with which it is cancelled.
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
    """Does one job after another in a thread, which ends with the last of them.

    Callbacks of widgets may come from several threads: front ends can handle each comm in a subshell.
    """

    def __init__(self, on_change: Callable[[Clicks], None]) -> None:
        """Be idle.

        Args:
            on_change: is given what a click does from now on.
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
        """What a click does now."""
        with self._lock:
            if self._running is None:
                return Clicks.START
            origins = {self._running, *(each.origin for each in self._waiting)}
            return Clicks.FOLLOW if origins == {Origin.FIELD} else Clicks.IGNORE

    def click(self, job: Job) -> bool:
        """Do what a click asks for, now or after the look-ups under way; False where it is ignored.

        A click that leaves a field comes just after the look-up of what was typed there.
        """
        with self._lock:
            if self.clicks is Clicks.IGNORE:
                return False
            self._do(job, Origin.CLICK)
            return True

    def then(self, job: Job) -> None:
        """Do the job now, or after what is under way; one that waits already is not done twice."""
        self._do(job, Origin.STEP)

    def look_up(self, job: Job) -> None:
        """Do the same for a field that has changed."""
        self._do(job, Origin.FIELD)

    def cancel(self) -> None:
        """Ask the job under way to end, and drop its follow-ups and a click that waits."""
        with self._lock:
            dropped = {Origin.CLICK, Origin.FOLLOW_UP}
            self._waiting = [each for each in self._waiting if each.origin not in dropped]
            self.cancelled.set()

    def close(self) -> None:
        """Ask the job under way to end, and drop all that wait."""
        with self._lock:
            self._waiting.clear()
            self.cancelled.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds until nothing is left to do; tell whether that is so."""
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
                self.cancelled = threading.Event()  # it was set before this job was asked for
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
            self._thread = 0  # another thread can have this one's number
            self._report()
            self._idle.set()
