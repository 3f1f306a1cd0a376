"""Completion after `%tidb_pe`: subcommands, flags and choices; it never calls a cloud."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_IDENTIFIER = "tidb_pe_magic"
_LINE = re.compile(r"(?:^|=)\s*%tidb_pe\s+(?P<words>.*)$")


def candidates(line: str) -> tuple[str, list[str]] | None:
    """Return the word at the line's end and what it can become; None where the line is not ours."""
    matched = _LINE.search(line)
    if matched is None:
        return None
    # Not when the extension is loaded: every kernel start would pay for it.
    from tidb_pe_magic.notebook.form_command import OPERATION as FORM  # noqa: PLC0415
    from tidb_pe_magic.notebook.form_command import STEPS  # noqa: PLC0415
    from tidb_pe_magic.notebook.sandbox_process import ACTIONS  # noqa: PLC0415
    from tidb_pe_magic.runbook import profiles  # noqa: PLC0415
    from tidb_pe_magic.runbook.operations import OPERATIONS  # noqa: PLC0415
    from tidb_pe_magic.runbook.parser import first_words, flags  # noqa: PLC0415

    *before, current = matched["words"].split(" ") or [""]
    before = [word for word in before if word]
    if not before:
        known = [*OPERATIONS, "form", "sandbox"]
    elif before[0] == "sandbox":
        known = list(ACTIONS) if len(before) == 1 else []
    elif before[0] == "form":
        known = [*(STEPS if len(before) == 1 else ()), *flags(FORM), "--help"]
    elif before[0] in OPERATIONS:
        described = flags(OPERATIONS[before[0]])
        last = described.get(before[-1])
        known = list(last.choices) if last is not None and last.metavar else [*described, "--help"]
        if len(before) == 1:
            known += first_words(OPERATIONS[before[0]])
        if before == ["connect"]:
            known += [f"@{name}" for name in profiles.names(os.environ)]
    else:
        known = []
    return current, [word for word in known if word.startswith(current)]


@context_matcher(identifier=_IDENTIFIER, priority=100)  # type: ignore[untyped-decorator]
def _matcher(context: CompletionContext) -> SimpleMatcherResult:
    found = candidates(context.line_with_cursor)
    if found is None:
        return SimpleMatcherResult(completions=[])
    current, known = found
    return SimpleMatcherResult(
        completions=[SimpleCompletion(word, type="param") for word in known],
        matched_fragment=current,
        suppress=bool(known),
    )


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
