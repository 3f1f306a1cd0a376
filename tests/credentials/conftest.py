"""A sandbox for the keys of both clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox import Sandbox


@pytest.fixture
def sandbox(lend: Callable[..., Sandbox]) -> Sandbox:
    """Provide the embedded clouds."""
    return lend()
