"""The one thread that works for a form, so that callbacks return at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]


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
        self._waiting: list[tuple[Job, bool]] = []
        self._thread = 0
        self._idle = threading.Event()
        self._idle.set()
        self.cancelled = threading.Event()

    @property
    def busy(self) -> bool:
        """A job is under way."""
        return not self._idle.is_set()

    def start(self, job: Job) -> bool:
        """Do the job if nothing else is under way; tell whether it was begun."""
        with self._lock:
            if self.busy:
                return False
            self._idle.clear()
            self._on_change(True)  # noqa: FBT003 - its only argument
            self.cancelled = threading.Event()
        threading.Thread(target=self._work, args=(job,), name="tidb_pe-form", daemon=True).start()
        return True

    def then(self, job: Job) -> None:
        """Do the job now, or after what is under way; one that waits already is not done twice.

        What the job under way goes on with is cancelled with it; what somebody else asks for is not.
        """
        with self._lock:
            if not self.start(job) and job not in (each for each, _ in self._waiting):
                self._waiting.append((job, threading.get_ident() == self._thread))

    def cancel(self) -> None:
        """Ask the job that is under way to end, and forget those that wait."""
        with self._lock:
            self._waiting.clear()
            self.cancelled.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for at most `timeout` seconds until nothing is left to do; tell whether that is so."""
        return self._idle.wait(timeout)

    def _work(self, job: Job) -> None:
        self._thread = threading.get_ident()
        following: Job | None = job
        try:
            while following is not None:
                following()
                with self._lock:
                    following, continued = self._waiting.pop(0) if self._waiting else (None, False)
                    if following is None:
                        self._rest()
                    elif self.cancelled.is_set() and not continued:
                        self.cancelled = threading.Event()  # it was set before this job was asked for
        except BaseException:
            self._rest()
            raise

    def _rest(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._on_change(False)  # noqa: FBT003 - its only argument
            self._idle.set()
