"""Rows as the lines of LOAD DATA LOCAL INFILE: which frames and servers they are for, and how they are sent.

LOCAL turns errors into warnings: the server stores a changed value, or skips a row. So its answer to each
statement is compared with what was sent. Only the caller's lines are ever sent, whatever file the server
names: it cannot read a file of this machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql.err
from pymysql.constants import COMMAND, CR
from pymysql.protocol import MysqlPacket, OKPacketWrapper

from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.loading.literals import LINES, LiteralForm
from tidb_pe_magic.database.loading.statements import joined_rows, joined_values, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.database.loading.literals import LiteralColumn
    from tidb_pe_magic.database.loading.statements import InsertWriter, Piece

# Before 7.6, a LOAD DATA of TiDB commits its rows itself (documentation, "LOAD DATA"; pingcap/tidb, issue
# 49078). A release whose number is not known is treated as such.
_TIDB, _TIDB_RELEASE = "TiDB", re.compile(r"TiDB-v(\d+)\.(\d+)")
_FIRST_TRANSACTIONAL = (7, 6)
# TiDB drops a byte order mark at the beginning of the file (`readBlock` in pkg/lightning/mydump/parser.go).
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OK, _FILE_REQUEST = b"\x00", b"\xfb"
_PACKET_BYTES = 1 << 18  # of the lines: a server accepts any size up to max_allowed_packet


@dataclass(frozen=True)
class LoadStatement:
    """A LOAD DATA LOCAL INFILE, and its lines, one for each row."""

    sql: bytes
    lines: bytes


class LinesWriter:
    """Writes the rows of a frame as lines.

    Attributes:
        packet: maximum bytes of the lines in a packet.
    """

    def __init__(self, writer: InsertWriter) -> None:
        """Take the table and the columns of the frame's INSERTs."""
        self._columns: Sequence[LiteralColumn] = writer.columns
        self.packet = min(_PACKET_BYTES, writer.packet // 2)
        self._sql = (
            f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {writer.table.sql} CHARACTER SET utf8mb4 "
            r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' "
            f"({names(self._columns)})"
        ).encode()

    def statement(self, piece: Piece) -> LoadStatement | None:
        """Return the statement of a piece; None if a server would change its lines."""
        rows = joined_rows(joined_values(self._columns, piece, LINES), LINES)
        lines = b"".join((rows, LINES.between_rows))
        return None if lines.startswith(_BYTE_ORDER_MARK) else LoadStatement(self._sql, lines)


def lines_writer(writer: InsertWriter, version: str) -> LinesWriter | None:
    """Return the writer of lines for a new table without keys; None if only INSERT stores its rows safely.

    Args:
        writer: of the frame's INSERTs.
        version: the server's VERSION().
    """
    if writer.keys or any(column.form is LiteralForm.HEXADECIMAL for column in writer.columns):
        return None
    release = _TIDB_RELEASE.search(version)
    known = (int(release[1]), int(release[2])) >= _FIRST_TRANSACTIONAL if release else _TIDB not in version
    return LinesWriter(writer) if known else None


def send_lines(session: Any, statement: LoadStatement, packet: int) -> tuple[int, int]:
    """Execute the statement, and return how many rows the server stored, and the number of warnings.

    Args:
        session: allows LOAD DATA LOCAL.
        statement: of a piece.
        packet: the number of bytes of the lines in a packet.

    Raises:
        MySQLError: the server refused the statement or ended it, or the connection is lost.
    """
    driver, lines = Driver(session), memoryview(statement.lines)
    try:
        driver.send(COMMAND.COM_QUERY, statement.sql)
        _read(driver, _FILE_REQUEST)
        for start in range(0, len(lines), packet):
            session.write_packet(lines[start : start + packet])
        session.write_packet(b"")
        answer = OKPacketWrapper(MysqlPacket(_read(driver, _OK), driver.encoding))
    except BaseException as error:
        # An unfinished file would be continued with the next statement.
        if not isinstance(error, pymysql.err.MySQLError) or error.args[0] == CR.CR_SERVER_LOST:
            driver.discard()
        raise
    driver.settle(answer.server_status)
    return answer.affected_rows, answer.warning_count


def _read(driver: Driver, kind: bytes) -> bytes:
    """Read a packet of this kind."""
    packet = driver.packet()
    if not packet.startswith(kind):
        raise pymysql.err.OperationalError(
            CR.CR_SERVER_LOST, "The server answers LOAD DATA with another packet"
        )
    return packet
