"""A sandbox and a runbook on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic import Runbook, database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox


@pytest.fixture
def sandbox(tidb_pe_sandbox: Sandbox) -> Sandbox:
    """Provide the embedded clouds, whose endpoints connect immediately, with a small flights table."""
    return tidb_pe_sandbox


@pytest.fixture
def manual(lend: Callable[..., Sandbox]) -> Sandbox:
    """Provide the embedded clouds, whose states change only on request."""
    return lend(flights=100, mode="manual")


@pytest.fixture
def events() -> list[Event]:
    """Provide the list that receives the runbook's events."""
    return []


@pytest.fixture
def runbook(sandbox: Sandbox, events: list[Event]) -> Iterator[Runbook]:
    """Provide a runbook on the sandbox."""
    with Runbook(environ=sandbox.environment(), on_event=events.append) as runbook:
        yield runbook


@pytest.fixture
def hide() -> Callable[[pytest.MonkeyPatch, str], None]:
    """Return a function that hides a package and the product's modules that import it."""

    def hidden(context: pytest.MonkeyPatch, package: str) -> None:
        made_with = ("tidb_pe_magic.database.frames", "tidb_pe_magic.database.queries")
        for name in [name for name in sys.modules if name.startswith((package, *made_with))]:
            context.delitem(sys.modules, name)
        context.delattr(database, "frames", raising=False)
        context.delattr(database, "queries", raising=False)
        context.setitem(sys.modules, package, None)

    return hidden
