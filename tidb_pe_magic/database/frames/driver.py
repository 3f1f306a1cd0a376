"""What is asked of PyMySQL's connection; the one file that knows its private names."""
# ruff: noqa: SLF001 - PyMySQL has no public way to send a command, nor to read what comes back

from __future__ import annotations

from typing import Any

import pymysql.err
from pymysql.constants import SERVER_STATUS

from tidb_pe_magic.database.frames.failures import lost
from tidb_pe_magic.errors import InvalidRequest

# The character sets whose strings are Arrow's.
_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})
# Bytes of a command from which on the server's limit is asked for first: no server's default is lower.
_LARGE = 1 << 20
# The least number that 24 bits cannot hold.
_NOT_24_BITS = 16777217


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
    def counts_sign(self) -> bool:
        """Whether the server counts a sign in the length of a DECIMAL UNSIGNED.

        TiDB does (`ConvertColumnInfo` in `pkg/server/internal/column/convert.go`), MySQL and MariaDB do not.
        """
        return "TiDB" in self.connection.server_version

    @property
    def sequence(self) -> int:
        """The sequence number of the next packet: each packet of a command counts."""
        number: int = self.connection._next_seq_id
        return number

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

    def check_length(self, data: bytes) -> None:
        """Refuse a command that is longer than the server accepts, which would end the connection.

        Raises:
            InvalidRequest: it is.
            MySQLError: the connection is lost.
        """
        if len(data) >= _LARGE:
            most = self._value("SELECT @@max_allowed_packet")
            if most is not None and len(data) + 1 > int(most):
                raise InvalidRequest(
                    "sql",
                    f"the statement has {len(data):,} bytes with its parameters, and the server accepts "
                    f"{int(most):,} (max_allowed_packet).",
                    advice="Send it in parts, or raise max_allowed_packet on the server and connect again.",
                )

    def exact_float_text(self) -> bool:
        """Ask whether the server writes a FLOAT with all its digits as text: TiDB does, MySQL writes 6.

        Raises:
            MySQLError: the connection is lost.
        """
        if "TiDB" in self.connection.server_version:
            return True
        return bool(self._value(f"SELECT CAST({_NOT_24_BITS}e0 AS FLOAT)") == float(_NOT_24_BITS - 1))

    def _value(self, sql: str) -> Any:
        """Return the one value of a query; None where the server refuses it."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                row = cursor.fetchone()
        except pymysql.err.MySQLError:
            if not self.open:
                raise
            return None
        return row[0] if row else None

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
