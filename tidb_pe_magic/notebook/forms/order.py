"""What a person does in a form reaches it in the order in which it was done."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds. A page that has answered before does so in the time of one way there and back, unless it is gone
# or the thread that would hear it executes a cell.
_LONGEST = 10.0
# Where no page has answered yet there may be none, or one that knows no links.
_GRACE = 0.25
_PAUSE = 0.05  # between two looks at the event that ends the wait


def in_order(*roots: Any) -> None:
    """Have one thread handle all that a front end sends to these widgets and to those within them.

    A front end that knows subshells asks for the same one for every widget. ipykernel 7.4 takes each widget's
    messages to where that widget was changed last instead. So a click could overtake what was typed before
    it, by as long as a cell runs, and an endpoint be made from fields as they were.
    """
    for widget in _within(roots):
        comm = widget.comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = _as_asked  # noqa: SLF001 - there is no setting for it


class Arrival:
    """Tells when all that was done in the page before a click has arrived.

    A page keeps a widget's change back until the kernel has dealt with that widget's change before, but it
    keeps no click back: two security groups chosen quickly, and Create would know of the first one alone. So
    the page is asked a question. It learns that the kernel has dealt with the earlier changes before it
    reads the question, and sends what it kept back before it answers. The answer needs no code in the page:
    a link of ipywidgets copies the value of one model to another one.
    """

    def __init__(self) -> None:
        """Ask for the first time: a page that shows the form answers as soon as it does."""
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._a_page_answers = False
        self._question = widgets.Label(value=self._next())
        self._answer = widgets.Label()
        in_order(self._answer)
        self._answer.observe(self._heard, "value")
        self._link = widgets.jsdlink((self._question, "value"), (self._answer, "value"))

    def settle(self, cancelled: threading.Event) -> bool:
        """Wait for the page's answer, but not for ever; return True where the event ended that."""
        with self._lock:
            self._answered.clear()
            self._question.value = self._next()
            limit = _LONGEST if self._a_page_answers else _GRACE
        end = time.monotonic() + limit
        while not self._answered.wait(_PAUSE) and time.monotonic() < end:
            if cancelled.is_set():
                return True
        return cancelled.is_set()

    def _heard(self, _change: object) -> None:
        with self._lock:
            self._a_page_answers = True
            if self._answer.value == self._question.value:
                self._answered.set()

    def _next(self) -> str:
        return str(next(self._numbers))


def _as_asked(_data: object, subshell: str | None) -> str | None:
    return subshell


def _within(roots: tuple[Any, ...]) -> Iterator[Any]:
    for widget in roots:
        yield widget
        yield from _within(tuple(getattr(widget, "children", ())))
