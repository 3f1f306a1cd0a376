"""Sessions outside an engine's pool, for statements that need one of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.database.connector import allows_lines

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.pool import PoolProxiedConnection


class SessionPool:
    """Sessions outside the engine's pool that the steps of one job use in turn; thread-safe.

    They allow LOAD DATA LOCAL.
    """

    def __init__(self, engine: Engine) -> None:
        """Start without sessions."""
        self._engine = engine
        self._idle: list[PoolProxiedConnection] = []

    def take(self) -> PoolProxiedConnection:
        """Return an idle session that still answers, or a new one.

        Raises:
            MySQLError: a new one cannot be opened.
        """
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return open_outside_pool(self._engine, lines=True)
            session: Any = connection.dbapi_connection
            if session.answers():
                return connection
            connection.invalidate()

    def put_back(self, connection: PoolProxiedConnection) -> None:
        """Keep a session without an open transaction; the next user changes the settings that it needs."""
        self._idle.append(connection)

    def close(self) -> None:
        """Close the idle sessions."""
        while self._idle:
            self._idle.pop().invalidate()


def open_outside_pool(engine: Engine, *, lines: bool = False) -> PoolProxiedConnection:
    """Open a connection outside the engine's pool, which may be exhausted; `invalidate` closes it."""
    before = allows_lines.set(lines)
    try:
        return engine.pool.recreate().connect()
    finally:
        allows_lines.reset(before)
