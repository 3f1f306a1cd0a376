"""Views of a load: the created table, its progress, and its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.view import Mark, View
from tidb_pe_magic.display.views.base import view_of
from tidb_pe_magic.display.views.queries import amounts

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLUMN = "  `"  # the beginning of a column's line
_MOST_COLUMNS = 50


@view_of.register(model.LoadResult)
def _load(result: model.LoadResult) -> View:
    return View(
        title=f"Loaded into {result.table} over {result.alias}",
        kind="ok",
        brief=(amounts(result.rows, result.bytes, result.seconds),),
        notes=tuple(Mark("info", note) for note in _notes(result)),
    )


def _notes(result: model.LoadResult) -> Iterator[str]:
    if result.replaced:
        yield "The table was replaced after the new one was complete."
    elif result.created:
        yield "The table was created."
    elif result.keys:
        yield f"Rows with an existing {', '.join(result.keys)} were updated."


def load_progress(event: model.RowsLoaded) -> str:
    """Return how many rows are committed, of how many."""
    rows, rest = amounts(event.rows, event.bytes, event.seconds).split(" ", 1)
    return f"{rows} of {event.total:,} {rest}"


def create_table(event: model.TableShown) -> View:
    """Return the statement that creates the table, without most of its columns if there are many."""
    lines = event.statement.split("\n")
    columns = [line for line in lines if line.startswith(_COLUMN)]
    if len(columns) > _MOST_COLUMNS:
        shown = columns[: _MOST_COLUMNS - 1]
        after = lines[lines.index(columns[-1]) + 1 :]
        lines = [lines[0], *shown, f"  … and {len(columns) - len(shown):,} more columns", *after]
    return View(title="The table that will be created", kind="info", block=tuple(lines))
