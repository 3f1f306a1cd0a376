"""The output of a query in a cell: live rows, and the line under the result."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tidb_pe_magic.model import QueryEnded, QueryResult, RowsRead
from tidb_pe_magic.notebook.cell_events import CellEvents
from tidb_pe_magic.notebook.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebook.conftest import Shell

READ = RowsRead(rows=1_000, bytes=2_000_000, seconds=1.5)


def ended(rows: int, **values: Any) -> QueryEnded:
    """Return the end event of a query."""
    return QueryEnded(result=QueryResult(alias="tidb", rows=rows, bytes=5_000_000, seconds=2.0, **values))


@pytest.fixture
def events(plain_shell: Shell) -> Iterator[CellEvents]:
    """Provide the events of a shell, with `ask(rows)` for its cells."""
    events = CellEvents(plain_shell.ip)

    def ask(rows: int) -> str:
        with events.query() as hear:
            hear(READ)
            hear(ended(rows))
        return f"the result of {rows}"

    plain_shell.ip.user_ns["ask"] = ask
    yield events
    events.close()


def test_the_line_is_under_the_result(plain_shell: Shell, events: CellEvents) -> None:  # noqa: ARG001
    """The line of a cell's last query follows its displayed result; an earlier query's line precedes it."""
    output = plain_shell.must("ask(1)\nask(22)").output
    places = [
        output.index(part)
        for part in ("1 row · 5.0 MB · 2.0 s", "the result of 22", "22 rows · 5.0 MB · 2.0 s")
    ]
    assert places == sorted(places)
    assert plain_shell.must("3").output.count("rows") == 0


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"changed": 2, "returned": False}, "2 rows changed · 2.0 s"),
        ({"changed": 1, "returned": False}, "1 row changed · 2.0 s"),
        ({"returned": False}, "done · 2.0 s"),
    ],
)
def test_a_statement_without_rows_says_what_it_changed(
    plain_shell: Shell, events: CellEvents, values: dict[str, Any], line: str
) -> None:
    """A statement that writes shows the number of changed rows; one that defines shows none."""

    def write() -> None:
        with events.query() as hear:
            hear(ended(0, **values))

    plain_shell.ip.user_ns["write"] = write
    assert plain_shell.must("write()").output.strip() == line


def test_rows_are_shown_while_they_are_read() -> None:
    """In a notebook one output counts the rows; it is empty at the end, and stays if the query fails."""
    shown: list[str] = []

    def publish(data: dict[str, str], **_: object) -> None:
        shown.append(data["text/plain"])

    kernel: Any = SimpleNamespace(kernel=True, display_pub=SimpleNamespace(publish=publish))
    callbacks: dict[str, list[Any]] = {"post_execute": []}
    kernel.events = SimpleNamespace(
        callbacks=callbacks,
        register=lambda name, call: callbacks[name].append(call),
        unregister=lambda name, call: callbacks[name].remove(call),
    )
    events = CellEvents(kernel, lambda: Progress(kernel))
    with events.query() as hear:
        hear(READ)
        hear(ended(1_000))
    (behind,) = callbacks["post_execute"]
    behind()
    assert "Reading: 1,000 rows · 2.0 MB · 1.5 s" in shown[0]
    assert shown[1].strip() == ""
    assert "1,000 rows · 5.0 MB · 2.0 s" in shown[2]
    assert callbacks == {"post_execute": []}
    with events.query() as hear:
        hear(READ)
    assert shown[-1].strip() == "", "a query without a line, such as one for a plot"
    with contextlib.suppress(KeyError), events.query() as hear:
        hear(READ)
        raise KeyError
    assert "Stopped after 1,000 rows" in shown[-1]
