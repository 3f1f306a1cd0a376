"""Pauses and threads that the stop button and the cancel event end at once."""

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


SLICE = 0.2  # seconds; on some platforms only the end of a wait lets the stop button through


def paused(seconds: float, cancel: Flag, sleep: Callable[[float], bool] | None = None) -> bool:
    """Let time pass; True where it was cancelled before it was over.

    Args:
        seconds: how long.
        cancel: set it to end the pause.
        sleep: instead of the clock: waits for at most so many seconds; returns True where it was cancelled.
    """
    if sleep is not None:
        return sleep(seconds)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancel.wait(min(SLICE, left)):
            return True
    return cancel.is_set()


def in_thread(work: Callable[[], T], *, name: str) -> Future[T]:
    """Begin `work` in a daemon thread; return what will hold its result, or its error.

    A daemon can be abandoned: a name server or a database that hangs cannot be interrupted.

    Args:
        work: what is done in the thread.
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
    """Return what `work` returns or raises, unless that takes longer: then it is left to itself.

    Args:
        seconds: the limit.
        work: what is done in a daemon thread.
        name: of the thread.

    Raises:
        TimeoutError: the time is over.
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
    """Have `work` done for each item, and return when all of it is.

    Where this is interrupted it raises at once: each thread ends with the call to a cloud that it is in,
    which cannot be interrupted, and begins nothing more. They are daemons, so that the process can end.

    Args:
        items: in the order in which they are begun.
        work: is done in one of the threads; what it raises ends the whole.
        threads: at most.
        stop: is set where this ends early; `work` has to look at it before it changes anything.
        meanwhile: is called in this thread five times a second; what it raises ends the whole.
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
