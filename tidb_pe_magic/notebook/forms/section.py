"""A step under a head that opens and closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets as widgets

from tidb_pe_magic.credentials.redaction import without_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.notebook.forms.state import FormState, Store


class SectionContent(Protocol):
    """What a section shows.

    Attributes:
        title: the step's name.
        box: its controls.
    """

    title: str
    box: Any

    def summary(self, state: FormState) -> str:
        """Return what is done, in a few words; empty before."""

    def open(self) -> None:
        """Look up what the step shows."""

    def reload(self) -> None:
        """Look it up again, in the worker's thread."""


class Section:
    """A step and its head: a button, so that the keyboard reaches it.

    Attributes:
        step: what it shows.
        box: head and body.
    """

    def __init__(
        self, store: Store, number: int, name: str, step: SectionContent, on_open: Callable[[str], None]
    ) -> None:
        """Be closed.

        Args:
            store: what the form knows.
            number: the step's, from 1.
            name: the step's, in `%tidb_pe form`.
            step: what it shows.
            on_open: is given the name when a user opens the section.
        """
        self._store, self._number, self._name, self.step, self._on_open = store, number, name, step, on_open
        self._head: Any = widgets.Button().add_class("tidb-pe-head")
        self._head.on_click(without_values()(lambda _: self._toggle()))
        self._body: Any = widgets.VBox([step.box]).add_class("tidb-pe-body")
        self._body.layout.display = "none"
        self.box: Any = widgets.VBox([self._head, self._body])
        self.box.add_class("tidb-pe-step").add_class(f"tidb-pe-step-{name}")
        store.observe(self._draw, "cluster", "endpoint", "aliases")
        self._draw(store.state)

    @property
    def shown(self) -> bool:
        """The body is visible."""
        return bool(self._body.layout.display != "none")

    def show(self, *, shown: bool) -> None:
        """Show what is below the head, or hide it."""
        self._body.layout.display = "" if shown else "none"
        self._draw(self._store.state)

    def _toggle(self) -> None:
        self.show(shown=not self.shown)
        if self.shown:
            self._on_open(self._name)

    def _draw(self, state: FormState) -> None:
        """Say in the head what the step is and what is done."""
        done = self.step.summary(state)
        arrow = "▾" if self.shown else "▸"
        self._head.description = f"{arrow} {self._number}. {self.step.title}{f' — ✔ {done}' if done else ''}"
