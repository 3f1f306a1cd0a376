"""A button that shows and hides the controls below it."""

from __future__ import annotations

from typing import Any

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.forms import widgets


def fold(title: str, tooltip: str, content: Any) -> Any:
    """Return the button with the content, which is hidden initially."""
    content.layout = {"display": "none"}
    toggle = widgets.ToggleButton(description=f"▸ {title}", tooltip=tooltip)

    def turn(change: Any) -> None:
        toggle.description = f"{'▾' if change['new'] else '▸'} {title}"
        content.layout.display = "" if change["new"] else "none"

    toggle.observe(without_values()(turn), "value")
    return widgets.VBox([toggle.add_class("tidb-pe-fold"), content])
