"""Completion after `%tidb_pe` and in SQL: commands, flags and names. It never waits for a cloud or server."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.getipython import get_ipython

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook.frames import frame_names
from tidb_pe_magic.notebook.sql_completion import alias_word, complete_at, sql_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.runtime.known_names import KnownNames

_IDENTIFIER = "tidb_pe_magic"
_QUERY, _LOAD, _INTO = "query", "load", "--into"
# The types of the variables that each flag of a query accepts.
_OF_VARIABLES = {_INTO: {"DataFrame", "Table"}, "--params": {"dict", "list", "tuple"}}
_LINE = re.compile(r"(?:^|=)\s*%{1,2}tidb_pe\s+(?P<words>.*)$")


def candidates(
    line: str, known: KnownNames | None = None, variables: Mapping[str, Any] | None = None
) -> tuple[str, list[str]] | None:
    """Return the word at the end of the line and its completions; None if the line is not a `%tidb_pe` line.

    Args:
        line: the line up to the cursor.
        known: names from this kernel's results.
        variables: the notebook's variables.
    """
    matched = _LINE.search(line)
    if matched is None:
        return None
    # Import here, because every kernel start pays for imports of the extension.
    from tidb_pe_magic.commands.table import Skin, available  # noqa: PLC0415
    from tidb_pe_magic.completion.suggest import next_words  # noqa: PLC0415

    *before, current = matched["words"].split(" ") or [""]
    before = [word for word in before if word]
    operations = available(Skin.LINE, Skin.CELL)
    if not before:
        words = list(operations)
    elif before[0] == _QUERY and before[-1] in _OF_VARIABLES:
        words = _variables(before[-1], variables or {})
    elif before[0] in operations:
        words = next_words(operations[before[0]], before[1:], os.environ, known)
        words += [_INTO] if before[0] == _QUERY and before[-1] not in words else []
        words = [*frame_names(variables or {}), *words] if _awaits_frame(before) else words
    else:
        words = []
    return current, [word for word in words if word.startswith(current)]


def _awaits_frame(before: list[str]) -> bool:
    """Return whether the next word is the frame of a load: the first one, or the one after `@NAME`."""
    return before[:1] == [_LOAD] and (len(before) == 1 or (len(before) == 2 and before[1].startswith("@")))  # noqa: PLR2004


def _variables(flag: str, variables: Mapping[str, Any]) -> list[str]:
    """Return the notebook variables that a flag accepts: DataFrames to replace, or values to bind."""
    kinds = _OF_VARIABLES[flag]
    return sorted(
        name
        for name, value in variables.items()
        if not name.startswith("_") and kinds & {kind.__name__ for kind in type(value).__mro__}
    )


@context_matcher(identifier=_IDENTIFIER, priority=100)  # type: ignore[untyped-decorator]
@without_values()
def _matcher(context: CompletionContext) -> SimpleMatcherResult:
    known, line = _known(), context.line_with_cursor[: context.cursor_position]
    found = candidates(line, known, _namespace())
    if found is not None:
        current, words = found
        return _result(current, [SimpleCompletion(word, type="param") for word in words])
    place = sql_place(context.full_text, context.cursor_line, context.cursor_position)
    typed = alias_word(line) if known is not None else None
    aliases = [] if known is None or typed is None else known.aliases
    offered = [SimpleCompletion(alias, type="instance") for alias in aliases if alias.startswith(typed or "")]
    if known is not None and place is not None and (sql := complete_at(known, place)) is not None:
        typed = sql.typed
        offered += [SimpleCompletion(word.text, type=word.kind.value) for word in sql.words]
    return _result(typed or "", offered)


def _result(typed: str, offered: list[SimpleCompletion]) -> SimpleMatcherResult:
    return SimpleMatcherResult(
        completions=offered, matched_fragment=typed, suppress=bool(offered), ordered=True
    )


def _known() -> KnownNames | None:
    """Return the names from the results of the shell's magic."""
    shell = get_ipython()
    magic = None if shell is None else shell.magics_manager.magics["line"].get("tidb_pe")
    known: Callable[[], KnownNames | None] = getattr(getattr(magic, "__self__", None), "known", lambda: None)
    return known()


def _namespace() -> Mapping[str, Any]:
    shell = get_ipython()
    return {} if shell is None else shell.user_ns


def add(shell: InteractiveShell) -> None:
    """Add the matcher to the shell's completer."""
    _matchers(shell).append(_matcher)


def remove(shell: InteractiveShell) -> None:
    """Remove the matcher."""
    matchers = _matchers(shell)
    if _matcher in matchers:
        matchers.remove(_matcher)


def _matchers(shell: InteractiveShell) -> list[Any]:
    found: list[Any] = shell.Completer.custom_matchers
    return found
