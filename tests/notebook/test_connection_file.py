"""A connection file in typed cells, and its name behind the Tab key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flows.places import GROUP, VPC

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.notebook.completion import candidates

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox


def test_cells_write_and_open_a_file(
    shell: Shell, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author's result says what colleagues type, which works in a kernel without keys."""
    monkeypatch.chdir(tmp_path)
    assert sandbox.running
    shell.must(f"%tidb_pe run demo --vpc {VPC} --security-group {GROUP}")
    written = shell.must("%tidb_pe connect --database nycflights13 --save-to tidb.json")
    assert "%tidb_pe connect @tidb.json" in written.output
    assert "tidb.json holds no secret" in written.output
    shell.must("%reload_ext tidb_pe_magic")
    for name in [name for name in os.environ if "KEY" in name]:
        monkeypatch.delenv(name)
    rows = shell.must("frame = %tidb_pe query @tidb.json 'SELECT COUNT(*) AS n FROM flights'")
    assert "tidb.json: connecting to " in rows.output
    assert shell.must("%%tidb_pe query @tidb.json\nSELECT 42 AS n").value["n"].tolist() == [42]
    described = shell.must("%tidb_pe tables @tidb.json airlines").value
    assert shell.must("%tidb_pe tables @tidb airlines").value == described
    shell.must("rows = frame[['n']]\n%tidb_pe load @tidb rows --table from_cell")
    assert (
        shell.must("%sql SELECT * FROM from_cell").value["n"].tolist()
        == shell.ip.user_ns["rows"]["n"].tolist()
    )
    shell.must("%tidb_pe disconnect")
    assert "Connected" in shell.must("%tidb_pe connect @tidb.json --alias mine").output
    assert shell.must("%%sql mine\nSELECT 1 AS n").value["n"].tolist() == [1]
    refused = shell.run("%tidb_pe connect tidb.json")
    assert isinstance(refused.error, InvalidRequest)
    assert "must be @NAME or @FILE.json" in refused.output
    cluster = shell.run("%tidb_pe connect demo").output
    assert "a cluster goes after --cluster.\nTry: %tidb_pe connect --cluster CLUSTER\n" in cluster
    assert "demo" not in cluster, "the word may be a password"


def test_files_beside_the_notebook_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind an @ stand the saved names and the directory's JSON files, quoted where a cell needs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("team.json", "our team.json", ".hidden.json", "team.csv"):
        (tmp_path / name).touch()
    assert candidates("%tidb_pe connect @t") == ("@t", ["@team.json"])
    assert candidates("%tidb_pe query @t") == ("@t", ["@team.json"])
    offered = candidates("%tidb_pe connect ")
    assert offered is not None
    assert {"'@our team.json'", "@team.json"} <= set(offered[1])
    assert not [word for word in offered[1] if "hidden" in word]
