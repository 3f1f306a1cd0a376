"""Every imported package is a declared dependency, of the core or of the right extra."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from package.environments import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from repository.test_layers import FILES, PACKAGE, executed, imports
from support.sources import tree

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The extra of each part, by the beginning of its path.
EXTRA = {
    "sandbox/": "sandbox",
    "database/queries/dask_frame.py": "dask",
    "credentials/": "keyring",
}
# Packages that are loaded before a part is imported.
LOADERS = {
    "sandbox/pytest_plugin.py": {"pytest"},
    "database/jupysql/results.py": {"polars"},  # of users who request polars frames
    "clouds/alibaba/sdk_process.py": {"darabonba-core"},  # of the SDK, which uses requests
}


def names(requirements: list[str]) -> set[str]:
    """Return the required distributions."""
    return {canonicalize_name(Requirement(each).name) for each in requirements}


CORE = names(PROJECT["dependencies"])
EXTRAS = {extra: names(asked) for extra, asked in PROJECT["optional-dependencies"].items()}


def offered(path: Path) -> frozenset[str]:
    """Return the packages available where `path`, relative to the package, is used."""
    extra = next((extra for part, extra in EXTRA.items() if path.as_posix().startswith(part)), None)
    return frozenset(CORE | (EXTRAS[extra] if extra else set()) | LOADERS.get(path.as_posix(), set()))


@cache
def brought(asked: frozenset[str]) -> frozenset[str]:
    """Return the distributions with each one's own requirements."""
    direct = {
        canonicalize_name(requirement.name)
        for distribution in asked
        for requirement in map(Requirement, requires(distribution) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    return asked | direct


@cache
def distributions() -> dict[str, set[str]]:
    """Return which distributions each importable name comes from."""
    return {top: set(map(canonicalize_name, found)) for top, found in packages_distributions().items()}


def lacking(path: Path, module: ast.AST) -> set[str]:
    """Return the packages that `path` imports without a requirement for them."""
    known = distributions()
    there = brought(offered(path))
    tops = (
        {name.partition(".")[0] for name in imports(executed(module))} - sys.stdlib_module_names - {PACKAGE}
    )
    return {top for top in tops if not known.get(top, set()) & there}


def test_every_import_is_declared() -> None:
    """An imported package is a dependency of the core, of the part's extra, or of one of these."""
    paths = {path.relative_to(ROOT / PACKAGE): path for path in FILES}
    found = {name.as_posix(): lacking(name, tree(path)) for name, path in paths.items()}
    assert {path: missing for path, missing in found.items() if missing} == {}


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_an_extra_adds_to_the_core(name: str) -> None:
    """An extra does not repeat the core's requirements."""
    assert not EXTRAS[name] & CORE


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("database/engine.py", "def f():\n    import dask"),
        ("runbook/overview.py", "from keyring import get_password"),
        ("sandbox/world.py", "import dask"),
        ("clouds/wire.py", "import requests_toolbelt"),
        ("clouds/wire.py", "import not_a_package_at_all"),
    ],
)
def test_the_guard_finds_undeclared_imports(path: str, code: str) -> None:
    """The guard finds an import of another extra's package, of a tool and of an unknown package."""
    assert len(lacking(Path(path), ast.parse(code))) == 1


@pytest.mark.parametrize(
    "module", ["notebook/sandbox_command.py", "sandbox/__main__.py", "sandbox/pytest_plugin.py"]
)
def test_the_sandboxs_packages_are_those_of_its_extra(module: str) -> None:
    """The sandbox's install command names each package of the extra, and works with any index."""
    source = (ROOT / PACKAGE / module).read_text(encoding="utf-8")
    line = next(line for line in source.splitlines() if "cryptography duckdb" in line)
    assert set(line.split('"')[1].removeprefix("pip install ").split()) == EXTRAS["sandbox"]
