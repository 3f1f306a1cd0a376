"""What a session knows of the connections beside its own."""

from __future__ import annotations

from typing import Any, Protocol


class ClientState(Protocol):
    """The part of a session that SHOW PROCESSLIST shows."""

    username: str | None
    database: str | None
    statement: str | None
    variables: Any


class Client(Protocol):
    """A client's connection, as other sessions show and kill it."""

    @property
    def connection_id(self) -> int:
        """What CONNECTION_ID() says and KILL takes."""

    @property
    def session(self) -> ClientState:
        """The connection's session."""

    def kill(self, *, query: bool) -> None:
        """End the connection, or what it is carrying out."""
