"""Fifty endpoints whose process is killed ten times: each is created exactly once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from programs.chaos.fleet_kills import killed_fleet

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20261125


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork processes")
def test_a_fleet_that_is_killed_at_ten_random_moments_makes_each_endpoint_once(tmp_path: Path) -> None:
    """The endpoints ever created match the file exactly. The seed determines the moments of the kills."""
    fleet = killed_fleet(tmp_path, seed=SEED, clusters=25, kills=10)
    print(SEED, *fleet.moments, sep="\n")  # noqa: T201 - shown where the test fails
    assert fleet.exit_code == 0
    assert fleet.made == fleet.left == fleet.wanted
    assert fleet.untagged == 0
    # The kills came at different times: while endpoints were being created.
    assert len({count for _, _, count in fleet.moments}) > 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork processes")
def test_a_deletion_that_is_killed_leaves_nothing_that_the_next_does_not_delete(tmp_path: Path) -> None:
    """Killed between zones or before the endpoint, the same command ends with all endpoints deleted."""
    fleet = killed_fleet(tmp_path, seed=SEED, clusters=4, kills=3, action="delete")
    assert fleet.exit_code == 0
    assert fleet.made == fleet.wanted
    assert fleet.left == ()
