"""A server's declarations of a result's columns, and which of them are reliable."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database.frames.failures import protocol_error

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

# Catalog, schema, table, original table, name, original name; then a byte 12 and the rest.
_STRINGS = 6
_REST = struct.Struct("<xHIBHB")
# The first byte of a length-encoded integer, and how many bytes of it follow.
_FOLLOWING = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_LONG = 0xFB


@dataclass(frozen=True)
class Definition:
    """One column, as the server defines it.

    Attributes:
        database: database of its table; empty for an expression.
        original_table: the table of the values, without an alias; empty for an expression.
        original_name: the column's name in that table.
        charset: number of the collation.
        length: maximum length of a value in characters.
        code: number of the type.
        decimals: 31 for a floating-point number without a fixed number of decimals.
    """

    name: str
    database: str = ""
    original_table: str = ""
    original_name: str = ""
    charset: int = 0
    length: int = 0
    code: int = 0
    flags: int = 0
    decimals: int = 0


@dataclass(frozen=True)
class Declarations:
    """Which declarations are reliable.

    Attributes:
        tables: the names in the statement itself, in lower case. A recursive CTE behind a view reports the
            table of its first rows, which is not in the statement.
        counts_sign: the length of a DECIMAL includes the sign even if it is UNSIGNED, as in TiDB.
    """

    tables: AbstractSet[str] = frozenset()
    counts_sign: bool = False

    def hold(self, definition: Definition) -> bool:
        """Whether it is a column of a table, whose values have the declared type."""
        return definition.original_table.casefold() in self.tables


def read_definition(payload: bytes, encoding: str) -> Definition:
    """Parse the payload of a column definition packet.

    TiDB truncates names to 256 bytes, maybe within a character, which becomes U+FFFD.

    Raises:
        InternalError: the packet is invalid.
    """
    try:
        strings, position = [], 0
        for _ in range(_STRINGS):
            length = payload[position]
            position += 1
            if length >= _LONG:
                width = _FOLLOWING[length]
                length = int.from_bytes(payload[position : position + width], "little")
                position += width
            strings.append(payload[position : position + length].decode(encoding, "replace"))
            position += length
        charset, length, code, flags, decimals = _REST.unpack_from(payload, position)
    except (LookupError, struct.error):
        raise protocol_error("a column's definition is invalid") from None
    _, database, _, table, name, original = strings
    return Definition(name, database, table, original, charset, length, code, flags, decimals)


def of_field(field: Any) -> Definition:
    """Return the definition that PyMySQL has read."""
    return Definition(
        field.name,
        field.db,
        field.org_table,
        field.org_name,
        field.charsetnr,
        field.length,
        field.type_code,
        field.flags,
        field.scale,
    )
