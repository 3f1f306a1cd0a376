"""CONTRIBUTING.md is correct: its steps work in a copy of the repository, and its references exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_STEP = re.compile(
    r"^(?:(?P<end>At the end of)|(?P<new>As)|In) `(?P<path>[^`]+)`"
    r"(?:, after the (?:line `(?P<line>[^`]+)`|row `(?P<row>[^`]+)`))?:\n\n```python\n(?P<code>.*?)```$",
    re.MULTILINE | re.DOTALL,
)
# One process of the copy for all skins; each console command is called by its entry point.
_EVERY_SKIN = """
import contextlib, io, json
from programs import reference
from tidb_pe_magic import Runbook, cli

def console(*words):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert cli.main(["zones", *words]) == 0
    return shown.getvalue()

with Runbook() as runbook:
    runbook.cluster("demo")
    runbook.create(vpc="vpc-t4nanalytics0k3m7x", security_group=["sg-t4nanalytics"])
    found = {"python": runbook.zones().endpoint_id}
found["json"] = console("--cluster", "demo", "--output", "json")
found["table"] = console("--cluster", "demo")
found["help"] = console("-h")
found["reference"] = reference.reference()
print(json.dumps(found))
"""


def _follow(copy: Path, step: re.Match[str]) -> None:
    """Follow the step in the copy."""
    path, code = copy / step["path"], step["code"]
    if step["new"]:
        path.write_text(code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if step["end"]:
        blank = "\n" if code.startswith(" ") else "\n\n"
        path.write_text(f"{text}{blank}{code}", encoding="utf-8")
        return
    anchor = rf"^{re.escape(step['line'])}\n" if step["line"] else rf'^ +name="{step["row"]}",\n.*?^ +\),\n'
    found = re.search(anchor, text, re.MULTILINE | re.DOTALL)
    assert found, f"{step['path']} does not contain {step['line'] or step['row']}"
    path.write_text(f"{text[: found.end()]}{code}{text[found.end() :]}", encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a copy of the repository in which every step of the guide was followed."""
    copy = tmp_path_factory.mktemp("contribution")
    for name in ("tidb_pe_magic", "tests"):
        # With the compiled files, which stay valid because times of modification are copied too.
        shutil.copytree(ROOT / name, copy / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    steps = list(_STEP.finditer(GUIDE))
    assert len(steps) == GUIDE.count("```python")
    for step in steps:
        _follow(copy, step)
    return copy


@pytest.fixture(scope="module")
def environ(copy: Path) -> Iterator[Mapping[str, str]]:
    """Provide the environment of a sandbox for programs of the copy."""
    with Sandbox(flights=1) as sandbox:
        paths = os.pathsep.join(map(str, (copy, copy / "tests")))
        yield {**os.environ, **sandbox.environment(), "PYTHONPATH": paths, "TIDB_PE_STATE_DIR": str(copy)}


def _run(copy: Path, environ: Mapping[str, str], *words: str) -> str:
    """Run a module of the copy."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=copy, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_operation_of_the_guide_works_in_every_skin(copy: Path, environ: Mapping[str, str]) -> None:
    """After the guide's steps alone, the console command, its help, and the reference have the operation."""
    (copy / "every_skin.py").write_text(_EVERY_SKIN, encoding="utf-8")
    skins = json.loads(_run(copy, environ, "every_skin"))
    answered = json.loads(skins["json"])
    assert answered["endpoint_id"] == skins["python"]
    assert [zone["status"] for zone in answered["items"]] == ["Connected", "Connected"]
    assert skins["python"] in skins["table"]
    assert "--endpoint ID" in skins["help"]
    assert "## zones\n\nList an endpoint's zones with their addresses." in skins["reference"]


def test_the_guards_accept_the_operation_of_the_guide(copy: Path, environ: Mapping[str, str]) -> None:
    """Layers, the table's tests, style and types accept the guide's operation."""
    tests = ("tests/repository/test_layers.py", "tests/commands/test_table.py")
    passed = _run(copy, environ, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert re.search(r"\d+ passed", passed)
    _run(copy, environ, "ruff", "check", "--no-cache", "tidb_pe_magic", "tests/commands")
    _run(copy, environ, "ruff", "format", "--no-cache", "--check", "tidb_pe_magic", "tests/commands")


def test_references_of_the_guide_exist() -> None:
    """Each file and each make target in the guide exists."""
    shown = _STEP.sub("", GUIDE)
    made = {step["path"] for step in _STEP.finditer(GUIDE) if step["new"]}
    for path in set(re.findall(r"`((?:tests|tidb_pe_magic)/[\w/.]+)`", shown)) - made:
        assert (ROOT / path).exists(), path
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z]+)`", shown)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
