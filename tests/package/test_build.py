"""The archives of `python -m build`: their files, and their page on an index."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
import trove_classifiers
from package.environments import ROOT, Wheel, build

import tidb_pe_magic

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

NAME = "tidb_pe_magic"
RELEASE = f"{NAME}-{tidb_pe_magic.__version__}"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def contents(wheel: Wheel) -> dict[str, str]:
    """Provide the wheel's files."""
    with zipfile.ZipFile(wheel.path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(contents: dict[str, str]) -> Message:
    """Provide the metadata that an index reads."""
    return message_from_string(contents[f"{RELEASE}.dist-info/METADATA"])


def test_an_index_would_take_it(wheel: Wheel) -> None:
    """Twine reports no problem with the archives or the README's rendering."""
    check = [sys.executable, "-m", "twine", "check", "--strict", str(wheel.path), str(wheel.sdist)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_is_the_package_and_nothing_else(contents: dict[str, str]) -> None:
    """The wheel contains every file of the package, help texts and `py.typed` too, without tests."""
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / NAME).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    about = {f"{RELEASE}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert set(contents) == files | about | {f"{RELEASE}.dist-info/licenses/LICENSE"}
    assert {"tidb_pe_magic/py.typed", "tidb_pe_magic/help/costs.md"} <= files


def test_it_is_pure_python_for_every_machine(wheel: Wheel, contents: dict[str, str]) -> None:
    """One wheel serves every system and every Python 3."""
    assert wheel.path.name == f"{RELEASE}-py3-none-any.whl"
    assert "Root-Is-Purelib: true" in contents[f"{RELEASE}.dist-info/WHEEL"]


def test_the_metadata_are_the_projects(metadata: Message, contents: dict[str, str]) -> None:
    """Name, version, license, supported Pythons and the console command match the checkout."""
    assert metadata["Name"] == NAME
    assert metadata["Version"] == tidb_pe_magic.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata.get_all("Provides-Extra") == sorted(PROJECT["optional-dependencies"])
    assert f"tidb-pe = {PROJECT['scripts']['tidb-pe']}" in contents[f"{RELEASE}.dist-info/entry_points.txt"]


def test_every_classifier_is_known(metadata: Message) -> None:
    """Every classifier is known; an index refuses unknown ones."""
    found = metadata.get_all("Classifier") or []
    assert set(found) <= trove_classifiers.classifiers
    assert not set(found) & set(trove_classifiers.deprecated_classifiers)
    assert {"Framework :: Jupyter", "Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(found)


def test_the_source_archive_can_be_tested(wheel: Wheel) -> None:
    """The source archive has the files that `make test` and `make demo` need, and none that git ignores."""
    with tarfile.open(wheel.sdist) as archive:
        names = {PurePosixPath(name).relative_to(RELEASE).as_posix() for name in archive.getnames()}
    wanted = ["Makefile", "pyproject.toml", ".ci/environment", ".ci/constraints.txt", "README.md", "LICENSE"]
    wanted += [
        "CHANGELOG.md",
        "SECURITY.md",
        "notebooks/demo.py",
        "tests/conftest.py",
        "tests/package/tour.py",
    ]
    assert set(wanted) <= names
    assert not {
        name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/", "dist"))
    }


def test_a_build_of_the_source_archive_is_the_same(wheel: Wheel, tmp_path: Path) -> None:
    """A build from the source archive, elsewhere and in another time zone, has the same bytes."""
    with tarfile.open(wheel.sdist) as archive:
        # Without one Python 3.12 warns; the first releases of 3.11 have none.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)  # noqa: S202 - we made it
    again = build(tmp_path / RELEASE, tmp_path / "dist", {"TZ": "Asia/Singapore"})
    assert again.path.read_bytes() == wheel.path.read_bytes()
    assert again.sdist.read_bytes() == wheel.sdist.read_bytes()
