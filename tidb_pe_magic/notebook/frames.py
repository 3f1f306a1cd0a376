"""The notebook variables that `load` accepts as frames."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGES = frozenset({"pandas", "polars", "pyarrow"})
_FRAMES = frozenset({"DataFrame", "Table", "RecordBatch"})


def frame_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names of the notebook's frames, without importing any of their packages."""
    return sorted(
        name for name, value in namespace.items() if not name.startswith("_") and _is_frame(type(value))
    )


def _is_frame(kind: type) -> bool:
    return any(
        each.__name__ in _FRAMES and each.__module__.partition(".")[0] in _PACKAGES for each in kind.__mro__
    )


def frame_or_path(text: object, namespace: Mapping[str, Any]) -> object:
    """Return the variable with this name, or else the name as a file's path.

    Raises:
        InvalidRequest: neither exists.
    """
    if not isinstance(text, str):
        return text
    if text in namespace:
        return namespace[text]
    if Path(text).suffix or Path(text).expanduser().exists():
        return text
    close = difflib.get_close_matches(text[:80], frame_names(namespace), n=1)
    advice = f"Did you mean {close[0]}?" if close else ""
    raise InvalidRequest("FRAME", f"{text[:80]} is neither a variable nor a file.", advice=advice)
