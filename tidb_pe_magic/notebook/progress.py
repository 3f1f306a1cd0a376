"""The display of a step's events: one output updated in place, or lines."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Protocol, TextIO

from tidb_pe_magic.display.events import EventLines, Story
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.text import as_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic import model


class Publish(Protocol):
    """The interface of IPython's display publisher."""

    def __call__(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        """Show `data`, or update the output with the same display ID."""


class Progress:
    """The event hook of one command; the last output remains after it is closed.

    In a kernel, one output is updated in place, regardless of the events' thread. Elsewhere, lines are
    written to standard output.
    """

    def __init__(
        self,
        shell: InteractiveShell | None,
        *,
        stream: TextIO | None = None,
        publish: Publish | None = None,
    ) -> None:
        """Create the hook, without an output, because most commands have no events.

        Args:
            shell: IPython's shell; None without one.
            stream: replaces standard output.
            publish: replaces the shell's display publisher.
        """
        self._output: _Output | EventLines
        if shell is not None and getattr(shell, "kernel", None) is not None:
            self._output = _Output(publish or shell.display_pub.publish)
        else:
            self._output = EventLines(stream)

    def __call__(self, event: model.Event) -> None:
        """Show the event."""
        self._output.show(event)

    def clear(self) -> None:
        """Remove the progress of reading or loading rows, because it is complete."""
        self._output.clear()

    def close(self) -> None:
        """Show what was left unfinished; may be called twice."""
        self._output.close()


class _Output:
    """One output of a notebook cell, updated in place."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._display_id = uuid.uuid4().hex
        self._shown = self._closed = False
        self._story = Story()

    def show(self, event: model.Event) -> None:
        """Process the event, and update the output."""
        self._story.take(event)
        self._update(live=True)

    def clear(self) -> None:
        """Remove the progress of reading or loading rows."""
        self._story.forget_rows()
        if self._shown:
            self._update(live=False)

    def close(self) -> None:
        """Replace an output that still shows a wait."""
        if self._story.is_unfinished and not self._closed:
            self._update(live=False)
        self._closed = True

    def _update(self, *, live: bool) -> None:
        views = self._story.views(live=live)
        data = {
            "text/plain": "\n\n".join(map(as_text, views)),
            "text/html": "".join(map(as_html, views)),
        }
        self._publish(data, transient={"display_id": self._display_id}, update=self._shown)
        self._shown = True
