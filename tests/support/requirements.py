"""Programs that some tests need: installed if possible, otherwise a skip that names the command."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import NoReturn

import pytest


@cache
def need(program: str, *, apt: str) -> str:
    """Return the path of `program`. As root, install the Debian package `apt` if it is missing.

    If it is unavailable, the test is skipped with the reason and the command that would help; with
    `CI=true` that is a failure, so that a green CI run has run everything.
    """
    path = _find(program)
    if path:
        return path
    command = ["apt-get", "install", "-y", "--no-install-recommends", apt]
    reason = f"{program} is not installed"
    if shutil.which("apt-get") and getattr(os, "geteuid", lambda: -1)() == 0:
        reason = _install(command)
        path = _find(program)
        if path:
            return path
    return unavailable(f"{reason}: sudo {' '.join(command)}")


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it with `CI=true`, which allows no skips."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _find(program: str) -> str | None:
    # Servers are in directories that only the administrator's PATH has.
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(program, path=places)


def _install(command: list[str]) -> str:
    """Run the command and return why the program may still be missing.

    Several test processes may install at the same time: apt waits for its lock.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    first = subprocess.run([*command, *wait], env=environment, capture_output=True, text=True, check=False)
    if first.returncode == 0:
        return f"{command[-1]} lacks the program"
    # A new machine or an outdated list of packages.
    subprocess.run(["apt-get", "update", *wait], env=environment, capture_output=True, check=False)
    second = subprocess.run([*command, *wait], env=environment, capture_output=True, text=True, check=False)
    return f"installing failed ({(second.stderr.strip().splitlines() or ['no message'])[-1]})"
