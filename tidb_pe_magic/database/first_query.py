"""An example SELECT from an existing table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlalchemy.exc

from tidb_pe_magic.database.schema.identifiers import quote

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

# Schemas without user data (MySQL and TiDB reference).
_OF_THE_SERVER = frozenset({"information_schema", "performance_schema", "metrics_schema", "mysql", "sys"})
_MOST_DATABASES = 5
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ROWS = 5


def first_query(engine: Engine, database: str) -> str:
    """Return a SELECT from the first table of the database; empty if no table can be listed.

    Args:
        engine: of the connection.
        database: its current database; if empty, the first databases are searched.
    """
    try:
        with engine.connect() as connection:
            return _first_query(connection, database)
    except sqlalchemy.exc.SQLAlchemyError:
        return ""  # only a suggestion: the list of tables reports the error


def _first_query(connection: Connection, database: str) -> str:
    databases = [database] if database else _databases(connection)
    for name in databases[:_MOST_DATABASES]:
        quoted = quote(name)
        table = connection.exec_driver_sql(f"SHOW TABLES FROM {quoted.replace('%', '%%')}").scalar()
        if table:
            place = _short(str(table)) if database else f"{_short(name)}.{_short(str(table))}"
            return f"SELECT * FROM {place} LIMIT {_ROWS}"  # noqa: S608 - only displayed, and quoted if necessary
    return ""


def _databases(connection: Connection) -> list[str]:
    found = connection.exec_driver_sql("SHOW DATABASES").scalars()
    return [str(name) for name in found if str(name).lower() not in _OF_THE_SERVER]


def _short(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quote(name)
