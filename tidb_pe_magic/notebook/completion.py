"""Completion after `%tidb_pe`: subcommands, flags, choices and names; it never calls a cloud."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.getipython import get_ipython

from tidb_pe_magic.credentials.redaction import without_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from IPython.core.interactiveshell import InteractiveShell

_IDENTIFIER = "tidb_pe_magic"
_LINE = re.compile(r"(?:^|=)\s*%{1,2}tidb_pe\s+(?P<words>.*)$")


def candidates(line: str, opened: Iterable[str] = ()) -> tuple[str, list[str]] | None:
    """Return the word at the line's end and what it can become; None where the line is not ours.

    Args:
        line: up to the cursor.
        opened: names of the open connections.
    """
    matched = _LINE.search(line)
    if matched is None:
        return None
    # Not when the extension is loaded: every kernel start would pay for it.
    from tidb_pe_magic.commands.table import Skin, available  # noqa: PLC0415
    from tidb_pe_magic.completion.suggest import following  # noqa: PLC0415

    *before, current = matched["words"].split(" ") or [""]
    before = [word for word in before if word]
    known = available(Skin.LINE, Skin.CELL)
    if not before:
        words = list(known)
    elif before[0] in known:
        words = following(known[before[0]], before[1:], os.environ, opened)
    else:
        words = []
    return current, [word for word in words if word.startswith(current)]


@context_matcher(identifier=_IDENTIFIER, priority=100)  # type: ignore[untyped-decorator]
@without_values()
def _matcher(context: CompletionContext) -> SimpleMatcherResult:
    found = candidates(context.line_with_cursor, _opened())
    if found is None:
        return SimpleMatcherResult(completions=[])
    current, known = found
    return SimpleMatcherResult(
        completions=[SimpleCompletion(word, type="param") for word in known],
        matched_fragment=current,
        suppress=bool(known),
    )


def _opened() -> Iterable[str]:
    """Return the names of the connections that the shell's magic has opened."""
    shell = get_ipython()
    magic = None if shell is None else shell.magics_manager.magics["line"].get("tidb_pe")
    aliases: Callable[[], Iterable[str]] = getattr(getattr(magic, "__self__", None), "aliases", tuple)
    return aliases()


def add(shell: InteractiveShell) -> None:
    """Add the matcher to the shell's completer."""
    _matchers(shell).append(_matcher)


def remove(shell: InteractiveShell) -> None:
    """Take the matcher away."""
    matchers = _matchers(shell)
    if _matcher in matchers:
        matchers.remove(_matcher)


def _matchers(shell: InteractiveShell) -> list[Any]:
    found: list[Any] = shell.Completer.custom_matchers
    return found
