"""`make demo` runs this script as a separate process."""

from __future__ import annotations

import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from support import warm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mariadb import MariaDb

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "notebooks" / "02_step_by_step.ipynb"
# Some of its headings, which the demo prints.
STEPS = ("Step 1.1: Choose a cluster", "Steps 2.1-2.8: Create the endpoint", "Step 4: Connect", "Clean up")
# A user's own settings, which a demo must ignore.
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
    return warm.run([sys.executable, "notebooks/demo.py", *arguments], cwd=ROOT, env=environment, timeout=600)


def files() -> set[Path]:
    """Return the files at the checkout's top level and among the notebooks."""
    return {*ROOT.iterdir(), *(ROOT / "notebooks").rglob("*")}


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Provide an empty directory."""
    path = tmp_path / "temporary"
    path.mkdir()
    return path


@pytest.fixture
def mute_server() -> Iterator[str]:
    """Provide HOST:PORT of a server that hangs up on every client, unlike a database."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        host, port = server.server_address[:2]
        yield f"{host!s}:{port}"
        server.shutdown()
        thread.join()


def test_counts_the_rows(tmp_path: Path, temporary: Path) -> None:
    """Each step has its seconds, the rows are counted and shown, and no file is left."""
    saved, before = tmp_path / "executed.ipynb", files()
    finished = demo("--flights", "1234", "--mode", "immediate", "--output", str(saved), temporary=temporary)
    assert finished.returncode == 0, finished.stderr
    steps, rows, end = finished.stdout.strip().split("\n\n")
    assert all(re.search(r"\.\. +\d+\.\d\d s$", step) for step in steps.splitlines())
    assert [step for step in STEPS if f"\n{step} .." not in steps] == []
    assert [row.split()[0] for row in rows.splitlines()[1:]] == ["0", "1", "2", "3", "4"]
    done, following = end.splitlines()
    assert re.fullmatch(
        r"demo ok: 1234 flights in a DataFrame of 1234 rows, over endpoint ep-[a-z0-9]+", done
    )
    assert following == "Next: make lab"
    executed, committed = (nbformat.read(path, as_version=4) for path in (saved, TUTORIAL))  # type: ignore[no-untyped-call]
    assert [cell.id for cell in executed.cells] == [cell.id for cell in committed.cells]
    assert executed.cells[-1].outputs
    assert list(temporary.iterdir()) == []
    assert files() == before


def test_names_the_failing_cell(temporary: Path, mute_server: str) -> None:
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
    assert "\nConnectionFailed: no connection (handshake): the server accepted " in finished.stderr
    assert "demo ok" not in finished.stdout
    assert "Traceback" not in finished.stderr
    assert "of-the-upstream" not in finished.stdout + finished.stderr
    assert list(temporary.iterdir()) == []


def test_reads_a_server_of_ones_own(temporary: Path, plain_server: MariaDb) -> None:
    """With `--upstream`, variables name the login and the table, and the rows are the server's."""
    plain_server.execute("CREATE OR REPLACE TABLE test.demo_rows (id INT)")
    plain_server.execute("INSERT INTO test.demo_rows VALUES (17), (18)")
    finished = demo(
        "--mode",
        "immediate",
        "--upstream",
        f"{plain_server.host}:{plain_server.port}",
        temporary=temporary,
        settings={
            "TIDB_PASSWORD": plain_server.password,
            "TIDB_PE_SQL_USER": plain_server.user,
            "TIDB_PE_DATABASE": plain_server.database,
            "TIDB_PE_TABLE": "demo_rows",
        },
    )
    assert finished.returncode == 0, finished.stderr
    assert "\n   id\n0  17\n1  18\n" in finished.stdout
    assert "demo ok: 2 demo_rows in a DataFrame of 2 rows" in finished.stdout


def test_the_lab_opens_the_first_notebook(temporary: Path) -> None:
    """`make lab` prints the address of the quickstart, and leaves nothing behind at its end."""
    environment = os.environ | {"TMPDIR": str(temporary), "HOME": str(temporary), "BROWSER": "true"}
    command = [sys.executable, "notebooks/demo.py", "--lab", "--mode", "immediate", "--flights", "10"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as lab:
        assert lab.stderr is not None
        log = []
        for line in lab.stderr:
            log.append(line)
            if re.search(r"http://(127\.0\.0\.1|localhost):\d+/lab/tree/01_quickstart\.ipynb", line):
                break
        lab.terminate()
        log += lab.stderr.readlines()
    assert "/lab/tree/01_quickstart.ipynb" in "".join(log)
    assert lab.returncode == 128 + signal.SIGTERM
    assert list(temporary.glob("tidb-pe-demo-*")) == []


def test_sandbox_that_does_not_start(temporary: Path) -> None:
    """If the sandbox cannot start, its own reason is shown."""
    finished = demo("--upstream", "nowhere", temporary=temporary)
    assert finished.returncode == 1
    assert "HOST:PORT" in finished.stderr
    assert "Traceback" not in finished.stderr
