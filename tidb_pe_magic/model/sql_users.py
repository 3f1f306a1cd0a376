"""The SQL users of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.advice import NextCommand
from tidb_pe_magic.model.base import Result

SQL_ROLES = ("readonly", "readwrite", "admin")


@dataclass(frozen=True, kw_only=True)
class SqlUser:
    """A SQL user: its full name, and its built-in role as TiDB Cloud names it."""

    name: str
    role: str


@dataclass(frozen=True, kw_only=True)
class SqlUsers(Result):
    """The result of `sql-user`.

    Attributes:
        action: create, list, delete or rotate.
        cluster: name of the cluster.
        items: the users after the action: all for `list`, otherwise the one that the action changed.
        prefix_added: the prefix that was added to the given name; empty for none.
        stored: where the password is stored, never the password; empty if unknown here.
        next_command: the next command.
    """

    action: str
    cluster: str
    items: tuple[SqlUser, ...]
    prefix_added: str = ""
    stored: str = ""
    next_command: NextCommand | None = None
