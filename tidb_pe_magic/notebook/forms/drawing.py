"""The way from this notebook to the cluster, with the states on it as far as they are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tidb_pe_magic.display.render import topology

if TYPE_CHECKING:
    from tidb_pe_magic import model


class FormDrawing:
    """What is known of the way, drawn anew with each change; the steps tell the same in words.

    Attributes:
        box: the widget that shows it.
        endpoint: what was seen of it last; None where there is none yet, or which one is meant is not known.
        aliases: the SQL connections of this kernel over it; None where that was not looked at.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._cluster: model.Cluster | None = None
        self.endpoint: model.VpcEndpoint | None = None
        self.aliases: tuple[str, ...] | None = None
        self._looked_up = False
        self.box: Any = widgets.HTML().add_class("tidb-pe-picture")

    def begin(self, cluster: model.Cluster) -> None:
        """Show the way to another cluster, of which nothing else is known."""
        self._cluster, self.aliases = cluster, None
        self.see(None, looked_up=False)

    def see(self, endpoint: model.VpcEndpoint | None, *, looked_up: bool = True) -> None:
        """Show an endpoint in the state that it has now; None where there is none, or none is meant yet."""
        before = self.endpoint
        if before and (endpoint is None or endpoint.endpoint_id != before.endpoint_id):
            self.aliases = None  # they were over the other one
        elif endpoint and before and not endpoint.zones:
            endpoint = replace(endpoint, zones=before.zones)  # a look at the states brings no zones
        self.endpoint, self._looked_up = endpoint, looked_up
        self._draw()

    def connect(self, *aliases: str) -> None:
        """Show the SQL connections of this kernel."""
        self.aliases = aliases
        self._draw()

    def _draw(self) -> None:
        self.box.value = topology(self._cluster, self.endpoint, self.aliases, looked_up=self._looked_up)
