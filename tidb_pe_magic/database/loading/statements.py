"""Rows as INSERT statements, created column by column, without a Python object per value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import refuse
from tidb_pe_magic.database.loading.literals import SQL, LiteralForm
from tidb_pe_magic.database.schema.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.database.loading.literals import LiteralColumn, Notation
    from tidb_pe_magic.database.loading.tables import TableName

# A statement and its transaction are far below TiDB's limits (txn-total-size-limit, 100 MiB), and long enough
# that the round trip and the COMMIT matter little.
_STATEMENT_BYTES = 1 << 21
MOST_ROWS = 20_000
_SPARE_BYTES = 4096  # of a packet, for its header and the text around the rows
_NUMBER_BYTES = 12  # average size of a literal
_HEXADECIMAL = np.frombuffer(b"".join(f"{byte:02x}".encode() for byte in range(256)), dtype=np.uint16)
_NOTHING = pa.scalar(b"", pa.large_binary())


@dataclass(frozen=True)
class Piece:
    """Rows that are committed together: `rows` rows starting at `start`."""

    start: int
    rows: int


@dataclass(frozen=True)
class InsertStatement:
    """An INSERT of `rows` rows."""

    sql: bytes
    rows: int


@dataclass(frozen=True, kw_only=True)
class InsertWriter:
    """Writes the rows of a frame as statements.

    Attributes:
        table: the target.
        columns: in the form in which they are sent.
        rows: of the frame.
        keys: columns of a unique key of the table; an existing row with the same key is updated.
        packet: maximum bytes of a statement, the server's max_allowed_packet.
        together: maximum number of rows that are committed together.
    """

    table: TableName
    columns: Sequence[LiteralColumn]
    rows: int
    keys: frozenset[str] = frozenset()
    packet: int = 1 << 24
    together: int = MOST_ROWS
    _head: bytes = field(init=False, repr=False)
    _tail: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Write the text before and after the rows."""
        head = f"INSERT INTO {self.table.sql} ({names(self.columns)}) VALUES "  # noqa: S608 - quoted
        object.__setattr__(self, "_head", head.encode())
        object.__setattr__(self, "_tail", self._on_duplicate().encode())

    def _on_duplicate(self) -> str:
        if not self.keys:
            return ""
        others = [each.name for each in self.columns if each.name.casefold() not in self.keys]
        # All columns are keys: nothing to update.
        updated = others or [self.columns[0].name]
        updates = ", ".join(f"{quote(name)} = VALUES({quote(name)})" for name in updated)
        return f" ON DUPLICATE KEY UPDATE {updates}"

    def pieces(self) -> list[Piece]:
        """Return the pieces that are committed together, in the rows' order.

        Raises:
            InvalidRequest: a row is too large for a statement.
        """
        self._refuse_large_rows()
        size = sum(_size(column) for column in self.columns)
        row = max(1, size // max(1, self.rows))
        count = max(1, min(self.together, _STATEMENT_BYTES // row))
        return [Piece(start, min(count, self.rows - start)) for start in range(0, self.rows, count)]

    def statements(self, piece: Piece) -> list[InsertStatement]:
        """Return the statements of a piece: one, unless its rows are very long."""
        rows = joined_values(self.columns, piece, SQL)
        ends = np.cumsum(pc.binary_length(rows).to_numpy() + 3)
        most = min(_STATEMENT_BYTES, self.packet - _SPARE_BYTES)
        made, start, before = [], 0, 0
        while start < len(rows):
            stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
            body = joined_rows(rows.slice(start, stop - start), SQL)
            made.append(InsertStatement(b"".join((self._head, b"(", body, b")", self._tail)), stop - start))
            start, before = stop, int(ends[stop - 1])
        return made

    def _refuse_large_rows(self) -> None:
        """Reject the first row whose statement is longer than the server accepts."""
        most = self.packet - _SPARE_BYTES - len(self._head) - len(self._tail)
        sizes = np.full(self.rows, _NUMBER_BYTES * 4 * len(self.columns), np.int64)
        for column in self.columns:
            if column.form in {LiteralForm.TEXT, LiteralForm.HEXADECIMAL}:
                # Each byte becomes at most two characters.
                lengths = pc.fill_null(pc.binary_length(column.values), 0).to_numpy()
                sizes += 2 * lengths
        for row in np.flatnonzero(sizes > most):
            (piece,) = (Piece(int(row), 1),)
            values = (_literals(column, piece, SQL)[0].as_py() or SQL.null for column in self.columns)
            lengths = list(map(len, values))
            size = sum(lengths) + len(lengths)
            if size > most:
                refuse(
                    self.columns[lengths.index(max(lengths))].name,
                    f"the row takes {size / 1e6:,.1f} MB, and the server's max_allowed_packet is "
                    f"{self.packet / 1e6:,.1f} MB.",
                    row=int(row),
                )


def _size(column: LiteralColumn) -> int:
    """Return the approximate size in bytes of a column's literals."""
    kind = column.values.type
    if column.form is LiteralForm.TEXT or column.form is LiteralForm.HEXADECIMAL:
        size = pc.sum(pc.binary_length(column.values)).as_py() or 0
        return int(size * (2 if column.form is LiteralForm.HEXADECIMAL else 1)) + 4 * len(column.values)
    each = 28 if pa.types.is_timestamp(kind) else _NUMBER_BYTES
    return each * len(column.values)


def names(columns: Sequence[LiteralColumn]) -> str:
    """Return the names of the columns for SQL."""
    return ", ".join(quote(column.name) for column in columns)


def joined_values(columns: Sequence[LiteralColumn], piece: Piece, notation: Notation) -> Any:
    """Return the text of each row of a piece."""
    return pc.binary_join_element_wise(
        *(_literals(column, piece, notation) for column in columns),
        pa.scalar(notation.between_values, pa.large_binary()),
        null_handling="replace",
        null_replacement=notation.null,
    )


def joined_rows(rows: Any, notation: Notation) -> memoryview:
    """Return the text of all rows."""
    offsets = pa.array([0, len(rows)], pa.int64())
    joined = pc.binary_join(
        pa.LargeListArray.from_arrays(offsets, rows), pa.scalar(notation.between_rows, pa.large_binary())
    )
    return memoryview(joined[0].as_buffer())


def _literals(column: LiteralColumn, piece: Piece, notation: Notation) -> Any:
    """Return the values of a piece of a column as text; NULL for a missing value."""
    values = column.values.slice(piece.start, piece.rows).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    match column.form:
        case LiteralForm.DIGITS:
            return values.cast(pa.large_string()).cast(pa.large_binary())
        case LiteralForm.PLAIN:
            return _in_quotes(values.cast(pa.large_string()).cast(pa.large_binary()), notation.quote)
        case LiteralForm.TEXT:
            return _in_quotes(_escape(values.cast(pa.large_binary()), notation), notation.quote)
        case LiteralForm.HEXADECIMAL:
            return _hexadecimal(values.cast(pa.large_binary()))


def _in_quotes(texts: Any, quote: bytes, before: bytes = b"") -> Any:
    if not quote:
        return texts
    return pc.binary_join_element_wise(
        pa.scalar(before + quote, pa.large_binary()), texts, pa.scalar(quote, pa.large_binary()), _NOTHING
    )


def _escape(texts: Any, notation: Notation) -> Any:
    present = bytes(content(texts))
    for character, escape in notation.escapes:
        if character in present:
            texts = pc.replace_substring(texts, pattern=character, replacement=escape)
    return texts


def _hexadecimal(values: Any) -> Any:
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
    digits = _HEXADECIMAL[np.frombuffer(content(values), np.uint8)]
    doubled = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(),
        len(values),
        [_mask(values), pa.py_buffer((offsets - offsets[0]) * 2), pa.py_buffer(digits)],
    )
    return _in_quotes(doubled, SQL.quote, before=b"x")


def _mask(values: Any) -> Any:
    if not values.null_count:
        return None
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def content(values: Any) -> bytes | memoryview:
    """Return the bytes of all values of a binary array, one after the other."""
    data = values.buffers()[2]
    if data is None:
        return b""
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
    return memoryview(data)[offsets[0] : offsets[-1]]
