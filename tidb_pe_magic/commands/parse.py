"""Convert typed text to requests: one parser per operation, built from the request's fields.

Messages repeat only flag names and IDs of the typed text: the rest may be a password in the wrong place.
"""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Any, NoReturn

from tidb_pe_magic.advice import SQL, Advice, Suggestion
from tidb_pe_magic.commands import synonyms
from tidb_pe_magic.commands.fields import format_value
from tidb_pe_magic.commands.overview import overview
from tidb_pe_magic.commands.table import OPERATIONS, Operation, Skin, available
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from tidb_pe_magic.commands.fields import Option, Request

_PASSWORD_FLAG = re.compile(r"(--(sql-?)?(password|passwd|pwd|pw|secret)|-p)$", re.IGNORECASE)
# A value can follow the letter of a short flag directly.
_FLAG = re.compile(r"--[A-Za-z][A-Za-z0-9-]*|-[A-Za-z]")
HELP_FLAGS = frozenset({"-h", "--help"})
VERBOSE = "--verbose"
"""Show a result with its details: for every command of a notebook and of the console."""
_CONNECTION = "connection"  # the field of `@NAME`
_HELP = "show help"  # cannot be a field name


@dataclass(frozen=True)
class Help:
    """Requested help, as text."""

    text: str


@dataclass(frozen=True)
class Command:
    """An operation and its request."""

    operation: Operation
    request: Request


class _Parser(argparse.ArgumentParser):
    """argparse that raises this package's errors instead of exiting the interpreter."""

    color: bool  # an attribute of argparse since Python 3.14

    def error(self, message: str) -> NoReturn:
        """Raise the message without the values that argparse quotes in it."""
        flag = re.match(r"argument ([^:]+): (.*)", message, re.DOTALL)
        if flag:
            reason = "takes no value" if "explicit argument" in flag[2] else flag[2]
            raise InvalidRequest(
                flag[1].split("/")[-1],
                f"{_without_quotes(reason)}.",
                advice=_help_command(*self.prog.split()[1:]),
            )
        missing = re.match(r"the following arguments are required: (.*)", message)
        if missing:
            raise InvalidRequest(missing[1], "is missing.", advice=_help_command(*self.prog.split()[1:]))
        raise InvalidRequest("", f"{_without_quotes(message)}.", advice=_help_command(*self.prog.split()[1:]))


class _Formatter(argparse.HelpFormatter):
    """argparse's formatter, except that it does not break a value such as mysql-connector at its hyphen."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def without_verbose(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Remove `--verbose` from the words before `--`, and return whether it was there."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    left = [word for word in arguments[:end] if word != VERBOSE]
    return len(left) < end, [*left, *arguments[end:]]


def parse(
    arguments: Sequence[str],
    *,
    prog: str,
    skin: Skin,
    extra: Iterable[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Command | Help:
    """Return a request from a subcommand and its options, or the requested help.

    Args:
        arguments: the words after the program's name.
        prog: the program's name, as typed.
        skin: the interface in which it is typed.
        extra: subcommands that are not operations, offered as suggestions.
        defaults: see `parse_options`.

    Raises:
        InvalidRequest: a subcommand or flag is unknown, or a value is invalid.
    """
    if not arguments or arguments[0] in HELP_FLAGS:
        return Help(overview(prog, skin))
    name, *rest = arguments
    operation = OPERATIONS.get(name)
    if operation is None:
        raise _unknown_command(name, (*available(skin), *extra))
    if skin not in operation.skins:
        raise InvalidRequest("command", operation.elsewhere[skin], advice=_help_command())
    return parse_options(operation, rest, prog=prog, defaults=defaults)


def parse_options(
    operation: Operation,
    options: Sequence[str],
    *,
    prog: str,
    given: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Command | Help:
    """Return the operation's request from its options, or the requested help.

    Args:
        operation: the operation of the options.
        options: the words after the subcommand.
        prog: the program's name, as typed.
        given: values of fields that come from elsewhere, such as a cell's body.
        defaults: values of required positional fields that may be omitted here.

    Raises:
        InvalidRequest: a flag is unknown, or a value is invalid.
    """
    before_separator = options[: options.index("--")] if "--" in options else options
    if HELP_FLAGS & set(before_separator):
        return Help(help_for(operation, prog))
    parser = _parser(operation, prog, given or (), defaults or ())
    # argparse's intermixed parsing accepts `@NAME --flag VALUE WORD`, but not a separator.
    reader = parser.parse_known_args if "--" in options else parser.parse_known_intermixed_args
    namespace, unknown = reader(options)
    values = {name: _restore_separator(value) for name, value in vars(namespace).items()} | dict(given or {})
    _assign_connection(operation, values)
    values |= {name: value for name, value in (defaults or {}).items() if values[name] is None}
    if values.pop(_HELP):
        return Help(help_for(operation, prog))
    if unknown:
        raise _unknown_words(operation, unknown)
    return Command(operation, operation.request.of(**values))


def _assign_connection(operation: Operation, values: dict[str, Any]) -> None:
    """Assign the only word to `@NAME` if it begins with an @, and to the next field otherwise.

    argparse gives it to the first field, or to the one that is required.
    """
    names = [name for name, each in operation.request.options().items() if each.positional]
    if len(names) < 2 or names[0] != _CONNECTION or names[1] not in values:  # noqa: PLR2004 - a pair
        return
    word = values[_CONNECTION] or values[names[1]]
    if isinstance(word, str) and None in (values[_CONNECTION], values[names[1]]):
        named = word.startswith("@")
        values[_CONNECTION], values[names[1]] = (word, None) if named else (None, word)


def _restore_separator(value: Any) -> Any:
    """Return the value; for `--flag=--` argparse removes the separator and leaves an empty list."""
    if isinstance(value, list):
        return [_restore_separator(each) for each in value] or "--"
    return value


def _unknown_command(name: str, known: Iterable[str]) -> InvalidRequest:
    names = tuple(known)
    meant = synonyms.commands(name, names)
    if not meant:
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        meant = tuple(Suggestion(each, "-h") for each in close)
    hint = " or ".join("%%sql" if each.operation == SQL else each.operation for each in meant)
    did_you_mean = f" Did you mean {hint}?" if hint else ""
    advice = Advice("", *(meant or (Suggestion("-h"),)))
    error = InvalidRequest("", f"unknown command.{did_you_mean}", advice=advice)
    error.field = "command"
    return error


def help_for(operation: Operation, prog: str) -> str:
    """Return an operation's help, with an example."""
    example = operation.example if prog.startswith("%") else operation.shell_example or operation.example
    return f"{options_help(operation, prog)}\n\nexample: {prog} {example}"


def options_help(operation: Operation, prog: str, given: Container[str] = ()) -> str:
    """Return usage and options of an operation, without the fields that are not typed."""
    return _parser(operation, prog, given).format_help().rstrip()


def flags(operation: Operation) -> dict[str, Option]:
    """Return the operation's flags, as typed, and their options."""
    request = operation.request
    return {
        request.label(name): described
        for name, described in request.options().items()
        if not described.positional
    }


def _parser(
    operation: Operation, prog: str, given: Container[str] = (), optional: Container[str] = ()
) -> argparse.ArgumentParser:
    request = operation.request
    parser = _Parser(
        prog=f"{prog} {operation.name}",
        description=f"{operation.summary}.",
        allow_abbrev=False,
        # argparse's own help action exits the interpreter.
        add_help=False,
        # A fixed width: help is the same in a terminal, a notebook and a test.
        formatter_class=lambda prog: _Formatter(prog, width=110, max_help_position=34),
    )
    # Since Python 3.14 argparse colors its help in a terminal, and everywhere with FORCE_COLOR.
    parser.color = False
    parser.add_argument("-h", "--help", dest=_HELP, action="store_true", help="show this help")
    for field in fields(request):
        if field.name in given:
            continue
        described: Option = field.metadata["option"]
        settings: dict[str, Any] = {"help": field_help(field).replace("%", "%%"), "default": None}
        if field.default is False:
            settings["action"] = "store_const"
            settings["const"] = True
        else:
            settings["metavar"] = described.metavar
            if described.many:
                settings["action"] = "append"
        if described.positional:
            required = field.default is MISSING and field.name not in optional
            settings["nargs"] = None if required else "?"
            parser.add_argument(field.name, **settings)
        else:
            parser.add_argument(request.label(field.name), dest=field.name, **settings)
    return parser


def field_help(field: Field[Any]) -> str:
    """Return a field's help, its valid values if there are few, and its default."""
    described: Option = field.metadata["option"]
    values = described.choices if described.metavar != "|".join(described.choices) else ()
    listed = [f"one of {', '.join(values)}"] if values else []
    default = [f"default: {format_value(field.default)}"] if isinstance(field.default, (float, str)) else []
    return "; ".join((described.help, *listed, *default))


def _unknown_words(operation: Operation, unknown: Sequence[str]) -> InvalidRequest:
    see = _help_command(operation.name)
    typed = next((word for word in unknown if word.startswith("-")), "")
    named = _FLAG.match(typed)
    takes_words = any(described.positional for described in operation.request.options().values())
    if not named and len(unknown) == 1 and "--alias" in flags(operation) and not takes_words:
        return InvalidRequest(
            "arguments",
            f"{operation.name} takes the name of a connection as --alias.",
            advice=Advice("", Suggestion(operation.name, "--alias", unknown[0].lstrip("@"))),
        )
    if not named:
        return InvalidRequest(
            "arguments",
            f"{operation.name} takes no further argument. Put a value with spaces in single quotes, and "
            "repeat the flag for each of several values.",
            advice=see,
        )
    flag = named[0]
    if _PASSWORD_FLAG.match(flag):
        return InvalidRequest(
            flag,
            "this flag does not exist: the notebook would save the password.",
            advice="Use TIDB_PASSWORD, or --password-from prompt, env:NAME, keyring:SERVICE or file:PATH.",
        )
    known = flags(operation)
    meant = synonyms.flag(flag, known) or next(iter(difflib.get_close_matches(flag, known, n=1)), "")
    if flag == "--host" and flag not in known:
        return InvalidRequest(
            flag, synonyms.HOST_ADVICE, advice=Advice("", Suggestion("doctor", flag, "HOST"))
        )
    hint = f"did you mean {meant}?" if meant else f"{operation.name} has no such flag."
    return InvalidRequest(flag, hint, advice=see)


def _help_command(*operation: str) -> Advice:
    """Return the command that shows the options of an operation, or the list of operations."""
    name, *rest = (*operation, "-h")
    return Advice("", Suggestion(name, *rest))


def _without_quotes(message: str) -> str:
    return re.sub(r"\s*'[^']*'", "", message)
