"""The order in which two processes go through the tests: what takes longest is begun first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

# One process starts a Jupyter server and a browser for all of these.
TOGETHER = ("tests/browser/",)
# By their time; what is short fills up the end, so that no process waits for the other one.
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
    """Return where a test's file stands in the order."""
    found = (number for number, start in enumerate(LONGEST) if nodeid.startswith(start))
    return next(found, len(LONGEST))


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # without types
    """Gives each process one file after the other, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        """Leave the order to the collection: the number of a file's tests says nothing of their time."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in TOGETHER if nodeid.startswith(start)), super()._split_scope(nodeid))
