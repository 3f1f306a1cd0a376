"""The SQL password field, which never stores the password in a widget."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import CUnicode

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.credentials.secrets import PasswordSource, Secret
from tidb_pe_magic.errors import MissingCredentials
from tidb_pe_magic.notebook.forms import widgets

if TYPE_CHECKING:
    from collections.abc import Callable

_EMPTY = "default: TIDB_PASSWORD in the environment"
_TAKEN = "••••••  entered for the next Connect, never saved in the notebook"


class _WriteOnlyPassword(widgets.Sharing, ipywidgets.Password):  # type: ignore[misc]
    """A password field whose value the kernel never sends to a front end."""

    value = CUnicode("", help="The typed text").tag(sync=True, echo_update=False)


class PasswordField:
    """Removes a password from its widget as soon as it arrives in the kernel.

    A saved notebook can contain the state of widgets, and nbclient saves their last state even after they are
    closed. So the front end sends the password only when the field loses the focus, and the field is cleared
    immediately.

    Attributes:
        control: the input widget.
        box: the control, to be placed among other fields.
    """

    def __init__(self) -> None:
        """Create the field, without a password."""
        self._lock = threading.Lock()
        self._secret = Secret("")
        self._listeners: list[Callable[[], None]] = []
        self.control = _WriteOnlyPassword(
            description="Password",
            placeholder=_EMPTY,
            tooltip="password of the SQL user; never saved in the notebook",
            continuous_update=False,
        )
        self.box = widgets.VBox([self.control])
        self.box.add_class("tidb-pe-field").add_class("tidb-pe-field-password")
        self.control.observe(without_values()(self._on_input), "value")

    @property
    def source(self) -> PasswordSource | None:
        """`prompt` if a password was typed, because the command would prompt for it; otherwise None."""
        return PasswordSource("prompt") if self._secret else None

    def prompt(self, question: str) -> Secret:
        """Return the password, and remove it.

        Raises:
            MissingCredentials: no password was typed.
        """
        with self._lock:
            secret, self._secret = self._secret, Secret("")
        self.control.placeholder = _EMPTY
        if not secret:
            raise MissingCredentials(
                "SQL password",
                (
                    "the password stored by sql-user",
                    "TIDB_PASSWORD in the environment",
                    "the form's field Password, which is empty",
                ),
                advice=f"Type it there ({question.strip().rstrip(':')}), or choose where it is.",
            )
        return secret

    def clear(self) -> None:
        """Remove the password."""
        with self._lock:
            self._secret = Secret("")
        self.control.value, self.control.placeholder = "", _EMPTY

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a password is typed."""
        self._listeners.append(listener)

    def _on_input(self, change: Any) -> None:
        if not change["new"]:
            return
        with self._lock:
            self._secret = Secret(change["new"])
        self.control.placeholder = _TAKEN
        self.control.value = ""
        for listener in self._listeners:
            listener()
