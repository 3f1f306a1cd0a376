"""`%tidb_pe sandbox`: a separate process that is found again after a kernel restart."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic import MissingDependency, Runbook, TidbPeError
from tidb_pe_magic.commands.parse import Command, parse
from tidb_pe_magic.commands.requests import SandboxRequest
from tidb_pe_magic.commands.table import Skin
from tidb_pe_magic.notebook.sandbox_command import SandboxCommand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

START = ("start", "--mode", "immediate", "--flights", "50")


class Kernel:
    """The parts of one kernel: an environment, a runbook and the command."""

    def __init__(self, directory: Path) -> None:
        """Start with the user's own settings."""
        self.environ = {"TIDBCLOUD_PUBLIC_KEY": "mine", "TIDB_PASSWORD": "mine too", "OTHER": "kept"}
        self.runbook = Runbook(environ=self.environ)
        self.command = SandboxCommand(self.runbook, environ=self.environ, directory=directory)

    def do(self, *arguments: str) -> str:
        """Run a command and return its output."""
        command = parse(["sandbox", *arguments], prog="%tidb_pe", skin=Skin.LINE)
        assert isinstance(command, Command)
        assert isinstance(command.request, SandboxRequest)
        return self.command.do(command.request)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, Path]]:
    """Provide a kernel with a running sandbox, which a test leaves running, and its state directory."""
    place = tmp_path_factory.mktemp("started")
    kernel = Kernel(place)
    kernel.do(*START)
    yield kernel, place
    assert "has stopped" in kernel.do("stop")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Provide a state directory, whose sandbox is stopped at the end."""
    yield tmp_path
    Kernel(tmp_path).do("stop")


def test_start_points_the_kernel_at_it_and_stop_puts_it_back(directory: Path) -> None:
    """`start` replaces the user's keys, `stop` restores them; both say so."""
    kernel = Kernel(directory)
    before = dict(kernel.environ)
    said = kernel.do(*START)
    assert "has started" in said
    assert "instead of your accounts" in said
    assert kernel.environ["TIDBCLOUD_PUBLIC_KEY"] != "mine"
    assert kernel.environ["OTHER"] == "kept"
    report = kernel.runbook.run("demo", vpc="vpc-t4nother5d9r1z", database="nycflights13")
    with report.connection.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM flights").scalar_one() == 50
    assert "and this kernel uses it" in kernel.do("status")
    assert "environment was restored" in kernel.do("stop")
    assert dict(kernel.environ) == before
    assert len(kernel.runbook.connections()) == 0
    assert "No sandbox" in kernel.do("status")


def test_a_restarted_kernel_finds_it_again(directory: Path) -> None:
    """After a restart `start` uses the running sandbox with its endpoints."""
    first = Kernel(directory)
    first.do(*START)
    made = first.runbook.create(cluster="demo", vpc="vpc-t4nother5d9r1z").endpoint.endpoint_id
    second = Kernel(directory)
    assert "this kernel does not use it" in second.do("status")
    assert "already running" in second.do("start")
    assert second.runbook.create(cluster="demo", vpc="vpc-t4nother5d9r1z").endpoint.endpoint_id == made
    assert "has stopped" in second.do("stop")
    child = first.command._process
    assert child is not None
    assert child.wait(60) == 0  # Both kernels are this one process, which must reap its child.
    assert "No sandbox" in first.do("status")


def test_stop_ends_nothing_but_the_sandbox(started: tuple[Kernel, Path]) -> None:
    """A process ID in the file that belongs to another process, or to none, gets no signal."""
    kernel, directory = started
    pid_file = directory / "sandbox.pid"
    own = pid_file.read_text(encoding="ascii")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        try:
            for number in (str(other.pid), "-1", "0", "999999999", "none", ""):
                pid_file.write_text(number, encoding="ascii")
                with pytest.raises(TidbPeError, match="which is not the sandbox"):
                    kernel.do("stop")
        finally:
            pid_file.write_text(own, encoding="ascii")  # with which the fixture stops the sandbox
        assert other.poll() is None
        assert other.stdin is not None
        other.stdin.close()
        assert other.wait(60) == 0
    assert "and this kernel uses it" in kernel.do("status")


def test_the_sandbox_that_a_kernel_was_started_with_is_used(
    tidb_pe_sandbox: Sandbox, tidb_pe_environment: Mapping[str, str], directory: Path
) -> None:
    """In JupyterLab of `make lab`, `start` uses the existing sandbox, and `stop` does not end it."""
    kernel = Kernel(directory)
    kernel.environ.update(tidb_pe_environment)
    before = dict(kernel.environ)
    url = tidb_pe_environment["TIDBCLOUD_SERVERLESS_ENDPOINT"]
    assert f"already uses the sandbox at {url}" in kernel.do("start")
    assert f"uses the sandbox at {url}" in kernel.do("status")
    with pytest.raises(TidbPeError, match="was not started by %tidb_pe"):
        kernel.do("stop")
    assert dict(kernel.environ) == before
    assert not (directory / "sandbox.env").exists()
    kernel.runbook.run("demo", vpc="vpc-t4nother5d9r1z", database="nycflights13")
    assert tidb_pe_sandbox.requests.count("CreateVpcEndpoint") == 1
    for other in ("https://api.example.net", "http://[::1", ""):
        kernel.environ["TIDB_PE_ALIBABA_ENDPOINT"] = other
        assert "No sandbox is running" in kernel.do("status")


def test_stop_without_a_sandbox_is_not_an_error(directory: Path) -> None:
    """A second stop reports that the sandbox is not running."""
    assert "No sandbox is running" in Kernel(directory).do("stop")


def test_without_the_extra_it_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a package of the sandbox is missing, the error says how to install it."""
    (directory / "flask.py").write_text("raise ModuleNotFoundError(name='flask')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(directory))
    with pytest.raises(MissingDependency, match="pip install cryptography duckdb flask"):
        Kernel(directory).do(*START)


def test_a_sandbox_that_cannot_start_is_one_line(directory: Path) -> None:
    """The process's own reason is the error, and no file or process remains."""
    kernel = Kernel(directory)
    with pytest.raises(TidbPeError, match="did not start") as failure:
        kernel.do("start", "--upstream", "nowhere")
    assert "nowhere" in str(failure.value)
    assert "No sandbox" in kernel.do("status")


def test_its_files_are_private(started: tuple[Kernel, Path]) -> None:
    """Only the user can read the environment file and the log."""
    _, directory = started
    for name in ("sandbox.env", "sandbox.log"):
        assert (directory / name).stat().st_mode & 0o077 == 0


def test_options_that_come_too_late_are_reported(started: tuple[Kernel, Path]) -> None:
    """A running sandbox does not accept other options, and `start` says so."""
    kernel, _ = started
    assert "different options" not in kernel.do("start")
    assert "Stop it first to use different options." in kernel.do("start", "--mode", "manual")


def test_a_state_directory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    """A file in place of the state directory is named, without a traceback."""
    place = tmp_path / "taken"
    place.touch()
    for action in ("start", "stop", "status"):
        with pytest.raises(TidbPeError, match=f"sandbox {action}: .*taken"):
            Kernel(place).do(action)
