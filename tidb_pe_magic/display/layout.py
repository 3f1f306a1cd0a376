"""A view in two forms: aligned text, and an HTML fragment.

Every string is escaped here: control and direction characters, line breaks and markup from remote systems
never reach a terminal or a page.
"""

from __future__ import annotations

import html
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from tidb_pe_magic.advice import Advice, NextCommand, magic
from tidb_pe_magic.advice import spelled as as_typed
from tidb_pe_magic.text import escape_invisible, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidb_pe_magic.advice import NextCommand, Spelling

Kind = Literal["ok", "no", "warn", "info", "aside", "busy", "todo"]
"""Done, failed, needs attention, neutral, minor, in progress, not yet; red is only for failed."""

_WIDTH = 110  # columns of text; a JupyterLab cell on a laptop shows about as many
_IDENTIFIER = 30  # characters: "vpc-t4nanalytics0k3m7x"
_UNBROKEN = 60  # characters; a longer word may be broken
_LEAST_ROOM = 620  # pixels; below this width the words of a picture are too small to read
_SHORT = 12  # characters: "not reached", "0.03 s"
_GAP = "  "
_NOTHING = "—"
_BETWEEN = " · "  # separates the facts on a line
_NEXT = "Next: "
_SIGNS: dict[Kind, str] = {
    "ok": "✔",
    "no": "✘",
    "warn": "!",
    "info": "·",
    "aside": "·",
    "busy": "…",
    "todo": "○",
}

# JupyterLab's own variables follow its theme; the fallback colors are readable on white and on black.
COLOURS: dict[Kind, str] = {
    "ok": "var(--jp-success-color1,#22863a)",
    "no": "var(--jp-error-color1,#d73a49)",
    "warn": "var(--jp-warn-color1,#b26a00)",
    "info": "inherit",
    "aside": "inherit",
    "busy": "inherit",
    "todo": "inherit",
}
_HEAD = "text-align:left;padding:.15em 1em .15em 0;font-weight:600;opacity:.75;vertical-align:bottom"
# No background color, so that the fragment works in light and dark themes.
_STYLES = {
    "scroll": "overflow-x:auto",
    "table": "border-collapse:collapse;margin:.2em 0 .4em;text-align:left;font-size:inherit",
    "caption": "caption-side:top;text-align:left;padding:0 0 .2em;color:inherit;white-space:nowrap",
    "head": _HEAD,
    "label": f"{_HEAD};vertical-align:baseline;white-space:nowrap",
    "row": "background:none",
    # Aligned by baseline: the two typefaces of a row differ in height.
    "cell": "text-align:left;padding:.15em 1em .15em 0;vertical-align:baseline",
    "unbroken": "white-space:nowrap",
    "aside": "opacity:.65",
    # Break cells that are too wide, so that no column is cut off.
    "code": "white-space:inherit;overflow-wrap:anywhere;user-select:all;background:none;padding:0;"
    "color:inherit;font-size:inherit",
    "command": "white-space:pre-wrap;user-select:all;color:inherit;font-size:inherit",
    "badge": "border:1px solid;border-radius:3px;padding:0 .4em;margin-left:.6em;font-size:.85em;opacity:.75;"
    "white-space:nowrap",
    "next": "display:flex;gap:.4em",
    "details": "margin:.4em 0 0",
    "summary": "cursor:pointer;opacity:.75",
    "view": "font-size:13px;line-height:1.5;text-align:left",
    "part": "margin:.6em 0 0",
    "picture": "margin:.4em 0 .6em",
    "wide": f"overflow:hidden;width:clamp(0px,calc((100% - {_LEAST_ROOM}px)*999),100%)",
    "narrow": f"overflow:hidden;width:clamp(0px,calc(({_LEAST_ROOM}px - 100%)*999),100%)",
    "block": "font-family:var(--jp-code-font-family,monospace);white-space:pre;overflow-x:auto;"
    "user-select:all",
}
_S = {name: f' style="{style}"' for name, style in _STYLES.items()}


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
    parts: tuple[View, ...] = ()
    notes: tuple[Mark, ...] = ()
    next_command: NextCommand | str | None = None
    next_body: str = ""
    details: tuple[View, ...] = ()


def spelled(view: View, spelling: Spelling) -> View:
    """Return the view with each command in the given spelling, so that the layout measures the final text."""
    return replace(
        view,
        brief=tuple(_spelled(cell, spelling) for cell in view.brief),
        tables=tuple(
            replace(table, rows=tuple(tuple(_spelled(cell, spelling) for cell in row) for row in table.rows))
            for table in view.tables
        ),
        facts=tuple((label, _spelled(cell, spelling)) for label, cell in view.facts),
        parts=tuple(spelled(part, spelling) for part in view.parts),
        notes=tuple(_spelled_mark(note, spelling) for note in view.notes),
        next_command=_as_typed(view.next_command, spelling),
        details=tuple(spelled(part, spelling) for part in view.details),
    )


def _spelled(cell: Cell, spelling: Spelling) -> Cell:
    match cell:
        case CommandText():
            return CommandText(*(_as_typed(each, spelling) for each in cell.commands))
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
        filter(None, (text.removesuffix(".") if command else text, _as_typed(command, spelling)))
    )


def _as_typed(command: NextCommand | str | None, spelling: Spelling) -> str:
    if command is None or isinstance(command, str):
        return command or ""
    return as_typed(command, spelling)


def as_text(view: View, width: int = _WIDTH, *, verbose: bool = False, spelling: Spelling = magic) -> str:
    """Return aligned text of `width` columns, or wider if text to copy would have to be broken.

    Args:
        view: the view.
        width: columns.
        verbose: show the details too.
        spelling: how commands are written.
    """
    return "\n".join(line.rstrip() for line in _text(spelled(view, spelling), width, verbose=verbose))


def as_html(view: View, *, verbose: bool = False) -> str:
    """Return one self-contained fragment without scripts, style sheets or external resources.

    Args:
        view: the view.
        verbose: unfold the details.
    """
    # The classes keep JupyterLab from rendering a dollar sign in a name as mathematics.
    body = "".join(_html(spelled(view, magic), verbose=verbose))
    return f'<div class="tex2jax_ignore mathjax_ignore"{_S["view"]}>{body}</div>'


def columns(text: str) -> int:
    """Count a terminal's columns: a wide character takes two, a combining one none."""
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me"} else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _plain(cell: Cell) -> str:
    if isinstance(cell, Code):
        return ", ".join(one_line(text) for text in cell.texts) or _NOTHING
    if isinstance(cell, Advice):
        return one_line(str(cell)) or _NOTHING
    if isinstance(cell, Mark):
        return f"{_SIGNS[cell.kind]} {one_line(cell.text)}".rstrip()
    return one_line(cell) or _NOTHING


def _text(view: View, width: int, *, verbose: bool) -> Iterator[str]:
    yield from _text_head(view, width)
    facts = [(one_line(label), _plain(cell)) for label, cell in view.facts]
    label_width = max((columns(label) for label, _ in facts), default=0)
    for label, words in facts:
        lead = _GAP + _padded(label, label_width) + _GAP
        yield from _hanging(lead, words, width)
    for table in view.tables:
        yield from _text_table(table, width)
    yield from map(_kept, view.block)
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
        sign = f"{_SIGNS[view.kind]} " if view.kind else ""
        badge = f"{_GAP}[{one_line(view.badge)}]" if view.badge else ""
        yield f"{sign}{one_line(view.title)} {one_line(view.ident)}".rstrip() + badge
    if view.brief:
        yield from _hanging(_GAP, _BETWEEN.join(map(_plain, view.brief)), width)


def _text_foot(view: View, width: int) -> Iterator[str]:
    for note in view.notes:
        yield from _hanging(f"{_GAP}{_SIGNS[note.kind]} ", one_line(note.text), width)
    if view.next_command:
        yield f"{_NEXT}{one_line(str(view.next_command))}"
        if view.next_body:
            yield " " * len(_NEXT) + one_line(view.next_body)


def _kept(line: str) -> str:
    """Return a line of a block with every space, because it is meant to be copied."""
    return escape_invisible(line.replace("\t", "    "))


def _text_table(table: Table, width: int) -> Iterator[str]:
    rows = [tuple(one_line(name) for name in table.header), *(tuple(map(_plain, row)) for row in table.rows)]
    widths = _fitted(rows, width - len(_GAP))
    if table.caption:
        yield f"{_GAP}{one_line(table.caption)}:"
    for number, row in enumerate(rows):
        cells = [_wrapped(words, limit) for words, limit in zip(row, widths, strict=True)]
        for line in range(max(map(len, cells))):
            parts = (cell[line] if line < len(cell) else "" for cell in cells)
            yield _GAP + _GAP.join(_padded(part, limit) for part, limit in zip(parts, widths, strict=True))
        if number == 0:
            yield _GAP + _GAP.join("-" * limit for limit in widths)


def _fitted(rows: Sequence[tuple[str, ...]], width: int) -> list[int]:
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


def _hanging(lead: str, words: str, width: int) -> Iterator[str]:
    indent = columns(lead)
    for number, line in enumerate(_wrapped(words, width - indent)):
        yield (" " * indent if number else lead) + line


def _wrapped(words: str, limit: int) -> list[str]:
    """Break only at spaces, so that identifiers are not split."""
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and columns(longer) > limit:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def _escaped(text: str) -> str:
    return html.escape(one_line(text))


def _code(text: str, style: str = "code") -> str:
    words = _words(text) if style == "command" else html.escape(one_line(text))
    return f"<code{_S[style]}>{words}</code>"


def _words(text: str) -> str:
    """Keep a browser from breaking an identifier or a flag at its hyphens, and short text anywhere."""
    line = one_line(text)
    if " " in line and len(line) <= _SHORT:
        return f"<span{_S['unbroken']}>{html.escape(line)}</span>"
    return " ".join(
        f"<span{_S['unbroken']}>{html.escape(word)}</span>"
        if "-" in word and len(word) <= _UNBROKEN
        else html.escape(word)
        for word in line.split(" ")
    )


def _listed(text: str, style: str, *, last: bool) -> str:
    """Return one of several items to copy, with its comma; an item that fits a column stays on one line."""
    element = _code(text, style) + ("" if last else ",")
    if columns(text) > _IDENTIFIER or " " in text:
        return element
    return f"<span{_S['unbroken']}>{element}</span>"


def _sign(kind: Kind | None) -> str:
    if kind is None:
        return ""
    return f'<span style="color:{COLOURS[kind]};font-weight:bold">{_SIGNS[kind]}</span>&nbsp;'


def _rich(cell: Cell) -> str:
    if isinstance(cell, Code):
        style = "command" if isinstance(cell, CommandText) else "code"
        last = len(cell.texts) - 1
        return (
            " ".join(_listed(text, style, last=at == last) for at, text in enumerate(cell.texts)) or _NOTHING
        )
    if isinstance(cell, Mark):
        return f"{_sign(cell.kind)}{_words(cell.text)}"
    return _words(str(cell)) or _NOTHING


def _html(view: View, *, verbose: bool) -> Iterator[str]:
    if view.title:
        ident = f" {_listed(view.ident, 'code', last=True)}" if view.ident else ""
        badge = f"<span{_S['badge']}>{_escaped(view.badge)}</span>" if view.badge else ""
        yield f"<div>{_sign(view.kind)}<strong>{_words(str(view.title))}</strong>{ident}{badge}</div>"
    if view.brief:
        yield f"<div>{_BETWEEN.join(map(_rich, view.brief))}</div>"
    yield from _pictures(view)
    if view.facts:
        facts = "".join(_html_row(_head("row", "label", label), [cell]) for label, cell in view.facts)
        yield _html_table("", view.title, facts)
    for table in view.tables:
        head = "".join(_head("col", "head", name) for name in table.header)
        rows = "".join(_html_row("", row) for row in table.rows)
        body = f"<thead><tr{_S['row']}>{head}</tr></thead><tbody>{rows}</tbody>"
        yield _html_table(table.caption, view.title, body)
    if view.block:
        # An empty element has no height.
        lines = (f"<div>{html.escape(_kept(line)) or ' '}</div>" for line in view.block)
        yield f"<div{_S['block']}>{''.join(lines)}</div>"
    for part in view.parts:
        yield f"<div{_S['part']}>{''.join(_html(part, verbose=verbose))}</div>"
    yield from _html_foot(view)
    if view.details:
        parts = "".join(
            f"<div{_S['part']}>{''.join(_html(part, verbose=verbose))}</div>" for part in view.details
        )
        is_open = " open" if verbose else ""
        summary = f"<summary{_S['summary']}>Details</summary>"
        yield f"<details{is_open}{_S['details']}>{summary}{parts}</details>"


def _html_foot(view: View) -> Iterator[str]:
    foot = [f"<div{_S['aside'] if note.kind == 'aside' else ''}>{_rich(note)}</div>" for note in view.notes]
    if view.next_command:
        lines = _words(str(view.next_command))
        if view.next_body:
            lines += f"\n{_words(view.next_body)}"
        foot.append(f"<div{_S['next']}>{_NEXT.strip()}<code{_S['command']}>{lines}</code></div>")
    # Outside the last part, because it belongs to the whole view.
    yield f"<div{_S['part']}>{''.join(foot)}</div>" if foot and view.parts else "".join(foot)


def _pictures(view: View) -> Iterator[str]:
    for picture in view.pictures:
        if picture.narrow is None:
            yield f"<div{_S['picture']}>{picture.svg()}</div>"
            continue
        # One of the two has width and height 0: the page's width decides, without a script.
        narrow = f'<div aria-hidden="true"{_S["narrow"]}>{picture.narrow.svg()}</div>'
        yield f"<div{_S['picture']}><div{_S['wide']}>{picture.svg()}</div>{narrow}</div>"


def _html_table(caption: str, title: str, rows: str) -> str:
    """Return a table; without a caption, the view's title is its label for screen readers."""
    label = f' aria-label="{_escaped(title)}"' if not caption else ""
    head = f"<caption{_S['caption']}>{_escaped(caption)}</caption>" if caption else ""
    return f"<div{_S['scroll']}><table{_S['table']}{label}>{head}{rows}</table></div>"


def _html_row(head: str, cells: Iterable[Cell]) -> str:
    body = "".join(f"<td{_S['cell']}>{_rich(cell)}</td>" for cell in cells)
    return f"<tr{_S['row']}>{head}{body}</tr>"


def _head(scope: str, style: str, name: str) -> str:
    return f'<th scope="{scope}"{_S[style]}>{_escaped(name)}</th>'
