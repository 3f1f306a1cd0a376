"""What a session knows of the connections beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mysql_mimic.constants import KillKind


class ClientState(Protocol):
    """The part of a session that SHOW PROCESSLIST shows."""

    username: Any
    database: Any
    statement: str
    variables: Any


class Client(Protocol):
    """A client's connection, as other sessions show and kill it."""

    connection_id: Any

    @property
    def session(self) -> ClientState:
        """The connection's session."""

    def kill(self, kind: KillKind) -> None:
        """End the connection, or what it is carrying out."""
