"""The output of a cell's query: row counts while it runs long, and a line under its result."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.notebook.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import InteractiveShell

_AFTER = "post_execute"  # IPython's event behind a cell's own output


class CellEvents:
    """Shows the events of one shell's queries, one query at a time."""

    def __init__(
        self, shell: InteractiveShell | None, progress: Callable[[], Progress] | None = None
    ) -> None:
        """Create the display.

        Args:
            shell: IPython's shell; None without one.
            progress: opens an output; default: an output of the shell.
        """
        self._shell = shell
        self._progress = progress or (lambda: Progress(shell))
        self._line: model.QueryEnded | None = None

    @contextmanager
    def query(self) -> Iterator[model.EventHook]:
        """Open a hook for the events of one query.

        IPython shows a cell's result when the cell ends, and the query's line goes under it. With several
        queries in a cell, this works only for the last one; the others show their lines immediately.
        """
        self._show_line()
        ended = False
        with closing(self._progress()) as output:

            def hear(event: model.Event) -> None:
                nonlocal ended
                ended = ended or isinstance(event, model.QueryEnded)
                if isinstance(event, model.QueryEnded) and self._shell is not None:
                    output.clear()
                    self._put_off(event)
                else:
                    output(event)

            yield hear
            if not ended:
                # A query of jupysql itself, such as one for a plot, has no line.
                output.clear()

    def close(self) -> None:
        """Discard a line that was not shown."""
        self._line = None
        self._unregister()

    def _put_off(self, event: model.QueryEnded) -> None:
        events: Any = self._shell.events  # type: ignore[union-attr]
        self._line = event
        if self._show_line not in events.callbacks[_AFTER]:
            events.register(_AFTER, self._show_line)

    def _show_line(self) -> None:
        event, self._line = self._line, None
        self._unregister()
        if event is not None:
            with closing(self._progress()) as output:
                output(event)

    def _unregister(self) -> None:
        events: Any = getattr(self._shell, "events", None)
        if events is not None and self._show_line in events.callbacks[_AFTER]:
            events.unregister(_AFTER, self._show_line)
