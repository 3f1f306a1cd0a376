"""The SQL connections of this kernel: one record for each alias, protected by one lock."""

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
    """An open connection.

    Attributes:
        connection: the connection as a result.
        terms: the requested properties, which identify the connection.
        session: the SQL session of its cells.
        schema: names of its server's databases, tables and columns.
    """

    connection: Connection
    terms: Hashable
    session: AliasSession
    schema: SchemaCache


class OpenConnections(Mapping[str, "Connection"]):
    """Mapping of alias to connection, the most recent one last.

    Attributes:
        lock: must be held to open or close an alias, in jupysql and here, so that both stay consistent.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.lock = threading.RLock()
        self._records: dict[str, OpenConnection] = {}

    def __getitem__(self, alias: str) -> Connection:
        """Return the connection of an alias."""
        return self._records[alias].connection

    def __iter__(self) -> Iterator[str]:
        """Iterate over the current aliases."""
        with self.lock:
            return iter(tuple(self._records))

    def __len__(self) -> int:
        """Count the aliases."""
        return len(self._records)

    def record(self, alias: str) -> OpenConnection | None:
        """Return the record of an alias; None if it is not open."""
        return self._records.get(alias)

    def put(self, record: OpenConnection) -> OpenConnection | None:
        """Add a record under its connection's alias; return the record that it replaces."""
        alias = record.connection.alias
        with self.lock:
            replaced = self._records.pop(alias, None)
            self._records[alias] = record
        return replaced

    def take(self, alias: str) -> OpenConnection | None:
        """Remove and return a record; None if the alias is not open."""
        with self.lock:
            return self._records.pop(alias, None)
