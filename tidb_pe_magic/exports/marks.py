"""The line that marks an export, and detects later changes to it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHEBANG = "#!/bin/sh\n"
"""The first line of a script, before its mark."""
_DIGITS = 16
_MARK = re.compile(r"# Written by tidb_pe_magic: export \S+\. Checksum of the other lines: ([0-9a-f]+)")


def add_mark(name: str, lines: Iterable[str], *, first: str = "") -> str:
    """Return the lines as one text under a mark, with which a later export detects changes.

    Args:
        name: of the format.
        lines: the text.
        first: a line that must come before all others, with its line feed.
    """
    below = "\n".join(lines)
    checksum = _digest(first + below)
    return (
        f"{first}# Written by tidb_pe_magic: export {name}. Checksum of the other lines: {checksum}\n{below}"
    )


def is_untouched_export(text: str) -> bool:
    """Return whether an export wrote the text and it has not been changed since."""
    first = SHEBANG if text.startswith(SHEBANG) else ""
    mark, _, below = text.removeprefix(first).partition("\n")
    found = _MARK.fullmatch(mark)
    return found is not None and found[1] == _digest(first + below.removesuffix("\n"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
