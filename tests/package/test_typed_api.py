"""The public API's types, as a user's type checker sees them in the installed package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from package.environments import ROOT, Clean, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("typed_api.py")
_ERROR = re.compile(r":(\d+): error: .* \[([a-z-]+)\]$", re.MULTILINE)


@pytest.fixture(scope="module")
def found(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Provide mypy's output for the program, in an environment with the wheel and without stubs."""
    directory = tmp_path_factory.mktemp("typed")
    clean = Clean(directory)
    clean.install(str(wheel.path))
    program = directory / PROGRAM.name
    program.write_bytes(PROGRAM.read_bytes())
    # Without this project's configuration, and with the packages of that environment.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    cache = directory / "mypy"
    if (ROOT / ".mypy_cache").is_dir():
        # After `make lint` it has most results; mypy checks what is of other files or options again.
        shutil.copytree(ROOT / ".mypy_cache", cache)
    command += ["--python-executable", str(clean.python), "--cache-dir", str(cache)]
    done = subprocess.run(
        [*command, str(program)], cwd=directory, capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.stdout


def expected() -> Iterator[tuple[int, str]]:
    """Yield the marked lines of the program, with the expected error of each."""
    for number, line in enumerate(PROGRAM.read_text(encoding="utf-8").splitlines(), start=1):
        marked = re.search(r"  # error: ([a-z-]+)$", line)
        if marked:
            yield number, marked[1]


def test_types_are_as_promised_and_mistakes_are_found(found: str) -> None:
    """Each method has the type that a program relies on, and each wrong call is reported by its kind."""
    assert [(int(number), code) for number, code in _ERROR.findall(found)] == list(expected()), found


def test_the_package_is_seen_as_typed(found: str) -> None:
    """`py.typed` is honored: no part of the package is skipped or treated as Any."""
    assert "import-untyped" not in found
    assert len(list(expected())) > 5
