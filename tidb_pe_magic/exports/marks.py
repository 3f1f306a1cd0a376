"""The line by which an export knows an earlier one, and whether anybody has changed it since."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHEBANG = "#!/bin/sh\n"
"""What a script begins with, before its mark."""
_DIGITS = 16
_MARK = re.compile(r"# Written by tidb_pe_magic: export \S+\. Checksum of the other lines: ([0-9a-f]+)")


def marked(name: str, lines: Iterable[str], *, first: str = "") -> str:
    """Return the lines as one text under a mark that tells a later export whether anybody changed it.

    Args:
        name: of the format.
        lines: the text.
        first: a line that has to stand before all others, with its line feed.
    """
    below = "\n".join(lines)
    checksum = _digest(first + below)
    return (
        f"{first}# Written by tidb_pe_magic: export {name}. Checksum of the other lines: {checksum}\n{below}"
    )


def is_untouched_export(text: str) -> bool:
    """Tell whether the text was written by an export and has not been changed since."""
    first = SHEBANG if text.startswith(SHEBANG) else ""
    mark, _, below = text.removeprefix(first).partition("\n")
    found = _MARK.fullmatch(mark)
    return found is not None and found[1] == _digest(first + below.removesuffix("\n"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
