"""The server's answer to one command, read from the connection's socket."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from pymysql.constants import SERVER_STATUS
from pymysql.err import NotSupportedError, raise_mysql_exception
from pymysql.protocol import EOFPacketWrapper, MysqlPacket, OKPacketWrapper

from tidb_pe_magic.database.frames.batch import Batch
from tidb_pe_magic.database.frames.definitions import Declarations, read_definition
from tidb_pe_magic.database.frames.failures import connection_lost, protocol_error
from tidb_pe_magic.database.frames.packets import PacketBuffer
from tidb_pe_magic.database.frames.types import Column, columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.database.frames.driver import Driver

_ERR, _LOCAL_INFILE = 0xFF, 0xFB
# Seconds between two calls of the progress callback.
_TICK = 0.1
_CHANGED = re.compile(rb"Changed: (\d+)")


class Answer:
    """The server's data until it waits for the next command.

    Attributes:
        columns: of the rows; empty if the statement returns none.
        affected_rows: number of rows that a statement without a result changed.
        warnings: number of warnings for SHOW WARNINGS, known once the answer has ended.
        ended: the connection is ready for the next command.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        on_bytes: Callable[[int], None],
        capacity: int,
        interval: float,
        declarations: Declarations,
    ) -> None:
        """Take the connection for a command.

        Args:
            driver: the connection.
            on_bytes: called with the number of received bytes, and with 0 every 0.1 s while none arrive.
            capacity: approximate bytes of rows in a batch.
            interval: seconds after which a partial batch is returned.
            declarations: which declared column types are reliable.
        """
        self._driver = driver
        self._on_bytes = on_bytes
        self._interval = interval
        self._declarations = declarations
        self._limited, self._timeout = False, driver.read_timeout
        self._heard = 0.0
        self._buffer = PacketBuffer(driver.receive, capacity=capacity)
        self.columns: tuple[Column, ...] = ()
        self.affected_rows = self.warnings = 0
        self.ended = False

    def begin(self) -> None:
        """Read the part of the answer before the rows.

        Raises:
            MySQLError: the server's error.
        """
        self._timeout, self._heard = self._driver.limit(_TICK), time.monotonic()
        self._limited = True
        self._buffer.begin(self._driver.sequence)
        head = self._packet()
        if head[0] == 0:
            self._ok(head)
        elif head[0] == _LOCAL_INFILE:
            raise NotSupportedError("LOAD DATA LOCAL is not read into a frame")
        else:
            self._definitions(head)

    def batch(self) -> Batch | None:
        """Return the next rows; None after the last ones.

        Raises:
            MySQLError: the server's error, or the connection was lost.
        """
        since = time.monotonic()
        while not self.ended:
            late = time.monotonic() - since >= self._interval
            if late or self._buffer.full or self._buffer.has_end:
                heads = self._buffer.take()
                if heads is not None:
                    return Batch(self._buffer.data, heads)
                if self._buffer.has_end:
                    self._end(self._packet())
                    continue
            self._receive()
        return None

    def release(self) -> None:
        """Restore the connection's settings."""
        if self._limited and self._driver.open:
            self._driver.limit(self._timeout)

    def _receive(self) -> None:
        before = self._buffer.received
        try:
            self._buffer.receive()
        except TimeoutError:
            timeout = self._driver.read_timeout
            if timeout is not None and time.monotonic() - self._heard > timeout:
                raise connection_lost(f"no data for {timeout:g} s") from None
        except OSError as error:
            raise connection_lost(str(error)) from error
        else:
            self._heard = time.monotonic()
        self._on_bytes(self._buffer.received - before)

    def _packet(self) -> bytes:
        """Return the next packet, which is not a row."""
        while True:
            payload = self._buffer.packet()
            if payload is None:
                self._receive()
            elif not payload:
                raise protocol_error("an empty packet")
            elif payload[0] == _ERR:
                self._fail(payload)
            else:
                return payload

    def _definitions(self, head: bytes) -> None:
        count = MysqlPacket(head, "").read_length_encoded_integer() or 0
        encoding = self._driver.encoding
        definitions = [read_definition(self._packet(), encoding) for _ in range(count)]
        self.columns = columns(definitions, self._declarations)
        if not MysqlPacket(self._packet(), "").is_eof_packet():
            raise protocol_error("no EOF after the columns' definitions")

    def _end(self, payload: bytes) -> None:
        packet = EOFPacketWrapper(MysqlPacket(payload, ""))
        self.warnings = packet.warning_count
        self._settle(packet.server_status)

    def _ok(self, payload: bytes) -> None:
        packet = OKPacketWrapper(MysqlPacket(payload, ""))
        self.affected_rows = changed_rows(packet.affected_rows, packet.message)
        self.warnings = packet.warning_count
        self._settle(packet.server_status)

    def _settle(self, status: int) -> None:
        """Record that the result is complete, and whether another one follows."""
        self._driver.settle(status)
        if status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS:
            following = self._packet()
            if following[0] != 0:
                raise NotSupportedError("the statement returns more than one result")
            self._ok(following)
            return
        if not self._buffer.empty:
            raise protocol_error("more data than the answer was sent")
        self.ended = True

    def _fail(self, payload: bytes) -> None:
        self.ended = True
        raise_mysql_exception(payload)


def changed_rows(affected: int, message: bytes) -> int:
    """Return how many rows a statement changed; for UPDATE, `affected` may count the matched rows.

    The driver requests this (`CLIENT.FOUND_ROWS`), as SQLAlchemy expects; the message has both numbers.
    """
    found = _CHANGED.search(message)
    return int(found[1]) if found else affected
