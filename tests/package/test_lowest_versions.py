"""The lower bounds in pyproject.toml: the package works with exactly these versions."""

from __future__ import annotations

import tomllib
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from package.environments import ROOT, Clean, Wheel, interpreter
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OLDEST = PROJECT["requires-python"].removeprefix(">=")
EXTRAS = ",".join(sorted(PROJECT["optional-dependencies"]))
WORKS: dict[str, Any] = {
    "commands": [[], []],
    "tutorial": ["Connected", "DataFrame", 200, 3],
    "pandas": [200, 3],
    "form": [True, "<tidb_pe form, cluster demo>"],
    "query": [200, 3],
    "nullable": ["Int64", "string", "datetime64[us]"],
    "dask": [200, 3],
}


@pytest.fixture(scope="module")
def lowest(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Provide an environment of the oldest Python, with the lowest version that each bound admits."""
    directory = tmp_path_factory.mktemp("lowest")
    # Pinned: without the index, uv's resolution of the lowest versions takes the lowest of its cache.
    pins = directory / "lowest.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in bounds()), encoding="utf-8")
    clean = Clean(directory, interpreter(OLDEST))
    clean.install(f"{wheel.path}[{EXTRAS}]", constraints=pins)
    return clean


def bounds() -> Iterator[tuple[str, str]]:
    """Yield each requirement's name and its lower bound, including the extras'."""
    asked = (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in map(Requirement, chain.from_iterable(asked)):
        ((operator, version),) = ((each.operator, each.version) for each in requirement.specifier)
        assert operator == ">=", f"{requirement}: a known break needs its case here"
        yield canonicalize_name(requirement.name), version


def test_each_bound_is_a_release(lowest: Clean) -> None:
    """The installed versions are the bounds themselves."""
    versions = lowest.versions()
    assert {name: Version(versions[name]) for name, _ in bounds()} == {
        name: Version(version) for name, version in bounds()
    }


@pytest.fixture(scope="module")
def results(lowest: Clean, clouds: dict[str, str]) -> dict[str, Any]:
    """Provide the results of a tour through this environment."""
    return lowest.tour(clouds, *WORKS, "sandbox")


def test_the_whole_way_works_with_the_lowest_versions(results: dict[str, Any]) -> None:
    """Tutorial, pandas, forms, `query` and Dask work with the lowest versions as with the newest."""
    assert {part: results[part] for part in WORKS} == WORKS


def test_the_sandbox_works_with_the_lowest_versions(results: dict[str, Any]) -> None:
    """The sandbox starts as a process of its own with the lowest versions."""
    assert results["sandbox"].startswith("The sandbox has started")
