"""The order in which the processes run the tests: the slowest first; and in which they collect them."""

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


def sort_by_file(items: list[pytest.Item]) -> None:
    """Sort tests by their file, in which they keep their order, as one process collects them."""
    items.sort(key=lambda item: item.path.parts)


def shift(report: pytest.CollectReport, config: pytest.Config) -> None:
    """Let each process of pytest-xdist collect another part of a directory first.

    In a new clone, pytest compiles the tests and the product with its own asserts, and keeps the result.
    Processes with the same order would all compile the same file at the same time.
    """
    process: dict[str, str | int] = getattr(config, "workerinput", {})
    number, count = str(process.get("workerid", "gw0")).removeprefix("gw"), process.get("workercount", 1)
    start = len(report.result) * int(number) // int(count)
    report.result = [*report.result[start:], *report.result[:start]]


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # without types
    """Gives each process one file after the other, in the collection's order."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        """Keep the collection's order, because a file's number of tests says nothing about its time."""
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in TOGETHER if nodeid.startswith(start)), super()._split_scope(nodeid))
