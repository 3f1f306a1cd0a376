"""Ensures that a form's changes and clicks reach the kernel in the user's order."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import ipywidgets as widgets

from tidb_pe_magic import errors
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.forms.widgets import close, tree

# Seconds. A page that has answered before answers within one round trip, unless it is closed or the receiving
# thread executes a cell.
_LONGEST = 30.0
# If a page has never answered, it may not exist, or may not support links.
_GRACE = 0.25
_PAUSE = 0.05  # seconds between two checks of the event that ends the wait
_FIRST = "0"
_UNANSWERED = "nothing was done because the page did not confirm that all input has arrived."


def use_one_thread(*roots: Any) -> None:
    """Handle all messages for these widgets and their children in one thread.

    A front end that supports subshells requests the same one for every widget. ipykernel 7.4 instead handles
    a widget's messages in the thread that last changed the widget. A click could then overtake earlier input
    by the duration of a cell, and an endpoint would be created from outdated fields.
    """
    for widget in tree(*roots):
        comm = widget.comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = _requested_subshell  # noqa: SLF001 - ipykernel has no setting for it


class PageSync:
    """Detects when all changes that the user did before a click have arrived.

    A page holds a widget's change back until the kernel has handled the widget's previous change, but it
    does not hold clicks back. If the user quickly selects two security groups and clicks Create, the kernel
    would know only the first one. So the kernel sends a question to the page. The page learns that the
    earlier changes were handled before it reads the question, and sends the held changes before it answers.
    This needs no code in the
    page: a link of ipywidgets copies the value of one model to another. If two pages show the form, the first
    answer counts.

    Attributes:
        answers: whether a page has ever answered.
    """

    def __init__(self, *, longest: float = _LONGEST) -> None:
        """Create the link, without a question.

        If it sent a question while a cell runs, the page's answer would arrive after that cell, and delay all
        later answers.

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
        self._answer.observe(without_values()(self._on_answer), "value")
        self._link = widgets.jsdlink((self._question, "value"), (self._answer, "value"))

    def close(self) -> None:
        """Remove the link."""
        close(self._link, self._question, self._answer)

    def wait(self, cancelled: threading.Event) -> bool:
        """Send the question, and wait for the answer; return True if the event ended the wait.

        Raises:
            WaitTimeout: a page that has answered before does not answer.
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
        """Send a new question to the page."""
        with self._lock:
            self._answered.clear()
            self._question.value = str(next(self._numbers))

    def _on_answer(self, _change: object) -> None:
        with self._lock:
            self.answers = True
            if self._answer.value == self._question.value:
                self._answered.set()


def _requested_subshell(_data: object, subshell: str | None) -> str | None:
    return subshell
