"""SQLAlchemy's dialect for the sessions of this package, which asks a new server only what is not known.

Each statement of a login is a round trip. SQLAlchemy's own dialect sends SET NAMES a second time, and a
statement each for the version, the database and the isolation level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from tidb_pe_magic.database.session import Session

__all__ = ["DRIVER", "SessionDialect"]

#: The name of the dialect in the URL of `create_engine`.
DRIVER = "mysql+tidb_pe_session"


class SessionDialect(MySQLDialect_pymysql):
    """PyMySQL's dialect, over connections of class `Session`.

    It overrides only hooks that the documentation of `sqlalchemy.engine.Dialect` describes.

    Attributes:
        server_version: the server's VERSION(), from the first connection; the greeting may have a proxy's.
    """

    supports_statement_cache = True
    server_version = ""
    _database: str | None = None

    def on_connect(self) -> Callable[[Any], None] | None:  # type: ignore[override]
        """Return None: a session has sent SET NAMES when it is open."""
        return None

    def initialize(self, connection: Connection) -> None:
        """Read what the server says about itself and the session, in one query."""
        session: Session = connection.connection.dbapi_connection  # type: ignore[assignment]
        self.server_version, self._database = session.describe()
        super().initialize(connection)

    def _get_default_schema_name(self, connection: Connection) -> str:  # noqa: ARG002 - SQLAlchemy's signature
        return self._database  # type: ignore[return-value] # None without a database, as in the base class

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Leave the level unknown: after a level of its own, a connection returns to the engine's AUTOCOMMIT.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError


registry.register(DRIVER.replace("+", "."), __name__, SessionDialect.__name__)
