"""The order in which the processes run the tests: the slowest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

# One process starts a Jupyter server and a browser for all of these.
TOGETHER = ("tests/browser/",)
# By their time. Short files fill the end, so that both processes stay busy.
LONGEST = (
    *TOGETHER,
    "tests/test_notebooks.py",
    "tests/package/",
    "tests/flows/test_kernel.py",
    "tests/chaos/",
    "tests/notebook/forms/test_kernel.py",
    "tests/flows/test_scenarios.py",
    "tests/notebook/test_magics.py",
    "tests/flows/test_secrets.py",
    "tests/test_cli.py",
    "tests/test_papermill.py",
    "tests/test_demo.py",
    "tests/repository/test_contributing.py",
    "tests/sandbox/test_database.py",
    "tests/notebook/",
    "tests/commands/test_write.py",
    "tests/flows/",
)


def place(nodeid: str) -> int:
    """Return the position of a test's file in the order."""
    found = (number for number, start in enumerate(LONGEST) if nodeid.startswith(start))
    return next(found, len(LONGEST))


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # without types
    """Gives each process one file after the other, in the collection's order."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        """Keep the collection's order, because a file's number of tests says nothing about its time."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in TOGETHER if nodeid.startswith(start)), super()._split_scope(nodeid))
