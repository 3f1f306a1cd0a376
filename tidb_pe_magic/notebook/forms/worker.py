"""The one thread that works for a form, so that callbacks return at once."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]


class Activity(enum.Enum):
    """What is under way: nothing, a look at what was just typed, or what a person waits for."""

    REST = "rest"
    LOOK = "look"
    WORK = "work"


@dataclass(frozen=True)
class _Waiting:
    """A job that follows.

    Attributes:
        continued: it is what the job under way goes on with.
        clicked: it is what a click asks for.
    """

    job: Job
    activity: Activity
    continued: bool
    clicked: bool


class Worker:
    """Does one job after another in a thread, which ends with the last of them.

    Callbacks of widgets may come from several threads: front ends can handle each comm in a subshell.
    """

    def __init__(self, on_change: Callable[[Activity], None]) -> None:
        """Be idle.

        Args:
            on_change: is told whenever something else is under way.
        """
        self._on_change = on_change
        self._lock = threading.RLock()
        self._waiting: list[_Waiting] = []
        self._thread = 0
        self._idle = threading.Event()
        self._idle.set()
        self.activity = Activity.REST
        self.cancelled = threading.Event()

    def start(self, job: Job) -> bool:
        """Do the job if nothing but a look is under way, which it follows; tell whether that is so."""
        with self._lock:
            if self.activity is Activity.WORK:
                return False
            self._do(job, Activity.WORK, clicked=True)
            return True

    def then(self, job: Job) -> None:
        """Do the job now, or after what is under way; one that waits already is not done twice.

        What the job under way goes on with is cancelled with it; what somebody else asks for is not.
        """
        self._do(job, Activity.WORK)

    def look(self, job: Job) -> None:
        """Do the job now, or after what is under way, as `then` does, but let others be begun meanwhile."""
        self._do(job, Activity.LOOK)

    def cancel(self) -> None:
        """Ask the job that is under way to end, and forget what it goes on with and a click that waits."""
        with self._lock:
            self._waiting = [each for each in self._waiting if not (each.continued or each.clicked)]
            self.cancelled.set()

    def close(self) -> None:
        """Ask the job that is under way to end, and forget all that wait."""
        with self._lock:
            self._waiting.clear()
            self.cancelled.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds until nothing is left to do; tell whether that is so."""
        return self._idle.wait(timeout)

    def _do(self, job: Job, activity: Activity, *, clicked: bool = False) -> None:
        with self._lock:
            if self.activity is Activity.REST:
                self._idle.clear()
                self._change(activity)
                self.cancelled = threading.Event()
                threading.Thread(target=self._work, args=(job,), name="tidb_pe-form", daemon=True).start()
                return
            if job not in (each.job for each in self._waiting):
                continued = threading.get_ident() == self._thread
                self._waiting.append(_Waiting(job, activity, continued, clicked))
            if activity is Activity.WORK:
                self._change(activity)

    def _work(self, job: Job) -> None:
        self._thread = threading.get_ident()
        try:
            job()
            while (following := self._next()) is not None:
                following()
        except BaseException:
            self._rest()
            raise

    def _next(self) -> Job | None:
        with self._lock:
            if not self._waiting:
                self._rest()
                return None
            following = self._waiting.pop(0)
            if all(each.activity is Activity.LOOK for each in (following, *self._waiting)):
                self._change(Activity.LOOK)
            if self.cancelled.is_set() and not following.continued:
                self.cancelled = threading.Event()  # it was set before this job was asked for
            return following.job

    def _rest(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._thread = 0  # another thread can have this one's number
            self._change(Activity.REST)
            self._idle.set()

    def _change(self, activity: Activity) -> None:
        if activity is not self.activity:
            self.activity = activity
            self._on_change(activity)
