"""The Makefile's targets, and the pins that its setup installs."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from support.requirements import need

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.search(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)
CONSTRAINTS = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8")


def make(*arguments: str) -> str:
    """Run make and return its output."""
    program = need("make", apt="make")
    command = [program, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def targets() -> list[str]:
    """Return the documented targets."""
    assert TARGETS is not None
    return TARGETS[1].split()


def normal(name: str) -> str:
    """Write a distribution's name as the Python packaging specification normalizes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("target", targets())
def test_target_can_be_built(target: str) -> None:
    """Each target's rules and prerequisites exist, and `make help` describes it."""
    make("--dry-run", target)
    assert re.search(rf"^make {target} +\w", make("help"), flags=re.MULTILINE)


def test_no_target_is_the_help() -> None:
    """A bare `make` shows the help and changes nothing."""
    assert make() == make("help")


def test_pins_name_no_index() -> None:
    """The pins contain only names and versions, without the address of an index."""
    for line in CONSTRAINTS.splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.!+]+( ; .+)?", line), line


def test_every_requirement_is_pinned() -> None:
    """Every requirement of pyproject.toml is pinned; `make lock` updates the pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
        *project["dependency-groups"]["dev"],
    ]
    pinned = {line.partition("==")[0] for line in CONSTRAINTS.splitlines()}
    names = {normal(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]) for requirement in asked}
    assert names <= pinned, f"run make lock: {sorted(names - pinned)}"
