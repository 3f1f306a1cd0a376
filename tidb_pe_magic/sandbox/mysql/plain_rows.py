"""The plain rows of a long INSERT or of LOAD DATA, which DuckDB takes as parameters.

DuckDB needs 0.2 ms to parse a row of literals, and 0.01 ms to store a row of parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tidb_pe_magic.sandbox.mysql.errors import invalid_characters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TEXTS: Final = frozenset({"VARCHAR", "JSON"})
_INTEGER: Final = re.compile(r"[-+]?\d+")
#: All integers of so many digits are BIGINT, and of so many HUGEINT.
_BIGINT_DIGITS, _HUGEINT_DIGITS = 18, 38


class Number(str):
    """A number as the client wrote it; other values are texts, bytes or None."""

    __slots__ = ()


Value = str | bytes | None


@dataclass(frozen=True)
class PlainRows:
    """Rows of the same length.

    Attributes:
        rows: their values.
        kinds: DuckDB's types of the table's columns; empty before the table is known.
        changes: the expressions that change the values of a column, by its place.
    """

    rows: Sequence[Sequence[Value]]
    kinds: Sequence[str] = ()
    changes: Mapping[int, Callable[[str], str]] = field(default_factory=dict)

    def of_table(self, names: Sequence[str], columns: Sequence[tuple[str, str]]) -> PlainRows:
        """Return the rows for columns with these names, of a table with these names and types."""
        types = {name.lower(): kind for name, kind in columns}
        kinds = [types.get(name.lower(), "VARCHAR") for name in names]
        width = len(self.rows[0])
        return replace(self, kinds=(*kinds, *["VARCHAR"] * width)[:width])

    @cached_property
    def source(self) -> tuple[str, Sequence[Sequence[Value]]]:
        """DuckDB's query of the rows, and its parameters: the values of each column.

        Raises:
            SqlError: a text is not valid UTF-8.
        """
        columns = [_column(*each) for each in zip(self.kinds, zip(*self.rows, strict=True), strict=True)]
        listed = ", ".join(f"{sql} AS _{place}" for place, (sql, _) in enumerate(columns))
        query = f"SELECT {listed}"
        if self.changes:
            names = [f"_{place}" for place in range(len(columns))]
            changed = (self.changes[p](name) if p in self.changes else name for p, name in enumerate(names))
            query = f"SELECT {', '.join(changed)} FROM ({query})"  # noqa: S608 - without a client's text
        return query, [values for _, values in columns]


def _column(kind: str, values: Sequence[Value]) -> tuple[str, Sequence[Value]]:
    """Return the expression of a column, with a marker, and its parameter.

    Args:
        kind: DuckDB's type of the table's column.
        values: of all rows.
    """
    if kind == "BLOB" or (kind not in _TEXTS and any(isinstance(value, bytes) for value in values)):
        return "unnest(CAST(? AS BLOB[]))", [
            value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value for value in values
        ]
    texts = [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in values
    ]
    try:
        "".join(filter(None, texts)).encode()
    except UnicodeEncodeError:
        raise invalid_characters() from None
    sql = "unnest(CAST(? AS VARCHAR[]))"
    if kind in _TEXTS:
        return sql, [_number_text(text) if isinstance(text, Number) else text for text in texts]
    present = [text for text in texts if text is not None]
    if not present or not all(isinstance(text, Number) and _INTEGER.fullmatch(text) for text in present):
        return sql, texts
    # DuckDB's error for an integer that does not fit differs from that for such a text.
    digits = max(len(text.lstrip("+-")) for text in present)
    integer = "BIGINT" if digits <= _BIGINT_DIGITS else "HUGEINT" if digits <= _HUGEINT_DIGITS else "VARCHAR"
    return f"CAST({sql} AS {integer})", texts


def _number_text(number: str) -> str:
    """Return a number as MySQL stores it in a text."""
    if "e" in number.lower():
        return repr(float(number)).removesuffix(".0").replace("e+", "e")
    return str(Decimal(number))
