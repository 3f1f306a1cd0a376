"""What to do next, as data: each interface writes the commands in its own spelling.

A sentence never names a command, because a command is typed differently in a notebook, a shell and Python.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

SQL = "sql"
"""Operation of a suggestion that is a `%%sql` cell: its words are the alias and, if known, a statement."""
USUAL_ALIAS = "tidb"
"""The alias of a connection without `--alias`."""
_CONNECT = "connect"  # the only method whose first argument is the `@NAME`
_SANDBOX = "sandbox"
_SANDBOX_MODULE = "python -m tidb_pe_magic.sandbox"


@dataclass(frozen=True, init=False)
class Suggestion:
    """A command to run next.

    Attributes:
        operation: a key of the table of operations; `sql` for a `%%sql` cell; `-h` for the list of commands.
        words: its arguments, unquoted: positional values, then `--flag` and its value.
    """

    operation: str
    words: tuple[str, ...]

    def __init__(self, operation: str, *words: str) -> None:
        """Keep the words separate, so that each interface can quote them in its own way."""
        object.__setattr__(self, "operation", operation)
        object.__setattr__(self, "words", words)

    def __str__(self) -> str:
        """Return the command as it is typed in a notebook."""
        return magic(self)


@dataclass(frozen=True)
class ShellCommand:
    """A command of another program; it is the same in every interface."""

    line: str

    def __str__(self) -> str:
        """Return the command."""
        return self.line


NextCommand = Suggestion | ShellCommand
Spelling = Callable[[Suggestion], str]
"""How an interface writes a suggestion."""


@dataclass(frozen=True, init=False)
class Advice:
    """What to do: sentences, and the commands to run, the best one first."""

    text: str
    commands: tuple[NextCommand, ...]

    def __init__(self, text: str = "", *commands: NextCommand) -> None:
        """Take sentences that name no commands, and the commands."""
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "commands", commands)

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.text or self.commands)

    def __str__(self) -> str:
        """Return the sentences and the commands, as typed in a notebook, on one line."""
        return with_commands(self.text, self.commands, magic)


def over_connection(suggestion: Suggestion, alias: str, connection: str = "") -> Suggestion:
    """Return the suggestion with its connection: by its @, or by its alias unless that is usual.

    Args:
        suggestion: a command that takes `@NAME` and `--alias`.
        alias: of the connection.
        connection: what was typed after the @; empty for nothing.
    """
    if connection:
        return Suggestion(suggestion.operation, f"@{connection}", *suggestion.words)
    named = () if alias == USUAL_ALIAS else ("--alias", alias)
    return Suggestion(suggestion.operation, *suggestion.words, *named)


def as_advice(advice: str | Advice) -> Advice:
    """Return advice that has sentences but no command."""
    return advice if isinstance(advice, Advice) else Advice(advice)


def spell_advice(command: NextCommand, spelling: Spelling) -> str:
    """Return a command in the given spelling."""
    return command.line if isinstance(command, ShellCommand) else spelling(command)


def with_commands(text: str, commands: tuple[NextCommand, ...], spelling: Spelling) -> str:
    """Return the sentences and the first command on one line, for logs and tables."""
    first = f"Try: {spell_advice(commands[0], spelling)}" if commands else ""
    return " ".join(filter(None, (text, first)))


def magic(suggestion: Suggestion) -> str:
    """Return the suggestion as a notebook cell."""
    if suggestion.operation == SQL:
        return "%%sql " + "\n".join(suggestion.words)
    return shell_words("%tidb_pe", suggestion)


def console(suggestion: Suggestion) -> str:
    """Return the suggestion as a shell command."""
    if suggestion.operation == SQL:
        return magic(suggestion)  # the console has no cells; run this one in a notebook
    if suggestion.operation == _SANDBOX:
        return _SANDBOX_MODULE
    return shell_words("tidb-pe", suggestion)


def python(suggestion: Suggestion) -> str:
    """Return the suggestion as a call of a `Runbook` method."""
    if suggestion.operation == SQL:
        statement = suggestion.words[1] if len(suggestion.words) > 1 else "SELECT …"
        return f"runbook.query({_literal(statement)})"
    if suggestion.operation == _SANDBOX:
        return _SANDBOX_MODULE
    if suggestion.operation.startswith("-"):
        return "help(runbook)"
    by_place, by_name = _arguments(suggestion.words)
    if by_name.pop("-h", None):
        return f"help(runbook.{_method(suggestion)})"
    if suggestion.operation != _CONNECT and by_place and by_place[0].startswith("@"):
        by_name["connection"] = [by_place.pop(0)]
    named = [f"{name}={_literals(values)}" for name, values in by_name.items()]
    return f"runbook.{_method(suggestion)}({', '.join([*map(_literal, by_place), *named])})"


def shell_words(program: str, suggestion: Suggestion) -> str:
    """Return the words after the program's name, quoted for a shell."""
    return " ".join((program, suggestion.operation, *map(shlex.quote, suggestion.words)))


def _method(suggestion: Suggestion) -> str:
    return suggestion.operation.replace("-", "_")


def _arguments(words: tuple[str, ...]) -> tuple[list[str], dict[str, list[str]]]:
    """Separate positional values from flags, each with its values; a switch has none."""
    by_place: list[str] = []
    by_name: dict[str, list[str]] = {}
    values = by_place
    for word in words:
        if word.startswith("-"):
            name = word if word == "-h" else word.removeprefix("--").replace("-", "_")
            values = by_name.setdefault("with_" if name == "with" else name, [])
        else:
            values.append(word)
    return by_place, {name: given or ["True"] for name, given in by_name.items()}


def _literals(values: list[str]) -> str:
    if len(values) == 1:
        return _literal(values[0])
    return f"[{', '.join(map(_literal, values))}]"


def _literal(value: str) -> str:
    if value.isdecimal() or value in {"True", "…"}:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
