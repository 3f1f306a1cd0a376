"""The SQL connections of this kernel: one record for each alias, behind one lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from tidb_pe_magic.database.alias import AliasSession
    from tidb_pe_magic.database.schema.cache import SchemaCache
    from tidb_pe_magic.model import Connection


@dataclass(frozen=True, kw_only=True)
class OpenConnection:
    """A connection that is open.

    Attributes:
        connection: as it is shown.
        terms: what it was asked to be, which makes one connection another one.
        session: the one SQL session of its cells.
        schema: the names of its server's databases, tables and columns.
    """

    connection: Connection
    terms: Hashable
    session: AliasSession
    schema: SchemaCache


class OpenConnections(Mapping[str, "Connection"]):
    """Alias -> connection, the one that was opened last at the end.

    Attributes:
        lock: held by whoever opens or closes an alias, in jupysql and here: nobody sees only half of it.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.lock = threading.RLock()
        self._records: dict[str, OpenConnection] = {}

    def __getitem__(self, alias: str) -> Connection:
        """Return the connection of an alias."""
        return self._records[alias].connection

    def __iter__(self) -> Iterator[str]:
        """Iterate over the aliases as they are now."""
        with self.lock:
            return iter(tuple(self._records))

    def __len__(self) -> int:
        """Count the aliases."""
        return len(self._records)

    def record(self, alias: str) -> OpenConnection | None:
        """Return all that is known of an alias; None where it is not open."""
        return self._records.get(alias)

    def put(self, record: OpenConnection) -> OpenConnection | None:
        """Take a record under its connection's alias; return the one that it replaces."""
        alias = record.connection.alias
        with self.lock:
            replaced = self._records.pop(alias, None)
            self._records[alias] = record
        return replaced

    def take(self, alias: str) -> OpenConnection | None:
        """Take a record out, and return it; None where there is none."""
        with self.lock:
            return self._records.pop(alias, None)
