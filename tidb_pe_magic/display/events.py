"""Events of a working step as lines of a terminal or a file, for IPython's terminal and the console."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from tidb_pe_magic import model
from tidb_pe_magic.advice import magic
from tidb_pe_magic.display import render
from tidb_pe_magic.display.text import as_text, columns
from tidb_pe_magic.display.view import Code, Mark, View
from tidb_pe_magic.display.views import (
    OWNER_ACCEPTS,
    amounts,
    awaits_owner,
    finding_notes,
    fleet_progress,
    load_progress,
    plan_line,
    view,
)
from tidb_pe_magic.display.views.loads import create_table
from tidb_pe_magic.display.views.timeline import observed_changes, timeline
from tidb_pe_magic.text import one_line

if TYPE_CHECKING:
    from typing import TextIO

    from tidb_pe_magic.advice import Spelling
    from tidb_pe_magic.display.view import Cell

_TERMINAL_COLUMNS = 80
# Steps of a run whose results are part of the plan's line.
_PART_OF_THE_PLAN = frozenset({"cluster", "verify"})


class EventLines:
    """Lines of a terminal, the last one rewritten while a step works; in a file, one line for each change."""

    def __init__(self, stream: TextIO | None, spelling: Spelling = magic) -> None:
        """Write to `stream`, or to the current standard output at each event."""
        self._given = stream
        self._spelling = spelling
        self._current = ""
        self._transient = 0  # columns of the line to rewrite
        self._last: tuple[object, ...] = ()

    def show(self, event: model.Event) -> None:
        """Write the event."""
        line = render.event_line(event)
        match event:
            case model.StepStarted():
                self._current = event.step
                self._rewrite(line)
            case model.StepFinished():
                self._current, self._last = "", ()
                if event.finished.step in _PART_OF_THE_PLAN:
                    self._rewrite(f"✔ {line}")
                else:
                    self._print(f"✔ {line}")
            case model.PlanShown():
                self._print(as_text(_plan_line(event.plan), spelling=self._spelling))
            case model.EndpointObserved() | model.ObservationFailed():
                self._rewrite(line)
                self._print_change(event, line)
            case model.RowsRead() | model.RowsLoaded() | model.PackageLoading():
                self._rewrite(line)
            case model.TableShown():
                self._print(as_text(create_table(event)))
            case model.FleetProgressed():
                self._show_rows(event)
                self._rewrite(line)
            case model.RetryScheduled() | model.Notice() | model.QueryEnded() | model.FleetEnded():
                self._print(line)

    def _show_rows(self, event: model.FleetProgressed) -> None:
        """Write a line for each failed row; in a file, a line for each changed row."""
        for row in event.changed:
            is_news = row.row_state not in {model.RowState.QUEUED, model.RowState.PLANNING}
            if row.failed or (is_news and not self._stream.isatty()):
                self._print(render.row_line(row))

    def clear(self) -> None:
        """Remove the line that was being rewritten."""
        self._write(self._blank())
        self._transient = 0

    def close(self) -> None:
        """End the line that was being rewritten, and report an unfinished step."""
        if self._transient:
            self._stream.write("\n")
            self._transient = 0
        if self._current:
            self._print(f"✘ {one_line(self._current)} did not finish")
            self._current = ""
        self._stream.flush()

    @property
    def _stream(self) -> TextIO:
        # Looked up at each use: a captured cell has its own stream.
        return self._given or sys.stdout

    def _print_change(self, event: model.EndpointObserved | model.ObservationFailed, line: str) -> None:
        """In a file, which cannot be rewritten, skip unchanged states."""
        ready = isinstance(event, model.EndpointObserved) and event.endpoint and event.endpoint.ready
        if self._stream.isatty() or ready:  # the result reports a ready endpoint
            return
        observed_changes: tuple[object, ...] = ("no answer",)
        if isinstance(event, model.EndpointObserved):
            endpoint = event.endpoint
            states = (endpoint.endpoint_status, endpoint.connection_status) if endpoint else ()
            observed_changes = (event.waiting_for, *states)
        if observed_changes != self._last:
            self._last = observed_changes
            self._print(line)

    def _print(self, text: str) -> None:
        lead = self._blank()
        self._transient = 0
        self._write(f"{lead}{text}\n")

    def _rewrite(self, line: str) -> None:
        if not self._stream.isatty():
            return
        kept = _shorten(line, max(1, self._terminal_columns() - 1))
        lead = self._blank()
        self._transient = columns(kept)
        self._write(lead + kept)

    def _blank(self) -> str:
        return "\r" + " " * self._transient + "\r" if self._transient else ""

    def _write(self, text: str) -> None:
        # An encoding error on a check mark must not end the step.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()

    def _terminal_columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _TERMINAL_COLUMNS
        except (OSError, ValueError):
            return _TERMINAL_COLUMNS


def _shorten(line: str, limit: int) -> str:
    """Shorten a line that would wrap, because a wrapped line cannot be rewritten."""
    kept = line
    while columns(kept) > limit - (kept != line):
        head, space, _word = kept.rpartition(" ")
        kept = head if space else kept[:-1]
    return kept if kept == line else f"{kept}…"


_SKIPPED = ", skipped: nothing left to do"


class Story:
    """The state that the events of one command add up to: the plan, the steps so far, and the wait."""

    def __init__(self) -> None:
        """Start without events."""
        self._plan: View | None = None
        self._steps: list[model.FinishedStep] = []
        self._current = ""
        self._observed: model.EndpointObserved | None = None
        self._failed: model.ObservationFailed | None = None
        self._changes: tuple[model.StateChange, ...] = ()
        self._retry: model.RetryScheduled | None = None
        self._notices: list[str] = []
        self._reading: model.RowsRead | model.RowsLoaded | None = None
        self._table: model.TableShown | None = None
        self._loading = ""
        self._fleet: model.FleetProgressed | model.FleetEnded | None = None
        self._query: model.QueryResult | None = None

    @property
    def is_unfinished(self) -> bool:
        """Whether something was started and its end was not reported."""
        return bool(
            self._current
            or self._observed
            or self._failed
            or self._retry
            or self._loading
            or self._reading
            or isinstance(self._fleet, model.FleetProgressed)
        )

    def take(self, event: model.Event) -> None:
        """Add an event."""
        self._changes = model.changes_with(self._changes, event)
        self._retry = None
        self._loading = event.package if isinstance(event, model.PackageLoading) else ""
        self._fleet = event if isinstance(event, model.FleetProgressed | model.FleetEnded) else self._fleet
        match event:
            case model.StepStarted():
                self._current = event.step
            case model.StepFinished():
                self._steps.append(event.finished)
                self._current, self._observed, self._failed = "", None, None
                self._changes = ()
            case model.PlanShown():
                self._plan = _plan_line(event.plan)
            case model.EndpointObserved():
                self._observed, self._failed = event, None
            case model.ObservationFailed():
                self._failed = event
            case model.RetryScheduled():
                self._retry = event
            case model.Notice():
                self._notices.append(event.text)
            case _:
                self._take_rows(event)

    def _take_rows(self, event: model.Event) -> None:
        """Add an event about rows that are read or loaded."""
        match event:
            case model.RowsRead() | model.RowsLoaded():
                self._reading = event
            case model.TableShown():
                self._table = event
            case model.QueryEnded():
                self._reading, self._query = None, event.result

    def _step_notes(self, *, live: bool) -> tuple[Mark, ...]:
        """Return a line for each step, the one in progress last."""
        done = [
            Mark("ok", f"{step.step}: {step.detail} ({step.seconds:.1f} s{_SKIPPED if step.skipped else ''})")
            for step in self._steps
            if not (self._plan and step.step in _PART_OF_THE_PLAN)
        ]
        if self._current:
            state = "in progress" if live else "did not finish"
            done.append(Mark("busy" if live else "no", f"{self._current}: {state}"))
        return tuple(done)

    def forget_rows(self) -> None:
        """Stop showing the rows that are being read."""
        self._reading = None

    def views(self, *, live: bool) -> list[View]:
        """Return the views to show, during the work or after it."""
        views = [self._plan] if self._plan else []
        if steps := self._step_notes(live=live):
            views.append(View(title="", notes=steps))
        if self._loading and live:
            views.append(View(title=f"Loading {self._loading}…", kind="busy"))
        if self._observed or self._failed:
            views.append(_wait_view(self._observed, self._failed, self._changes, live=live))
        if self._fleet:
            views.append(fleet_progress(self._fleet, live=live))
        if self._table:
            views.append(create_table(self._table))
        if self._notices:
            views.append(View(title="", notes=tuple(Mark("info", text) for text in self._notices)))
        if self._retry:
            views.append(_retry_view(self._retry, live=live))
        if self._reading:
            views.append(_rows(self._reading, live=live))
        if self._query:
            # The data follow as the cell's own result.
            views.append(replace(view(self._query), block=()))
        return [each for each in views if each.title or each.notes]


def _plan_line(plan: model.EndpointPlan) -> View:
    """Return one line with the choices of `run`, and what needs attention first."""
    return View(title=f"Plan: {plan_line(plan)}", notes=finding_notes(plan))


def _wait_view(
    observed: model.EndpointObserved | None,
    failed: model.ObservationFailed | None,
    changes: tuple[model.StateChange, ...],
    *,
    live: bool,
) -> View:
    latest = failed or observed
    elapsed = f"{latest.elapsed:.0f} s" if latest else ""
    facts: list[Cell] = [elapsed] if live and elapsed else []
    notes = [Mark("warn", f"No answer, retrying: {failed.error}")] if failed else []
    goal = ident = ""
    # If the endpoint is ready, the command's own result follows.
    shows_states = observed is None or observed.endpoint is None or live or not observed.endpoint.ready
    if observed is not None:
        goal = f" for: {observed.waiting_for}"
        endpoint = observed.endpoint
        if endpoint is None:
            facts.append("endpoint gone")
        else:
            ident = endpoint.endpoint_id
            facts += _states(endpoint) if shows_states else []
            if live and awaits_owner(endpoint):
                notes.append(OWNER_ACCEPTS)
    if len(changes) > 1 and shows_states:
        notes.append(observed_changes(changes))
    if not shows_states and not failed:
        return View(title="")
    return View(
        title=("Waiting" if live else f"Waited {elapsed}") + goal,
        kind="busy" if live else "info",
        ident=ident,
        brief=tuple(facts),
        pictures=(timeline(changes),) if len(changes) > 1 and shows_states else (),
        notes=tuple(notes),
    )


def _retry_view(retry: model.RetryScheduled, *, live: bool) -> View:
    return View(
        title=f"Retrying in {retry.pause:.0f} s" if live else "Retried",
        kind="busy" if live else "info",
        notes=(Mark("warn", retry.error),),
    )


def _rows(reading: model.RowsRead | model.RowsLoaded, *, live: bool) -> View:
    if isinstance(reading, model.RowsLoaded):
        done = load_progress(reading)
        return View(
            title=f"Loading: {done}" if live else f"Committed: {done}", kind="busy" if live else "info"
        )
    read = amounts(reading.rows, reading.bytes, reading.seconds)
    return View(
        title=f"Reading: {read}" if live else f"Stopped after {read}", kind="busy" if live else "info"
    )


def _states(endpoint: model.VpcEndpoint) -> list[Cell]:
    states = (("endpoint", endpoint.endpoint_status), ("connection", endpoint.connection_status))
    facts: list[Cell] = [f"{label} {state}" for label, state in states if state]
    if endpoint.zones:
        facts.append(Code(*(zone.zone_id for zone in endpoint.zones)))
    return facts
