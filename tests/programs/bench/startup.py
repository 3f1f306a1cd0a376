"""The cost of `%load_ext tidb_pe_magic`, compared with `%load_ext sql` and a bare IPython."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from programs.bench.report import show

if TYPE_CHECKING:
    from argparse import Namespace

    from support.mariadb import MariaDb

OURS, PEER, BARE = "tidb_pe_magic", "sql", ""
_PROGRAM = """
import time
start = time.perf_counter()
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
made = time.perf_counter()
if {extension!r}:
    shell.extension_manager.load_extension({extension!r})
print((made - start) * 1000, (time.perf_counter() - made) * 1000)
"""


def run(_: MariaDb, options: Namespace) -> None:
    """Start a new IPython for each measurement, one extension after the other, in rounds."""
    with tempfile.TemporaryDirectory() as home:
        for extension in (OURS, PEER, BARE):  # also compiles newly imported modules
            _measured(extension, home)
        rounds = [
            {extension: _measured(extension, home) for extension in (OURS, PEER, BARE)}
            for _ in range(options.runs)
        ]
    bare = median(each[BARE][0] for each in rounds)
    lines = [("IPython alone", f"{bare:.0f}", "")]
    for extension in (OURS, PEER):
        loading = median(each[extension][1] for each in rounds)
        ratio = median(each[extension][1] / each[PEER][1] for each in rounds)
        lines.append((f"%load_ext {extension}", f"{loading:.0f}", f"1/{1 / ratio:.0f}"))
    print(f"\n### Start-up: medians of {options.runs} interleaved fresh processes\n")
    show(("what", "ms", "of %load_ext sql"), lines)


def _measured(extension: str, home: str) -> tuple[float, float]:
    """Return the milliseconds for IPython, and for the extension in it."""
    environ = {**os.environ, "IPYTHONDIR": str(Path(home) / "ipython"), "HOME": home}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM.format(extension=extension)],
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env=environ,
    )
    shell, loading = run.stdout.splitlines()[-1].split()
    return float(shell), float(loading)
