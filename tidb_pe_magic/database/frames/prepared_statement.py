"""Prepared statements, whose rows arrive in binary form: prepare, execute and close."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql.err
from pymysql.constants import COMMAND, ER

from tidb_pe_magic.database.frames.definitions import Declarations, read_definition
from tidb_pe_magic.database.frames.driver import Driver
from tidb_pe_magic.database.frames.parameters import encode
from tidb_pe_magic.database.frames.statement import check_number
from tidb_pe_magic.database.frames.types import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymysql.connections import Connection

    from tidb_pe_magic.database.frames.definitions import Definition
    from tidb_pe_magic.database.frames.types import Column

_NO_CURSOR, _ONCE = 0, 1
_TOO_MANY_STATEMENTS, _TOO_MANY_PARAMETERS = 1461, 1390
# Errors by which the server refuses only to prepare the statement, not the statement itself.
_NOT_PREPARED = frozenset(
    {ER.UNSUPPORTED_PS, ER.UNKNOWN_COM_ERROR, _TOO_MANY_STATEMENTS, _TOO_MANY_PARAMETERS}
)


@dataclass(frozen=True)
class PreparedStatement:
    """A statement that is prepared on the server.

    Attributes:
        markers: number of its parameters.
        columns: of its rows, as known before it runs.
        definitions: the same columns, as the server declares them.
    """

    number: int
    markers: int
    columns: tuple[Column, ...]
    definitions: tuple[Definition, ...]

    @property
    def readable(self) -> bool:
        """Whether the length of every value is known in binary form; in text, each value has a length."""
        return all(column.known for column in self.columns)

    @property
    def settled(self) -> bool:
        """Whether parameters cannot change column types: there are none, or all columns are a table's."""
        return not self.markers or all(column.settled for column in self.columns)

    def check(self, params: Sequence[object]) -> None:
        """Reject a number of parameters that differs from the statement's.

        Raises:
            InvalidRequest: it differs.
        """
        check_number(len(params), self.markers)

    def execution(self, params: Sequence[object], encoding: str) -> bytes:
        """Return the payload of COM_STMT_EXECUTE.

        Raises:
            InvalidRequest: the parameters do not match.
        """
        self.check(params)
        head = struct.pack("<IBI", self.number, _NO_CURSOR, _ONCE)
        return head + (encode(params, encoding) if params else b"")


def prepare(driver: Driver, sql: str, declarations: Declarations) -> PreparedStatement | None:
    """Prepare a statement on the server; return None if the server cannot prepare it.

    Raises:
        MySQLError: the statement is invalid, or the connection is lost.
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
    number, width, markers = struct.unpack_from("<IHH", answer, 1)
    _definitions(driver, markers)
    definitions = _definitions(driver, width)
    found = columns(definitions, declarations)
    return PreparedStatement(number, markers, found, definitions)


def close(driver: Driver, prepared: PreparedStatement) -> None:
    """Close the statement on the server, which does not answer."""
    driver.send(COMMAND.COM_STMT_CLOSE, struct.pack("<I", prepared.number))


def describe(connection: Connection[Any], sql: str) -> tuple[Definition, ...] | None:
    """Return a statement's columns without running it; None if the server cannot prepare it.

    Raises:
        MySQLError: the statement is invalid, or the connection is lost.
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
        driver.packet()  # the EOF after them
    return tuple(read_definition(packet, driver.encoding) for packet in packets)
