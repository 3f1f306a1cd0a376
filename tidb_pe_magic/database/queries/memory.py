"""How much memory a result may take."""

from __future__ import annotations

from pathlib import Path

from tidb_pe_magic.errors import MissingDependency, ResultTooLarge

_SHARE = 0.5
_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Return how many bytes this process can still get: of the machine, or of its container.

    Raises:
        MissingDependency: psutil is not installed.
    """
    try:
        import psutil  # noqa: PLC0415 - an optional package
    except ImportError:
        raise MissingDependency.of("psutil", "arrow") from None
    return min((int(psutil.virtual_memory().available), *_container()))


def _container() -> tuple[int, ...]:
    """Return what is left of the control group's limit; nothing where there is none."""
    try:
        most, used = (
            (_GROUP / name).read_text(encoding="ascii") for name in ("memory.max", "memory.current")
        )
    except (OSError, UnicodeError):
        return ()
    return (max(0, int(most) - int(used)),) if most.strip().isdigit() else ()


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
                advice="Read less (--max-rows N, fewer columns), or write it to a file: --to-parquet PATH",
            )
