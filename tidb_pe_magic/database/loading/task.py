"""A load as it is asked for, and as it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tidb_pe_magic.database.loading.statements import MOST_ROWS
from tidb_pe_magic.database.queries.inflight import InFlight
from tidb_pe_magic.database.queries.session_pool import SessionPool

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from sqlalchemy import Engine

    from tidb_pe_magic.database.loading.sender import Ledger
    from tidb_pe_magic.database.loading.sources import FrameSource
    from tidb_pe_magic.database.loading.tables import TableName


@dataclass(frozen=True, kw_only=True)
class LoadTask:
    """A load and its callbacks.

    Attributes:
        engine: of the connection.
        name: of the table.
        source: the frame.
        if_exists: fail, append or replace.
        keys: columns of a unique key; existing rows with the same key are updated.
        cancel: set it to stop.
        on_create: receives the CREATE TABLE before it is executed.
        on_progress: receives the ledger several times a second.
        on_note: receives further remarks.
        time_zone: the statement that set the time zone of the SQL cells, in which load does not run; empty if
            they use the server's.
        together: maximum number of rows that are committed together.
    """

    engine: Engine
    name: TableName
    source: FrameSource
    if_exists: str
    keys: tuple[str, ...]
    cancel: threading.Event
    on_create: Callable[[str], None] = lambda _: None
    on_progress: Callable[[Ledger], None] = lambda _: None
    on_note: Callable[[str], None] = lambda _: None
    time_zone: str = ""
    together: int = MOST_ROWS

    @cached_property
    def sessions(self) -> SessionPool:
        """The sessions of its steps: a small frame needs only one."""
        return SessionPool(self.engine)

    def flight(self, statement: str) -> InFlight:
        """Return the tracker of the sessions in which a statement of the load runs."""
        return InFlight(self.engine, statement=statement, pool=self.sessions)


@dataclass(frozen=True, kw_only=True)
class LoadOutcome:
    """The result of a load.

    Attributes:
        bytes: size of the statements.
        created: the CREATE TABLE; empty if the table existed.
        replaced: an earlier table of this name was replaced.
    """

    rows: int
    bytes: int
    created: str = ""
    replaced: bool = False
