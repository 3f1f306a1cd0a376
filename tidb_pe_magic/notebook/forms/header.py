"""The part above the steps: the drawing, the current activity with Cancel, and the form's own buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.display.views.base import EMULATED
from tidb_pe_magic.notebook.forms import fragments, widgets
from tidb_pe_magic.notebook.forms.drawing import FormDrawing
from tidb_pe_magic.notebook.forms.state import Clicks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState


class Header:
    """The drawing and the row below it, whose height does not change.

    Attributes:
        box: contains both.
        drawing: the connection from the notebook to the cluster.
        activity: the current activity.
        cancel: ends a wait, and the pause before a retry.
        refresh: reloads the data of the open steps.
        commands: shows the equivalent command next to each button.
    """

    def __init__(self, session: FormSession, on_refresh: Callable[[], None]) -> None:
        """Create the header.

        Args:
            session: the form's session.
            on_refresh: reloads the data, in the worker's thread.
        """
        store = session.store
        self.drawing = FormDrawing(store)
        self.activity: Any = widgets.HTML().add_class("tidb-pe-activity")
        self.cancel: Any = widgets.Button(
            description="Cancel", tooltip="Stop here; the cloud's work continues", layout={}
        )
        self.cancel.on_click(without_values()(lambda _: session.worker.cancel()))
        self.refresh: Any = widgets.Button(tooltip="Refresh")
        self.refresh.on_click(without_values()(lambda _: session.worker.click(on_refresh)))
        self.commands: Any = widgets.Checkbox(description="Show commands", value=False, indent=False)
        self.commands.tooltip = "Show the equivalent command next to each button"
        self.commands.observe(
            without_values()(lambda change: store.update(show_commands=change["new"])), "value"
        )
        self._badge: Any = widgets.HTML().add_class("tidb-pe-badge")
        row = [
            self.activity,
            self._badge,
            self.cancel.add_class("tidb-pe-cancel").add_class("tidb-pe-button"),
            self.commands.add_class("tidb-pe-show-commands"),
            self.refresh.add_class("tidb-pe-refresh"),
        ]
        self.row: Any = widgets.HBox(row).add_class("tidb-pe-toolbar")
        self.box: Any = widgets.VBox([self.drawing.box, self.row]).add_class("tidb-pe-header")
        store.observe(self._draw, "clicks", "activity", "progress", "clusters")
        self._draw(store.state)

    def _draw(self, state: FormState) -> None:
        self.activity.value = fragments.activity(state.activity, state.progress)
        self._badge.value = fragments.badge(EMULATED) if state.clusters.emulated else ""
        busy = state.clicks is not Clicks.START
        self.cancel.disabled = not busy
        self.cancel.layout.visibility = "visible" if busy else "hidden"
        self.refresh.disabled = state.clicks is Clicks.IGNORE
