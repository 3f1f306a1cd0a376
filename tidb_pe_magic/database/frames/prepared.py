"""Prepared statements, whose rows come in binary form: preparing, executing and closing one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql.err
from pymysql.constants import COMMAND, ER

from tidb_pe_magic.database.frames.definitions import Declarations, read_definition
from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.frames.parameters import bind
from tidb_pe_magic.database.frames.statement import check_number
from tidb_pe_magic.database.frames.types import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymysql.connections import Connection

    from tidb_pe_magic.database.frames.definitions import Definition
    from tidb_pe_magic.database.frames.types import Column

_NO_CURSOR, _ONCE = 0, 1
_TOO_MANY_STATEMENTS, _TOO_MANY_PARAMETERS = 1461, 1390
# With these the server has nothing against the statement, but will not prepare it.
_NOT_PREPARED = frozenset(
    {ER.UNSUPPORTED_PS, ER.UNKNOWN_COM_ERROR, _TOO_MANY_STATEMENTS, _TOO_MANY_PARAMETERS}
)


@dataclass(frozen=True)
class Prepared:
    """A statement that the server holds.

    Attributes:
        markers: how many parameters it takes.
        columns: of its rows, as they are known before it runs.
        definitions: of the same, as the server declares them.
    """

    number: int
    markers: int
    columns: tuple[Column, ...]
    definitions: tuple[Definition, ...]

    @property
    def readable(self) -> bool:
        """Whether the length of every value is known in binary form; in text each tells its own."""
        return all(column.known for column in self.columns)

    @property
    def settled(self) -> bool:
        """Whether no parameter can change a column's type: there are none, or each is a table's column."""
        return not self.markers or all(column.settled for column in self.columns)

    def check(self, params: Sequence[object]) -> None:
        """Refuse another number of parameters than the statement takes.

        Raises:
            InvalidRequest: it is another one.
        """
        check_number(len(params), self.markers)

    def execution(self, params: Sequence[object], encoding: str) -> bytes:
        """Return the payload of COM_STMT_EXECUTE.

        Raises:
            InvalidRequest: the parameters do not fit.
        """
        self.check(params)
        head = struct.pack("<IBI", self.number, _NO_CURSOR, _ONCE)
        return head + (bind(params, encoding) if params else b"")


def prepare(driver: Driver, sql: str, declarations: Declarations) -> Prepared | None:
    """Let the server prepare a statement; None where it does not prepare this one, or any.

    Raises:
        MySQLError: the statement is wrong, or the connection is lost.
    """
    data = sql.encode(driver.encoding)
    driver.check_length(data)
    try:
        driver.send(COMMAND.COM_STMT_PREPARE, data)
        answer = driver.packet()
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] in _NOT_PREPARED:
            return None
        raise
    number, columns, markers = struct.unpack_from("<IHH", answer, 1)
    _definitions(driver, markers)
    definitions = _definitions(driver, columns)
    found = tuple(column(each, declarations) for each in definitions)
    return Prepared(number, markers, found, definitions)


def close(driver: Driver, prepared: Prepared) -> None:
    """Let the server forget the statement, which it does without an answer."""
    driver.send(COMMAND.COM_STMT_CLOSE, struct.pack("<I", prepared.number))


def describe(connection: Connection[Any], sql: str) -> tuple[Definition, ...] | None:
    """Return a statement's columns without running it; None where the server does not prepare it.

    Raises:
        MySQLError: the statement is wrong, or the connection is lost.
    """
    driver = Driver(connection)
    prepared = prepare(driver, sql, Declarations())
    if prepared is None:
        return None
    close(driver, prepared)
    return prepared.definitions


def _definitions(driver: Driver, count: int) -> tuple[Definition, ...]:
    packets = [driver.packet() for _ in range(count)]
    if count:
        driver.packet()  # the EOF behind them
    return tuple(read_definition(packet, driver.encoding) for packet in packets)
