"""The retry policy, on a clock that moves only during pauses."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.clouds.causes import is_hopeless
from tidb_pe_magic.clouds.retries import NO_RETRIES, Retries, once
from tidb_pe_magic.errors import (
    ApiError,
    AuthenticationFailed,
    Conflict,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Throttled,
    WaitCancelled,
)
from tidb_pe_magic.model import RetryScheduled
from tidb_pe_magic.threads import SLICE

if TYPE_CHECKING:
    from tidb_pe_magic.model import Event

DOWN = ServiceUnavailable("down.", operation="Op")


class Scene:
    """Answers in order, and a clock that moves with the pauses."""

    def __init__(self, *answers: str | BaseException, seconds_per_call: float = 0.0) -> None:
        """Take the answers. The last one repeats."""
        self.answers = list(answers)
        self.per_call = seconds_per_call
        self.now, self.calls = 100.0, 0
        self.pauses: list[float] = []
        self.events: list[Event] = []

    def work(self) -> str:
        """Return the next answer, or raise it."""
        self.calls += 1
        self.now += self.per_call
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def sleep(self, seconds: float) -> bool:
        """Move the clock."""
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds
        return False

    def call(self) -> str:
        """Make the call under the policy."""
        retries = Retries(clock=lambda: self.now, sleep=self.sleep, on_event=self.events.append)
        return retries.call("Op", self.work)


def test_a_successful_call_is_sent_once_without_a_pause() -> None:
    """A call that succeeds is sent once, without a pause."""
    scene = Scene("done")
    assert scene.call() == "done"
    assert (scene.calls, scene.pauses, scene.events) == (1, [], [])


def test_a_transient_failure_is_retried_with_longer_pauses() -> None:
    """After a transient failure the pauses double with jitter, and each is announced before it begins."""
    scene = Scene(DOWN, DOWN, DOWN, "done")
    assert scene.call() == "done"
    for pause, least in zip(scene.pauses, (0.5, 1.0, 2.0), strict=True):
        assert least <= pause <= least + 0.5
    assert [(e.attempt, e.pause) for e in scene.events if isinstance(e, RetryScheduled)] == list(
        enumerate(scene.pauses, 1)
    )
    assert all("Op failed: down." in str(event) for event in scene.events)


@pytest.mark.parametrize(
    "error",
    [
        ApiError("no.", operation="Op"),
        AuthenticationFailed("no.", operation="Op"),
        PermissionDenied("no.", operation="Op"),
        NotFound("no.", operation="Op"),
        Conflict("no.", operation="Op"),
        KeyError("a bug"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_permanent_failure_is_raised_immediately(error: BaseException) -> None:
    """A refusal, a bug and the stop button are raised unchanged after one call."""
    scene = Scene(error)
    with pytest.raises(type(error)) as caught:
        scene.call()
    assert caught.value is error
    assert (scene.calls, scene.events) == (1, [])


def test_the_last_failure_is_raised_after_six_calls() -> None:
    """After six calls the cloud's own last error is raised."""
    scene = Scene(DOWN)
    with pytest.raises(ServiceUnavailable) as caught:
        scene.call()
    assert caught.value is DOWN
    assert scene.calls == 6
    assert sum(scene.pauses) < 20


def test_a_pause_that_the_cloud_requests_is_respected() -> None:
    """The next call comes after the delay that the cloud requested, with little extra."""
    scene = Scene(Throttled("slow.", operation="Op", retry_after=37.0), "done")
    assert scene.call() == "done"
    assert 37.0 <= scene.pauses[0] <= 38.0


def test_a_pause_beyond_the_deadline_is_not_begun() -> None:
    """A pause that exceeds the deadline is an error immediately."""
    throttled = Throttled("slow.", operation="Op", retry_after=3600.0)
    scene = Scene(throttled)
    with pytest.raises(Throttled) as caught:
        scene.call()
    assert caught.value is throttled
    assert (scene.pauses, scene.events) == ([], [])


@given(
    st.lists(st.none() | st.floats(0, 200, allow_nan=False), min_size=1, max_size=12),
    st.floats(0, 30, allow_nan=False),
)
def test_no_call_begins_after_the_deadline(asked: list[float | None], per_call: float) -> None:
    """Calls stop at the deadline, whatever the cloud requests and however long its answers take."""
    failures = [Throttled("slow.", operation="Op", retry_after=wait) for wait in asked]
    scene = Scene(*failures, seconds_per_call=per_call)
    with pytest.raises(Throttled):
        scene.call()
    assert scene.now - 100.0 <= 90.0 + per_call
    assert scene.calls == len(scene.pauses) + 1 <= 6


def test_once_makes_no_second_call() -> None:
    """A wait, which polls by itself, and a client without a policy make each call once."""
    scene = Scene(DOWN)
    with once(), pytest.raises(ServiceUnavailable):
        scene.call()
    assert scene.calls == 1
    with pytest.raises(ServiceUnavailable):
        NO_RETRIES.call("Op", scene.work)
    assert scene.calls == 2
    with pytest.raises(ServiceUnavailable):
        scene.call()
    assert scene.calls == 8


def test_a_cancelled_pause_ends_the_call() -> None:
    """The cancel event ends the pause with one line that names the call."""
    cancel = threading.Event()

    def hear(_: Event) -> None:
        cancel.set()

    with pytest.raises(WaitCancelled, match=r"stopped while waiting to retry Op\. Run the same"):
        Retries(cancel=cancel, on_event=hear).call("Op", Scene(DOWN).work)


def test_the_stop_button_in_a_pause_is_one_line() -> None:
    """KeyboardInterrupt in a pause becomes the same one-line error, without a chained exception."""

    def interrupt(_: float) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(WaitCancelled) as caught:
        Retries(sleep=interrupt).call("Op", Scene(DOWN).work)
    chain = caught.value.__cause__ or caught.value.__context__
    assert not isinstance(chain, KeyboardInterrupt)
    assert SLICE <= 0.2


PAUSING = """
from tidb_pe_magic.clouds.retries import Retries
from tidb_pe_magic.errors import Throttled, WaitCancelled
def work():
    raise Throttled("slow.", operation="Op", retry_after=80.0)
try:
    Retries(on_event=lambda event: print("pausing", flush=True)).call("Op", work)
except WaitCancelled as error:
    print(error)
"""


def test_a_real_interrupt_ends_a_real_pause() -> None:
    """SIGINT ends a pause of 80 s in a separate process at once."""
    process = subprocess.Popen([sys.executable, "-c", PAUSING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "pausing\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "stopped while waiting to retry Op" in output


def _wrapped(error: BaseException) -> BaseException:
    outer = RuntimeError("wrapped")
    outer.__context__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "hopeless"),
    [
        (ConnectionRefusedError(), True),
        (ssl.SSLCertVerificationError("another host"), True),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), True),
        (socket.gaierror(socket.EAI_AGAIN, "later"), False),
        (ConnectionResetError(), False),
        (TimeoutError(), False),
        (ssl.SSLEOFError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_missing_host_differs_from_a_failing_one(error: BaseException, hopeless: bool) -> None:  # noqa: FBT001 - a column of the table
    """A refused connection, an unknown host and a wrong certificate are raised without a retry."""
    assert is_hopeless(error) is hopeless
    assert is_hopeless(_wrapped(error)) is hopeless
