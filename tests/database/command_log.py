"""A relay that reads what clients without TLS send: each command is a round trip."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from database.relay import Relay
from pymysql.constants import COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = 4  # bytes: the packet's length and its sequence number
# The server does not answer these.
_UNANSWERED = frozenset({COMMAND.COM_QUIT, COMMAND.COM_STMT_CLOSE})
_WITH_TEXT = frozenset({COMMAND.COM_QUERY, COMMAND.COM_STMT_PREPARE})


class CommandLog(Relay):
    """Passes bytes on, and records the commands that a server answers."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        """Listen on a free loopback port."""
        self._commands: list[list[str]] = []
        self._lock = threading.Lock()
        super().__init__(upstream)

    def take(self) -> list[list[str]]:
        """Return the commands since the last call: each connection's SQL texts, or the commands' numbers."""
        with self._lock:
            taken = [list(commands) for commands in self._commands if commands]
            for commands in self._commands:
                commands.clear()
        return taken

    def _reader(self) -> Callable[[bytes], None]:
        received = bytearray()
        commands: list[str] = []
        with self._lock:
            self._commands.append(commands)

        def read(data: bytes) -> None:
            received.extend(data)
            while len(received) >= _HEADER:
                end = _HEADER + int.from_bytes(received[:3], "little")
                if len(received) < end:
                    return
                # Only a command has this sequence number.
                if received[3] == 0 and received[_HEADER] not in _UNANSWERED:
                    with self._lock:
                        commands.append(_text(bytes(received[_HEADER:end])))
                del received[:end]

        return read


def _text(payload: bytes) -> str:
    return payload[1:].decode() if payload[0] in _WITH_TEXT else str(payload[0])
