"""Progress events: at most two a second, and none of work that takes less than a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_FIRST_AFTER, _INTERVAL = 1.0, 0.5  # seconds


def throttle(clock: Callable[[], float], emit: Callable[[T, float], None]) -> Callable[[T], None]:
    """Return a progress callback, which is called often and calls `emit` from time to time.

    Args:
        clock: in seconds.
        emit: receives the progress, and the seconds since now.
    """
    started = clock()
    due = started + _FIRST_AFTER

    def report(progress: T) -> None:
        nonlocal due
        now = clock()
        if now >= due:
            due = now + _INTERVAL
            emit(progress, now - started)

    return report
