"""Environments with the built package and its requirements only, without the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from support.requirements import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PINS = ROOT / ".ci" / "constraints.txt"
_TOUR = Path(__file__).with_name("tour.py")
_SECONDS = 300.0
_OK, _NO_SUCH_PYTHON = 0, 2


@dataclass(frozen=True)
class Wheel:
    """The built archives.

    Attributes:
        path: the wheel.
        sdist: the source archive.
    """

    path: Path
    sdist: Path

    @classmethod
    def of(cls, place: Path) -> Self:
        """Return the single archive of each kind in a directory."""
        (path,), (sdist,) = place.glob("*.whl"), place.glob("*.tar.gz")
        return cls(path, sdist)


@cache
def tools() -> dict[str, str]:
    """Return an environment in which uv and build use the index that pip is configured for."""
    dump = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    found: dict[str, str] = json.loads(_run([str(ROOT / ".ci" / "indexed"), *dump], os.environ).stdout)
    found["UV_PYTHON_DOWNLOADS"] = "never"
    return found


@cache
def _check_index() -> None:
    """Skip the test if uv cannot reach a package index."""
    asked = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--refresh-package", "idna", "-"]
    reached = subprocess.run(
        asked, env=tools(), input="idna", capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if reached.returncode != _OK:
        unavailable(f"uv cannot reach a package index: {reached.stderr.strip().splitlines()[-1]}")


def uv(*arguments: str | Path) -> str:
    """Run uv and return its output."""
    return _installing([sys.executable, "-m", "uv", *map(str, arguments)]).stdout


def build(source: Path, into: Path, settings: Mapping[str, str] | None = None) -> Wheel:
    """Build source archive and wheel, both from `source`, as `python -m build` does for a release."""
    command = [sys.executable, "-m", "build", "--installer", "uv", "--sdist", "--wheel"]
    _installing([*command, "--outdir", str(into), str(source)], settings)
    return Wheel.of(into)


class Clean:
    """A virtual environment with a home directory of its own, far from the checkout."""

    def __init__(self, place: Path, python: str = sys.executable) -> None:
        """Create it in `place`, whose name contains a space, as many home directories do."""
        self.home = place / "a home"
        self.home.mkdir(parents=True, exist_ok=True)
        uv("venv", "--quiet", "--clear", "--python", python, place / "clean room")
        self.bin = place / "clean room" / "bin"
        self.python = self.bin / "python"

    def install(self, *requirements: str, constraints: Path = PINS) -> None:
        """Install exactly these requirements with their dependencies, in the versions of `constraints`."""
        exactly = ("pip", "install", "--quiet", "--exact", "--python", self.python)
        uv(*exactly, "--constraints", constraints, *requirements)
        self._link_compiled()

    def _link_compiled(self) -> None:
        """Take the compiled modules of the tests' environment, where uv linked the same files into both."""
        ours = Path(sysconfig.get_path("purelib"))
        theirs = self.bin.parent / ours.relative_to(sys.prefix)
        for directory, _, names in os.walk(theirs):
            place = ours / Path(directory).relative_to(theirs)
            cached = place / "__pycache__"
            if not cached.is_dir() or directory.endswith("__pycache__"):
                continue
            compiled = Path(directory) / "__pycache__"
            for name in names:
                source = Path(directory) / name
                path = cached / Path(importlib.util.cache_from_source(name)).name
                missing = path.is_file() and not (compiled / path.name).exists()
                if missing and os.path.samestat(source.lstat(), (place / name).lstat()):
                    compiled.mkdir(exist_ok=True)
                    (compiled / path.name).hardlink_to(path)

    def run(
        self, *command: str | Path, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment with only `settings` as additional variables."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.run(
            [str(self.bin / command[0]), *map(str, command[1:])],
            cwd=self.home,
            env={**kept, "HOME": str(self.home), **(settings or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def tour(self, settings: Mapping[str, str], *parts: str) -> dict[str, Any]:
        """Run parts of `tour.py`, and return their results."""
        done = self.run("python", _TOUR, *parts, settings=settings)
        assert done.returncode == _OK, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def versions(self) -> dict[str, str]:
        """Return the version of every installed package."""
        listed = json.loads(uv("pip", "list", "--format", "json", "--python", self.python))
        return {each["name"]: each["version"] for each in listed}


def interpreter(version: str) -> str:
    """Return the path of this Python version, if the machine has it."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    command = [sys.executable, "-m", "uv", "python", "find", version]
    found = subprocess.run(command, env=tools(), capture_output=True, text=True, check=False)
    if found.returncode == _NO_SUCH_PYTHON:
        unavailable(f"Python {version} is not installed")
    return found.stdout.strip()


def _installing(
    command: list[str], settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that installs packages.

    If its cache has all of them, as after `make setup`, uv does not ask the index for each, which takes
    ten times as long.
    """
    environment = {**tools(), **(settings or {})}
    cached = subprocess.run(
        command,
        env={**environment, "UV_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if cached.returncode == _OK:
        return cached
    _check_index()
    return _run(command, environment)


def _run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == _OK, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done
