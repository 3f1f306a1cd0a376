"""Clouds with many clusters, and a runbook on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flows.fleets import fleet_sandbox

from tidb_pe_magic import Runbook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Provide the clouds with thirty clusters, for two VPCs."""
    with fleet_sandbox(30) as sandbox:
        yield sandbox


@pytest.fixture
def runbook(sandbox: Sandbox, events: list[Event]) -> Iterator[Runbook]:
    """Provide a runbook on the sandbox, whose pauses take no time."""
    with Runbook(environ=sandbox.environment(), on_event=events.append, sleep=lambda _: False) as runbook:
        yield runbook
