"""A view as a fragment of HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import magic
from tidb_pe_magic.display.text import columns
from tidb_pe_magic.display.view import (
    NEXT,
    NOTHING,
    SEPARATOR,
    SIGNS,
    Cell,
    Code,
    CommandText,
    Kind,
    Mark,
    View,
    block_line,
    with_spelling,
)
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IDENTIFIER = 30  # characters: "vpc-t4nanalytics0k3m7x"
_UNBROKEN = 60  # characters; a longer word may be broken
_LEAST_ROOM = 620  # pixels; below this width the words of a picture are too small to read
_SHORT = 12  # characters: "not reached", "0.03 s"
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
_BLOCK = "font-family:var(--jp-code-font-family,monospace);user-select:all"
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
    "block": f"{_BLOCK};white-space:pre;overflow-x:auto",
    "wrapped": f"{_BLOCK};white-space:pre-wrap;overflow-wrap:anywhere",
}
_S = {name: f' style="{style}"' for name, style in _STYLES.items()}


def as_html(view: View, *, verbose: bool = False) -> str:
    """Return one self-contained fragment without scripts, style sheets or external resources.

    Args:
        view: the view.
        verbose: unfold the details.
    """
    # The classes keep JupyterLab from rendering a dollar sign in a name as mathematics.
    body = "".join(_html(with_spelling(view, magic), verbose=verbose))
    return f'<div class="tex2jax_ignore mathjax_ignore"{_S["view"]}>{body}</div>'


def escape(text: str) -> str:
    """Return the text for HTML, on one line, with invisible characters made visible."""
    return html.escape(one_line(text))


def _code(text: str, style: str = "code") -> str:
    words = _keep_together(text) if style == "command" else html.escape(one_line(text))
    return f"<code{_S[style]}>{words}</code>"


def _keep_together(text: str) -> str:
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


def _list_item(text: str, style: str, *, last: bool) -> str:
    """Return one of several items to copy, with its comma; an item that fits a column stays on one line."""
    element = _code(text, style) + ("" if last else ",")
    if columns(text) > _IDENTIFIER or " " in text:
        return element
    return f"<span{_S['unbroken']}>{element}</span>"


def _sign(kind: Kind | None) -> str:
    if kind is None:
        return ""
    return f'<span style="color:{COLOURS[kind]};font-weight:bold">{SIGNS[kind]}</span>&nbsp;'


def _rich(cell: Cell) -> str:
    if isinstance(cell, Code):
        style = "command" if isinstance(cell, CommandText) else "code"
        last = len(cell.texts) - 1
        return (
            " ".join(_list_item(text, style, last=at == last) for at, text in enumerate(cell.texts))
            or NOTHING
        )
    if isinstance(cell, Mark):
        return f"{_sign(cell.kind)}{_keep_together(cell.text)}"
    return _keep_together(str(cell)) or NOTHING


def _html(view: View, *, verbose: bool) -> Iterator[str]:
    if view.title:
        ident = f" {_list_item(view.ident, 'code', last=True)}" if view.ident else ""
        badge = f"<span{_S['badge']}>{escape(view.badge)}</span>" if view.badge else ""
        yield f"<div>{_sign(view.kind)}<strong>{_keep_together(str(view.title))}</strong>{ident}{badge}</div>"
    if view.brief:
        yield f"<div>{SEPARATOR.join(map(_rich, view.brief))}</div>"
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
        lines = (f"<div>{html.escape(block_line(line)) or ' '}</div>" for line in view.block)
        yield f"<div{_S['wrapped' if view.wraps else 'block']}>{''.join(lines)}</div>"
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
        lines = _keep_together(str(view.next_command))
        if view.next_body:
            lines += f"\n{_keep_together(view.next_body)}"
        foot.append(f"<div{_S['next']}>{NEXT.strip()}<code{_S['command']}>{lines}</code></div>")
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
    label = f' aria-label="{escape(title)}"' if not caption else ""
    head = f"<caption{_S['caption']}>{escape(caption)}</caption>" if caption else ""
    return f"<div{_S['scroll']}><table{_S['table']}{label}>{head}{rows}</table></div>"


def _html_row(head: str, cells: Iterable[Cell]) -> str:
    body = "".join(f"<td{_S['cell']}>{_rich(cell)}</td>" for cell in cells)
    return f"<tr{_S['row']}>{head}{body}</tr>"


def _head(scope: str, style: str, name: str) -> str:
    return f'<th scope="{scope}"{_S[style]}>{escape(name)}</th>'
