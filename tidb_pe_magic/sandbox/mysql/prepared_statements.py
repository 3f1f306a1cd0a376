"""A connection's prepared statements: markers, bound parameters, and columns."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.columns import Column
from tidb_pe_magic.sandbox.mysql.errors import UNKNOWN_STATEMENT, WRONG_ARGUMENTS, SqlError
from tidb_pe_magic.sandbox.mysql.protocol import Cursor, FieldType, MalformedPacket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.sandbox.mysql.parser import Statement
    from tidb_pe_magic.sandbox.mysql.result import Result
    from tidb_pe_magic.sandbox.mysql.session import Session

_UNSIGNED: Final = 0x80
_NUMBER_BYTES: Final = 4
_INTEGERS: Final = {
    FieldType.TINY: 1,
    FieldType.SHORT: 2,
    FieldType.YEAR: 2,
    FieldType.LONG: 4,
    FieldType.INT24: 4,
    FieldType.LONGLONG: 8,
}
_MOMENTS: Final = frozenset({FieldType.DATE, FieldType.NEWDATE, FieldType.DATETIME, FieldType.TIMESTAMP})
_BLOBS: Final = frozenset({FieldType.TINY_BLOB, FieldType.BLOB, FieldType.MEDIUM_BLOB, FieldType.LONG_BLOB})
#: The declaration of a marker before a value is bound.
_MARKER: Final = Column("?", "VARCHAR")


@dataclass
class MarkedStatement:
    """A statement with markers.

    Attributes:
        types: code and flag of each parameter, from the last execution.
        long_data: data that was sent in pieces, by the parameter's number.
    """

    statement: Statement
    markers: int
    types: Sequence[tuple[FieldType, bool]] = ()
    long_data: dict[int, bytes] = field(default_factory=dict)


class PreparedStatements:
    """The statements of one connection, by number."""

    def __init__(self, session: Session) -> None:
        """Start without statements; they run in the session."""
        self._session = session
        self._statements: dict[int, MarkedStatement] = {}
        self._last = 0

    def forget(self) -> None:
        """Remove all statements."""
        self._statements.clear()

    async def prepare(self, sql: str) -> tuple[int, Sequence[Column], Sequence[Column]]:
        """Return a statement's number, markers and result columns.

        Raises:
            SqlError: the statement is invalid.
        """
        (statement,) = await self._session.parse(sql, markers=True)
        markers = 0 if statement.tree is None else len(list(statement.tree.find_all(exp.Placeholder)))
        columns = await self._session.describe(_bind(statement, [exp.Null()] * markers))
        self._last += 1
        self._statements[self._last] = MarkedStatement(statement, markers)
        return self._last, [_MARKER] * markers, columns

    async def execute(self, payload: bytes) -> Result:
        """Run a statement with the client's parameters.

        Raises:
            SqlError: the statement does not exist, or it fails.
            Malformed: the parameters cannot be read.
        """
        cursor = Cursor(payload)
        prepared = self._find(cursor)
        cursor.take(5)  # flags of a server-side cursor, and how often to run it: once
        values = await asyncio.to_thread(_parameters, cursor, prepared)
        return await self._session.run(_bind(prepared.statement, values))

    def add_long_data(self, payload: bytes) -> None:
        """Add a piece of a parameter's value."""
        cursor = Cursor(payload)
        prepared = self._statements.get(cursor.number(_NUMBER_BYTES))
        if prepared is not None:
            index = cursor.number(2)
            prepared.long_data[index] = prepared.long_data.get(index, b"") + cursor.rest()

    def reset(self, payload: bytes) -> None:
        """Remove the pieces.

        Raises:
            SqlError: the statement does not exist.
        """
        self._find(Cursor(payload)).long_data.clear()

    def close(self, payload: bytes) -> None:
        """Remove a statement."""
        self._statements.pop(Cursor(payload).number(_NUMBER_BYTES), None)

    def _find(self, cursor: Cursor) -> MarkedStatement:
        number = cursor.number(_NUMBER_BYTES)
        prepared = self._statements.get(number)
        if prepared is None:
            message = f"Unknown prepared statement handler ({number}) given to stmt_execute"
            raise SqlError(UNKNOWN_STATEMENT, message)
        return prepared


def _bind(statement: Statement, values: Sequence[exp.Expr]) -> Statement:
    """Return the statement with its markers replaced by values, in the order of the text."""
    if not values or statement.tree is None:
        return statement
    tree = statement.tree.copy()
    markers = sorted(tree.find_all(exp.Placeholder), key=lambda marker: marker.meta["start"])
    for marker, value in zip(markers, values, strict=True):
        if isinstance(marker.parent, exp.Limit | exp.Offset) and not _counts(value):
            raise SqlError(WRONG_ARGUMENTS, "Incorrect arguments to LIMIT")
        marker.replace(value)
    return replace(statement, tree=tree)


def _counts(value: exp.Expr) -> bool:
    return isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.name.isdigit())


def _parameters(cursor: Cursor, prepared: MarkedStatement) -> list[exp.Expr]:
    if not prepared.markers:
        return []
    nulls = cursor.take((prepared.markers + 7) // 8)
    if cursor.number(1):
        prepared.types = [_parameter_type(cursor) for _ in range(prepared.markers)]
    if len(prepared.types) != prepared.markers:
        raise MalformedPacket
    values = []
    for index, (kind, unsigned) in enumerate(prepared.types):
        if index in prepared.long_data:
            values.append(_text(prepared.long_data[index], kind))
        elif nulls[index // 8] >> index % 8 & 1 or kind is FieldType.NULL:
            values.append(exp.Null())
        else:
            values.append(_value(cursor, kind, unsigned=unsigned))
    prepared.long_data.clear()
    return values


def _parameter_type(cursor: Cursor) -> tuple[FieldType, bool]:
    code, flag = cursor.number(1), cursor.number(1)
    try:
        return FieldType(code), bool(flag & _UNSIGNED)
    except ValueError:
        raise MalformedPacket from None


def _value(cursor: Cursor, kind: FieldType, *, unsigned: bool) -> exp.Expr:
    if width := _INTEGERS.get(kind):
        return _number(str(cursor.number(width, signed=not unsigned)))
    if kind in {FieldType.FLOAT, FieldType.DOUBLE}:
        single = kind is FieldType.FLOAT
        (number,) = struct.unpack("<f" if single else "<d", cursor.take(4 if single else 8))
        return exp.cast(_number(f"{number:.9g}" if single else repr(number)), "double")
    if kind in _MOMENTS:
        return _moment(cursor, kind)
    if kind is FieldType.TIME:
        return exp.Literal.string(_duration(cursor))
    if kind in {FieldType.DECIMAL, FieldType.NEWDECIMAL}:
        return _number(cursor.string().decode("ascii", "replace"))
    return _text(cursor.string(), kind)


def _number(text: str) -> exp.Expr:
    if text.startswith("-"):
        return exp.Paren(this=exp.Neg(this=exp.Literal.number(text[1:])))
    return exp.Literal.number(text)


def _text(value: bytes, kind: FieldType) -> exp.Expr:
    """Return text, or bytes if the value is not text; plain ASCII is the same as both."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or (kind in _BLOBS and (not value.isascii() or b"\\" in value or b"\0" in value)):
        return exp.func("unhex", exp.Literal.string(value.hex()))
    return exp.Literal.string(text)


def _moment(cursor: Cursor, kind: FieldType) -> exp.Expr:
    parts = Cursor(cursor.string())
    if not parts.left:
        return exp.Literal.string("0000-00-00 00:00:00")
    year, month, day = parts.number(2), parts.number(1), parts.number(1)
    text = f"{year:04}-{month:02}-{day:02}"
    if kind in {FieldType.DATE, FieldType.NEWDATE}:
        return exp.cast(exp.Literal.string(text), "date")
    hour, minute, second = (parts.number(1) for _ in range(3)) if parts.left else (0, 0, 0)
    fraction = f".{parts.number(4):06}" if parts.left else ""
    text += f" {hour:02}:{minute:02}:{second:02}{fraction}"
    return exp.cast(exp.Literal.string(text), "timestamp")


def _duration(cursor: Cursor) -> str:
    parts = Cursor(cursor.string())
    if not parts.left:
        return "00:00:00"
    negative, days = parts.number(1), parts.number(4)
    hour, minute, second = (parts.number(1) for _ in range(3))
    fraction = f".{parts.number(4):06}" if parts.left else ""
    return f"{'-' * negative}{days * 24 + hour:02}:{minute:02}:{second:02}{fraction}"
