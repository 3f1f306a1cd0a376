"""What a form has done, as text and HTML that need no widgets: for saved notebooks and other front ends."""

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

# What the three steps do, in order: the commands stand here before anything was done with the form.
_COMMANDS = (
    ("Choose a cluster", (Suggestion("clusters"), Suggestion("cluster", "NAME_OR_ID"))),
    ("Create the endpoint", tuple(map(Suggestion, ("verify", "networks", "plan", "create")))),
    ("Connect", tuple(map(Suggestion, ("wait", "connect", "status")))),
)


@dataclass(frozen=True)
class _Done:
    operation: str
    line: str
    mark: Mark


class Summary:
    """One output beside the form, updated in place as actions end."""

    def __init__(self, publish: Publish | None) -> None:
        """Show nothing yet.

        Args:
            publish: shows the output; None where there is nowhere to show it.
        """
        self._publish = publish
        self._display_id = uuid.uuid4().hex
        self._shown = False
        self._lock = threading.Lock()
        self._done: list[_Done] = []

    def show(self) -> None:
        """Show the output under the cell that is being executed."""
        with self._lock:
            self._send(update=False)
            self._shown = True

    def add(self, operation: str, line: str, kind: Kind, outcome: str) -> None:
        """Tell that an action has ended; of the same one in a row only the last is kept.

        Args:
            operation: its name.
            line: the command that does the same.
            kind: how it ended.
            outcome: what came of it, in a few words.
        """
        with self._lock:
            if self._done and self._done[-1].operation == operation:
                del self._done[-1]
            self._done.append(_Done(operation, line, Mark(kind, outcome)))
            if self._shown:
                self._send(update=True)

    def view(self) -> View:
        """Return what is shown."""
        if not self._done:
            rows = tuple((title, CommandText(*map(str, commands))) for title, commands in _COMMANDS)
            table = Table(caption="", header=("Step", "Commands that do the same"), rows=rows)
            return View(title="Private endpoint, step by step", tables=(table,))
        done = tuple((each.mark, CommandText(each.line.partition("\n")[0])) for each in self._done)
        cells = (each.line.splitlines() for each in self._done if "\n" in each.line)
        return View(
            title="Done with the form, and the commands that do the same",
            tables=(Table(caption="", header=("Outcome", "Command"), rows=done),),
            parts=tuple(View(title="As a cell", block=tuple(lines), wraps=True) for lines in cells),
        )

    def _send(self, *, update: bool) -> None:
        if self._publish is not None:
            view = self.view()
            data = {"text/plain": as_text(view), "text/html": as_html(view)}
            self._publish(data, transient={"display_id": self._display_id}, update=update)
