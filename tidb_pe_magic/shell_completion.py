"""Completion scripts for bash and zsh, written from the table of operations; they start no Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidb_pe_magic.runbook.operations import OPERATIONS
from tidb_pe_magic.runbook.parser import first_words, flags

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from tidb_pe_magic.runbook.operations import Operation

_BASH = """\
# Completion of {prog} for bash. In ~/.bashrc: eval "$({prog} completion bash)"
{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        {commands}
    else
        case "${{COMP_WORDS[1]}} $previous" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F {function} {prog}
"""
_BASH_FILES = """\
local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$current")); compopt -o filenames 2>/dev/null; return"""

_ZSH = """\
#compdef {prog}
# Completion of {prog} for zsh. In ~/.zshrc, after compinit: eval "$({prog} completion zsh)"
{function}() {{
    if (( CURRENT == 2 )); then
        {commands}
        return
    fi
    case "${{words[2]}} ${{words[CURRENT-1]}}" in
{cases}
    esac
}}
(( $+functions[compdef] )) && compdef {function} {prog}
"""


_INDENT = {"bash": " " * 12, "zsh": " " * 8}
_FILES = frozenset({"PATH", "FILE"})  # the metavars of what is a file's name

Words = Mapping[str, tuple[str, ...]]


def script(shell: str, prog: str, *, own: Words, common: Words, without: Container[str] = ()) -> str:
    """Return the completion script of a program over the table of operations.

    Args:
        shell: bash or zsh.
        prog: the program's name.
        own: subcommands that are no operations, each with its words.
        common: flags of every operation, each with the words that can follow it.
        without: operations that the program does not have.
    """
    operations = [operation for name, operation in OPERATIONS.items() if name not in without]
    cases = [
        *(case for operation in operations for case in _cases(operation, common)),
        *((f"{name} *", words) for name, words in own.items()),
    ]
    commands = (*(operation.name for operation in operations), *own)
    offer, template = (_for_bash, _BASH) if shell == "bash" else (_for_zsh, _ZSH)
    return template.format(
        prog=prog,
        function="_" + prog.replace("-", "_"),
        commands=offer(commands),
        cases="\n".join(f"{_INDENT[shell]}{_pattern(case)}) {offer(words)} ;;" for case, words in cases),
    )


SHELLS = ("bash", "zsh")


def _cases(operation: Operation, common: Words) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Yield what can stand before the word, and the words that it can become: None for a file's name."""
    described = flags(operation)
    for flag, option in described.items():
        if option.metavar:
            yield f"{operation.name} {flag}", None if option.metavar in _FILES else option.choices
    for flag, words in common.items():
        if flag in described:
            continue
        yield f"{operation.name} {flag}", words
    every = (*dict.fromkeys((*described, *common)), "--help")
    if words := first_words(operation):
        yield f"{operation.name} {operation.name}", (*words, *every)
        if any(each.positional and each.metavar in _FILES for each in operation.request.options().values()):
            yield from ((f"{operation.name} {word}", None) for word in words)
    yield f"{operation.name} *", every


def _pattern(case: str) -> str:
    return f'"{case[:-1]}"*' if case.endswith("*") else f'"{case}"'


def _for_bash(words: tuple[str, ...] | None) -> str:
    return _BASH_FILES if words is None else f"words={shlex.quote(' '.join(words))}"


def _for_zsh(words: tuple[str, ...] | None) -> str:
    if words is None:
        return "_files"
    return f"compadd -- {shlex.join(words)}" if words else ":"
