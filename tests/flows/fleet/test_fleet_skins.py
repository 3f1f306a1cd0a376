"""A fleet in the console and in a cell: the output, its place, and the exit status."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from flows.fleets import written

from tidb_pe_magic import Runbook, cli, errors
from tidb_pe_magic.commands.requests import FleetRequest
from tidb_pe_magic.display import render
from tidb_pe_magic.notebook.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.sandbox import Sandbox


@dataclass
class Kernel:
    """A shell in a kernel, with each state of its only output as text."""

    kernel: object = field(default_factory=object)
    shown: list[str] = field(default_factory=list)
    displays: set[str] = field(default_factory=set)

    def publish(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        """Store the output."""
        assert update == bool(self.shown)
        self.displays.add(transient["display_id"])
        self.shown.append(data["text/plain"])


@pytest.fixture
def console(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the console command at the sandbox."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("console")
def test_the_console_prints_each_change_and_fails_with_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard error has a line per change of a row, standard output all rows, and the exit code is 1."""
    file = written(tmp_path / "fleet.toml", ["fleet-1", "nobody"], ["vpc-t4nfleet1"])
    assert cli.main(["fleet", "apply", file]) == cli.Exit.FAILED
    out, err = capsys.readouterr()
    assert "row 1 (fleet-1 in vpc-t4nfleet1): ready ep-" in err
    assert "row 2 (nobody in vpc-t4nfleet1): failed cluster: nobody: no cluster has this name or ID" in err
    assert "\nfleet apply: 1 ready, 1 failed (" in err
    assert "\ntidb-pe: 1 of 2 rows failed; row 2 (nobody in " in err
    assert err.splitlines()[-1] == f"Try: tidb-pe fleet apply {file}"
    assert "✘ Fleet apply: 1 ready, 1 failed" in out


@pytest.mark.usefixtures("console")
def test_a_script_reads_every_row_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has states, endpoints, hosts and zones of every row, failed ones too, and the total."""
    file = written(tmp_path / "fleet.toml", ["fleet-1", "nobody"], ["vpc-t4nfleet1"])
    assert cli.main(["fleet", "apply", file, "--output", "json"]) == cli.Exit.FAILED
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["class"], error["exit_code"]) == ("FleetFailed", cli.Exit.FAILED)
    told = error["fleet"]
    assert (told["billed_zones"], told["failures"]) == (2, 1)
    first, second = told["rows"]
    assert first["row_state"] == "ready"
    assert first["host"]
    assert (second["row_state"], second["failed"], second["endpoint_id"]) == ("failed", True, "")
    assert cli.main(["fleet", "apply"]) == cli.Exit.USAGE
    assert cli.main(["fleet", "destroy", file]) == cli.Exit.USAGE


def test_a_notebook_has_one_live_table(sandbox: Sandbox, tmp_path: Path) -> None:
    """A live table is one output with a line per row; at the end one line remains above the result."""
    kernel = Kernel()
    file = written(tmp_path / "fleet.toml", ["fleet-1", "fleet-2"])
    with (
        Runbook(environ=sandbox.environment()) as runbook,
        closing(Progress(cast("InteractiveShell", kernel), publish=kernel.publish)) as progress,
    ):
        request = _request("apply", file)
        result = runbook.perform("fleet", request, progress)
    assert len(kernel.displays) == 1
    assert re.match(r"… Fleet apply, \d+ s: 4 queued", kernel.shown[0])
    assert all("vpc-t4nfleet2" in shown for shown in kernel.shown[:-1])
    assert kernel.shown[-1].startswith("✔ Fleet apply: 4 ready (")
    assert "\n" not in kernel.shown[-1]
    assert "✔ Fleet apply: 4 ready" in render.text(result)


def test_a_live_table_of_many_rows_shows_those_that_matter(sandbox: Sandbox, tmp_path: Path) -> None:
    """For sixty rows the live table shows the counts, and the rows that change or failed."""
    kernel = Kernel()
    names = [f"fleet-{number}" for number in range(1, 30)]
    file = written(tmp_path / "fleet.toml", [*names, "nobody"])
    with (
        Runbook(environ=sandbox.environment()) as runbook,
        closing(Progress(cast("InteractiveShell", kernel), publish=kernel.publish)) as progress,
        pytest.raises(errors.FleetFailed, match="2 of 60"),
    ):
        runbook.perform("fleet", _request("plan", file), progress)
    moving = [shown for shown in kernel.shown if "planning" in shown]
    assert moving
    for shown in moving:
        rows = [line for line in shown.splitlines() if line.strip()[0].isdecimal()]
        assert 2 < len(rows) <= 2 + 4
        assert sum("nobody" in row for row in rows) == 2
        assert "✘ Row 60 (nobody in vpc-t4nfleet2): cluster: nobody: no cluster has this name or ID" in shown
    assert kernel.shown[-1].startswith("✘ Fleet plan: 58 to create, 2 failed (")


def test_a_stopped_fleet_leaves_its_table(sandbox: Sandbox, tmp_path: Path) -> None:
    """After a stop, the output shows the rows in progress, and no longer says that they continue."""
    kernel = Kernel()
    file = written(tmp_path / "fleet.toml", ["fleet-1"])
    sandbox.world.mode = "manual"

    def sleep(_seconds: float) -> bool:
        return True

    with (
        Runbook(environ=sandbox.environment(), sleep=sleep) as runbook,
        closing(Progress(cast("InteractiveShell", kernel), publish=kernel.publish)) as progress,
        pytest.raises(errors.WaitCancelled, match="stopped fleet apply: 2 connecting"),
    ):
        runbook.perform("fleet", _request("apply", file), progress)
    assert re.match(r"· Fleet apply, \d+ s: 2 connecting", kernel.shown[-1])
    assert "Creating, Disconnected" in kernel.shown[-1]


def _request(action: str, file: str) -> FleetRequest:
    return FleetRequest.of(action=action, file=file)
