"""The released package, built once for every process of the test run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from flows.places import GROUP, VPC
from package.environments import ROOT, Wheel, build

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Wheel:
    """Provide a build of the checkout."""
    base = tmp_path_factory.getbasetemp()
    # The directory that all processes of one run share.
    place = (base if worker_id == "master" else base.parent) / "dist"
    with FileLock(place.with_suffix(".lock")):
        return Wheel.of(place) if place.is_dir() else build(ROOT, place)


@pytest.fixture(scope="module")
def clouds() -> Iterator[dict[str, str]]:
    """Provide the environment variables of embedded clouds that this process serves, with 200 flights."""
    with Sandbox(flights=200) as sandbox:
        yield {**sandbox.environment(), "TOUR_VPC": VPC, "TOUR_SECURITY_GROUP": GROUP}
