"""The help's way to run the tutorial's notebook for cron and CI."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from flows.places import GROUP, VPC
from support import warm

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.steps.help import markdown

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).parents[1]
_SECONDS = 300.0
JAKARTA = {
    "cluster": "jakarta",
    "vpc": "vpc-k1ajakarta4h8n2v",
    "security_group": "sg-k1ajakarta",
    "zones": "ap-southeast-5a=vsw-k1aa1,ap-southeast-5b",
    "alias": "analytics",
    "table": "airlines",
    "clean_up": "shared",
}


def command(output: Path, *more: str) -> list[str]:
    """Return the help's command, with an ID in place of each ellipsis, and its own output."""
    text = markdown("scripts").replace("\\\n", " ")
    (line,) = re.findall(r"^papermill \S+\.ipynb .*$", text, re.MULTILINE)
    words = shlex.split(line.replace("vpc-…", VPC).replace("sg-…", GROUP))
    return [
        sys.executable,
        "-m",
        *(str(output) if word == "executed.ipynb" else word for word in words),
        *more,
    ]


def parameters(values: dict[str, str]) -> list[str]:
    """Return papermill's words for parameters, which replace those of the help's command."""
    return [word for name, value in values.items() for word in ("-p", name, value)]


def papermill(words: list[str], sandbox: Sandbox, home: Path) -> subprocess.CompletedProcess[str]:
    """Run papermill as a cron job would: with the keys in its environment, and without a prompt.

    Its kernel starts cold.
    """
    kept = {name: os.environ[name] for name in ("PATH", *warm.START) if name in os.environ}
    environment = {**kept, "HOME": str(home), **sandbox.environment()}
    return warm.run(words, cwd=ROOT, env=environment, timeout=_SECONDS)


@pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning")
def test_the_helps_command_runs_the_tutorial(tmp_path: Path) -> None:
    """The executed copy has the parameters and the result, and no password.

    Another region needs only more parameters, and with `clean_up` the notebook deletes its endpoint.
    """
    output = tmp_path / "executed.ipynb"
    with Sandbox(flights=100) as sandbox:
        done = papermill(command(output, *parameters(JAKARTA)), sandbox, tmp_path)
        assert done.returncode == 0, done.stderr
        secret = sandbox.environment()["TIDB_PASSWORD"]
        asked = sandbox.requests.of("CreateVpcEndpoint", status=200)[-1].params
        assert sandbox.world.endpoints == {}
    assert [asked[f"Zone.{n}.ZoneId"] for n in (1, 2)] == ["ap-southeast-5a", "ap-southeast-5b"]
    assert [asked[f"Zone.{n}.VSwitchId"] for n in (1, 2)] == ["vsw-k1aa1", "vsw-k1ab1"]
    notebook = nbformat.read(output, as_version=4)  # type: ignore[no-untyped-call]
    (injected,) = [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert 'table = "airlines"' in injected.source
    shown = {cell.id: str(cell.get("outputs")) for cell in notebook.cells}
    assert "analytics" in shown["connect"]
    assert "airlines" not in shown["head"]
    assert "Endeavor Air Inc." in shown["head"]
    assert "ep-" in shown["clean-up"]
    assert secret not in output.read_text(encoding="utf-8")


def test_a_cell_that_fails_is_a_failure_of_the_job(tmp_path: Path) -> None:
    """A failing cell gives an exit code, and the log has the cell's number and the reason."""
    output = tmp_path / "executed.ipynb"
    with Sandbox(flights=10) as sandbox:
        done = papermill(command(output, *parameters({"cluster": "archive"})), sandbox, tmp_path)
        assert sandbox.world.endpoints == {}
    assert done.returncode != 0
    assert "Exception encountered at" in done.stderr
    assert "cluster archive is RESTORING" in done.stderr
