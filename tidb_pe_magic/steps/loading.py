"""Importing what `connect` needs while there is nothing to do but wait."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidb_pe_magic.runtime.context import Context

# What takes most of the time of importing jupysql and the database side. jupysql itself is imported by
# `connect`: its sources warn when they are compiled, and warnings can be silenced for a whole process only.
_SLOW = (
    "pandas",
    "pyarrow",
    "tidb_pe_magic.database.alias",
    "tidb_pe_magic.database.engine",
    "sqlglot",
    "ipywidgets",
    "matplotlib.figure",
    "matplotlib.image",
)
_started = threading.Event()


def load_in_background(context: Context) -> None:
    """Begin to import what `connect` needs, once for each process; without a shell nothing is needed yet."""
    if context.shell is None or is_loaded() or _started.is_set():
        return
    _started.set()
    threading.Thread(target=_load, name="tidb_pe import", daemon=True).start()


def is_loaded() -> bool:
    """Tell whether jupysql is imported."""
    return "sql.magic" in sys.modules


def _load() -> None:
    for name in _SLOW:
        with contextlib.suppress(ImportError):  # some are optional; `connect` reports those that are needed
            importlib.import_module(name)
