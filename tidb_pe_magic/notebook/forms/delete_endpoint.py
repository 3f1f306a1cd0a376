"""The end of an endpoint, folded until somebody looks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic.commands.requests import DeleteRequest
from tidb_pe_magic.notebook.forms.session import Action
from tidb_pe_magic.notebook.forms.fields import Sheet, Switch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic import model
    from tidb_pe_magic.notebook.forms.session import Desk

_FOLDED, _UNFOLDED = "▸ Delete the endpoint", "▾ Delete the endpoint"


class DeleteEndpoint:
    """The controls that delete the endpoint that the form is about.

    Attributes:
        box: the controls.
        switches: what has to be agreed to, by the option's name.
        action: deletes it.
    """

    def __init__(self, desk: Desk, on_deleted: Callable[[], None]) -> None:
        """Show the fold alone.

        Args:
            desk: the form's.
            on_deleted: is called in the worker's thread.
        """
        self._desk, self._on_deleted = desk, on_deleted
        self.switches = {
            name: Switch(DeleteRequest, name, description=words)
            for name, words in (
                ("yes", "Really delete it"),
                ("shared", "For the other clusters that it serves, too"),
                ("adopted", "Although it was not made here"),
            )
        }
        self.action = Action(
            desk,
            "delete",
            "Delete the endpoint",
            Sheet(DeleteRequest, self.switches.values()),
            given=self._given,
            then=self._deleted,
        )
        fields = widgets.VBox([switch.box for switch in self.switches.values()])
        fold = widgets.VBox([fields.add_class("tidb-pe-fields"), self.action.box])
        fold.layout.display = "none"
        toggle = widgets.ToggleButton(description=_FOLDED, tooltip="Ends the billing of the endpoint")
        toggle.observe(lambda change: _unfold(toggle, fold, shown=change["new"]), "value")
        self.box: Any = widgets.VBox([toggle.add_class("tidb-pe-more"), fold])

    def forget(self) -> None:
        """Take back what was agreed to for another endpoint."""
        for switch in self.switches.values():
            switch.value = None
        self.action.outcome.value = ""

    def _given(self) -> dict[str, str]:
        endpoint = self._desk.picture.endpoint
        return self._desk.named() | ({"endpoint": endpoint.endpoint_id} if endpoint else {})

    def _deleted(self, _deletion: model.Deletion) -> None:
        for switch in self.switches.values():
            switch.value = None
        self._desk.mean(None, looked_up=True)
        self._on_deleted()


def _unfold(toggle: Any, box: Any, *, shown: bool) -> None:
    toggle.description = _UNFOLDED if shown else _FOLDED
    box.layout.display = "" if shown else "none"
