"""A view as aligned text."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Advice, magic
from tidb_pe_magic.display.view import (
    NEXT,
    NOTHING,
    SEPARATOR,
    SIGNS,
    Cell,
    Code,
    Mark,
    Table,
    View,
    block_line,
    with_spelling,
)
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.advice import Spelling


_WIDTH = 110  # columns of text; a JupyterLab cell on a laptop shows about as many
_GAP = "  "


def as_text(view: View, width: int = _WIDTH, *, verbose: bool = False, spelling: Spelling = magic) -> str:
    """Return aligned text of `width` columns, or wider if text to copy would have to be broken.

    Args:
        view: the view.
        width: columns.
        verbose: show the details too.
        spelling: how commands are written.
    """
    return "\n".join(line.rstrip() for line in _text(with_spelling(view, spelling), width, verbose=verbose))


def columns(text: str) -> int:
    """Count a terminal's columns: a wide character takes two, a combining one none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me"} else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _plain(cell: Cell) -> str:
    if isinstance(cell, Code):
        return ", ".join(one_line(text) for text in cell.texts) or NOTHING
    if isinstance(cell, Advice):
        return one_line(str(cell)) or NOTHING
    if isinstance(cell, Mark):
        return f"{SIGNS[cell.kind]} {one_line(cell.text)}".rstrip()
    return one_line(cell) or NOTHING


def _text(view: View, width: int, *, verbose: bool) -> Iterator[str]:
    yield from _text_head(view, width)
    facts = [(one_line(label), _plain(cell)) for label, cell in view.facts]
    label_width = max((columns(label) for label, _ in facts), default=0)
    for label, words in facts:
        lead = _GAP + _pad(label, label_width) + _GAP
        yield from _hanging_indent(lead, words, width)
    for table in view.tables:
        yield from _text_table(table, width)
    yield from map(block_line, view.block)
    for part in view.parts:
        yield ""
        yield from _text(part, width, verbose=verbose)
    if view.parts and (view.notes or view.next_command):
        yield ""
    yield from _text_foot(view, width)
    for part in view.details if verbose else ():
        yield ""
        yield from _text(part, width, verbose=verbose)


def _text_head(view: View, width: int) -> Iterator[str]:
    if view.title:
        sign = f"{SIGNS[view.kind]} " if view.kind else ""
        badge = f"{_GAP}[{one_line(view.badge)}]" if view.badge else ""
        yield f"{sign}{one_line(view.title)} {one_line(view.ident)}".rstrip() + badge
    if view.brief:
        yield from _hanging_indent(_GAP, SEPARATOR.join(map(_plain, view.brief)), width)


def _text_foot(view: View, width: int) -> Iterator[str]:
    for note in view.notes:
        yield from _hanging_indent(f"{_GAP}{SIGNS[note.kind]} ", one_line(note.text), width)
    if view.next_command:
        yield f"{NEXT}{one_line(str(view.next_command))}"
        if view.next_body:
            yield " " * len(NEXT) + one_line(view.next_body)


def _text_table(table: Table, width: int) -> Iterator[str]:
    rows = [tuple(one_line(name) for name in table.header), *(tuple(map(_plain, row)) for row in table.rows)]
    widths = _fit(rows, width - len(_GAP))
    if table.caption:
        yield f"{_GAP}{one_line(table.caption)}:"
    for number, row in enumerate(rows):
        cells = [_wrap(words, limit) for words, limit in zip(row, widths, strict=True)]
        for line in range(max(map(len, cells))):
            parts = (cell[line] if line < len(cell) else "" for cell in cells)
            yield _GAP + _GAP.join(_pad(part, limit) for part, limit in zip(parts, widths, strict=True))
        if number == 0:
            yield _GAP + _GAP.join("-" * limit for limit in widths)


def _fit(rows: Sequence[tuple[str, ...]], width: int) -> list[int]:
    """Return the columns' widths: narrow the widest first, but none below its longest word."""
    natural = [max(columns(cell) for cell in column) for column in zip(*rows, strict=True)]
    least = [
        max(columns(word) for cell in column for word in cell.split(" "))
        for column in zip(*rows, strict=True)
    ]
    excess = sum(natural) + len(_GAP) * (len(natural) - 1) - width
    while excess > 0:
        slack = [index for index, now in enumerate(natural) if now > least[index]]
        if not slack:
            break
        natural[max(slack, key=natural.__getitem__)] -= 1
        excess -= 1
    return natural


def _hanging_indent(lead: str, words: str, width: int) -> Iterator[str]:
    indent = columns(lead)
    for number, line in enumerate(_wrap(words, width - indent)):
        yield (" " * indent if number else lead) + line


def _wrap(words: str, limit: int) -> list[str]:
    """Break only at spaces, so that identifiers are not split."""
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and columns(longer) > limit:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _pad(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
