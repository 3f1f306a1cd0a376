"""The only worker thread of a form."""

from __future__ import annotations

import threading

from tidb_pe_magic.notebook.forms.state import Clicks
from tidb_pe_magic.notebook.forms.worker import Worker

_SECONDS = 10.0


def wait_for(event: threading.Event) -> None:
    """Work until the event is set."""
    assert event.wait(_SECONDS)


def test_one_job_at_a_time() -> None:
    """While a job runs no other one starts, and the callback has already returned."""
    changes: list[Clicks] = []
    worker, go_on = Worker(changes.append), threading.Event()
    assert worker.click(lambda: wait_for(go_on))
    assert worker.clicks is Clicks.IGNORE
    assert not worker.click(lambda: changes.append(Clicks.FOLLOW))
    assert changes == [Clicks.IGNORE]
    go_on.set()
    assert worker.join(_SECONDS)
    assert changes == [Clicks.IGNORE, Clicks.START]


def test_a_click_follows_a_look() -> None:
    """During a check one click is accepted and runs afterwards; a second click is refused."""
    changes: list[Clicks] = []
    done: list[str] = []
    worker, go_on = Worker(changes.append), threading.Event()
    worker.look_up(lambda: wait_for(go_on))
    assert worker.click(lambda: done.append("first click"))
    assert not worker.click(lambda: done.append("second click"))
    go_on.set()
    assert worker.join(_SECONDS)
    assert done == ["first click"]
    assert changes == [Clicks.FOLLOW, Clicks.IGNORE, Clicks.START]


def test_a_look_that_follows_a_click() -> None:
    """A check waits for the click before it, and does not block the next click."""
    worker, go_on, looking, seen = Worker(lambda _: None), *(threading.Event() for _ in range(3))

    def look() -> None:
        looking.set()
        wait_for(seen)

    worker.click(lambda: wait_for(go_on))
    worker.look_up(look)
    assert not worker.click(lambda: None)
    go_on.set()
    wait_for(looking)
    assert worker.click(lambda: None)
    seen.set()
    assert worker.join(_SECONDS)


def test_of_many_threads_that_click_at_once_one_begins() -> None:
    """Of many simultaneous clicks in threads, as some front ends deliver them, exactly one starts."""
    worker, go_on, barrier = Worker(lambda _: None), threading.Event(), threading.Barrier(8)
    begun: list[bool] = []

    def click() -> None:
        barrier.wait(_SECONDS)
        begun.append(worker.click(lambda: wait_for(go_on)))

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SECONDS)
    go_on.set()
    assert worker.join(_SECONDS)
    assert sorted(begun) == [False] * 7 + [True]


def test_follow_up_jobs_run_in_order_and_once() -> None:
    """Follow-up jobs run once each in order, and the worker is busy until the last."""
    changes: list[Clicks] = []
    done: list[str] = []
    worker, go_on = Worker(changes.append), threading.Event()

    def first() -> None:
        go_on.wait(_SECONDS)
        done.append("first")

    def second() -> None:
        done.append("second")

    worker.then(first)
    worker.then(second)
    worker.then(second)
    go_on.set()
    assert worker.join(_SECONDS)
    assert done == ["first", "second"]
    assert changes == [Clicks.IGNORE, Clicks.START]


def test_cancel_ends_the_running_job_only() -> None:
    """Cancel ends the running job with its follow-ups, and a waiting click; other waiting jobs run."""
    worker, begun = Worker(lambda _: None), threading.Event()
    seen: list[str] = []

    def job() -> None:
        worker.then(lambda: seen.append("continued"))
        begun.set()
        assert worker.cancelled.wait(_SECONDS)
        seen.append("ended")

    def other(name: str) -> None:
        seen.append(f"{name} cancelled" if worker.cancelled.is_set() else name)

    worker.look_up(job)
    wait_for(begun)
    worker.look_up(lambda: other("look"))
    worker.then(lambda: other("step"))
    assert not worker.click(lambda: other("click"))
    worker.cancel()
    assert worker.join(_SECONDS)
    assert seen == ["ended", "look", "step"]


def test_a_click_that_waits_is_cancelled() -> None:
    """Cancel discards a click that waits for a check."""
    worker, begun = Worker(lambda _: None), threading.Event()
    clicked: list[bool] = []

    def look() -> None:
        begun.set()
        assert worker.cancelled.wait(_SECONDS)

    worker.look_up(look)
    wait_for(begun)
    assert worker.click(lambda: clicked.append(True))
    worker.cancel()
    assert worker.join(_SECONDS)
    assert clicked == []


def test_close_forgets_all_that_wait() -> None:
    """Closing ends the running job and discards all waiting ones."""
    worker, begun = Worker(lambda _: None), threading.Event()
    done: list[bool] = []

    def job() -> None:
        begun.set()
        assert worker.cancelled.wait(_SECONDS)

    worker.click(job)
    wait_for(begun)
    worker.then(lambda: done.append(True))
    worker.look_up(lambda: done.append(True))
    worker.close()
    assert worker.join(_SECONDS)
    assert done == []


def test_a_job_after_cancel_is_not_cancelled() -> None:
    """A job after a cancelled one has a cancel event of its own."""
    worker, begun, go_on = Worker(lambda _: None), threading.Event(), threading.Event()
    seen: list[bool] = []

    def first() -> None:
        begun.set()
        wait_for(go_on)

    worker.click(first)
    wait_for(begun)
    worker.cancel()
    worker.then(lambda: seen.append(worker.cancelled.is_set()))
    go_on.set()
    assert worker.join(_SECONDS)
    assert seen == [False]
