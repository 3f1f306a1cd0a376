"""Reads with PyMySQL's own cursor if strings arrive in a character set that Arrow does not support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pymysql.cursors import SSCursor
from pymysql.err import MySQLError

from tidb_pe_magic.database.frames.answer import changed_rows
from tidb_pe_magic.database.frames.definitions import Declarations, of_field
from tidb_pe_magic.database.frames.failures import unfit
from tidb_pe_magic.database.frames.types import Column, ColumnKind, columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.database.frames.calendar import ZeroDates
    from tidb_pe_magic.database.frames.driver import Driver

_ROWS = 10_000


class CursorAnswer:
    """The interface of `Answer`, with an object per value."""

    def __init__(
        self,
        driver: Driver,
        *,
        on_bytes: Callable[[int], None],
        zero_dates: ZeroDates,
        declarations: Declarations,
    ) -> None:
        """Take a connection without a pending command."""
        self._driver = driver
        self._on_bytes = on_bytes
        self._zero_dates = zero_dates
        self._declarations = declarations
        self._cursor: Any = SSCursor(driver.connection)
        self.columns: tuple[Column, ...] = ()
        # The driver only has the count of a result that it has read itself.
        self.warnings: int | None = None
        self.affected_rows = 0
        self.ended = False

    def begin(self, sql: str) -> None:
        """Send the statement and read the part of the answer before the rows.

        Raises:
            MySQLError: the server's error.
        """
        try:
            affected = self._cursor.execute(sql)
        except MySQLError:
            self.ended = self._driver.open
            raise
        fields = getattr(self._driver.result, "fields", ())
        self.columns = columns([of_field(each) for each in fields], self._declarations)
        if not self.columns:
            message = getattr(self._driver.result, "message", None) or b""
            self.affected_rows, self.ended = changed_rows(affected, message), True

    def arrays(self) -> list[pa.Array] | None:
        """Return the next rows, column by column; None after the last ones."""
        rows = [] if self.ended else self._cursor.fetchmany(_ROWS)
        self._on_bytes(0)
        if not rows:
            self.ended = True
            return None
        return [self._array(*pair) for pair in zip(self.columns, zip(*rows, strict=True), strict=True)]

    def release(self) -> None:
        """Make PyMySQL discard an incomplete result: the connection is closed."""
        if not self.ended and self._driver.result is not None:
            self._driver.result.unbuffered_active = False
        self._cursor.close()

    def _array(self, column: Column, values: tuple[Any, ...]) -> pa.Array:
        if column.kind in {ColumnKind.DATE, ColumnKind.DATETIME}:
            # PyMySQL returns an invalid date as text.
            if zeros := sum(isinstance(value, str) for value in values):
                self._zero_dates[column.name] = self._zero_dates.get(column.name, 0) + zeros
            values = tuple(None if isinstance(value, str) else value for value in values)
        elif column.kind is ColumnKind.BIT:
            values = tuple(None if value is None else int.from_bytes(value, "big") for value in values)
        try:
            return pa.array(values, column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise unfit(column.name, str(error)) from None
