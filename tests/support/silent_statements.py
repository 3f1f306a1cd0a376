"""Statements of a connection that is registered without a notebook to show their effects."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database.alias import AliasSession
from tidb_pe_magic.database.frames import to_pandas
from tidb_pe_magic.database.jupysql import held_connection, registration
from tidb_pe_magic.database.queries.results import ReadOptions, read_table

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa
    from IPython.core.interactiveshell import InteractiveShell
    from sqlalchemy import Connection, Engine

    from tidb_pe_magic.database.queries.statement import BoundStatement


def register(shell: InteractiveShell, engine: Engine, alias: str, *, framed: bool = False) -> bool:
    """Register a connection as `connect` does, but with statements that show nothing."""
    statements = SilentStatements(engine, lambda: held_connection(alias, engine))
    return registration.register(shell, engine, alias, statements, framed=framed)


class SilentStatements:
    """Runs statements in jupysql's session without output."""

    def __init__(self, engine: Engine, held: Callable[[], Connection | None], **frames: Any) -> None:
        """Take an engine, a function that returns jupysql's connection, and options of `to_pandas`."""
        self._engine = engine
        self._session = AliasSession(engine, held)
        self._frames = frames

    def run(
        self,
        query: BoundStatement,
        *,
        shown: bool,  # noqa: ARG002 - nothing is shown here
        framed: bool,
    ) -> tuple[pa.Table, pd.DataFrame | None]:
        """Run a statement, and return its rows."""
        table, _ = read_table(
            ReadOptions(
                engine=self._engine,
                query=query,
                cells=self._session,
                cancel=threading.Event(),
            )
        )
        return table, self.frame(table) if framed else None

    def frame(self, table: pa.Table) -> pd.DataFrame:
        """Return rows as a frame."""
        return to_pandas(table, **self._frames)
