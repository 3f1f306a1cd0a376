"""Small pieces of HTML of a form, every string of them escaped."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.display.layout import View, as_html
from tidb_pe_magic.display.views import view
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.errors import UnexpectedError
    from tidb_pe_magic.model import Result

_WORD = 40  # characters; a longer word may have to be broken
# Keys that are pressed in a field are not the notebook's: `x` would cut the cell.
_OWN_KEYS = 'data-lm-suppress-shortcuts="true"'


def shown(result: Result) -> str:
    """Return a result without what the form shows at its own place: next command, hosts and pictures."""
    return as_html(_view(result))


def folded(result: Result) -> str:
    """Return a result as its title, under which the rest can be unfolded: what follows it stays in sight."""
    whole = _view(result)
    title = as_html(View(title=whole.title, kind=whole.kind, ident=whole.ident))
    rest = as_html(replace(whole, title="What is known of it", kind=None, ident=""))
    return f"<details {_OWN_KEYS}><summary>{title}</summary>{rest}</details>"


def refusal(reason: str) -> str:
    """Return what is wrong with a field; nothing for an empty reason."""
    return f'<span role="alert">✘ {_escaped(reason)}</span>' if reason else ""


def failure(text: str) -> str:
    """Return an error: what is wrong, and under it what to do."""
    return f'<div class="tidb-pe-failure" role="alert">✘ {_lines(text)}</div>'


def note(text: str) -> str:
    """Return what is no mistake: what has come to pass as it was meant, or is still to be chosen."""
    return f'<div role="status">· {_lines(text)}</div>'


def bug(error: UnexpectedError) -> str:
    """Return an unexpected error: its line, and its traceback behind it."""
    trace = html.escape(error.trace)
    return failure(str(error)) + (
        f"<details {_OWN_KEYS}><summary>Traceback</summary><pre>{trace}</pre></details>"
    )


def success(line: str) -> str:
    """Return what has succeeded."""
    return f'<div class="tidb-pe-success" role="status">✔ {_escaped(line)}</div>'


def command(line: str) -> str:
    """Return a command that is selected as a whole by click or focus, for copying."""
    shown = "".join(f"<div>{_unbroken(part)}</div>" for part in line.splitlines())
    return (
        f'<div class="tidb-pe-command"><span aria-hidden="true">Same as</span>'
        f'<code tabindex="0" role="textbox" aria-readonly="true" aria-label="The command that does the same" '
        f'onfocus="getSelection().selectAllChildren(this)" {_OWN_KEYS}>{shown}</code></div>'
    )


def notes(facts: Iterable[tuple[str, str]]) -> str:
    """Return read-only fields that select their text when they get the focus."""
    fields = "".join(
        f'<label class="tidb-pe-note"><span>{_escaped(label)}</span>'
        f'<input readonly value="{_escaped(value)}" size="{max(8, len(value))}" '
        f'onfocus="this.select()" {_OWN_KEYS}>'
        "</label>"
        for label, value in facts
    )
    return f'<div class="tidb-pe-notes">{fields}</div>'


def activity(line: str) -> str:
    """Return what is under way; nothing where nothing is."""
    if not line:
        return ""
    words = _escaped(line)
    return f'<div role="status"><progress aria-label="{words}"></progress> <code>{words}</code></div>'


def _view(result: Result) -> View:
    return replace(view(replace(result, via=())), next_command=None, pictures=())


def _unbroken(text: str) -> str:
    """Keep a browser from breaking a flag or an identifier at its hyphens."""
    return " ".join(
        f'<span class="tidb-pe-word">{_escaped(word)}</span>' if len(word) <= _WORD else _escaped(word)
        for word in one_line(text).split(" ")
    )


def _lines(text: str) -> str:
    return "<br>".join(map(_escaped, text.splitlines()))


def _escaped(text: str) -> str:
    return html.escape(one_line(text))
