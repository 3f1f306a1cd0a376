"""IPython in a terminal: the same commands, and a quiet exit."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from flows.places import GROUP, VPC

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

SESSION = f"""
%load_ext tidb_pe_magic
%tidb_pe run demo --vpc {VPC} --security-group {GROUP} --database nycflights13
%sql SELECT COUNT(*) AS counted FROM flights
%tidb_pe nonsense
%tidb_pe status
exit
"""


def test_a_session_in_the_terminal(tmp_path: Path) -> None:
    """The table works as text, jupysql prints no local file names, and the exit is quiet."""
    with Sandbox(flights=321) as sandbox:
        environment = os.environ | sandbox.environment() | {"HOME": str(tmp_path), "TERM": "dumb"}
        finished = subprocess.run(
            [sys.executable, "-m", "IPython", "--colors=nocolor", "--simple-prompt"],
            input=SESSION,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=120,
            check=True,
        )
    shown = finished.stdout + finished.stderr
    for words in (
        "Connected to cluster demo as tidb",
        "321",
        "Unknown command",
        "Next: %%sql tidb",
    ):
        assert words in shown
    for noise in ("Traceback", "Exception ignored", "pyproject", "user configurations", "HTML object"):
        assert noise not in shown
