"""Completion scripts for bash and zsh, generated from the table of operations; they do not start Python.

They are not generated with shtab: its bash script cannot complete `@NAME`, because bash splits words at
an `@`, and it offers flags only after a `-`, not next to the names at an empty word.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.commands.parse import VERBOSE, flags
from tidb_pe_magic.commands.table import Skin, available
from tidb_pe_magic.completion.suggest import ValueKind, kind
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.commands.fields import Option
    from tidb_pe_magic.commands.table import Operation

# Only plain names are offered: bash expands the words that it receives.
_NAMES = """\
{function}_saved() {{
    {null_glob}
    local file
    for file in "${{TIDB_PE_CONFIG_DIR:-{saved}}}"/connections/*.json; do
        file=${{file##*/}}; file=${{file%.json}}
        case $file in ''|*[!A-Za-z0-9_]*) ;; *) printf '%s\\n' "$1$file" ;; esac
    done
    [ "$1" = @ ] || return 0
    for file in *.json; do
        case $file in ''|*[!A-Za-z0-9_.-]*) ;; *) printf '%s\\n' "$1$file" ;; esac
    done
}}
{function}_profiles() {{
    local file
    for file in ~/.ticloud/config.toml ~/.ticloud/config; do
        [ -f "$file" ] && [ -r "$file" ] || continue
        awk -F '[][" \t]+' '/^[ \t]*\\[ *"?[A-Za-z0-9_-]+"? *\\] *(#.*)?$/ {{ print $2 }}' "$file"
        return
    done
}}
"""

_BASH = """\
# Completion of {prog} for bash. In ~/.bashrc: eval "$({prog} completion bash)"
{names}{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    # Bash treats @ as a separate word, and replaces it together with the text after it.
    case $previous in @) current=@$current previous=${{COMP_WORDS[COMP_CWORD-2]}} ;; esac
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
{names}{function}() {{
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
# The script's functions that list the names of a kind, with their arguments.
_LISTS = {ValueKind.SAVED: "saved @", ValueKind.CONNECTION: "saved", ValueKind.PROFILE: "profiles"}
_NULL_GLOB = {"bash": ":", "zsh": "setopt localoptions null_glob"}


@dataclass(frozen=True)
class Offer:
    """The possible completions of a word.

    Attributes:
        words: fixed words.
        names: the function of the script that lists further words, and its argument; empty for none.
        files: file names instead; with `names`, only for a word that does not begin with an @.
    """

    words: tuple[str, ...] = ()
    names: str = ""
    files: bool = False


Words = Mapping[str, tuple[str, ...]]

_FILES = Offer(files=True)
_PROFILES = Offer(names=_LISTS[ValueKind.PROFILE])


def script(shell: str, prog: str, *, own: Words, common: Callable[[str], Words]) -> str:
    """Return the completion script of a program for the table of operations.

    Args:
        shell: bash or zsh.
        prog: the program's name.
        own: subcommands that are not operations, each with its words.
        common: returns the program's own flags for an operation's name, each with its words.
    """
    operations = available(Skin.CONSOLE).values()
    cases = [
        *(case for operation in operations for case in _cases(operation, common(operation.name))),
        *((f"{name} *", Offer(words)) for name, words in own.items()),
    ]
    commands = Offer((*(operation.name for operation in operations), *own))
    function = "_" + prog.replace("-", "_")
    offer, template = (_for_bash, _BASH) if shell == "bash" else (_for_zsh, _ZSH)
    saved = str(saved_connections.directory({}).parent)
    return template.format(
        prog=prog,
        function=function,
        names=_NAMES.format(function=function, null_glob=_NULL_GLOB[shell], saved=_quote(saved)),
        commands=offer(commands, function),
        cases="\n".join(
            f"{_INDENT[shell]}{_pattern(case)}) {offer(offered, function)} ;;" for case, offered in cases
        ),
    )


SHELLS = ("bash", "zsh")


def _cases(operation: Operation, common: Words) -> Iterator[tuple[str, Offer]]:
    """Yield each context of a word, and the word's completions there."""
    described = flags(operation)
    for flag, option in described.items():
        if option.metavar:
            yield f"{operation.name} {flag}", _values(flag.lstrip("-"), option, operation)
    for flag, words in common.items():
        if flag not in described and flag != VERBOSE:
            yield f"{operation.name} {flag}", _PROFILES if flag == "--profile" else Offer(words)
    always = (*dict.fromkeys((*described, *common)), "--help")
    positional = [item for item in operation.request.options().items() if item[1].positional]
    if positional:
        first, *others = positional
        offered = _values(*first, operation)
        words = (*offered.words, *always)
        # A connection can be left out, and then a file is the first word.
        files = offered.names == _LISTS[ValueKind.SAVED] and any(
            kind(*each, operation) is ValueKind.FRAME for each in others
        )
        shown = _FILES if offered.files else Offer(words, offered.names, files=files)
        yield f"{operation.name} {operation.name}", shown
        if any(kind(*each, operation) is ValueKind.FILE for each in others):
            yield from ((f"{operation.name} {word}", _FILES) for word in offered.words)
    yield f"{operation.name} *", Offer(always)


def _values(name: str, option: Option, operation: Operation) -> Offer:
    found = kind(name, option, operation)
    return (
        _FILES if found in {ValueKind.FILE, ValueKind.FRAME} else Offer(option.choices, _LISTS.get(found, ""))
    )


def _quote(path: str) -> str:
    """Return the path escaped for double quotes."""
    return "".join(f"\\{character}" if character in '"\\$`' else character for character in path)


def _pattern(case: str) -> str:
    return f'"{case[:-1]}"*' if case.endswith("*") else f'"{case}"'


def _for_bash(offer: Offer, function: str) -> str:
    if offer.files and offer.names:
        return f'case $current in @*) words="$({function}_{offer.names})" ;; *) {_BASH_FILES} ;; esac'
    if offer.files:
        return _BASH_FILES
    words = shlex.quote(" ".join(offer.words))
    return f'words={words}" $({function}_{offer.names})"' if offer.names else f"words={words}"


def _for_zsh(offer: Offer, function: str) -> str:
    if offer.files and offer.names:
        names = f'compadd -- ${{(f)"$({function}_{offer.names})"}}'
        return f"case $PREFIX in @*) {names} ;; *) _files ;; esac"
    if offer.files:
        return "_files"
    words = shlex.join(offer.words)
    if offer.names:
        words += f' ${{(f)"$({function}_{offer.names})"}}'
    return f"compadd -- {words}" if words.strip() else ":"
