"""PyMySQL connections for the columnar reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymysql.connections import Connection
    from support.mariadb import MariaDb


@pytest.fixture
def connect(plain_server: MariaDb) -> Iterator[Callable[..., Connection[Any]]]:
    """Return a function that logs in to the server; its connections are closed at the end of the test."""
    opened: list[Connection[Any]] = []

    def log_in(**options: Any) -> Connection[Any]:
        arguments: dict[str, Any] = {
            "host": plain_server.host,
            "port": plain_server.port,
            "user": plain_server.user,
            "password": plain_server.password,
            "database": plain_server.database,
            "charset": "utf8mb4",
            "autocommit": True,
            "ssl_disabled": True,
        }
        connection: Connection[Any] = pymysql.connect(**(arguments | options))
        opened.append(connection)
        return connection

    yield log_in
    for connection in opened:
        if connection.open:
            connection.close()


@pytest.fixture
def connection(connect: Callable[..., Connection[Any]]) -> Connection[Any]:
    """Provide a connection."""
    return connect()
