"""Prepared statements, whose rows come in binary form: preparing, executing and closing one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pymysql.err
from pymysql.constants import COMMAND, ER

from tidb_pe_magic.database.frames.binding import bind
from tidb_pe_magic.database.frames.types import column
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.database.frames.driver import Driver
    from tidb_pe_magic.database.frames.types import Column

_NO_CURSOR, _ONCE = 0, 1
_TOO_MANY_STATEMENTS = 1461
# With these the server has nothing against the statement, but will not prepare it.
_NOT_PREPARED = frozenset({ER.UNSUPPORTED_PS, ER.UNKNOWN_COM_ERROR, _TOO_MANY_STATEMENTS})


@dataclass(frozen=True)
class Prepared:
    """A statement that the server holds.

    Attributes:
        markers: how many parameters it takes.
        columns: of its rows, as they are known before it runs.
    """

    number: int
    markers: int
    columns: tuple[Column, ...]

    @property
    def readable(self) -> bool:
        """Whether the length of every value is known in binary form; in text each tells its own."""
        return all(column.known for column in self.columns)

    def execution(self, params: Sequence[object], encoding: str) -> bytes:
        """Return the payload of COM_STMT_EXECUTE.

        Raises:
            InvalidRequest: the parameters do not fit.
        """
        if self.markers != len(params):
            reason = f"{len(params)} given, but the statement has {self.markers} markers (?)."
            raise InvalidRequest("params", reason)
        head = struct.pack("<IBI", self.number, _NO_CURSOR, _ONCE)
        return head + (bind(params, encoding) if params else b"")


def prepare(driver: Driver, sql: str) -> Prepared | None:
    """Let the server prepare a statement; None where it does not prepare this one, or any.

    Raises:
        MySQLError: the statement is wrong, or the connection is lost.
    """
    try:
        driver.send(COMMAND.COM_STMT_PREPARE, sql)
        answer = driver.packet()
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] in _NOT_PREPARED:
            return None
        raise
    number, columns, markers = struct.unpack_from("<IHH", answer, 1)
    _definitions(driver, markers)
    return Prepared(number, markers, _definitions(driver, columns))


def close(driver: Driver, prepared: Prepared) -> None:
    """Let the server forget the statement, which it does without an answer."""
    driver.send(COMMAND.COM_STMT_CLOSE, struct.pack("<I", prepared.number))


def _definitions(driver: Driver, count: int) -> tuple[Column, ...]:
    packets = [driver.packet() for _ in range(count)]
    if count:
        driver.packet()  # the EOF behind them
    return tuple(column(packet, driver.encoding) for packet in packets)
