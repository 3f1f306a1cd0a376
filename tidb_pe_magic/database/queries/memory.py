"""The memory limit of a result."""

from __future__ import annotations

from pathlib import Path

import psutil

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.errors import ResultTooLarge

_SHARE = 0.5
_BYTES_SHOWN = 1000  # a smaller limit is shown in bytes
_GROUP = Path("/sys/fs/cgroup")
# Files of version 2 and of version 1 (the kernel's documents on control groups): the limit, the usage, its
# details, and the part that is page cache.
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
    """Return how many bytes this process can still allocate on the machine or in its container."""
    return min((int(psutil.virtual_memory().available), *container_memory()))


def container_memory(group: Path = _GROUP) -> tuple[int, ...]:
    """Yield the free bytes of the control group, for each version that has a limit.

    Page cache of files counts as used, but is released when memory is needed.

    Args:
        group: mount point of control groups; in a container, this is its own group.
    """
    each = (_remaining(group, files, cache) for *files, cache in _LAYOUTS)
    return tuple(left for left in each if left is not None)


def _remaining(group: Path, files: list[str], cache: str) -> int | None:
    try:
        most, used, statistics = ((group / name).read_text(encoding="ascii") for name in files)
        lines = (line.split() for line in statistics.splitlines())
        cached = sum(int(line[1]) for line in lines if line[:1] == [cache])
        return max(0, int(most) - int(used) + cached)
    except (OSError, ValueError):  # no control group, or no limit, which is written as a word
        return None


class Cap:
    """The maximum size of a result; several threads may each exceed it by a batch."""

    def __init__(self, most: int | None = None) -> None:
        """Take the limit in bytes; None means half of the memory that is free now."""
        self._chosen = most is not None
        self._most = int(free_memory() * _SHARE) if most is None else most
        self._held = 0

    def hold(self, count: int) -> None:
        """Count bytes in use.

        Raises:
            ResultTooLarge: the limit is exceeded.
        """
        self._held += count
        if self._held > self._most:
            what = "--max-memory" if self._chosen else "half of the memory that was free"
            size = f"{self._most / 1e6:,.6g} MB" if self._most >= _BYTES_SHOWN else f"{self._most} bytes"
            raise ResultTooLarge(
                f"the result needs more than {size} ({what}); reading was stopped.",
                advice=Advice(
                    "Read less (LIMIT, fewer columns), or write a file.",
                    Suggestion("query", "SELECT …", "--to-parquet", "PATH"),
                ),
            )
