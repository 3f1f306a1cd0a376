"""What can be completed after `%tidb_pe`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from IPython.core.completer import provisionalcompleter

from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.notebook.completion import candidates

if TYPE_CHECKING:
    from pathlib import Path

    from notebook.conftest import Shell


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
        ("%tidb_pe disconnect --alias fl", ["flights"]),
        ("%%tidb_pe query --al", ["--alias"]),
    ],
)
def test_a_word_is_completed(line: str, expected: list[str]) -> None:
    """Subcommands, flags and choices are offered where they can stand."""
    found = candidates(line, ["tidb", "flights"])
    assert found is not None
    assert found[1] == expected


def test_names_that_this_machine_knows_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles of ticloud and the SQL users that were made here, by name; no key and no password."""
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
    """Behind `connect @` stand the names that the user has saved."""
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path))
    (tmp_path / "connections").mkdir()
    (tmp_path / "connections" / "analytics.json").touch()
    assert candidates("%tidb_pe connect @a") == ("@a", ["@analytics"])
    assert candidates("%tidb_pe connect --alias @a") == ("@a", [])


def test_every_command_is_offered() -> None:
    """After the magic's name every command can follow."""
    found = candidates("%tidb_pe ")
    assert found == ("", list(OPERATIONS))


@pytest.mark.parametrize("line", ["%tidb_pes", "print('%tidb_pe ')", "x = 1", "%sql sta"])
def test_other_lines_are_left_alone(line: str) -> None:
    """Nothing is offered where the magic is not called."""
    assert candidates(line) is None


def test_ipython_offers_only_ours(shell: Shell) -> None:
    """In IPython's completer our words stand alone, without Python's names."""
    assert _completed(shell, "%tidb_pe sta") == ["status"]
    assert _completed(shell, "%tidb_pe connect --al") == ["--alias"]


def _completed(shell: Shell, line: str) -> list[str]:
    with provisionalcompleter():
        return [completion.text for completion in shell.ip.Completer.completions(line, len(line))]
