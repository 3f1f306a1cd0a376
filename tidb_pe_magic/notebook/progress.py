"""Events, while a step works, as something to look at: one output updated in place, or lines."""

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
    """What IPython's display publisher offers."""

    def __call__(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        """Show `data`, or update what was shown under the same display ID."""


class Progress:
    """Event hook of one command; what it showed last stays when it is closed.

    In a kernel one output is updated in place, from whatever thread the events come. Elsewhere lines
    go to standard output.
    """

    def __init__(
        self,
        shell: InteractiveShell | None,
        *,
        stream: TextIO | None = None,
        publish: Publish | None = None,
    ) -> None:
        """Show nothing yet: most commands have no events.

        Args:
            shell: IPython's shell; None where there is none.
            stream: instead of standard output.
            publish: instead of the shell's display publisher.
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
        """Take away what was shown of rows that are being read or loaded: they are all there."""
        self._output.clear()

    def close(self) -> None:
        """Say what was left unfinished; may be called twice."""
        self._output.close()


class _Output:
    """One output of a notebook cell, updated in place."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._display_id = uuid.uuid4().hex
        self._shown = self._closed = False
        self._story = Story()

    def show(self, event: model.Event) -> None:
        """Take the event in, and update the output."""
        self._story.take(event)
        self._update(live=True)

    def clear(self) -> None:
        """Show no rows that are being read or loaded."""
        self._story.forget_rows()
        if self._shown:
            self._update(live=False)

    def close(self) -> None:
        """Leave no output that still says it is waiting."""
        if self._story.unfinished and not self._closed:
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
