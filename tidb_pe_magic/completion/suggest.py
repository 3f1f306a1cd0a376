"""Completions of a half-typed command, from words and names on this machine; they do not call a cloud."""

from __future__ import annotations

import shlex
from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING

from tidb_pe_magic.commands.parse import VERBOSE, flags
from tidb_pe_magic.commands.table import Skin
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials import tidb_cloud as tidb_cloud_keys
from tidb_pe_magic.steps import connection_files, saved_connections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidb_pe_magic.commands.fields import Option
    from tidb_pe_magic.commands.table import Operation
    from tidb_pe_magic.runtime.known_names import KnownNames

_NAME = "@"  # before a connection's name
_SEEN = frozenset({"cluster", "vpc", "security_group", "endpoint"})


class ValueKind(Enum):
    """Kind of a value, for completion."""

    CHOICE = auto()  # one of the option's choices
    FILE = auto()
    CONNECTION = auto()  # open or saved
    SAVED = auto()  # a saved connection or a connection file, after an @
    PROFILE = auto()  # a ticloud profile
    SQL_USER = auto()
    SEEN = auto()  # a cluster, a VPC, a security group or an endpoint that this kernel has listed
    DATABASE = auto()
    TABLE = auto()  # or a database
    FRAME = auto()  # a DataFrame of the notebook; in a shell, a file
    OTHER = auto()


_BY_METAVAR = {"PATH": ValueKind.FILE, "FILE": ValueKind.FILE, "FRAME": ValueKind.FRAME}
_BY_NAME = {
    "connection": ValueKind.SAVED,
    "profile": ValueKind.PROFILE,
    "alias": ValueKind.CONNECTION,
    "database": ValueKind.DATABASE,
    "table": ValueKind.TABLE,
}


def kind(name: str, option: Option, operation: Operation) -> ValueKind:
    """Return the kind of an option's value; `name` is the field's, or the flag's without dashes."""
    if option.choices:
        return ValueKind.CHOICE
    if option.metavar in _BY_METAVAR:
        return _BY_METAVAR[option.metavar]
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.replace("-", "_") in _SEEN:
        return ValueKind.SEEN
    if name == "name" and operation.name == "tables":
        return ValueKind.TABLE
    is_user = name == "user" or (name == "name" and operation.name == "sql-user")
    return ValueKind.SQL_USER if is_user else ValueKind.OTHER


def next_words(
    operation: Operation, before: Sequence[str], environ: Mapping[str, str], known: KnownNames | None = None
) -> list[str]:
    """Return the possible next words.

    Args:
        operation: the command.
        before: complete words between the command and the word at the cursor.
        environ: the environment.
        known: the names that this kernel has listed.
    """
    described = flags(operation)
    last = described.get(before[-1]) if before else None
    if last is not None and last.metavar:
        return _values(before[-1].lstrip("-"), last, operation, before, environ=environ, known=known)
    words: list[str] = []
    given = [
        word
        for earlier, word in zip(["", *before], before, strict=False)
        if not word.startswith("-") and not _takes_a_value(described.get(earlier))
    ]
    positional = [item for item in operation.request.options().items() if item[1].positional]
    named = bool(positional) and kind(*positional[0], operation) is ValueKind.SAVED
    if named and given and not given[0].startswith(_NAME):
        positional = positional[1:]  # the connection was left out
    # The first word can be the connection or, without it, the next value.
    next_ones = positional[len(given) : len(given) + (2 if named and not given else 1)]
    for name, option in next_ones:
        words += _values(name, option, operation, before, environ=environ, known=known)
    return [*words, *described, *((VERBOSE,) if Skin.PYTHON in operation.skins else ()), "--help"]


def _takes_a_value(option: Option | None) -> bool:
    return option is not None and bool(option.metavar)


def _values(  # noqa: PLR0913 - what decides a value
    name: str,
    option: Option,
    operation: Operation,
    before: Sequence[str],
    *,
    environ: Mapping[str, str],
    known: KnownNames | None,
) -> list[str]:
    match kind(name, option, operation):
        case ValueKind.CHOICE:
            return list(option.choices)
        case ValueKind.SAVED:
            names = (*saved_connections.names(environ), *connection_files.names())
            return [shlex.quote(f"@{each}") for each in names]
        case ValueKind.PROFILE:
            return tidb_cloud_keys.profile_names(environ)
        case ValueKind.CONNECTION:
            return sorted({*(known.aliases if known else ()), *saved_connections.names(environ)})
        case ValueKind.SQL_USER:
            return sql_passwords.users(environ)
        case ValueKind.SEEN:
            return [shlex.quote(each) for each in known.of(name.replace("-", "_"))] if known else []
        case ValueKind.DATABASE | ValueKind.TABLE as wanted:
            return _schema(known, _alias(before), tables=wanted is ValueKind.TABLE)
        case ValueKind.FILE | ValueKind.FRAME | ValueKind.OTHER:
            return []


def _alias(before: Sequence[str]) -> str | None:
    """Return the connection that the command uses."""
    named = next((word.removeprefix(_NAME) for word in before if word.startswith(_NAME)), None)
    return next((value for flag, value in pairwise(before) if flag == "--alias"), named)


def _schema(known: KnownNames | None, alias: str | None, *, tables: bool) -> list[str]:
    """Return the tables of the current database, then the others, then the databases of the server."""
    record = known.connection(alias) if known else None
    if record is None:
        return []
    names, current = record.schema.names, record.session.database
    listed: list[str] = []
    if tables:
        others = [each for each in names.own_databases if each.lower() != current.lower()]
        listed += names.tables_of(current)
        listed += (f"{database}.{table}" for database in others for table in names.tables_of(database))
    return [shlex.quote(each) for each in (*listed, *names.databases)]
