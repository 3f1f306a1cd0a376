"""All uses of PyMySQL's connection; only this file knows its private names."""
# ruff: noqa: SLF001 - PyMySQL has no public way to send a command or read its answer

from __future__ import annotations

from typing import Any

import pymysql.err
from pymysql.constants import SERVER_STATUS

from tidb_pe_magic.database.frames.failures import connection_lost
from tidb_pe_magic.errors import InvalidRequest

# The character sets that are compatible with Arrow's strings.
_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii"})
# Commands of at least this size are checked against the server's limit: its default is never lower.
_LARGE = 1 << 20
# The smallest number that does not fit 24 bits.
_NOT_24_BITS = 16777217


class Driver:
    """A connection of PyMySQL.

    Attributes:
        connection: the PyMySQL connection.
        encoding: Python's name of the character set of transferred strings.
    """

    def __init__(self, connection: Any) -> None:
        """Take a connection without an unread result."""
        self.connection = connection
        self.encoding: str = connection.encoding

    @property
    def utf8(self) -> bool:
        """Whether strings are transferred as UTF-8."""
        return self.connection.charset in _UTF8

    @property
    def backslash_escapes(self) -> bool:
        """Whether a backslash in a literal is an escape character."""
        return not self.connection.server_status & SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES

    @property
    def counts_sign(self) -> bool:
        """Whether the server includes a sign in the length of a DECIMAL UNSIGNED.

        TiDB does (`ConvertColumnInfo` in `pkg/server/internal/column/convert.go`), MySQL and MariaDB do not.
        """
        return "TiDB" in self.connection.server_version

    @property
    def sequence(self) -> int:
        """The sequence number of the next packet of the command."""
        number: int = self.connection._next_seq_id
        return number

    @property
    def open(self) -> bool:
        """Whether the connection has a socket."""
        return bool(self.connection.open)

    @property
    def read_timeout(self) -> float | None:
        """Seconds to wait for bytes before the connection is considered lost."""
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
            InterfaceError: the connection is closed.
        """
        self.connection._execute_command(command, payload)

    def check_length(self, data: bytes) -> None:
        """Reject a command longer than the server accepts; sending it would close the connection.

        Raises:
            InvalidRequest: the command is too long.
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
        """Return whether the server writes a FLOAT as text with all its digits: TiDB does, MySQL writes 6.

        Raises:
            MySQLError: the connection is lost.
        """
        if "TiDB" in self.connection.server_version:
            return True
        return bool(self._value(f"SELECT CAST({_NOT_24_BITS}e0 AS FLOAT)") == float(_NOT_24_BITS - 1))

    def _value(self, sql: str) -> Any:
        """Return the single value of a query; None if the server refuses it."""
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
            MySQLError: the server's error, or the connection is lost.
        """
        payload: bytes = self.connection._read_packet().get_all_data()
        return payload

    def receive(self, memory: memoryview) -> int:
        """Receive bytes; PyMySQL must have read its own data.

        Raises:
            OSError: the connection is lost, or nothing arrived in time (TimeoutError).
            OperationalError: the connection is closed.
        """
        sock = self.connection._sock
        if sock is None:
            raise connection_lost("it was closed")
        count: int = sock.recv_into(memory)
        self.connection.awaits_answer = False
        return count

    def limit(self, seconds: float | None) -> float | None:
        """Set the timeout for receiving bytes, and return the previous one."""
        before: float | None = self.connection._sock.gettimeout()
        self.connection._sock.settimeout(seconds)
        return before

    def settle(self, status: int) -> None:
        """Record the server's status at the end of a result."""
        self.connection.server_status = status

    def literal(self, value: object) -> str:
        """Return the SQL literal for a value."""
        text: str = self.connection.escape(value)
        return text

    def discard(self) -> None:
        """Close the connection without a quit message, because its protocol state is unknown."""
        self.connection._force_close()
