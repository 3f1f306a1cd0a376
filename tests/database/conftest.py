"""A real MariaDB, with TLS and without, started once for all tests of the data side."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from database.certificates import make_authority
from database.mariadb import MariaDb
from requirements import need

from tidb_pe_magic.database.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from database.certificates import Authority
    from sqlalchemy import Engine

    from tidb_pe_magic.database.engine import Opened, Target


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the authority that issued the TLS server's certificate."""
    return make_authority("tests authority", tmp_path_factory.mktemp("authority"))


@contextmanager
def _running(authority: Authority | None = None) -> Iterator[MariaDb]:
    program = need("mariadbd", apt="mariadb-server")
    server = MariaDb(program, need("mariadb-install-db", apt="mariadb-server"), authority)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def tls_server(authority: Authority) -> Iterator[MariaDb]:
    """Give a server whose certificate is for 127.0.0.1."""
    with _running(authority) as server:
        yield server


@pytest.fixture(scope="session")
def plain_server() -> Iterator[MariaDb]:
    """Give a server that offers no TLS."""
    with _running() as server:
        yield server


@pytest.fixture
def opened() -> Iterator[Callable[..., Opened]]:
    """Give `open_engine`, whose engines are closed at the end of the test."""
    engines: list[Engine] = []

    def open_and_keep(target: Target, *, timeout: float = 10.0) -> Opened:
        result = open_engine(target, timeout=timeout)
        engines.append(result.engine)
        return result

    yield open_and_keep
    for engine in engines:
        engine.dispose()
