"""What is shown of a result, which `text` and `html` lay out.

Both make every string harmless: no control or direction character, no line break and no markup of
a remote system reaches a terminal or a page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from tidb_pe_magic.advice import Advice, NextCommand
from tidb_pe_magic.advice import spell_advice as as_typed
from tidb_pe_magic.text import escape_invisible

if TYPE_CHECKING:
    from tidb_pe_magic.advice import NextCommand, Spelling

Kind = Literal["ok", "no", "warn", "info", "aside", "busy", "todo"]
"""Done, failed, needs attention, neutral, minor, in progress, not yet; red is only for failed."""

NOTHING = "—"
SEPARATOR = " · "  # the facts of a line
NEXT = "Next: "
SIGNS: dict[Kind, str] = {
    "ok": "✔",
    "no": "✘",
    "warn": "!",
    "info": "·",
    "aside": "·",
    "busy": "…",
    "todo": "○",
}


class Code:
    """Cell of text to copy: identifiers, host names, commands."""

    def __init__(self, *texts: str) -> None:
        """Keep the items that are not empty."""
        self.texts = tuple(text for text in texts if text)


class CommandText(Code):
    """Cell of commands as typed: one that is too long is broken between its words."""

    def __init__(self, *commands: str | NextCommand) -> None:
        """Keep the commands, which are written in the reader's spelling later."""
        super().__init__(*(each for each in commands if isinstance(each, str)))
        self.commands = commands


@dataclass(frozen=True)
class Mark:
    """A sign with text, and an optional command; a cell, or a note under a view."""

    kind: Kind
    text: str = ""
    command: NextCommand | None = None


Cell = str | Code | Mark | Advice
Fact = tuple[str, Cell]


class Picture(Protocol):
    """A drawing; its content is also in the text of the view."""

    @property
    def narrow(self) -> Picture | None:
        """The variant for narrow pages; None if there is none."""

    def svg(self) -> str:
        """Return one safe element."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; every row has as many cells as the header.

    Attributes:
        caption: empty if the view's title is enough.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, kw_only=True)
class View:
    """The parts that are shown of one thing, in this order.

    Attributes:
        title: empty for a part that needs none.
        kind: the sign before the title, if any.
        ident: the identifier after the title.
        badge: shown after the title.
        brief: the most important facts, on one line.
        pictures: only in HTML.
        block: lines to copy together, with their indentation.
        wraps: in HTML, break long lines of the block; otherwise scroll it.
        parts: views within this one.
        next_command: what to run next; a plain text if it is the same in every interface.
        next_body: the following lines of the same cell.
        details: folded in HTML; in text, shown only with `verbose`.
    """

    title: str
    kind: Kind | None = None
    ident: str = ""
    badge: str = ""
    brief: tuple[Cell, ...] = ()
    facts: tuple[Fact, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    block: tuple[str, ...] = ()
    wraps: bool = False
    parts: tuple[View, ...] = ()
    notes: tuple[Mark, ...] = ()
    next_command: NextCommand | str | None = None
    next_body: str = ""
    details: tuple[View, ...] = ()


def with_spelling(view: View, spelling: Spelling) -> View:
    """Return the view with each command in the given spelling, so that the layout measures the final text."""
    return replace(
        view,
        brief=tuple(_cell_spelling(cell, spelling) for cell in view.brief),
        tables=tuple(
            replace(
                table, rows=tuple(tuple(_cell_spelling(cell, spelling) for cell in row) for row in table.rows)
            )
            for table in view.tables
        ),
        facts=tuple((label, _cell_spelling(cell, spelling)) for label, cell in view.facts),
        parts=tuple(with_spelling(part, spelling) for part in view.parts),
        notes=tuple(_spelled_mark(note, spelling) for note in view.notes),
        next_command=_command_text(view.next_command, spelling),
        details=tuple(with_spelling(part, spelling) for part in view.details),
    )


def _cell_spelling(cell: Cell, spelling: Spelling) -> Cell:
    match cell:
        case CommandText():
            return CommandText(*(_command_text(each, spelling) for each in cell.commands))
        case Mark():
            return _spelled_mark(cell, spelling)
        case Advice():
            return _with_command(cell.text, next(iter(cell.commands), None), spelling)
        case _:
            return cell


def _spelled_mark(mark: Mark, spelling: Spelling) -> Mark:
    if mark.command is None:
        return mark
    return Mark(mark.kind, _with_command(mark.text, mark.command, spelling))


def _with_command(text: str, command: NextCommand | None, spelling: Spelling) -> str:
    return ": ".join(
        filter(None, (text.removesuffix(".") if command else text, _command_text(command, spelling)))
    )


def _command_text(command: NextCommand | str | None, spelling: Spelling) -> str:
    if command is None or isinstance(command, str):
        return command or ""
    return as_typed(command, spelling)


def block_line(line: str) -> str:
    """Return a line of a block with every space, because it is meant to be copied."""
    return escape_invisible(line.replace("\t", "    "))
