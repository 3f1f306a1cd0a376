"""Pauses and threads that end as soon as the stop button or the cancel event is used."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from threading import Event as Flag

T = TypeVar("T")


SLICE = 0.2  # seconds; on some platforms the stop button takes effect only when a wait ends


def interruptible_sleep(seconds: float, cancel: Flag, sleep: Callable[[float], bool] | None = None) -> bool:
    """Pause; return True if the pause was cancelled.

    Args:
        seconds: how long.
        cancel: set it to end the pause.
        sleep: replaces the clock: waits at most that many seconds and returns True if it was cancelled.
    """
    if sleep is not None:
        return sleep(seconds)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancel.wait(min(SLICE, left)):
            return True
    return cancel.is_set()


def in_thread(work: Callable[[], T], *, name: str) -> Future[T]:
    """Start `work` in a daemon thread, and return the future of its result.

    A daemon thread can be abandoned: a name server or a database that hangs cannot be interrupted.

    Args:
        work: runs in the thread.
        name: of the thread.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            answer.set_exception(error)
        else:
            answer.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return answer


def within(seconds: float, work: Callable[[], T], *, name: str) -> T:
    """Return the result of `work`, or abandon it when the time is over.

    Args:
        seconds: the limit.
        work: runs in a daemon thread.
        name: of the thread.

    Raises:
        TimeoutError: the limit was reached.
    """
    return in_thread(work, name=name).result(seconds)


def work_through(
    items: Iterable[T],
    work: Callable[[T], None],
    *,
    threads: int,
    stop: threading.Event,
    meanwhile: Callable[[], None],
) -> None:
    """Run `work` for each item in threads, and return when all are done.

    An interrupt is raised at once. Each thread finishes its current call to a cloud, which cannot be
    interrupted, and starts nothing else. The threads are daemons, so the process can exit.

    Args:
        items: in the order in which they start.
        work: runs in one of the threads; its first error ends the run.
        threads: maximum number.
        stop: set when the run ends early; `work` has to check it before it changes anything.
        meanwhile: called in the calling thread five times a second; its error ends the run.
    """
    waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)

    def take() -> None:
        for item in _drain(waiting, stop):
            work(item)

    try:
        running = {
            in_thread(take, name=f"tidb-pe-fleet-{number + 1}")
            for number in range(min(threads, waiting.qsize()))
        }
        while running:
            ended, running = wait(running, timeout=SLICE, return_when=FIRST_COMPLETED)
            for each in ended:
                each.result()
            meanwhile()
    except BaseException:
        stop.set()
        raise


def _drain(waiting: queue.SimpleQueue[T], stop: threading.Event) -> Iterator[T]:
    while not stop.is_set():
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return
