"""A sandbox for the keys of both clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give the embedded clouds."""
    with Sandbox(flights=20) as sandbox:
        yield sandbox
