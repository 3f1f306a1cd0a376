"""The interface to other connections that a session uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.mysql.session_state import SessionState


class Client(Protocol):
    """A client's connection, as other sessions show and kill it."""

    @property
    def state(self) -> SessionState:
        """The state of the connection's session."""

    def kill(self, *, query: bool) -> None:
        """End the connection, or its current statement."""
