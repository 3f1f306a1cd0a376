"""Views of a query: how much it read, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.display.rows import table_lines
from tidb_pe_magic.display.view import Mark, View
from tidb_pe_magic.display.views.base import view_of
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MEGABYTE = 1_000_000
_MOST_WARNINGS = 3


@view_of.register(model.QueryResult)
def _query(result: model.QueryResult) -> View:
    first, *more = query_summary(result)
    shown = result.returned and result.data is not None
    block = tuple(str(result.data).splitlines()) if shown else ()
    return View(
        title=f"Query over {result.alias}: {first}",
        kind="ok",
        block=block,
        notes=tuple(Mark("info", note) for note in more),
    )


@view_of.register(model.QueryPlan)
def _plan(plan: model.QueryPlan) -> View:
    if not plan.operators:
        lines = tuple(table_lines(plan.columns, plan.rows)) if plan.columns else ()
        note = "This server is not TiDB: the output of EXPLAIN is shown unchanged."
        return View(title=f"Plan of {plan.statement}", block=lines, notes=(Mark("info", note),))
    measured = (("rows", _actual), ("time", _time)) if plan.analyzed else ()
    shown: tuple[tuple[str, Callable[[model.PlanOperator], str]], ...] = (
        ("operator", lambda operator: operator.tree + operator.name),
        ("estimate", _estimate),
        *measured,
        ("task", lambda operator: operator.task),
        ("access", lambda operator: operator.access_object),
        ("info", lambda operator: operator.info),
    )
    rows = [[write(operator) for _, write in shown] for operator in plan.operators]
    numbers = range(1, 2 + len(measured))
    note = (
        "An operator's time includes the operators below it."
        if plan.analyzed
        else "Rows are estimates; --explain-analyze runs the statement and measures."
    )
    return View(
        title=f"Plan of {plan.statement}",
        block=tuple(table_lines([name for name, _ in shown], rows, numbers)),
        notes=(Mark("aside", note),),
    )


def _estimate(operator: model.PlanOperator) -> str:
    return "" if operator.estimated_rows is None else f"{operator.estimated_rows:,.0f}"


def _actual(operator: model.PlanOperator) -> str:
    return "" if operator.rows is None else f"{operator.rows:,}"


def _time(operator: model.PlanOperator) -> str:
    seconds = operator.seconds
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def query_summary(result: model.QueryResult) -> tuple[str, ...]:
    """Return a few lines about what was read, and what to know about it."""
    return tuple(_summary(result))


def _summary(result: model.QueryResult) -> Iterator[str]:
    if result.deferred:
        yield f"ready in {result.seconds:.1f} s; Dask's workers read the data when it is needed"
        return
    where = f" · written to {result.path}" if result.path else ""
    yield _first(result) + where
    if result.cut:
        yield f"only the first {result.rows:,} rows: there are more (--max-rows)"
    if result.exact_decimals:
        columns = ", ".join(result.exact_decimals)
        yield (
            f"DECIMAL columns kept exact, because float64 would lose digits: {columns} (--decimals float; "
            "for %%sql: %config TidbPeMagics.decimals = 'float')"
        )
    if result.zero_dates:
        columns = ", ".join(f"{column}: {count:,}" for column, count in result.zero_dates.items())
        became = "written as NULL" if result.path else "converted to NaT"
        yield f"invalid dates (such as 0000-00-00) were {became}: {columns}"
    for warning in result.server_warnings[:_MOST_WARNINGS]:
        yield f"the server reports {one_line(warning)}"
    if more := len(result.server_warnings[_MOST_WARNINGS:]):
        yield f"the server reports {more} more {'warning' if more == 1 else 'warnings'}"


def _first(result: model.QueryResult) -> str:
    cost = "" if result.request_units is None else f" · {units(result.request_units)}"
    if result.returned:
        return amounts(result.rows, result.bytes, result.seconds) + cost
    done = "done" if result.changed is None else f"{_rows(result.changed)} changed"
    return f"{done} · {result.seconds:.1f} s{cost}"


def units(count: float) -> str:
    """Return Request Units, with at least one nonzero digit."""
    return f"{count:,.1f} RU" if count >= 1 else f"{count:.1g} RU"


def amounts(rows: int, received: int, seconds: float) -> str:
    """Return rows, megabytes and seconds."""
    size = f"{received / _MEGABYTE:,.1f} MB" if received >= _MEGABYTE / 10 else f"{received / 1000:.1f} kB"
    return f"{_rows(rows)} · {size} · {seconds:.1f} s"


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"
