"""The table's examples in order, as a user types them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tidb_pe_magic.cli import main
from tidb_pe_magic.commands.table import OPERATIONS, Operation, Skin, available
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from notebook.conftest import Shell


def typed(operation: Operation, prog: str, sandbox: Sandbox) -> str:
    """Return the example; `delete` gets the ID of the created endpoint, and --shared."""
    made = next(iter(sandbox.world.endpoints), "")
    example = operation.example if prog else operation.shell_example or operation.example
    return f"{prog} {example}".replace("delete ep-t4nabc123", f"delete {made} --shared")


def test_the_examples_are_cells_that_work(
    shell: Shell, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example runs in a shell in the table's order and shows something; a form needs a notebook."""
    monkeypatch.chdir(tmp_path)  # one of them writes a file
    monkeypatch.setenv("TIDB_PE_STATE_DIR", str(tmp_path))  # the sandbox of one of them is this test's alone
    try:
        shell.ip.user_ns["frame"] = pd.DataFrame({"carrier": ["UA", "AA"], "delay": [3.5, None]})
        for operation in OPERATIONS.values():
            prog = "%tidb_pe" if Skin.LINE in operation.skins else "%%tidb_pe"
            cell = shell.run(typed(operation, prog, sandbox))
            assert cell.ok or "needs a notebook" in cell.output, (operation.example, cell.output)
            assert cell.output.strip(), operation.example
    finally:
        shell.run("%tidb_pe sandbox stop")


def test_the_examples_are_commands_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each console example runs in the table's order and prints something."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "delays.csv").write_text("carrier,delay\nUA,3.5\nAA,\n", encoding="utf-8")
    with Sandbox(flights=20) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TIDB_PE_CLUSTER", "demo")
        for operation in available(Skin.CONSOLE).values():
            line = typed(operation, "", sandbox)
            assert main(words(line)) == 0, (line, capsys.readouterr().err)
            assert capsys.readouterr().out.strip(), line
