"""Statements whose answers a real TiDB v8.4 gave, sent to the embedded database."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from support.recorded_answers import answer, statements

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "2vKmPqRsTuWxYzA.root", "a secret"
FILES = sorted((Path(__file__).parent / "recorded").glob("*.txt"))


@pytest.fixture(scope="module")
def database() -> Iterator[FlightsDatabase]:
    """Provide a database with a few flights."""
    with FlightsDatabase(users=lambda _client: {USER: PASSWORD}, flights=20) as database:
        yield database


@pytest.fixture
def connection(database: FlightsDatabase) -> Iterator[Any]:
    """Provide a connection with a new database of the test."""
    host, port = database.address
    options: dict[str, Any] = {"user": USER, "password": PASSWORD, "ssl_disabled": True, "autocommit": True}
    with contextlib.closing(pymysql.connect(host=host, port=port, **options)) as connection:
        for sql in ("CREATE DATABASE recorded", "USE recorded"):
            answer(connection, sql)
        yield connection
        answer(connection, "DROP DATABASE recorded")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_answers_are_those_of_tidb(connection: Any, path: Path) -> None:
    """Each statement of a file has TiDB's rows, types, counts, error number and message."""
    recorded = list(statements(path))
    assert recorded
    assert [(sql, answer(connection, sql)) for sql, _ in recorded] == recorded
