"""What a half-typed command can become, of the words and names that this machine knows; no cloud is asked."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from tidb_pe_magic.commands.parse import flags
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials import tidb_cloud as tidb_cloud_keys
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tidb_pe_magic.commands.fields import Option
    from tidb_pe_magic.commands.table import Operation

_FILE_NAMES = frozenset({"PATH", "FILE"})  # the metavars of what is a file's name


class ValueKind(Enum):
    """What a value is, for whoever completes it."""

    CHOICE = auto()  # of the option's own
    FILE = auto()
    CONNECTION = auto()  # open or saved
    SAVED = auto()  # a saved connection, after an @
    PROFILE = auto()  # of ticloud's
    SQL_USER = auto()
    OTHER = auto()


def kind(name: str, option: Option, operation: Operation) -> ValueKind:
    """Return what the value of an option is; `name` is the field's, or the flag's without dashes."""
    if option.choices:
        return ValueKind.CHOICE
    if option.metavar in _FILE_NAMES:
        return ValueKind.FILE
    if name == "profile":
        return ValueKind.SAVED if option.positional else ValueKind.PROFILE
    if name == "alias":
        return ValueKind.CONNECTION
    is_user = name == "user" or (name == "name" and operation.name == "sql-user")
    return ValueKind.SQL_USER if is_user else ValueKind.OTHER


def following(
    operation: Operation, before: Sequence[str], environ: Mapping[str, str], opened: Iterable[str] = ()
) -> list[str]:
    """Return the words that can follow.

    Args:
        operation: the command.
        before: whole words between the command and the word that is typed.
        environ: the environment.
        opened: names of the open connections.
    """
    described = flags(operation)
    last = described.get(before[-1]) if before else None
    if last is not None and last.metavar:
        return _values(before[-1].lstrip("-"), last, operation, environ, opened)
    words = [*described, "--help"]
    given = sum(
        not word.startswith("-") and not _takes_a_value(described.get(earlier))
        for earlier, word in zip(["", *before], before, strict=False)
    )
    positional = [item for item in operation.request.options().items() if item[1].positional]
    if given < len(positional):
        name, option = positional[given]
        words += _values(name, option, operation, environ, opened)
    return words


def _takes_a_value(option: Option | None) -> bool:
    return option is not None and bool(option.metavar)


def _values(
    name: str, option: Option, operation: Operation, environ: Mapping[str, str], opened: Iterable[str]
) -> list[str]:
    match kind(name, option, operation):
        case ValueKind.CHOICE:
            return list(option.choices)
        case ValueKind.SAVED:
            return [f"@{each}" for each in saved_connections.names(environ)]
        case ValueKind.PROFILE:
            return tidb_cloud_keys.profile_names(environ)
        case ValueKind.CONNECTION:
            return sorted({*opened, *saved_connections.names(environ)})
        case ValueKind.SQL_USER:
            return sql_passwords.users(environ)
        case ValueKind.FILE | ValueKind.OTHER:
            return []
