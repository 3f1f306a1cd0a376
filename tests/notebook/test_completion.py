"""Completions after `%tidb_pe` and in cells of SQL."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC
from IPython.core.completer import provisionalcompleter
from support.kernels import Kernel

from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.notebook.completion import candidates
from tidb_pe_magic.notebook.extension import TidbPeMagics
from tidb_pe_magic.notebook.sql_completion import sql_place
from tidb_pe_magic.runtime.known_names import KnownNames
from tidb_pe_magic.runtime.open_connections import OpenConnection, OpenConnections

if TYPE_CHECKING:
    from pathlib import Path

    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%tidb_pe sta", ["status"]),
        ("x = %tidb_pe clus", ["clusters", "cluster"]),
        ("%tidb_pe create --se", ["--security-group"]),
        ("%tidb_pe connect --tls ver", ["verify-ca", "verify-identity"]),
        ("%tidb_pe sandbox st", ["start", "stop", "status"]),
        ("%tidb_pe form c", ["cluster", "create", "connect"]),
        ("%tidb_pe form create --", ["--cluster", "--help"]),
        ("%tidb_pe delete ep-1 --y", ["--yes"]),
        ("%tidb_pe fleet a", ["apply"]),
        ("%tidb_pe fleet apply a", []),
        ("%tidb_pe help t", ["tls", "troubleshooting"]),
        ("%tidb_pe nonsense --", []),
        ("%tidb_pe help tls t", []),
        ("%tidb_pe sql-user --role readonly r", ["rotate"]),
        ("%tidb_pe sql-user create a --st", ["--store"]),
        ("%%tidb_pe query --al", ["--alias"]),
    ],
)
def test_a_word_is_completed(line: str, expected: list[str]) -> None:
    """Subcommands, flags and choices are offered in their places."""
    found = candidates(line, KnownNames(OpenConnections()))
    assert found is not None
    assert found[1] == expected


def test_names_that_this_machine_knows_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles of ticloud and SQL users created here are offered by name, without keys and passwords."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TIDB_PE_STATE_DIR", str(tmp_path / "state"))
    assert candidates("%tidb_pe whoami --profile ") == ("", [])
    (tmp_path / ".ticloud").mkdir()
    settings = tmp_path / ".ticloud" / "config.toml"
    settings.write_text('current-profile = "dev"\n[dev]\nprivate-key = "hunter2"\n[prod]\n', encoding="utf-8")
    assert candidates("%tidb_pe whoami --profile ") == ("", ["dev", "prod"])
    settings.write_text("[dev", encoding="utf-8")
    assert candidates("%tidb_pe whoami --profile ") == ("", [])
    for name in ("analyst", "bob", "eve"):
        sql_passwords.store({**os.environ}, f"4Xk.{name}", Secret("hunter2"), where="file")
    sql_passwords.store({**os.environ}, "4Xk.bob", Secret("hunter3"), where="file", pending=True)
    sql_passwords.forget({**os.environ}, "4Xk.eve")
    assert candidates("%tidb_pe connect --user ") == ("", ["4Xk.analyst", "4Xk.bob"])
    assert candidates("%tidb_pe sql-user delete 4Xk.b") == ("4Xk.b", ["4Xk.bob"])


def test_saved_connections_are_offered_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `connect @` the saved names are offered."""
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "connections").mkdir()
    (tmp_path / "connections" / "analytics.json").touch()
    assert candidates("%tidb_pe connect @a") == ("@a", ["@analytics"])
    assert candidates("%tidb_pe connect --alias @a") == ("@a", [])


def test_every_command_is_offered() -> None:
    """After the magic's name every command is offered."""
    found = candidates("%tidb_pe ")
    assert found == ("", list(OPERATIONS))


@pytest.mark.parametrize("line", ["%tidb_pes", "print('%tidb_pe ')", "x = 1", "%sql sta"])
def test_other_lines_are_left_alone(line: str) -> None:
    """Lines without the magic get no completions."""
    assert candidates(line) is None


def test_ipython_offers_only_ours(shell: Shell) -> None:
    """IPython's completer offers only the product's words, without Python's names."""
    assert _completed(shell, "%tidb_pe sta") == ["status"]
    assert _completed(shell, "%tidb_pe connect --al") == ["--alias"]


def _completed(shell: Shell, cell: str) -> list[str]:
    """Return the completions at the cell's end, or at its mark |."""
    cursor = cell.find("|") if "|" in cell else len(cell)
    with provisionalcompleter():
        found = shell.ip.Completer.completions(cell.replace("|", "", 1), cursor)
        return [completion.text for completion in found]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%%sql\nSELECT |", ("SELECT ", 7, "")),
        ("%%sql tidb\n\nSELECT *\nFROM f|", ("\nSELECT *\nFROM f", 16, "tidb")),
        ("\n%%sql --save a\nSEL|", ("SEL", 3, "--save")),
        ("%%tidb_pe query --into x\nSELECT |1", ("SELECT 1", 7, "tidb")),
        ("%%tidb_pe query --alias other --arrow\n|", ("", 0, "other")),
        ("%%tidb_pe query @saved\n|", ("", 0, "saved")),
        ("x = 1\nframe = %sql SELECT | FROM t", ("SELECT  FROM t", 7, "SELECT")),
        ("%%sql|", None),
        ("%%sqlplot\nSELECT |", None),
        ("print('%sql ')\n|", None),
        ("%%tidb_pe sandbox\n|", None),
    ],
)
def test_sql_is_found_in_a_cell(cell: str, expected: tuple[str, int, str] | None) -> None:
    """The body of a SQL cell and the rest of a SQL line are SQL of the named connection."""
    before = cell[: cell.index("|")]
    place = sql_place(cell.replace("|", "", 1), before.count("\n"), len(before) - before.rfind("\n") - 1)
    assert (None if place is None else tuple(place)) == expected


def test_names_are_completed(shell: Shell, sandbox: Sandbox) -> None:
    """Tables and columns are offered in every SQL cell, and listed resources where a command takes them."""
    shell.must("import pandas as pd; delays = pd.DataFrame(); wanted = {'origin': 'JFK'}; other = 1")
    assert "demo" not in _completed(shell, "%tidb_pe networks --cluster ")
    shell.must("%tidb_pe clusters")
    assert "demo" in _completed(shell, "%tidb_pe networks --cluster ")
    shell.must("%tidb_pe networks --cluster demo")
    assert VPC in _completed(shell, "%tidb_pe plan --vpc vpc-")
    assert GROUP in _completed(shell, "%tidb_pe plan --security-group ")
    shell.must(f"%tidb_pe run demo --vpc {VPC} --security-group {GROUP} --database nycflights13")
    record = _record(shell)
    assert record.schema.settle(60)
    assert _completed(shell, "%%sql\nSELECT f.dep_d| FROM flights f") == ["dep_delay"]
    assert _completed(shell, "%%sql tidb\nSELECT *\nFROM fl") == ["flights"]
    assert _completed(shell, "x = %sql SELECT * FROM nycflights13.pl") == ["planes"]
    assert _completed(shell, "%%tidb_pe query --into x\nSELECT carr|\nFROM airlines") == ["carrier"]
    assert _completed(shell, "%%sql ti") == ["tidb"]
    assert _completed(shell, "%tidb_pe connect --database nyc") == ["nycflights13"]
    assert _completed(shell, "%tidb_pe tables f") == ["flights"]
    assert _completed(shell, "%tidb_pe tables @tidb f") == ["flights"]
    assert "delays" in _completed(shell, "%tidb_pe load @tidb ")
    assert _completed(shell, "%tidb_pe disconnect --alias t") == ["tidb"]
    assert _completed(shell, "%%tidb_pe query --in") == ["--into"]
    assert _completed(shell, "%%tidb_pe query --into ") == ["delays"]
    assert "wanted" in _completed(shell, "%%tidb_pe query --params ")
    (endpoint,) = sandbox.world.endpoints
    assert _completed(shell, "%tidb_pe delete ep-") == [endpoint]
    shell.must(f"%tidb_pe delete {endpoint} --yes --shared")
    assert endpoint not in _completed(shell, "%tidb_pe delete ep-")
    assert "flights" not in _completed(shell, "%%sql\nSELECT * FROM fl")


def test_changes_of_cells_are_completed(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001 - it is behind the cells
    """After CREATE, DROP and USE in a cell the completions are current."""
    shell.must(f"%tidb_pe run demo --vpc {VPC} --security-group {GROUP} --database nycflights13")
    record = _record(shell)
    shell.must("%%sql\nCREATE TABLE test.brand_new (first_column INT, second_one INT)")
    assert record.schema.settle(60)
    assert _completed(shell, "%%sql\nSELECT fir| FROM test.brand_new")[:1] == ["first_column"]
    assert _completed(shell, "%tidb_pe tables test.b") == ["test.brand_new"]
    shell.must("%%tidb_pe query\nUSE test")
    assert _completed(shell, "%tidb_pe load frame --table bra") == ["brand_new"]
    assert _completed(shell, "%%sql\nSELECT * FROM bra") == ["brand_new"]
    shell.must("%%sql\nDROP TABLE test.brand_new")
    assert record.schema.settle(60)
    assert "brand_new" not in _completed(shell, "%%sql\nSELECT * FROM bra")
    shell.must("%tidb_pe disconnect")
    assert not [thread for thread in threading.enumerate() if thread.name == "tidb_pe schema"]


def _record(shell: Shell) -> OpenConnection:
    (magic,) = (each for each in shell.ip.configurables if isinstance(each, TidbPeMagics))
    record = magic.runbook.known.connection()
    assert record is not None
    return record


def test_a_front_end_gets_names_of_the_schema(sandbox: Sandbox, tmp_path: Path) -> None:
    """A kernel's complete request, as JupyterLab and Notebook send it at Tab, returns the columns."""
    with Kernel(sandbox.environment(), tmp_path) as kernel:
        kernel.must("%load_ext tidb_pe_magic")
        kernel.must(f"%tidb_pe run demo --vpc {VPC} --security-group {GROUP} --database nycflights13")
        magic = "get_ipython().find_line_magic('tidb_pe').__self__"
        assert "True" in kernel.must(f"{magic}.runbook.known.connection().schema.settle(60)").text
        assert kernel.complete("%%sql\nSELECT f.dep_d| FROM flights f\nWHERE f.year = 2013") == ["dep_delay"]
        assert kernel.complete("%%sql\nSELECT * FROM airp|") == ["airports"]
