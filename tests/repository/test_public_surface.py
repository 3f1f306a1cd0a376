"""The package's public names match its documentation."""

from __future__ import annotations

import re
from importlib import resources
from types import ModuleType

import tidb_pe_magic
from tidb_pe_magic import errors


def test_all_is_the_public_surface() -> None:
    """`__all__` is sorted, and equals the names that the package binds, except modules and typing helpers."""
    bound = {
        name
        for name, value in vars(tidb_pe_magic).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    bound -= {"annotations", "TYPE_CHECKING"}
    bound |= {"Runbook"}  # bound on first access
    assert set(tidb_pe_magic.__all__) == bound | {"__version__"}
    assert tidb_pe_magic.__all__ == sorted(tidb_pe_magic.__all__)


def test_every_error_is_public() -> None:
    """Every error that a user may want to catch is a public name."""
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TidbPeError)
    }
    assert tree <= set(tidb_pe_magic.__all__)


def test_every_public_name_is_documented() -> None:
    """Each public class and function has a docstring of its own."""
    for name in set(tidb_pe_magic.__all__) - {"__version__"}:
        assert getattr(tidb_pe_magic, name).__doc__, name


def test_the_package_is_typed() -> None:
    """py.typed is part of the package, so that users' type checkers read the annotations."""
    assert resources.files(tidb_pe_magic).joinpath("py.typed").is_file()


def test_the_version_is_one() -> None:
    """The version has three numbers, as the build reads them."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", tidb_pe_magic.__version__)
