"""What a user does in a form reaches the kernel in the order in which it was done."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic import errors
from tidb_pe_magic.credentials.redaction import without_values

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds. A page that has answered before does so in the time of one way there and back, unless it is gone,
# or the thread that would hear it executes a cell.
_LONGEST = 30.0
# Where no page has answered yet there may be none, or one that knows no links.
_GRACE = 0.25
_PAUSE = 0.05  # between two looks at the event that ends the wait
_FIRST = "0"
_UNANSWERED = "nothing was done: the page does not confirm that everything typed has arrived."


def use_one_thread(*roots: Any) -> None:
    """Have one thread handle all that a front end sends to these widgets and to those within them.

    A front end that knows subshells asks for the same one for every widget. ipykernel 7.4 takes each widget's
    messages to where that widget was changed last instead. So a click could overtake what was typed before
    it, by as long as a cell runs, and an endpoint be made from fields as they were.
    """
    for widget in _within(roots):
        comm = widget.comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = _requested_subshell  # noqa: SLF001 - there is no setting for it


class PageSync:
    """Tells when all that was done in the page before a click has arrived.

    A page keeps a widget's change back until the kernel has dealt with that widget's change before, but it
    keeps no click back: two security groups chosen quickly, and Create would know of the first one alone. So
    the page is asked a question. It learns that the kernel has dealt with the earlier changes before it
    reads the question, and sends what it kept back before it answers. The answer needs no code in the page:
    a link of ipywidgets copies the value of one model to another one. Of two pages that show the form the
    first one to answer is heard.

    Attributes:
        answers: a page has answered before.
    """

    def __init__(self, *, longest: float = _LONGEST) -> None:
        """Ask nothing yet.

        A page that shows the form while a cell is executed would send its answer after that cell, and keep
        all later ones back until then.

        Args:
            longest: seconds to wait for a page that has answered before.
        """
        self._longest = longest
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self.answers = False
        self._question = widgets.Label(value=_FIRST)
        self._answer = widgets.Label(value=_FIRST)
        use_one_thread(self._answer)
        self._answer.observe(without_values()(self._answer_arrived), "value")
        self._link = widgets.jsdlink((self._question, "value"), (self._answer, "value"))

    def wait(self, cancelled: threading.Event) -> bool:
        """Ask, and wait for the answer; return True where the event ended that.

        Raises:
            WaitTimeout: a page that has answered before does not.
        """
        answers = self.answers
        self.ping()
        end = time.monotonic() + (self._longest if answers else _GRACE)
        while not self._answered.wait(_PAUSE):
            if cancelled.is_set():
                return True
            if time.monotonic() > end:
                if answers:
                    raise errors.WaitTimeout(_UNANSWERED, advice="Click again.")
                break
        return cancelled.is_set()

    def ping(self) -> None:
        """Ask the page whether everything has arrived."""
        with self._lock:
            self._answered.clear()
            self._question.value = str(next(self._numbers))

    def _answer_arrived(self, _change: object) -> None:
        with self._lock:
            self.answers = True
            if self._answer.value == self._question.value:
                self._answered.set()


def _requested_subshell(_data: object, subshell: str | None) -> str | None:
    return subshell


def _within(roots: tuple[Any, ...]) -> Iterator[Any]:
    for widget in roots:
        yield widget
        yield from _within(tuple(getattr(widget, "children", ())))
