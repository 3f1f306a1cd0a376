"""The form's finished operations as text and HTML, for saved notebooks and front ends without widgets."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.text import as_text
from tidb_pe_magic.display.view import CommandText, Mark, Table, View

if TYPE_CHECKING:
    from tidb_pe_magic.display.view import Kind
    from tidb_pe_magic.notebook.progress import Publish

# The commands of the three steps, in order; shown until the form is used.
_COMMANDS = (
    ("Choose a cluster", (Suggestion("clusters"), Suggestion("cluster", "NAME_OR_ID"))),
    ("Create the endpoint", tuple(map(Suggestion, ("verify", "networks", "plan", "create")))),
    ("Connect", tuple(map(Suggestion, ("wait", "connect", "status")))),
)


@dataclass(frozen=True)
class _DoneStep:
    operation: str
    line: str
    mark: Mark


class Summary:
    """An output below the form, updated in place when an operation ends."""

    def __init__(self, publish: Publish | None) -> None:
        """Create the summary, without an output.

        Args:
            publish: shows the output; None if it cannot be shown.
        """
        self._publish = publish
        self._display_id = uuid.uuid4().hex
        self._shown = False
        self._lock = threading.Lock()
        self._done: list[_DoneStep] = []

    def show(self) -> None:
        """Show the output under the running cell."""
        with self._lock:
            self._send(update=False)
            self._shown = True

    def add(self, operation: str, line: str, kind: Kind, outcome: str) -> None:
        """Add a finished operation; it replaces the previous entry of the same operation.

        Args:
            operation: the operation's name.
            line: the equivalent command.
            kind: how it ended.
            outcome: a short description of the outcome.
        """
        with self._lock:
            if self._done and self._done[-1].operation == operation:
                del self._done[-1]
            self._done.append(_DoneStep(operation, line, Mark(kind, outcome)))
            if self._shown:
                self._send(update=True)

    def view(self) -> View:
        """Return the output."""
        if not self._done:
            rows = tuple((title, CommandText(*map(str, commands))) for title, commands in _COMMANDS)
            table = Table(caption="", header=("Step", "Equivalent commands"), rows=rows)
            return View(title="Private endpoint, step by step", tables=(table,))
        done = tuple((each.mark, CommandText(each.line.partition("\n")[0])) for each in self._done)
        cells = (each.line.splitlines() for each in self._done if "\n" in each.line)
        return View(
            title="Done with the form, with the equivalent commands",
            tables=(Table(caption="", header=("Outcome", "Command"), rows=done),),
            parts=tuple(View(title="As a cell", block=tuple(lines), wraps=True) for lines in cells),
        )

    def _send(self, *, update: bool) -> None:
        if self._publish is not None:
            view = self.view()
            data = {"text/plain": as_text(view), "text/html": as_html(view)}
            self._publish(data, transient={"display_id": self._display_id}, update=update)
