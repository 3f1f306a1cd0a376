"""Loading the extension is quick: each command imports its packages only when it needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = [
    "Tea",
    "aiohttp",
    "alibabacloud",
    "darabonba",
    "dask",
    "distributed",
    "duckdb",
    "flask",
    "httpx",
    "ipywidgets",
    "keyring",
    "numpy",
    "pandas",
    "psutil",
    "pyarrow",
    "pymysql",
    "sql",
    "sqlalchemy",
]
# IPython itself may load some of these: only additional imports count.
PROGRAM = """
import json, sys
{before}
known = set(sys.modules)
{code}
print(json.dumps(sorted({{name.split(".")[0].split("_")[0] for name in set(sys.modules) - known}})))
"""
SHELL = """
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
"""


def imported(before: str, code: str, home: Path) -> set[str]:
    """Return the packages that `code` imports in a fresh process, by the beginning of their names."""
    environ = {**os.environ, "IPYTHONDIR": str(home), "HOME": str(home)}
    program = PROGRAM.format(before=before, code=code)
    run = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True, cwd=home
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    """`import tidb_pe_magic` loads no cloud SDK, HTTP client, database or data package, nor IPython."""
    found = imported("", "import tidb_pe_magic", tmp_path)
    assert "tidb" in found
    assert not found & {*HEAVY, "IPython"}


def test_loading_the_extension_imports_nothing_heavy(tmp_path: Path) -> None:
    """`%load_ext tidb_pe_magic` and help load none of these packages."""
    code = "shell.run_line_magic('load_ext', 'tidb_pe_magic')\nshell.run_line_magic('tidb_pe', 'connect -h')"
    found = imported(SHELL, code, tmp_path)
    assert "tidb" in found
    assert not found & set(HEAVY)


def test_loading_the_extension_leaves_the_rest_to_the_first_command(tmp_path: Path) -> None:
    """Loading the extension imports neither the model nor the operations."""
    code = (
        "shell.run_line_magic('load_ext', 'tidb_pe_magic')\n"
        "heavy = ('tidb_pe_magic.model', 'tidb_pe_magic.commands', 'tidb_pe_magic.steps')\n"
        "assert not [name for name in sys.modules if name.startswith(heavy)]"
    )
    assert "tidb" in imported(SHELL, code, tmp_path)


def test_the_guard_sees_a_heavy_import(tmp_path: Path) -> None:
    """The guard reports a heavy import, so that its silence has a meaning."""
    assert "httpx" in imported("", "import httpx", tmp_path)
