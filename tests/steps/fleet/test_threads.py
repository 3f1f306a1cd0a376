"""The threads of a fleet's run: their shared state and their end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic import errors
from tidb_pe_magic.steps.fleet.shared_context import Memory
from tidb_pe_magic.threads import work_through

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing() -> None:
    """Do nothing."""


def at_once(work: Callable[[], object], count: int) -> None:
    """Run something in this many threads."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_ask_at_once_share_one_answer() -> None:
    """One thread sends the shared request while the others wait, and it is never repeated."""
    memory, asked, begun = Memory(), list[int](), threading.Event()
    answers: list[str] = []

    def ask() -> str:
        asked.append(1)
        begun.wait()
        return "yes"

    asking = threading.Thread(target=lambda: answers.append(memory.of("q", ask)))
    asking.start()
    others = threading.Thread(target=lambda: at_once(lambda: answers.append(memory.of("q", ask)), 5))
    others.start()
    begun.set()
    asking.join()
    others.join()
    assert (answers, asked) == (["yes"] * 6, [1])


def test_an_error_is_an_answer_too() -> None:
    """A cloud's refusal, or a failure after every retry, is not requested again for each row."""
    memory, asked = Memory(), list[str]()

    def fail(error: errors.ApiError) -> str:
        asked.append(error.operation)
        raise error

    for _ in range(2):
        with pytest.raises(errors.PermissionDenied):
            memory.of("denied", lambda: fail(errors.PermissionDenied("no", operation="denied")))
        with pytest.raises(errors.Throttled):
            memory.of("busy", lambda: fail(errors.Throttled("later", operation="busy")))
    assert asked == ["denied", "busy"]


def test_no_more_threads_work_than_may() -> None:
    """Exactly three threads work at a time, and every item is processed once."""
    working, most, done = list[int](), [0], list[int]()
    lock, meeting = threading.Lock(), threading.Barrier(3)

    def work(item: int) -> None:
        with lock:
            working.append(item)
            most[0] = max(most[0], len(working))
        meeting.wait()
        with lock:
            working.remove(item)
            done.append(item)

    work_through(range(30), work, threads=3, stop=threading.Event(), meanwhile=nothing)
    assert most == [3]
    assert sorted(done) == list(range(30))


def test_an_exception_in_a_thread_stops_the_others() -> None:
    """A bug is not a row's failure: it ends the run, and no further item starts."""
    stop, done = threading.Event(), list[int]()

    def work(item: int) -> None:
        if item == 2:
            raise ZeroDivisionError
        done.append(item)

    with pytest.raises(ZeroDivisionError):
        work_through(range(100), work, threads=1, stop=stop, meanwhile=nothing)
    assert done == [0, 1]
    assert stop.is_set()


def test_an_interrupt_does_not_wait_for_a_call() -> None:
    """A thread in a call is abandoned on an interrupt, and starts nothing after its item."""
    stop, release, begun, done = threading.Event(), threading.Event(), threading.Event(), list[int]()

    def work(item: int) -> None:
        begun.set()
        release.wait()
        done.append(item)

    def interrupt() -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_through(range(5), work, threads=1, stop=stop, meanwhile=interrupt)
    assert done == []
    left = [thread for thread in threading.enumerate() if thread.name == "tidb-pe-fleet-1"]
    assert [thread.daemon for thread in left] == [True]
    release.set()
    left[0].join()
    assert done == [0]
