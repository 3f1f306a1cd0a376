"""Small pieces of HTML of a form, every string of them escaped."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.views import view
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.display.view import View
    from tidb_pe_magic.errors import TidbPeError, UnexpectedError
    from tidb_pe_magic.model import Result

_WORD = 40  # characters; a longer word may have to be broken
# Keys that are pressed in a field are not the notebook's: `x` would cut the cell.
_OWN_KEYS = 'data-lm-suppress-shortcuts="true"'


def result(shown: Result) -> str:
    """Return a result without what the form shows at its own place: next command, hosts and pictures."""
    return as_html(_view(shown))


def folded(title: str, rest: str) -> str:
    """Return HTML that is shown once its title is opened."""
    return (
        f'<details {_OWN_KEYS}><summary>{title}</summary><div class="tidb-pe-details">{rest}</div></details>'
    )


def field_error(reason: str) -> str:
    """Return what is wrong with a field; nothing for an empty reason."""
    return f'<span role="alert">✘ {_escaped(reason)}</span>' if reason else ""


def failure(text: str) -> str:
    """Return what is wrong, in sentences."""
    return f'<div class="tidb-pe-failure" role="alert">✘ {_lines(text)}</div>'


def error(shown: TidbPeError, *, requested: bool = False) -> str:
    """Return an error: what is wrong, and below it what to run next.

    Args:
        shown: the error; the page wraps its lines.
        requested: it ended as a user asked for, which is not a failure.
    """
    words = "\n".join((shown.sentences, *shown.excerpt))
    return (hint if requested else failure)(words) + "".join(
        f'<div class="tidb-pe-try">{_escaped(lead)}<code>{"<br>".join(map(_unbroken, typed))}</code></div>'
        for lead, typed in shown.suggestions()
    )


def hint(text: str) -> str:
    """Return what is not an error: what ended as requested, or is still to be chosen."""
    return f'<div class="tidb-pe-hint" role="status">{_lines(text)}</div>'


def bug(unexpected: UnexpectedError) -> str:
    """Return an unexpected error: its line, and its traceback behind it."""
    trace = html.escape(unexpected.trace)
    return failure(str(unexpected)) + folded("Traceback", f"<pre>{trace}</pre>")


def badge(words: str) -> str:
    """Return what holds for all of the form."""
    return f"<span>{_escaped(words)}</span>"


def success(line: str) -> str:
    """Return what has succeeded."""
    return f'<div class="tidb-pe-success" role="status">✔ {_escaped(line)}</div>'


def command(line: str) -> str:
    """Return a command with a button that copies it; a click or the focus selects all of it."""
    shown = "".join(f"<div>{_unbroken(part)}</div>" for part in line.splitlines())
    return (
        '<div class="tidb-pe-command">'
        f'<code tabindex="0" role="textbox" aria-readonly="true" aria-label="The command that does the same" '
        f'onfocus="getSelection().selectAllChildren(this)" {_OWN_KEYS}>{shown}</code>'
        f'<button type="button" class="tidb-pe-copy" title="Copy the command" {_OWN_KEYS}>Copy</button></div>'
    )


def values(facts: Iterable[tuple[str, str]]) -> str:
    """Return read-only fields that select their text when they get the focus."""
    fields = "".join(
        f'<label class="tidb-pe-value"><span>{_escaped(label)}</span>'
        f'<input readonly value="{_escaped(value)}" size="{max(8, len(value))}" '
        f'onfocus="this.select()" {_OWN_KEYS}>'
        "</label>"
        for label, value in facts
    )
    return f'<div class="tidb-pe-values">{fields}</div>'


def activity(line: str, progress: str = "") -> str:
    """Return what is under way, and how far it is; nothing where nothing is under way."""
    if not line:
        return ""
    words = _escaped(line)
    more = f' <span class="tidb-pe-muted">{_escaped(progress)}</span>' if progress else ""
    return f'<div role="status"><progress aria-label="{words}"></progress> {words}…{more}</div>'


def _view(shown: Result) -> View:
    return replace(view(replace(shown, via=())), next_command=None, pictures=())


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
