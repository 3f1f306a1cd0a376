"""`make demo`: the script that it runs, as a process of its own."""

from __future__ import annotations

import os
import re
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
# A person's own settings, which a demo has to leave aside.
OWN_ACCOUNT = {
    "TIDBCLOUD_SERVERLESS_ENDPOINT": "http://127.0.0.1:1",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "a-token-of-a-real-account",
    "TIDB_PE_CLUSTER": "production",
}


def demo(
    *arguments: str, temporary: Path, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the demo with this directory for its temporary files."""
    environment = os.environ | OWN_ACCOUNT | {"TMPDIR": str(temporary)} | (settings or {})
    return subprocess.run(
        [sys.executable, "notebooks/demo.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def files() -> set[Path]:
    """Return what is in the checkout's top and among the notebooks."""
    return {*ROOT.iterdir(), *(ROOT / "notebooks").rglob("*")}


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Give an empty directory."""
    path = tmp_path / "temporary"
    path.mkdir()
    return path


@pytest.fixture
def mute_server() -> Iterator[str]:
    """Give HOST:PORT of a server that hangs up on everybody, as no database does."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        host, port = server.server_address[:2]
        yield f"{host!s}:{port}"
        server.shutdown()
        thread.join()


def test_counts_what_is_there(tmp_path: Path, temporary: Path) -> None:
    """The last line's figures are counted, every step is told with its seconds, and nothing is left."""
    saved, before = tmp_path / "executed.ipynb", files()
    finished = demo("--flights", "1234", "--mode", "immediate", "--output", str(saved), temporary=temporary)
    assert finished.returncode == 0, finished.stderr
    *steps, last = finished.stdout.strip().splitlines()
    assert re.fullmatch(
        r"demo ok: 1234 flights in a DataFrame of 1234 rows, endpoint ep-[a-z0-9]+ Connected", last
    )
    assert all(re.search(r"\.\. +\d+\.\d\d s$", step) for step in steps)
    assert [step.partition(".")[0] for step in steps[1:]] == [str(number) for number in range(1, 13)]
    assert nbformat.read(saved, as_version=4).cells[-1].outputs  # type: ignore[no-untyped-call]
    assert list(temporary.iterdir()) == []
    assert files() == before


def test_tells_the_cell_that_fails(temporary: Path, mute_server: str) -> None:
    """A failing step ends the demo with status 1, the cell's source and the one line of its error."""
    finished = demo(
        "--mode",
        "immediate",
        "--upstream",
        mute_server,
        temporary=temporary,
        settings={"TIDB_PASSWORD": "of-the-upstream"},
    )
    assert finished.returncode == 1
    assert "    %tidb_pe connect " in finished.stderr
    assert "No connection (" in finished.stderr
    assert "demo ok" not in finished.stdout
    assert "Traceback" not in finished.stderr
    assert "of-the-upstream" not in finished.stdout + finished.stderr
    assert list(temporary.iterdir()) == []


def test_sandbox_that_does_not_start(temporary: Path) -> None:
    """The sandbox's own reason is shown where it cannot start."""
    finished = demo("--upstream", "nowhere", temporary=temporary)
    assert finished.returncode == 1
    assert "HOST:PORT" in finished.stderr
    assert "Traceback" not in finished.stderr
