"""Results as text and HTML, and events as lines: for the notebook, the console and the form; no I/O."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import magic
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.text import as_text
from tidb_pe_magic.display.views import (
    amounts,
    fleet_summary,
    load_progress,
    plan_line,
    query_summary,
    state_counts,
    view,
)
from tidb_pe_magic.display.views import timeline as timelines
from tidb_pe_magic.display.views import topology as topologies
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.advice import Spelling

__all__ = [
    "event_line",
    "html",
    "mime_bundle",
    "row_line",
    "text",
    "timeline",
    "topology",
    "without_block",
]


def text(result: model.Result, spelling: Spelling = magic) -> str:
    """Return the result as aligned text, with commands in the given spelling."""
    return as_text(view(result), spelling=spelling, verbose=result.verbose)


def without_block(result: model.Result, spelling: Spelling = magic) -> str:
    """Return the aligned text of the result without its block of lines to copy."""
    return as_text(replace(view(result), block=()), spelling=spelling, verbose=result.verbose)


def html(result: model.Result) -> str:
    """Return the result as one self-contained HTML fragment."""
    return as_html(view(result), verbose=result.verbose)


@without_values()
def mime_bundle(result: model.Result) -> dict[str, str]:
    """Return a result for a notebook: a help topic as Markdown, all others as HTML."""
    if isinstance(result, model.HelpText):
        return {"text/plain": text(result), "text/markdown": _markdown(result)}
    return {"text/plain": text(result), "text/html": html(result)}


def topology(
    cluster: model.Cluster | None,
    endpoint: model.VpcEndpoint | None,
    aliases: Sequence[str] | None = None,
    *,
    looked_up: bool = True,
) -> str:
    """Return the path from the notebook to the cluster as one SVG element; aliases are None if unknown."""
    return topologies.topology(cluster, endpoint, aliases, looked_up=looked_up).svg()


def timeline(changes: Sequence[model.StateChange]) -> str:
    """Return the states seen during a wait, on a time line, as one SVG element."""
    return timelines.timeline(changes).svg()


def event_line(event: model.Event) -> str:
    """Return the event on one line."""
    return one_line(_line(event))


@singledispatch
def _line(event: model.Event) -> str:
    raise TypeError(f"no line for {type(event).__name__}")


@_line.register(model.StepStarted)
def _step_start(event: model.StepStarted) -> str:
    return f"{event.step} begins"


@_line.register(model.StepFinished)
def _step_end(event: model.StepFinished) -> str:
    step = event.finished
    skipped = ", skipped: nothing left to do" if step.skipped else ""
    return f"{step.step}: {step.detail} ({step.seconds:.1f} s{skipped})"


@_line.register(model.PlanShown)
def _plan(event: model.PlanShown) -> str:
    return f"plan: {plan_line(event.plan)}"


@_line.register(model.EndpointObserved)
def _endpoint_state(event: model.EndpointObserved) -> str:
    return f"waiting {event.elapsed:.0f} s for {event.waiting_for}: {_states(event.endpoint)}"


@_line.register(model.ObservationFailed)
def _observation_failure(event: model.ObservationFailed) -> str:
    return f"waiting {event.elapsed:.0f} s: no answer, retrying: {event.error}"


@_line.register(model.RetryScheduled)
def _retry(event: model.RetryScheduled) -> str:
    return f"retrying in {event.pause:.0f} s: {event.error}"


@_line.register(model.Notice)
def _notice(event: model.Notice) -> str:
    return f"note: {event.text}"


@_line.register(model.PackageLoading)
def _package_import(event: model.PackageLoading) -> str:
    return f"loading {event.package}…"


@_line.register(model.RowsRead)
def _read_progress(event: model.RowsRead) -> str:
    return f"reading: {amounts(event.rows, event.bytes, event.seconds)}"


@_line.register(model.TableShown)
def _create_table(event: model.TableShown) -> str:
    return event.statement


@_line.register(model.RowsLoaded)
def _load_progress(event: model.RowsLoaded) -> str:
    return f"loading: {load_progress(event)}"


@_line.register(model.QueryEnded)
def _query_end(event: model.QueryEnded) -> str:
    return "; ".join(query_summary(event.result))


@_line.register(model.FleetProgressed)
def _fleet_progress(event: model.FleetProgressed) -> str:
    return f"fleet {event.action}, {event.elapsed:.0f} s: {state_counts(event.rows)}"


@_line.register(model.FleetEnded)
def _fleet_end(event: model.FleetEnded) -> str:
    return fleet_summary(event.fleet)


def row_line(row: model.FleetRow) -> str:
    """Return the state of a fleet's row on one line."""
    more = " ".join(filter(None, (row.endpoint_id, row.detail)))
    return one_line(f"row {row.number} ({row.cluster} in {row.vpc_id}): {row.row_state} {more}".rstrip())


def _states(endpoint: model.VpcEndpoint | None) -> str:
    if endpoint is None:
        return "the endpoint is deleted"
    # The states come first: a narrow terminal shows only the beginning of the line.
    return f"{endpoint.states()} ({endpoint.endpoint_id})"


def _markdown(topic: model.HelpText) -> str:
    """Return a help topic as Markdown, with headings no larger than a notebook's own."""
    code, lines = False, []
    for line in topic.text.split("\n"):
        code ^= line.startswith("```")
        lines.append(f"##{line}" if line.startswith("#") and not code else line)
    return "\n".join(lines)
