"""Rows of a result as aligned text, for a terminal."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from tidb_pe_magic.display.text import columns
from tidb_pe_magic.text import escape_invisible

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

_NULL = "NULL"
_GAP = "  "


def table_lines(
    names: Sequence[str], rows: Sequence[Sequence[str | None]], numbers: Container[int] = ()
) -> Iterator[str]:
    """Yield a line of names, a line of dashes, and one line per row, without cutting or wrapping.

    Args:
        names: of the columns.
        rows: as texts; None is NULL, and a shorter row ends in spaces. Invisible characters are escaped.
        numbers: indexes of the right-aligned columns.
    """
    head = [escape_invisible(name) for name in names]
    body = [[_NULL if cell is None else escape_invisible(cell) for cell in row] for row in rows]
    widths = [max(map(columns, cells)) for cells in zip_longest(head, *body, fillvalue="")]
    for row in (head, ["-" * width for width in widths], *body):
        cells = (
            _align(cell, width, right=place in numbers)
            for place, (cell, width) in enumerate(zip(_fill(row, len(widths)), widths, strict=True))
        )
        yield _GAP.join(cells).rstrip()


def _align(cell: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - columns(cell))
    return blanks + cell if right else cell + blanks


def _fill(row: Sequence[str], count: int) -> list[str]:
    return [*row, *[""] * (count - len(row))]
