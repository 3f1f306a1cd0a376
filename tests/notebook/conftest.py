"""A real IPython shell whose environment points to the sandbox."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, VPC
from support import shells
from traitlets.config import Config

from tidb_pe_magic import Runbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.sandbox import Sandbox
    from tidb_pe_magic.sandbox.snapshot import Snapshot


@dataclass
class Cell:
    """A cell's result.

    Attributes:
        value: the result that it displayed, if any.
        output: everything that it wrote, including the result's text/plain.
        error: its exception, if any.
    """

    value: Any
    output: str
    error: BaseException | None

    @property
    def ok(self) -> bool:
        """Whether the cell succeeded."""
        return self.error is None


class Shell:
    """Runs cells as a user would, and records their output."""

    def __init__(self, shell: InteractiveShell, capture: pytest.CaptureFixture[str]) -> None:
        """Wrap IPython's shell."""
        self.ip = shell
        self._capture = capture

    def run(self, source: str) -> Cell:
        """Run a cell."""
        self._capture.readouterr()
        result: Any = self.ip.run_cell(source, store_history=True)  # type: ignore[no-untyped-call]
        written = self._capture.readouterr()
        return Cell(
            result.result, written.out + written.err, result.error_before_exec or result.error_in_exec
        )

    def must(self, source: str) -> Cell:
        """Run a cell and check that it succeeds."""
        cell = self.run(source)
        assert cell.ok, f"{source}\n{cell.output}"
        return cell


@pytest.fixture
def plain_shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """Provide a shell with its own directory and history file, and restore the environment afterwards."""
    # In this checkout, jupysql would read the long pyproject.toml for each shell.
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("TIDB", "ALIBABA_CLOUD"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path / "config"))
    before = dict(os.environ)
    config = Config()
    config.HistoryManager.hist_file = str(tmp_path / "history.sqlite")
    with shells.start_shell(config) as ip:
        yield Shell(ip, capsys)
        ip.run_line_magic("unload_ext", "tidb_pe_magic")
        _close_jupysql()
    os.environ.clear()
    os.environ.update(before)


def _close_jupysql() -> None:
    """Close jupysql's process-wide connections."""
    manager = getattr(sys.modules.get("sql.connection"), "ConnectionManager", None)
    if manager is not None:
        manager.close_all()
        manager.current = None


@pytest.fixture
def shell(plain_shell: Shell) -> Shell:
    """Provide a shell with the extension loaded."""
    plain_shell.must("%load_ext tidb_pe_magic")
    return plain_shell


@pytest.fixture
def sandbox(shell: Shell, tidb_pe_sandbox: Sandbox) -> Sandbox:  # noqa: ARG001 - the shell puts the environment back
    """Provide the embedded clouds, with the shell's environment pointing at them."""
    os.environ.update(tidb_pe_sandbox.environment())
    return tidb_pe_sandbox


@dataclass(frozen=True)
class Endpoint:
    """The state of a sandbox with a private endpoint, and a connection file for it."""

    sandbox: Sandbox
    state: Snapshot
    file: Path


@pytest.fixture(scope="session")
def _endpoints() -> dict[int, Endpoint]:
    """Provide the states with an endpoint, by the id of their sandbox."""
    return {}


@pytest.fixture
def connected(
    shell: Shell, sandbox: Sandbox, _endpoints: dict[int, Endpoint], tmp_path_factory: pytest.TempPathFactory
) -> Shell:
    """Provide a shell connected to the flights.

    Creating the endpoint takes longer than most of these tests, so it is created once for each sandbox.
    """
    if id(sandbox) not in _endpoints:
        file = tmp_path_factory.mktemp("endpoint") / "flights.json"
        with Runbook(environ=sandbox.environment()) as runbook:
            runbook.run("demo", vpc=VPC, security_group=[GROUP], database="nycflights13")
            runbook.connect(database="nycflights13", save_to=str(file))
        _endpoints[id(sandbox)] = Endpoint(sandbox, sandbox.snapshot(), file)
    endpoint = _endpoints[id(sandbox)]
    sandbox.renew(endpoint.state)
    os.environ.update(sandbox.environment())
    shell.must(f"%tidb_pe connect @{endpoint.file}")
    return shell
