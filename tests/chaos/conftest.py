"""The trials' clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.certificates import few_authorities

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def _few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the clients of these tests a small store: they need none of the system's authorities."""
    with few_authorities(tmp_path_factory.mktemp("authorities")):
        yield
