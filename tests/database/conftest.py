"""Engines of the data side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic.database.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from tidb_pe_magic.database.engine import Target, TestedEngine


@pytest.fixture
def opened() -> Iterator[Callable[..., TestedEngine]]:
    """Provide `open_engine`, whose engines are closed at the end of the test."""
    engines: list[Engine] = []

    def open_and_keep(
        target: Target, *, timeout: float = 10.0, login_timeout: float | None = None
    ) -> TestedEngine:
        result = open_engine(target, timeout=timeout, login_timeout=login_timeout)
        engines.append(result.engine)
        return result

    yield open_and_keep
    for engine in engines:
        engine.dispose()
