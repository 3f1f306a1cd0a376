"""A time limit for work that has none of its own, such as the resolution of a name."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], *, name: str) -> T:
    """Return what `work` returns or raises, unless that takes longer: then it is left to itself.

    It runs in a daemon thread, which can be abandoned: a name server that hangs cannot be interrupted.

    Args:
        seconds: the limit.
        work: what is done in the thread.
        name: of the thread.

    Raises:
        TimeoutError: the time is over.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            answer.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return answer.result(seconds)
