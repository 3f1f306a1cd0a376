"""The one thread that works for a form, so that callbacks return at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.credentials.redaction import without_values

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]


@dataclass(frozen=True)
class _Waiting:
    """A job that follows.

    Attributes:
        look: a click is taken while it is under way.
        continued: it is what the job under way goes on with.
        clicked: it is what a click asks for.
    """

    job: Job
    look: bool
    continued: bool
    clicked: bool


class Worker:
    """Does one job after another in a thread, which ends with the last of them.

    Callbacks of widgets may come from several threads: front ends can handle each comm in a subshell.
    """

    def __init__(self, on_change: Callable[[bool], None]) -> None:
        """Be idle.

        Args:
            on_change: is told whenever the worker becomes busy or idle.
        """
        self._on_change = on_change
        self._lock = threading.RLock()
        self._waiting: list[_Waiting] = []
        self._looks = False
        self._thread = 0
        self._idle = threading.Event()
        self._idle.set()
        self.cancelled = threading.Event()

    @property
    def busy(self) -> bool:
        """A job is under way."""
        return not self._idle.is_set()

    def start(self, job: Job) -> bool:
        """Do the job if nothing but looks are under way, which it follows; tell whether that is so.

        A click that leaves a field comes just after the look at what was typed there.
        """
        with self._lock:
            if self.busy and not self._looks:
                return False
            self._do(job, look=False, clicked=True)
            return True

    def then(self, job: Job) -> None:
        """Do the job now, or after what is under way; one that waits already is not done twice.

        What the job under way goes on with is cancelled with it; what somebody else asks for is not.
        """
        self._do(job, look=False)

    def look(self, job: Job) -> None:
        """Do the same with a job that lets a click be taken while it is under way."""
        self._do(job, look=True)

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

    def _do(self, job: Job, *, look: bool, clicked: bool = False) -> None:
        with self._lock:
            if self.busy:
                if job not in (each.job for each in self._waiting):
                    continued = threading.get_ident() == self._thread
                    self._waiting.append(_Waiting(job, look, continued, clicked))
                self._looks = self._looks and look
                return
            self._looks = look
            self._idle.clear()
            self._on_change(True)  # noqa: FBT003 - its only argument
            self.cancelled = threading.Event()
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
            self._rest()
            raise

    def _next(self) -> Job | None:
        with self._lock:
            if not self._waiting:
                self._rest()
                return None
            self._looks = all(each.look for each in self._waiting)
            following = self._waiting.pop(0)
            if self.cancelled.is_set() and not following.continued:
                self.cancelled = threading.Event()  # it was set before this job was asked for
            return following.job

    def _rest(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._thread = 0  # another thread can have this one's number
            self._on_change(False)  # noqa: FBT003 - its only argument
            self._idle.set()
