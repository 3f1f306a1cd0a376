"""Live progress: one output in a kernel, lines elsewhere."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.utils.capture import capture_output
from support.results import CREATING, ENDPOINT, EVENTS, PLAN, hostile

from tidb_pe_magic.display.text import columns
from tidb_pe_magic.model import (
    EndpointObserved,
    Event,
    FinishedStep,
    Notice,
    ObservationFailed,
    PlanShown,
    RetryScheduled,
    RowsLoaded,
    StepFinished,
    StepStarted,
)
from tidb_pe_magic.notebook.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.interactiveshell import InteractiveShell

_GOAL = "Active and Connected"


@dataclass
class _Kernel:
    """A shell in a kernel, and everything published to its only output."""

    kernel: object = field(default_factory=object)
    outputs: list[tuple[dict[str, str], str, bool]] = field(default_factory=list)

    def publish(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        self.outputs.append((data, transient["display_id"], update))

    def progress(self) -> Progress:
        return Progress(cast("InteractiveShell", self), publish=self.publish)

    @property
    def text(self) -> str:
        return self.outputs[-1][0]["text/plain"]


class _Terminal(io.StringIO):
    """A terminal: `screen` is its content after the carriage returns."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for written in line.split("\r"):
                shown = written + shown[len(written) :]
            lines.append(shown.rstrip())
        return lines


def _observed(elapsed: float, **change: Any) -> EndpointObserved:
    return EndpointObserved(endpoint=replace(CREATING, **change), elapsed=elapsed, waiting_for=_GOAL)


def _finished(step: str, detail: str = "done", *, skipped: bool = False) -> StepFinished:
    return StepFinished(finished=FinishedStep(step=step, detail=detail, seconds=0.25, skipped=skipped))


_RUN: tuple[Event, ...] = (
    StepStarted(step="verify"),
    _finished("verify", "visible"),
    PlanShown(plan=PLAN),
    StepStarted(step="create"),
    _finished("create", ENDPOINT.endpoint_id, skipped=True),
    StepStarted(step="wait"),
    _observed(0.5),
    _observed(1.5),
    _observed(2.5, endpoint_status="Active"),
)


def _tell(progress: Progress, events: Iterable[Event]) -> None:
    for event in events:
        progress(event)


def test_a_kernel_has_one_output_that_is_updated_in_place() -> None:
    """The first event creates the output, and every later one updates it under the same ID, in both forms."""
    kernel = _Kernel()
    progress = kernel.progress()
    assert kernel.outputs == []
    _tell(progress, _RUN)
    assert [update for _, _, update in kernel.outputs] == [False] + [True] * (len(_RUN) - 1)
    assert len({display_id for _, display_id, _ in kernel.outputs}) == 1
    assert all(set(data) == {"text/plain", "text/html"} for data, _, _ in kernel.outputs)


def test_two_commands_have_two_outputs() -> None:
    """A second progress never writes to the first one's output."""
    kernel = _Kernel()
    for _ in range(2):
        kernel.progress()(StepStarted(step="verify"))
    assert len({display_id for _, display_id, _ in kernel.outputs}) == 2


def test_a_kernel_shows_plan_steps_and_wait_together() -> None:
    """While `run` waits, the output shows the plan, the steps, both states, the seconds and the goal."""
    kernel = _Kernel()
    _tell(kernel.progress(), _RUN)
    shown = " ".join(kernel.text.split())
    assert "2 zones, each billed by the hour" in shown
    assert "verify" not in shown
    assert "✔ create: ep-t4nabc123 (0.2 s, skipped: nothing left to do)" in shown
    assert "… wait: in progress" in shown
    assert f"Waiting for: {_GOAL} ep-t4nabc123" in shown
    assert "2 s · endpoint Active · connection Disconnected" in shown
    html = kernel.outputs[-1][0]["text/html"]
    assert all(words in html for words in ("endpoint Active · connection Disconnected", "billed by the hour"))


def test_the_plan_is_shown_before_the_next_step() -> None:
    """The chosen placement and the billing are shown in one line once known, without a command."""
    kernel = _Kernel()
    _tell(kernel.progress(), _RUN[:3])
    (line,) = kernel.text.splitlines()
    assert line.startswith("Plan: create tidb-demo in vpc-t4nabc123, security group sg-t4nabc123")
    assert line.endswith("2 zones, each billed by the hour from creation until deletion")


def test_a_wait_without_a_step_is_shown() -> None:
    """The `wait` command alone has no steps, and shows its states."""
    kernel = _Kernel()
    _tell(kernel.progress(), [_observed(3)])
    assert kernel.text.startswith("… Waiting for: Active and Connected ep-t4nabc123")
    assert "Step" not in kernel.text


def test_a_failed_observation_keeps_the_last_state_and_is_forgotten_after_the_next() -> None:
    """An API error appears next to the last known state until the API answers again."""
    kernel = _Kernel()
    progress = kernel.progress()
    _tell(progress, [_observed(1), ObservationFailed(error="Throttled: too many requests", elapsed=9)])
    assert "Creating" in kernel.text
    assert "No answer, retrying: Throttled" in kernel.text
    assert "9 s" in kernel.text
    progress(_observed(10))
    assert "No answer" not in kernel.text


def test_a_deleted_endpoint_is_shown_as_gone() -> None:
    """Waiting for a deletion ends with an observation of nothing."""
    kernel = _Kernel()
    _tell(kernel.progress(), [EndpointObserved(endpoint=None, elapsed=4, waiting_for="deleted")])
    assert "gone" in kernel.text


def test_the_wait_is_gone_once_its_step_has_ended() -> None:
    """After the step `wait`, the steps include its result, and the output no longer says that it waits."""
    kernel = _Kernel()
    _tell(kernel.progress(), [*_RUN, _finished("wait", "Active, Connected")])
    assert "Waiting" not in kernel.text
    assert "Active, Connected" in kernel.text


def test_a_wait_draws_the_states_that_it_has_seen_so_far() -> None:
    """A running or detached wait draws the states it has seen; a result has its own drawing."""
    kernel = _Kernel()
    progress = kernel.progress()
    _tell(progress, _RUN)
    assert "<svg" in kernel.outputs[-1][0]["text/html"]
    assert "0.5 s: Creating, connection Disconnected; 2.5 s: Active" in " ".join(kernel.text.split())
    progress.close()
    assert "<svg" in kernel.outputs[-1][0]["text/html"]
    ready = kernel.progress()
    ready(_observed(3, endpoint_status="Active", connection_status="Connected"))
    ready.close()
    assert "<svg" not in kernel.outputs[-1][0]["text/html"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_load_that_ended_leaves_no_count(*, ended: bool) -> None:
    """Where all rows are loaded the result says so; of a load that failed the last count stays."""
    kernel = _Kernel()
    progress = kernel.progress()
    progress(RowsLoaded(rows=2, total=5, bytes=10, seconds=1))
    assert kernel.text.startswith("… Loading: 2 of 5 rows")
    if ended:
        progress.clear()
    progress.close()
    assert kernel.text == ("" if ended else "· Committed: 2 of 5 rows · 0.0 kB · 1.0 s")


def test_a_closed_output_stays_and_does_not_claim_to_wait() -> None:
    """After an interrupted wait the last states stay, and the step is marked as not finished."""
    kernel = _Kernel()
    progress = kernel.progress()
    _tell(progress, _RUN)
    progress.close()
    shown = " ".join(kernel.text.split())
    assert "✘ wait: did not finish" in shown
    assert f"Waited 2 s for: {_GOAL}" in shown
    assert "endpoint Active · connection Disconnected" in shown
    assert "2 zones" in shown
    assert "Waiting" not in shown
    published = len(kernel.outputs)
    progress.close()
    assert len(kernel.outputs) == published


def test_closing_an_unused_or_finished_progress_shows_nothing() -> None:
    """A command without events, or with all its steps done, gets no further output."""
    kernel = _Kernel()
    kernel.progress().close()
    assert kernel.outputs == []
    progress = kernel.progress()
    _tell(progress, _RUN[:2])
    progress.close()
    assert len(kernel.outputs) == 2


def test_events_of_another_thread_print_nothing() -> None:
    """In a kernel, events from a worker thread update the output and leave the streams alone."""
    kernel = _Kernel()
    with capture_output() as captured:
        worker = threading.Thread(target=_tell, args=(kernel.progress(), _RUN))
        worker.start()
        worker.join()
    assert len(kernel.outputs) == len(_RUN)
    assert captured.stdout == ""
    assert captured.stderr == ""


def test_a_file_gets_a_line_for_each_step_and_each_change() -> None:
    """Without a terminal, each step and each changed state is a line, and nothing is rewritten."""
    stream = io.StringIO()
    progress = Progress(None, stream=stream)
    _tell(progress, [*_RUN, _finished("wait", "Active, Connected")])
    progress.close()
    lines = stream.getvalue().splitlines()
    assert "\r" not in stream.getvalue()
    assert [line for line in lines if line.startswith("✔")] == [
        "✔ create: ep-t4nabc123 (0.2 s, skipped: nothing left to do)",
        "✔ wait: Active, Connected (0.2 s)",
    ]
    waits = [line for line in lines if line.startswith("waiting")]
    assert [line.split(": ")[1].split(" ")[0] for line in waits] == ["Creating,", "Active,"]
    assert lines[0].startswith("Plan: create tidb-demo")


def test_a_file_gets_a_line_for_silence_and_for_the_next_answer() -> None:
    """A cloud that stops answering is one line, however often; the state after it is a line again."""
    stream = io.StringIO()
    failed = ObservationFailed(error="Throttled", elapsed=2)
    _tell(Progress(None, stream=stream), [_observed(1), failed, failed, _observed(3)])
    assert [("no answer" in line) for line in stream.getvalue().splitlines()] == [False, True, False]


def test_a_terminal_rewrites_its_last_line() -> None:
    """In a terminal the wait is one line, without leftovers of a longer previous line."""
    stream = _Terminal()
    progress = Progress(None, stream=stream)
    _tell(progress, [*_RUN, _observed(100, endpoint_status="X", connection_status="Y")])
    assert stream.screen[-1] == "waiting 100 s for Active and Connected: X, connection Y (ep-t4nabc123)"
    progress(_finished("wait", "ready"))
    progress.close()
    assert stream.screen[0].startswith("Plan: create tidb-demo")
    assert stream.screen[-2:] == ["✔ wait: ready (0.2 s)", ""]
    assert not [line for line in stream.screen if line.startswith("waiting")]


def test_a_closed_terminal_keeps_the_last_state_and_names_the_step() -> None:
    """An interrupted wait leaves its last line, and a line for the unfinished step."""
    stream = _Terminal()
    progress = Progress(None, stream=stream)
    _tell(progress, _RUN)
    progress.close()
    progress.close()
    assert stream.screen[-3].startswith(
        "waiting 2 s for Active and Connected: Active, connection Disconnected"
    )
    assert stream.screen[-2:] == ["✘ wait did not finish", ""]


@settings(deadline=None)
@given(elapsed=st.floats(0, 1e6), name=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_rewritten_line_never_wraps(elapsed: float, name: str) -> None:
    """A line longer than the terminal cannot be rewritten, so it is cut, preferably between words."""
    stream = _Terminal()
    Progress(None, stream=stream)(_observed(elapsed, endpoint_status=name))
    assert columns(stream.getvalue()) < 80


def test_a_narrow_encoding_does_not_end_the_step() -> None:
    """A stream without a check mark in its encoding gets a question mark, and the step continues."""
    raw = io.BytesIO()
    progress = Progress(None, stream=io.TextIOWrapper(raw, encoding="ascii", newline="\n"))
    progress(_finished("create"))
    assert raw.getvalue() == b"? create: done (0.2 s)\n"


def test_a_shell_without_a_kernel_prints_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """In an IPython terminal, lines go to the current standard output."""
    progress = Progress(cast("InteractiveShell", object()))
    progress(_finished("create"))
    assert capsys.readouterr().out == "✔ create: done (0.2 s)\n"
    with capture_output() as captured:
        progress(_finished("wait"))
    assert captured.stdout == "✔ wait: done (0.2 s)\n"


@pytest.mark.parametrize("kind", EVENTS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_event_is_shown_everywhere(kind: type, data: st.DataObject) -> None:
    """Kernel, terminal and file show every event, without escape sequences."""
    event = data.draw(hostile(kind))
    kernel, terminal, file = _Kernel(), _Terminal(), io.StringIO()
    for progress in (kernel.progress(), Progress(None, stream=terminal), Progress(None, stream=file)):
        progress(event)
        progress.close()
    for shown in (kernel.text, kernel.outputs[-1][0]["text/html"], terminal.getvalue(), file.getvalue()):
        assert not {"\x1b", "\x07", "\u202e", "\u2066", "\u2028"} & set(shown)
    assert "<script>" not in kernel.outputs[-1][0]["text/html"]
    assert "<img" not in kernel.outputs[-1][0]["text/html"]


_RETRY = RetryScheduled(operation="ListClusters", error="ListClusters failed: slow.", attempt=1, pause=12.3)


def test_a_pause_before_another_call_is_announced() -> None:
    """A pause shows its reason and its length, and the line disappears when the call continues."""
    kernel, file = _Kernel(), io.StringIO()
    progress, lines = kernel.progress(), Progress(None, stream=file)
    for told in (progress, lines):
        _tell(told, [StepStarted(step="verify"), _RETRY])
    assert "… Retrying in 12 s" in kernel.text
    assert "ListClusters failed: slow." in kernel.text
    assert "retrying in 12 s: ListClusters failed: slow." in file.getvalue()
    progress(_finished("verify"))
    assert "Retrying" not in kernel.text


def test_a_pause_that_was_the_last_event_is_past() -> None:
    """A command without steps leaves no output that still says it is waiting."""
    kernel = _Kernel()
    progress = kernel.progress()
    progress(_RETRY)
    progress.close()
    assert "Retrying" not in kernel.text
    assert "Retried" in kernel.text


def test_a_notice_stays() -> None:
    """A notice stays to the end."""
    kernel, terminal = _Kernel(), _Terminal()
    progress, lines = kernel.progress(), Progress(None, stream=terminal)
    for told in (progress, lines):
        _tell(told, [Notice(text="another kernel is at it"), _finished("create")])
        told.close()
    assert "another kernel is at it" in kernel.text
    assert "note: another kernel is at it" in terminal.screen
