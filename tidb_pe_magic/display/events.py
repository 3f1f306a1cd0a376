"""Events, while a step works, as lines of a terminal or a file: for IPython's terminal and the console."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display import render
from tidb_pe_magic.display.layout import as_text, columns, reworded
from tidb_pe_magic.display.views import view
from tidb_pe_magic.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_TERMINAL_COLUMNS = 80


class EventLines:
    """Lines of a terminal, the last one rewritten while a step works; in a file, a line for each change."""

    def __init__(self, stream: TextIO | None, say: Callable[[str], str] = str) -> None:
        """Write to `stream`, or to standard output as it is at each event; `say` rewords each string."""
        self._given = stream
        self._say = say
        self._current = ""
        self._transient = 0  # columns of the line that is to be rewritten
        self._last: tuple[object, ...] = ()

    def show(self, event: model.Event) -> None:
        """Write the event."""
        line = self._say(render.event_line(event))
        match event:
            case model.StepStarted():
                self._current = event.step
                self._rewrite(line)
            case model.StepFinished():
                self._current, self._last = "", ()
                self._print(f"✔ {line}")
            case model.PlanShown():
                self._print(as_text(reworded(replace(view(event.plan), next_command=""), self._say)))
            case model.EndpointObserved() | model.ObservationFailed():
                self._rewrite(line)
                self._print_change(event, line)
            case model.RowsRead():
                self._rewrite(line)
            case model.FleetProgressed():
                self._show_rows(event)
                self._rewrite(line)
            case model.RetryScheduled() | model.Notice() | model.QueryEnded() | model.FleetEnded():
                self._print(line)

    def _show_rows(self, event: model.FleetProgressed) -> None:
        """Write a line for each row that failed; in a file, for each of which there is news."""
        for row in event.changed:
            is_news = row.row_state not in {model.RowState.QUEUED, model.RowState.PLANNING}
            if row.failed or (is_news and not self._stream.isatty()):
                self._print(self._say(render.row_line(row)))

    def close(self) -> None:
        """End the line that was being rewritten, and say which step did not finish."""
        if self._transient:
            self._stream.write("\n")
            self._transient = 0
        if self._current:
            self._print(f"✘ {one_line(self._current)} did not finish")
            self._current = ""
        self._stream.flush()

    @property
    def _stream(self) -> TextIO:
        # Looked up at each use: a captured cell has another one.
        return self._given or sys.stdout

    def _print_change(self, event: model.EndpointObserved | model.ObservationFailed, line: str) -> None:
        """In a file, where no line can be rewritten, leave out what is as it was."""
        if self._stream.isatty():
            return
        seen: tuple[object, ...] = ("no answer",)
        if isinstance(event, model.EndpointObserved):
            endpoint = event.endpoint
            states = (endpoint.endpoint_status, endpoint.connection_status) if endpoint else ()
            seen = (event.waiting_for, *states)
        if seen != self._last:
            self._last = seen
            self._print(line)

    def _print(self, text: str) -> None:
        lead = self._blank()
        self._transient = 0
        self._write(f"{lead}{text}\n")

    def _rewrite(self, line: str) -> None:
        if not self._stream.isatty():
            return
        kept = _cut(line, max(1, self._terminal_columns() - 1))
        lead = self._blank()
        self._transient = columns(kept)
        self._write(lead + kept)

    def _blank(self) -> str:
        return "\r" + " " * self._transient + "\r" if self._transient else ""

    def _write(self, text: str) -> None:
        # A stream of a narrow encoding must not end the step over a check mark.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()

    def _terminal_columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _TERMINAL_COLUMNS
        except (OSError, ValueError):
            return _TERMINAL_COLUMNS


def _cut(line: str, limit: int) -> str:
    """Shorten a line that would wrap, since a wrapped line cannot be rewritten."""
    kept = line
    while columns(kept) > limit - (kept != line):
        head, space, _word = kept.rpartition(" ")
        kept = head if space else kept[:-1]
    return kept if kept == line else f"{kept}…"
