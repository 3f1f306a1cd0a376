"""The SQL users of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.advice import NextCommand
from tidb_pe_magic.model.base import Result

SQL_ROLES = ("readonly", "readwrite", "admin")


@dataclass(frozen=True, kw_only=True)
class SqlUser:
    """A SQL user: its full name, and its built-in role as TiDB Cloud writes it."""

    name: str
    role: str


@dataclass(frozen=True, kw_only=True)
class SqlUsers(Result):
    """What `sql-user` found or did.

    Attributes:
        action: create, list, delete or rotate.
        cluster: name of the cluster.
        items: the users after it; of `list` every one, else the one that it was about.
        prefix_added: what was put before the name that was typed; empty for nothing.
        stored: where the password is, never the password; empty where it is not known here.
        next_command: what to run next.
    """

    action: str
    cluster: str
    items: tuple[SqlUser, ...]
    prefix_added: str = ""
    stored: str = ""
    next_command: NextCommand | None = None
