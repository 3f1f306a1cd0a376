"""A step with a header that opens and closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.forms import widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.notebook.forms.state import FormState, Store


class SectionContent(Protocol):
    """The content of a section.

    Attributes:
        title: the step's name.
        box: its controls.
    """

    title: str
    box: Any

    def summary(self, state: FormState) -> str:
        """Return a short description of the step's result; empty before."""

    def open(self) -> None:
        """Load the step's data."""

    def reload(self) -> None:
        """Reload the step's data, in the worker's thread."""


class Section:
    """A step and its header: a button, so that the keyboard can reach it.

    Attributes:
        step: the content.
        box: header and body.
    """

    def __init__(
        self, store: Store, number: int, name: str, step: SectionContent, on_open: Callable[[str], None]
    ) -> None:
        """Create the section, closed.

        Args:
            store: the form's state.
            number: the step's number, from 1.
            name: the step's name in `%tidb_pe form`.
            step: the content.
            on_open: receives the name when the user opens the section.
        """
        self._store, self._number, self._name, self.step, self._on_open = store, number, name, step, on_open
        self._head: Any = widgets.Button().add_class("tidb-pe-head")
        self._head.on_click(without_values()(lambda _: self._toggle()))
        self._body: Any = widgets.VBox([step.box], layout={"display": "none"})
        self._body.add_class("tidb-pe-body")
        self.box: Any = widgets.VBox([self._head, self._body], layout={})
        self.box.add_class("tidb-pe-step").add_class(f"tidb-pe-step-{name}")
        store.observe(self._draw, "cluster", "endpoint", "aliases")
        self._draw(store.state)

    @property
    def shown(self) -> bool:
        """Whether the body is visible."""
        return bool(self._body.layout.display != "none")

    def show(self, *, shown: bool) -> None:
        """Show or hide the body."""
        self._body.layout.display = "" if shown else "none"
        self._draw(self._store.state)

    def _toggle(self) -> None:
        self.show(shown=not self.shown)
        if self.shown:
            self._on_open(self._name)

    def _draw(self, state: FormState) -> None:
        """Show the step's name and result in the header."""
        done = self.step.summary(state)
        arrow = "▾" if self.shown else "▸"
        self._head.description = f"{arrow} {self._number}. {self.step.title}{f' — ✔ {done}' if done else ''}"
