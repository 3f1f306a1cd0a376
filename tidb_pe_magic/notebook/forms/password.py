"""The SQL password, typed into a form and kept in no widget."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from traitlets import CUnicode

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.credentials.secrets import PasswordSource, Secret
from tidb_pe_magic.errors import MissingCredentials

if TYPE_CHECKING:
    from collections.abc import Callable

_EMPTY = "default: TIDB_PASSWORD in the environment"
_TAKEN = "••••••  taken; kept out of the notebook until you connect"


class _Unechoed(widgets.Password):  # type: ignore[misc]
    """A password field whose value the kernel repeats to no front end."""

    value = CUnicode("", help="What is typed").tag(sync=True, echo_update=False)


class PasswordField:
    """Takes a password out of its widget as soon as the kernel has it.

    A saved notebook can hold the state of widgets, and nbclient saves their last state even after they are
    closed. So the front end sends the password only once the field is left, and it is emptied at once.

    Attributes:
        control: the widget that is typed into.
        box: its place among other fields.
    """

    def __init__(self) -> None:
        """Hold no password."""
        self._lock = threading.Lock()
        self._secret = Secret("")
        self._listeners: list[Callable[[], None]] = []
        self.control = _Unechoed(
            description="Password",
            placeholder=_EMPTY,
            tooltip="of the SQL user; stands in no saved notebook",
            continuous_update=False,
        )
        self.box = widgets.VBox([self.control])
        self.box.add_class("tidb-pe-field").add_class("tidb-pe-field-password")
        self.control.observe(without_values()(self._typed), "value")

    @property
    def source(self) -> PasswordSource | None:
        """`prompt` where a password was typed, which is what the command would ask for; else None."""
        return PasswordSource("prompt") if self._secret else None

    def prompt(self, question: str) -> Secret:
        """Give the password away, and forget it.

        Raises:
            MissingCredentials: none was typed.
        """
        with self._lock:
            secret, self._secret = self._secret, Secret("")
        self.control.placeholder = _EMPTY
        if not secret:
            raise MissingCredentials(
                "SQL password",
                (
                    "what sql-user has kept",
                    "TIDB_PASSWORD in the environment",
                    "the form's field Password, which is empty",
                ),
                advice=f"Type it there ({question.strip().rstrip(':')}), or choose where it is.",
            )
        return secret

    def clear(self) -> None:
        """Hold no password."""
        with self._lock:
            self._secret = Secret("")
        self.control.value, self.control.placeholder = "", _EMPTY

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a password was typed."""
        self._listeners.append(listener)

    def _typed(self, change: Any) -> None:
        if not change["new"]:
            return
        with self._lock:
            self._secret = Secret(change["new"])
        self.control.placeholder = _TAKEN
        self.control.value = ""
        for listener in self._listeners:
            listener()
