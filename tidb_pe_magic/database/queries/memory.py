"""How much memory a result may take."""

from __future__ import annotations

from pathlib import Path

import psutil

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.errors import ResultTooLarge

_SHARE = 0.5
_GROUP = Path("/sys/fs/cgroup")
# Of version 2 and of version 1 (the kernel's documents on control groups): the limit, what is used, what of,
# and the part of it that is page cache.
_LAYOUTS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def free_memory() -> int:
    """Return how many bytes this process can still get: of the machine, or of its container."""
    return min((int(psutil.virtual_memory().available), *container_memory()))


def container_memory(group: Path = _GROUP) -> tuple[int, ...]:
    """Return what is left of the control group's limit, in each version that has one.

    What files have left in the page cache counts as used there, and is given back when it is needed.

    Args:
        group: where control groups are mounted; in a container that is its own group.
    """
    each = (_left(group, files, cache) for *files, cache in _LAYOUTS)
    return tuple(left for left in each if left is not None)


def _left(group: Path, files: list[str], cache: str) -> int | None:
    try:
        most, used, statistics = ((group / name).read_text(encoding="ascii") for name in files)
        lines = (line.split() for line in statistics.splitlines())
        cached = sum(int(line[1]) for line in lines if line[:1] == [cache])
        return max(0, int(most) - int(used) + cached)
    except (OSError, ValueError):  # there is none; where there is no limit it is a word
        return None


class Cap:
    """The most that a result may take; several threads may pass it by a batch each."""

    def __init__(self, most: int | None = None) -> None:
        """Take a number of bytes; None is half of what is free now."""
        self._chosen = most is not None
        self._most = int(free_memory() * _SHARE) if most is None else most
        self._held = 0

    def hold(self, count: int) -> None:
        """Count bytes that are held.

        Raises:
            ResultTooLarge: they are too many.
        """
        self._held += count
        if self._held > self._most:
            what = "--max-memory" if self._chosen else "half of the memory that was free"
            raise ResultTooLarge(
                f"the result takes more than {self._most / 1e6:,.6g} MB ({what}); reading was stopped.",
                advice=Advice(
                    "Read less (LIMIT, fewer columns), or write a file.",
                    Suggestion("query", "SELECT …", "--to-parquet", "PATH"),
                ),
            )
