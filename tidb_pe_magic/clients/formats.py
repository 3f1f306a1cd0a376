"""The table of clients for `--with`, in the order of the tutorial's drop-down list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.clients import languages, prisma, python, shell, tools
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from tidb_pe_magic.clients.base import ClientFormat, ClientTarget, ClientText

_FAMILIES = (shell, python, languages, prisma, tools)
FORMATS: dict[str, ClientFormat] = {entry.name: entry for family in _FAMILIES for entry in family.FORMATS}


def write(name: str, target: ClientTarget) -> ClientText:
    """Return the connection in the format of the client `name`.

    Raises:
        InvalidRequest: the format cannot hold a value, or requires a database.
    """
    chosen = FORMATS[name]
    if chosen.needs_database and not target.database:
        raise InvalidRequest("--database", f"is required by {chosen.title}.")
    return chosen.write(target)
