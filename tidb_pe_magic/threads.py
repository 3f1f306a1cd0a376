"""A pause that the stop button and the cancel event end at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event as Flag

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
