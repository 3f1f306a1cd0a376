"""A server's declarations of a result's columns, and which of them are reliable."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tidb_pe_magic.database.frames.failures import protocol_error
from tidb_pe_magic.database.schema.references import common_tables, pieces, references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
        table: the table, view or subquery of the values, or its alias; empty for an expression.
        original_table: the table of the values, without an alias; empty for an expression.
        original_name: the column's name in that table.
        charset: number of the collation.
        length: maximum length of a value in characters.
        code: number of the type.
        decimals: 31 for a floating-point number without a fixed number of decimals.
    """

    name: str
    database: str = ""
    table: str = ""
    original_table: str = ""
    original_name: str = ""
    charset: int = 0
    length: int = 0
    code: int = 0
    flags: int = 0
    decimals: int = 0


@dataclass(frozen=True)
class Declarations:
    """Which declarations are reliable: those of a table's columns.

    The original table alone does not show that a column is one of a table: a recursive CTE reports the table
    of its first rows, also through a view, a subquery or another CTE. Therefore it has to be the table that
    the statement reads under the column's alias. If that is a subquery or a CTE, every name in the statement
    has to be that of a table.

    Attributes:
        names: the names that the statement reads, in lower case, without those of its CTEs.
        aliases: alias or name of each, in lower case -> its name.
        counts_sign: the length of a DECIMAL includes the sign even if it is UNSIGNED, as in TiDB.
    """

    names: AbstractSet[str] = frozenset()
    aliases: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    counts_sign: bool = False

    @classmethod
    def of(cls, sql: str, *, backslash_escapes: bool, counts_sign: bool) -> Self:
        """Return those of a SELECT; none is reliable if it contains WITH RECURSIVE."""
        found = pieces(sql, escapes=backslash_escapes)
        if any(piece.word == "RECURSIVE" for piece in found):
            return cls(counts_sign=counts_sign)
        ctes = {name.casefold() for name in common_tables(found)}
        aliases: defaultdict[str, set[str]] = defaultdict(set)
        for each in references(found):
            name = each.table.casefold()
            if name not in ctes:
                for alias in {name, each.alias.casefold() or name}:
                    aliases[alias].add(name)
        names = frozenset[str]().union(*aliases.values())
        return cls(names, aliases, counts_sign=counts_sign)

    def reliable(self, definitions: Sequence[Definition]) -> list[bool]:
        """Return for each column of a result whether it is one of a table, which has the declared type."""
        originals = [definition.original_table.casefold() for definition in definitions]
        only_tables = self.names <= set(originals)
        return [
            original in self.names and (read == {original} if read else only_tables)
            for original, read in zip(
                originals,
                (self.aliases.get(definition.table.casefold()) for definition in definitions),
                strict=True,
            )
        ]


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
    _, database, table, original_table, name, original = strings
    return Definition(name, database, table, original_table, original, charset, length, code, flags, decimals)


def of_field(described: Any) -> Definition:
    """Return the definition that PyMySQL has read."""
    return Definition(
        described.name,
        described.db,
        described.table_name,
        described.org_table,
        described.org_name,
        described.charsetnr,
        described.length,
        described.type_code,
        described.flags,
        described.scale,
    )
