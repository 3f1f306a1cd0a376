"""The Tab key in real bash and zsh completes names that this machine knows, without running them."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest
from support.requirements import need

PROGRAM = Path(sysconfig.get_path("scripts")) / "tidb-pe"
_START = {
    "bash": (["--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'"),
    "zsh": (["-f", "-i"], "unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D"),
}
_KILL_LINE = "\x15"
_SECONDS = 30


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Provide a home with saved connections and ticloud profiles, two of whose names are shell commands."""
    saved = tmp_path / "config" / "connections"
    saved.mkdir(parents=True)
    for name in ("analytics", "archive", "$(touch ran)"):
        (saved / f"{name}.json").touch()
    (tmp_path / ".ticloud").mkdir()
    (tmp_path / ".ticloud" / "config.toml").write_text(
        'current-profile = "dev"\n[dev]\nprivate-key = "[hunter2]"\n["prod"] # of all\n[$(touch ran)]\n',
        encoding="utf-8",
    )
    path = os.pathsep.join([str(PROGRAM.parent), "/usr/bin", "/bin"])
    return {
        "HOME": str(tmp_path),
        "PATH": path,
        "TERM": "dumb",
        "TIDB_PE_CONFIG_DIR": str(tmp_path / "config"),
    }


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tab_key_completes_names(shell: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Bash completes a saved connection with its @, although bash splits words at the @."""
    options, setting = _START[shell]
    for name in ("team.json", "delays.csv", "$(touch ran).json"):
        (tmp_path / name).touch()
    terminal = pexpect.spawn(
        need(shell, apt=shell), options, env=environ, cwd=str(tmp_path), encoding="utf-8", timeout=_SECONDS
    )
    try:
        terminal.sendline(f"PS1='> '; {setting}; eval \"$(tidb-pe completion {shell})\"; echo read''y")
        terminal.expect_exact("ready\r\n")
        for typed, completed in (
            ("connect @an", "connect @analytics "),
            ("connect @tea", "connect @team.json "),
            ("query @tea", "query @team.json "),
            ("tables @an", "tables @analytics "),
            ("load @an", "load @analytics "),
            ("load dela", "load delays.csv "),
            ("connect --alias arc", "connect --alias archive "),
            ("clusters --profile d", "clusters --profile dev "),
            ("clusters --profile p", "clusters --profile prod "),
            ("sql-user rot", "sql-user rotate "),
            ("help trou", "help troubleshooting "),
        ):
            terminal.send(f"tidb-pe {typed}\t")
            terminal.expect_exact(f"tidb-pe {completed}")
            terminal.send(_KILL_LINE)
    finally:
        terminal.close(force=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_nothing_is_offered_where_nothing_is(shell: str, tmp_path: Path) -> None:
    """Without saved connections and profiles nothing is offered; a key is never shown."""
    script = subprocess.run([PROGRAM, "completion", shell], capture_output=True, text=True, check=True).stdout
    (tmp_path / ".ticloud" / "config.toml").mkdir(parents=True)
    asked = subprocess.run(
        [need(shell, apt=shell), "-c", f"{script}\n_tidb_pe_saved @; _tidb_pe_profiles"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TIDB_PE_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (asked.stdout, asked.stderr) == ("", "")
