"""The interface to other connections that a session uses."""

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
        """The ID that CONNECTION_ID() returns and KILL accepts."""

    @property
    def session(self) -> ClientState:
        """The connection's session."""

    def kill(self, *, query: bool) -> None:
        """End the connection, or its current statement."""
