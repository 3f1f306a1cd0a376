"""HTML fragments of the form, with every string escaped."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic.display.html import as_html, escape
from tidb_pe_magic.display.views import view
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.display.view import View
    from tidb_pe_magic.errors import TidbPeError, UnexpectedError
    from tidb_pe_magic.model import Result

_WORD = 40  # characters; longer words may be broken
# Keys in a field must not trigger the notebook's shortcuts: `x` would cut the cell.
_OWN_KEYS = 'data-lm-suppress-shortcuts="true"'


def result(shown: Result) -> str:
    """Return a result without the parts that the form shows elsewhere: next command, hosts and drawings."""
    return as_html(_view(shown))


def fold(title: str, rest: str) -> str:
    """Return HTML that is folded under a title."""
    return (
        f'<details {_OWN_KEYS}><summary>{title}</summary><div class="tidb-pe-details">{rest}</div></details>'
    )


def field_error(reason: str) -> str:
    """Return a field's error; empty for an empty reason."""
    return f'<span role="alert">✘ {escape(reason)}</span>' if reason else ""


def failure(text: str) -> str:
    """Return an error message."""
    return f'<div class="tidb-pe-failure" role="alert">✘ {_lines(text)}</div>'


def error(shown: TidbPeError, *, requested: bool = False) -> str:
    """Return an error: what is wrong, and the commands to run next.

    Args:
        shown: the error; the page wraps its lines.
        requested: the user ended it, so it is not a failure.
    """
    words = "\n".join((shown.sentences, *shown.excerpt))
    return (hint if requested else failure)(words) + "".join(
        f'<div class="tidb-pe-try">{escape(lead)}<code>{"<br>".join(map(_unbroken, typed))}</code></div>'
        for lead, typed in shown.suggestions()
    )


def hint(text: str) -> str:
    """Return a hint that is not an error: a canceled operation, or a missing choice."""
    return f'<div class="tidb-pe-hint" role="status">{_lines(text)}</div>'


def bug(unexpected: UnexpectedError) -> str:
    """Return an unexpected error: one line, with the traceback folded."""
    trace = html.escape(unexpected.trace)
    return failure(str(unexpected)) + fold("Traceback", f"<pre>{trace}</pre>")


def badge(words: str) -> str:
    """Return a message about the whole form."""
    return f"<span>{escape(words)}</span>"


def success(line: str) -> str:
    """Return a success message."""
    return f'<div class="tidb-pe-success" role="status">✔ {escape(line)}</div>'


def command(line: str) -> str:
    """Return a command with a button that copies it; a click or the focus selects all of it."""
    shown = "".join(f"<div>{_unbroken(part)}</div>" for part in line.splitlines())
    return (
        '<div class="tidb-pe-command">'
        f'<code tabindex="0" role="textbox" aria-readonly="true" aria-label="The equivalent command" '
        f'onfocus="getSelection().selectAllChildren(this)" {_OWN_KEYS}>{shown}</code>'
        f'<button type="button" class="tidb-pe-copy" title="Copy the command" {_OWN_KEYS}>Copy</button></div>'
    )


def values(facts: Iterable[tuple[str, str]]) -> str:
    """Return read-only fields that select their text on focus."""
    fields = "".join(
        f'<label class="tidb-pe-value"><span>{escape(label)}</span>'
        f'<input readonly value="{escape(value)}" size="{max(8, len(value))}" '
        f'onfocus="this.select()" {_OWN_KEYS}>'
        "</label>"
        for label, value in facts
    )
    return f'<div class="tidb-pe-values">{fields}</div>'


def activity(line: str, progress: str = "") -> str:
    """Return the current activity and its progress; empty while the form is idle."""
    if not line:
        return ""
    words = escape(line)
    more = f' <span class="tidb-pe-muted">{escape(progress)}</span>' if progress else ""
    return f'<div role="status"><progress aria-label="{words}"></progress> {words}…{more}</div>'


def _view(shown: Result) -> View:
    return replace(view(replace(shown, via=())), next_command=None, pictures=())


def _unbroken(text: str) -> str:
    """Prevent line breaks at the hyphens of a flag or an identifier."""
    return " ".join(
        f'<span class="tidb-pe-word">{escape(word)}</span>' if len(word) <= _WORD else escape(word)
        for word in one_line(text).split(" ")
    )


def _lines(text: str) -> str:
    return "<br>".join(map(escape, text.splitlines()))
