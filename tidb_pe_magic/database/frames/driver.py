"""What is asked of PyMySQL's connection; the one file that knows its private names."""
# ruff: noqa: SLF001 - PyMySQL has no public way to send a command, nor to read what comes back

from __future__ import annotations

from typing import Any

from pymysql.constants import SERVER_STATUS

from tidb_pe_magic.database.frames.failures import lost

# The character sets whose strings are Arrow's.
_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})


class Driver:
    """A connection of PyMySQL.

    Attributes:
        connection: the same.
        encoding: Python's name of the character set in which strings travel.
    """

    def __init__(self, connection: Any) -> None:
        """Take a connection over which no result is being read."""
        self.connection = connection
        self.encoding: str = connection.encoding

    @property
    def utf8(self) -> bool:
        """Whether strings travel as UTF-8."""
        return self.connection.charset in _UTF8

    @property
    def backslash_escapes(self) -> bool:
        """Whether a backslash in a literal escapes what follows it."""
        return not self.connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES

    @property
    def open(self) -> bool:
        """Whether there is a socket."""
        return bool(self.connection.open)

    @property
    def read_timeout(self) -> float | None:
        """Seconds to wait for bytes before the connection counts as lost."""
        timeout: float | None = self.connection._read_timeout
        return timeout

    @property
    def result(self) -> Any:
        """PyMySQL's own last result."""
        return self.connection._result

    def send(self, command: int, payload: str | bytes) -> None:
        """Send a command.

        Raises:
            OperationalError: the connection is lost.
            InterfaceError: there is none.
        """
        self.connection._execute_command(command, payload)

    def packet(self) -> bytes:
        """Read a packet of a short answer.

        Raises:
            MySQLError: it is the server's word on what is wrong, or the connection is lost.
        """
        payload: bytes = self.connection._read_packet().get_all_data()
        return payload

    def receive(self, memory: memoryview) -> int:
        """Receive bytes; PyMySQL must have read all that it asked for.

        Raises:
            OSError: the connection is lost, or nothing came in time (TimeoutError).
            OperationalError: there is none any more.
        """
        sock = self.connection._sock
        if sock is None:
            raise lost("it was closed")
        count: int = sock.recv_into(memory)
        return count

    def limit(self, seconds: float | None) -> float | None:
        """Limit the wait for bytes, and return the limit that there was."""
        before: float | None = self.connection._sock.gettimeout()
        self.connection._sock.settimeout(seconds)
        return before

    def settle(self, status: int) -> None:
        """Note the server's status at the end of a result."""
        self.connection.server_status = status

    def literal(self, value: object) -> str:
        """Return SQL for a value."""
        text: str = self.connection.escape(value)
        return text

    def discard(self) -> None:
        """Close the connection without a word: what it would say next is not known."""
        self.connection._force_close()
