"""Import the packages for `connect` in the background during a wait."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidb_pe_magic.runtime.context import Context

# The slowest imports of jupysql and the database side. `connect` imports jupysql itself, because its sources
# warn when they are compiled, and warnings can only be silenced for a whole process.
_SLOW = (
    "pandas",
    "pyarrow",
    "tidb_pe_magic.database.alias",
    "tidb_pe_magic.database.engine",
    "sqlglot",
    "ipywidgets",
)
_started = threading.Event()


def load_in_background(context: Context) -> None:
    """Start to import the packages for `connect`, once per process; without a shell, do nothing."""
    if context.shell is None or jupysql_is_imported() or _started.is_set():
        return
    _started.set()
    threading.Thread(target=_load, name="tidb_pe import", daemon=True).start()


def jupysql_is_imported() -> bool:
    """Return whether jupysql is imported."""
    return "sql.magic" in sys.modules


def _load() -> None:
    for name in _SLOW:
        with contextlib.suppress(ImportError):  # some are optional; `connect` reports missing required ones
            importlib.import_module(name)
