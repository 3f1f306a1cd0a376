"""Events, while a step works, as something to look at: one output updated in place, or lines."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TextIO

from tidb_pe_magic import model
from tidb_pe_magic.display.events import EventLines
from tidb_pe_magic.display.layout import Code, Mark, View, as_html, as_text
from tidb_pe_magic.display.views import (
    OWNER_ACCEPTS,
    amounts,
    awaits_owner,
    fleet_progress,
    steps_table,
    view,
)
from tidb_pe_magic.display.views.timeline import seen, timeline

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.display.layout import Fact


class Publish(Protocol):
    """What IPython's display publisher offers."""

    def __call__(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        """Show `data`, or update what was shown under the same display ID."""


class Progress:
    """Event hook of one command; what it showed last stays when it is closed.

    In a kernel one output is updated in place, from whatever thread the events come. Elsewhere lines
    go to standard output.
    """

    def __init__(
        self,
        shell: InteractiveShell | None,
        *,
        stream: TextIO | None = None,
        publish: Publish | None = None,
    ) -> None:
        """Show nothing yet: most commands have no events.

        Args:
            shell: IPython's shell; None where there is none.
            stream: instead of standard output.
            publish: instead of the shell's display publisher.
        """
        self._output: _Output | EventLines
        if shell is not None and getattr(shell, "kernel", None) is not None:
            self._output = _Output(publish or shell.display_pub.publish)
        else:
            self._output = EventLines(stream)

    def __call__(self, event: model.Event) -> None:
        """Show the event."""
        self._output.show(event)

    def close(self) -> None:
        """Say what was left unfinished; may be called twice."""
        self._output.close()


class Story:
    """What the events of one command tell: the plan, the steps so far, and the wait."""

    def __init__(self) -> None:
        """Have nothing to tell yet."""
        self._plan: View | None = None
        self._steps: list[model.FinishedStep] = []
        self._current = ""
        self._observed: model.EndpointObserved | None = None
        self._failed: model.ObservationFailed | None = None
        self._changes: tuple[model.StateChange, ...] = ()
        self._retry: model.RetryScheduled | None = None
        self._notices: list[str] = []
        self._reading: model.RowsRead | None = None
        self._fleet: model.FleetProgressed | model.FleetEnded | None = None
        self._query: model.QueryResult | None = None

    @property
    def unfinished(self) -> bool:
        """Something was begun, and its end was not told."""
        return bool(
            self._current
            or self._observed
            or self._failed
            or self._retry
            or self._reading
            or isinstance(self._fleet, model.FleetProgressed)
        )

    def take(self, event: model.Event) -> None:
        """Take an event in."""
        self._changes = model.changes_with(self._changes, event)
        self._retry = None
        self._fleet = event if isinstance(event, model.FleetProgressed | model.FleetEnded) else self._fleet
        match event:
            case model.StepStarted():
                self._current = event.step
            case model.StepFinished():
                self._steps.append(event.finished)
                self._current, self._observed, self._failed = "", None, None
                self._changes = ()
            case model.PlanShown():
                # The steps go on by themselves: there is no next command to run.
                self._plan = replace(view(event.plan), next_command="")
            case model.EndpointObserved():
                self._observed, self._failed = event, None
            case model.ObservationFailed():
                self._failed = event
            case model.RetryScheduled():
                self._retry = event
            case model.Notice():
                self._notices.append(event.text)
            case model.RowsRead():
                self._reading = event
            case model.QueryEnded():
                self._reading, self._query = None, event.result

    def views(self, *, live: bool) -> list[View]:
        """Return what is shown, while it works or after it."""
        views = [self._plan] if self._plan else []
        if self._steps or self._current:
            current = Mark("busy" if live else "no", self._current) if self._current else None
            detail = "under way" if live else "did not finish"
            table = steps_table(self._steps, current, detail)
            views.append(View(title="Steps", tables=(table,)))
        if self._observed or self._failed:
            views.append(_waiting(self._observed, self._failed, self._changes, live=live))
        if self._fleet:
            views.append(fleet_progress(self._fleet, live=live))
        if self._notices:
            views.append(View(title="Note", notes=tuple(Mark("info", text) for text in self._notices)))
        if self._retry:
            views.append(_asking_again(self._retry, live=live))
        if self._reading:
            views.append(_rows(self._reading, live=live))
        if self._query:
            # The data follow as the cell's own result.
            views.append(replace(view(self._query), block=()))
        return views


class _Output:
    """One output of a notebook cell, updated in place."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._display_id = uuid.uuid4().hex
        self._shown = self._closed = False
        self._story = Story()

    def show(self, event: model.Event) -> None:
        """Take the event in, and update the output."""
        self._story.take(event)
        self._update(live=True)

    def close(self) -> None:
        """Leave no output that still says it is waiting."""
        if self._story.unfinished and not self._closed:
            self._update(live=False)
        self._closed = True

    def _update(self, *, live: bool) -> None:
        views = self._story.views(live=live)
        data = {
            "text/plain": "\n\n".join(map(as_text, views)),
            "text/html": "".join(map(as_html, views)),
        }
        self._publish(data, transient={"display_id": self._display_id}, update=self._shown)
        self._shown = True


def _waiting(
    observed: model.EndpointObserved | None,
    failed: model.ObservationFailed | None,
    changes: tuple[model.StateChange, ...],
    *,
    live: bool,
) -> View:
    latest = failed or observed
    elapsed = f"{latest.elapsed:.0f} s" if latest else ""
    facts: list[Fact] = [("Elapsed", elapsed)] if live else []
    notes = [Mark("warn", f"No answer, asking again: {failed.error}")] if failed else []
    goal = ident = ""
    # Of an endpoint that has become ready, the command's own result follows.
    told = observed is None or observed.endpoint is None or live or not observed.endpoint.ready
    if observed is not None:
        goal = f" for: {observed.waiting_for}"
        endpoint = observed.endpoint
        if endpoint is None:
            facts.insert(0, ("Endpoint", "gone"))
        else:
            ident = endpoint.endpoint_id
            facts[:0] = _states(endpoint) if told else []
            if live and awaits_owner(endpoint):
                notes.append(OWNER_ACCEPTS)
    if changes and told:
        notes.append(seen(changes))
    return View(
        title=("Waiting" if live else f"Waited {elapsed}") + goal,
        kind="busy" if live else "info",
        ident=ident,
        facts=tuple(facts),
        pictures=(timeline(changes),) if changes and told else (),
        notes=tuple(notes),
    )


def _asking_again(retry: model.RetryScheduled, *, live: bool) -> View:
    return View(
        title=f"Asking again in {retry.pause:.0f} s" if live else "Asked again",
        kind="busy" if live else "info",
        notes=(Mark("warn", retry.error),),
    )


def _rows(reading: model.RowsRead, *, live: bool) -> View:
    read = amounts(reading.rows, reading.bytes, reading.seconds)
    return View(
        title=f"Reading: {read}" if live else f"Stopped after {read}", kind="busy" if live else "info"
    )


def _states(endpoint: model.VpcEndpoint) -> list[Fact]:
    facts: list[Fact] = [
        ("Endpoint status", endpoint.endpoint_status),
        ("Connection status", endpoint.connection_status),
    ]
    if endpoint.zones:
        facts.append(("Zones", Code(*(zone.zone_id for zone in endpoint.zones))))
    return facts
