"""The deletion of the endpoint, folded until the user opens it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.commands.requests import DeleteRequest
from tidb_pe_magic.notebook.forms import widgets
from tidb_pe_magic.notebook.forms.fields import FieldSet, Switch
from tidb_pe_magic.notebook.forms.folds import fold
from tidb_pe_magic.notebook.forms.operation import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic import model
    from tidb_pe_magic.notebook.forms.session import FormSession
    from tidb_pe_magic.notebook.forms.state import FormState

_TITLE = "Delete the endpoint"


class DeleteEndpoint:
    """The controls that delete the form's endpoint.

    Attributes:
        box: the controls.
        switches: the confirmations, by the option's name.
        action: deletes the endpoint.
    """

    def __init__(self, session: FormSession, on_deleted: Callable[[], None]) -> None:
        """Create the controls, folded.

        Args:
            session: the form's session.
            on_deleted: called in the worker's thread.
        """
        self._session, self._on_deleted = session, on_deleted
        self.switches = {
            name: Switch(DeleteRequest, name, description=label)
            for name, label in (
                ("yes", "Yes, delete this endpoint"),
                ("shared", "Delete it even if it serves other clusters"),
                ("adopted", "Delete it even if tidb_pe did not create it"),
            )
        }
        self.action = Action(
            session,
            "delete",
            _TITLE,
            FieldSet(DeleteRequest, self.switches.values()),
            enabled=lambda state: state.endpoint is not None and bool(self.switches["yes"].value),
            primary=lambda _: False,
            given=self._endpoint,
            then=self._after_delete,
        )
        self.action.button.add_class("tidb-pe-danger")
        self._endpoint_id = ""
        for switch in self.switches.values():
            switch.on_change(self.action.draw)
        session.store.observe(self._draw, "cluster", "endpoint")
        content = widgets.VBox([*(switch.box for switch in self.switches.values()), self.action.box])
        content.add_class("tidb-pe-delete")
        self.box: Any = fold(_TITLE, "Ends the billing of the endpoint", content)

    def _draw(self, state: FormState) -> None:
        """Clear the confirmations for another endpoint."""
        endpoint_id = state.endpoint.endpoint_id if state.endpoint else ""
        if endpoint_id != self._endpoint_id:
            self._endpoint_id = endpoint_id
            self._clear_switches()
            self.action.draw()
        if endpoint_id:
            self.action.clear()

    def _clear_switches(self) -> None:
        for switch in self.switches.values():
            switch.value = None

    def _endpoint(self) -> dict[str, str]:
        endpoint = self._session.state.endpoint
        named = {"endpoint": endpoint.endpoint_id} if endpoint else {}
        return self._session.cluster_field() | named

    def _after_delete(self, _deletion: model.Deletion) -> None:
        def without_endpoint(state: FormState) -> FormState:
            return replace(state.with_endpoint(None), created=None, connection=None)

        self._session.store.change(without_endpoint)
        self._on_deleted()
