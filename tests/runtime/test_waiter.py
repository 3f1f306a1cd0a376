"""Waits, on a clock that moves only when the waiter sleeps."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.errors import (
    ApiError,
    AuthenticationFailed,
    Conflict,
    EndpointFailed,
    ServiceUnavailable,
    Throttled,
    WaitCancelled,
    WaitTimeout,
)
from tidb_pe_magic.model import (
    ConnectionStatus,
    EndpointObserved,
    EndpointStatus,
    ObservationFailed,
    VpcEndpoint,
)
from tidb_pe_magic.runtime.waiter import Waiter, describe, is_connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidb_pe_magic.model import Event

Seen = VpcEndpoint | BaseException | None


def endpoint(status: str, connection: str, business: str = "Normal") -> VpcEndpoint:
    """Return an endpoint in these states."""
    return VpcEndpoint(
        endpoint_id="ep-1",
        name="",
        service_name="s",
        vpc_id="vpc-1",
        region_id="r",
        domain="d",
        endpoint_status=status,
        connection_status=connection,
        business_status=business,
    )


READY = endpoint("Active", "Connected")
CREATING = endpoint("Creating", "Disconnected")


class Scene:
    """A clock, a sleep that moves it, and observations in order."""

    def __init__(self, *seen: Seen) -> None:
        """Take the observations. The last one repeats."""
        self.seen = list(seen)
        self.now = 1000.0
        self.slept: list[float] = []
        self.events: list[Event] = []
        self.interrupt_in_sleep = False
        self.cancelled = False

    def observe(self) -> VpcEndpoint | None:
        """Return the next observation, or raise it."""
        seen = self.seen[0] if len(self.seen) == 1 else self.seen.pop(0)
        if isinstance(seen, BaseException):
            raise seen
        return seen

    def sleep(self, seconds: float) -> bool:
        """Move the clock."""
        if self.interrupt_in_sleep:
            raise KeyboardInterrupt
        self.slept.append(seconds)
        before, self.now = self.now, self.now + seconds
        assert self.now > before, "a clock that stands still would make the wait endless"
        return self.cancelled

    def wait(
        self, timeout: float = 600.0, reached: Callable[[VpcEndpoint | None], bool] = is_connected
    ) -> VpcEndpoint | None:
        """Wait as the step does."""
        waiter = Waiter(clock=lambda: self.now, sleep=self.sleep)
        return waiter.until(
            self.observe,
            reached=reached,
            goal="Active and Connected",
            command=Suggestion("wait"),
            timeout=timeout,
            on_event=self.events.append,
        )


def test_an_endpoint_that_is_ready_is_not_waited_for() -> None:
    """A ready endpoint needs one observation and no sleep."""
    scene = Scene(READY)
    assert scene.wait() is READY
    assert scene.slept == []
    assert scene.events == [EndpointObserved(endpoint=READY, elapsed=0.0, waiting_for="Active and Connected")]


def test_every_state_on_the_way_is_reported() -> None:
    """The listener receives each observation with the elapsed seconds."""
    way = [
        CREATING,
        endpoint("Active", "Disconnected"),
        endpoint("Active", "Connecting"),
        READY,
    ]
    scene = Scene(*way)
    assert scene.wait() is READY
    observed = [event for event in scene.events if isinstance(event, EndpointObserved)]
    assert [event.endpoint for event in observed] == way
    assert [event.elapsed for event in observed] == [0.0, 1.0, 2.5, 4.75]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Creating", "Active", "Pending", "Inactive", "Unheard-of", "unknown", ""]),
            st.sampled_from(
                ["Pending", "Connecting", "Disconnecting", "Disconnected", "Connected", "New", ""]
            ),
        ).filter(lambda states: states != ("Active", "Connected")),
        max_size=20,
    )
)
def test_states_that_are_not_final_are_waited_through(states: list[tuple[str, str]]) -> None:
    """Disconnected and unknown states end the wait neither in success nor in failure."""
    scene = Scene(*(endpoint(*pair) for pair in states), READY)
    assert scene.wait() is READY
    assert len(scene.slept) == len(states)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (None, "no longer exists"),
        (endpoint("Deleting", "Connected"), "being deleted"),
        (endpoint("Active", "ServiceDeleted"), "ServiceDeleted"),
        (endpoint("Active", "Deleting"), "Deleting"),
        (endpoint("Active", "Connected", "FinancialLocked"), "overdue"),
        (endpoint("Active", "Disconnected", "FinacialLocked"), "overdue"),
    ],
)
def test_a_final_state_ends_the_wait(seen: VpcEndpoint | None, reason: str) -> None:
    """If the endpoint can never connect, the error gives the reason and advice."""
    scene = Scene(CREATING, seen)
    with pytest.raises(EndpointFailed, match=reason) as caught:
        scene.wait()
    assert caught.value.last is seen
    assert caught.value.commands
    assert len(scene.slept) == 1


def test_every_known_state_is_a_success_a_failure_or_waited_through() -> None:
    """Of all pairs of the cloud's states one is a success, and only deletion fails."""
    outcome: dict[tuple[str, str], bool | None] = {}
    for status in EndpointStatus:
        for connection in ConnectionStatus:
            try:
                outcome[status, connection] = is_connected(endpoint(status, connection))
            except EndpointFailed:
                outcome[status, connection] = None
    assert [pair for pair, reached in outcome.items() if reached] == [("Active", "Connected")]
    failed = {pair for pair, reached in outcome.items() if reached is None}
    assert failed == {
        (status, connection)
        for status, connection in outcome
        if status == "Deleting" or connection in {"Deleting", "ServiceDeleted"}
    }


def test_the_timeout_holds() -> None:
    """A wait ends at its timeout after a last poll, with the last state and how to continue."""
    scene = Scene(CREATING)
    with pytest.raises(WaitTimeout) as caught:
        scene.wait(timeout=10)
    assert scene.now == 1010.0
    assert caught.value.last is CREATING
    assert str(caught.value) == (
        "Active and Connected: not reached after 10 s; last seen: ep-1 Creating, connection Disconnected. "
        "The cloud's work continues. Run the command again to wait for its end. Try: %tidb_pe wait"
    )
    assert len(scene.events) == len(scene.slept) + 1


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_without_any_time_there_is_still_one_look(timeout: float) -> None:
    """With a timeout in the past, the wait still polls once."""
    assert Scene(READY).wait(timeout=timeout) is READY
    with pytest.raises(WaitTimeout):
        Scene(CREATING).wait(timeout=timeout)


# Eighths of a second add up without rounding, so that the test's clock can reach the end.
@given(st.integers(1, 3600 * 8).map(lambda eighths: eighths / 8))
def test_pauses_grow_to_five_seconds_and_never_pass_the_end(timeout: float) -> None:
    """The pauses grow from one second to five, and the clock ends at the timeout."""
    scene = Scene(CREATING)
    with pytest.raises(WaitTimeout):
        scene.wait(timeout=timeout)
    assert scene.slept[:-1] == ([1.0, 1.5, 2.25, 3.375] + [5.0] * len(scene.slept))[: len(scene.slept) - 1]
    assert all(0 < pause <= 5 for pause in scene.slept)
    assert scene.now - 1000 == timeout


@given(st.integers(0, 300 * 8).map(lambda eighths: eighths / 8))
def test_a_wait_ends_within_one_interval_of_connected(due: float) -> None:
    """A wait notices Connected at most one interval later."""

    class Later(Scene):
        """Becomes ready at its time."""

        def observe(self) -> VpcEndpoint | None:
            return READY if self.now >= 1000 + due else CREATING

    scene = Later()
    assert scene.wait() is READY
    assert due <= scene.now - 1000 <= due + max([0.0, *scene.slept])


@pytest.mark.parametrize(
    "failure",
    [Throttled("slow.", operation="Op"), ServiceUnavailable("down.", operation="Op")],
    ids=lambda failure: type(failure).__name__,
)
def test_a_cloud_that_does_not_answer_does_not_end_the_wait(failure: ApiError) -> None:
    """An API failure is reported as an event, and the wait continues."""
    scene = Scene(CREATING, failure, failure, READY)
    assert scene.wait() is READY
    failed = [event for event in scene.events if isinstance(event, ObservationFailed)]
    assert [event.error for event in failed] == [str(failure)] * 2


def test_the_pause_that_the_cloud_requests_is_respected() -> None:
    """retry_after makes a pause longer, never shorter, and never longer than the remaining time."""
    scene = Scene(Throttled("slow.", operation="Op", retry_after=37.0), READY)
    scene.wait()
    assert scene.slept == [37.0]
    scene = Scene(Throttled("slow.", operation="Op", retry_after=0.01), READY)
    scene.wait()
    assert scene.slept == [1.0]
    scene = Scene(CREATING, Throttled("slow.", operation="Op", retry_after=900.0))
    with pytest.raises(WaitTimeout) as caught:
        scene.wait(timeout=60)
    assert scene.now == 1060.0
    assert caught.value.last is CREATING


def test_a_cloud_that_never_answered_is_not_taken_for_an_endpoint_that_is_gone() -> None:
    """If the cloud never answered, the timeout gives the reason, and does not claim a missing endpoint."""
    scene = Scene(*[ServiceUnavailable("closed.", operation="Op")] * 30)
    with pytest.raises(WaitTimeout, match=r"last seen: no answer \(Op failed: closed\.\)\. The") as caught:
        scene.wait(timeout=10)
    assert "no endpoint" not in str(caught.value)


@pytest.mark.parametrize("kind", [AuthenticationFailed, Conflict, ApiError, ValueError])
def test_any_other_failure_ends_the_wait(kind: type[Exception]) -> None:
    """A wrong key is not retried, and a bug is not hidden."""
    failure = kind("no.", operation="Op") if issubclass(kind, ApiError) else kind("no.")
    scene = Scene(CREATING, failure, READY)
    with pytest.raises(kind) as caught:
        scene.wait()
    assert caught.value is failure


def assert_detached(error: WaitCancelled, last: VpcEndpoint | None) -> None:
    """Check the message of a stopped wait."""
    assert error.last is last
    assert f"last seen: {describe(last) if last else 'nothing yet'}" in str(error)
    assert error.advice == "The cloud's work continues. Run the command again to wait for its end."
    assert error.commands == (Suggestion("wait"),)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_the_stop_button_detaches_while_the_cloud_is_asked() -> None:
    """KeyboardInterrupt during a call becomes WaitCancelled with the last state."""
    with pytest.raises(WaitCancelled) as caught:
        Scene(CREATING, KeyboardInterrupt()).wait()
    assert_detached(caught.value, CREATING)
    with pytest.raises(WaitCancelled) as at_once:
        Scene(KeyboardInterrupt()).wait()
    assert_detached(at_once.value, None)


def test_the_stop_button_detaches_while_sleeping() -> None:
    """KeyboardInterrupt in a pause becomes WaitCancelled."""
    scene = Scene(CREATING)
    scene.interrupt_in_sleep = True
    with pytest.raises(WaitCancelled) as caught:
        scene.wait()
    assert_detached(caught.value, CREATING)


def test_a_cancelled_sleep_detaches() -> None:
    """A sleep that reports a cancel ends the wait without another request."""
    scene = Scene(CREATING, READY)
    scene.cancelled = True
    with pytest.raises(WaitCancelled) as caught:
        scene.wait()
    assert_detached(caught.value, CREATING)
    assert len(scene.slept) == 1


def until_cancelled(cancel: threading.Event, observations: Iterable[Callable[[], None]]) -> None:
    """Wait in real time for an hour at most, with a step of the test at each observation."""
    steps = iter(observations)

    def observe() -> VpcEndpoint | None:
        next(steps)()
        return CREATING

    Waiter(cancel=cancel).until(
        observe,
        reached=lambda _: False,
        goal="Active",
        command=Suggestion("wait"),
        timeout=3600,
        on_event=lambda _: None,
    )


def test_a_cancel_event_that_is_set_ends_the_wait_after_one_look() -> None:
    """A wait that was cancelled before it started does not sleep."""
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(WaitCancelled):
        until_cancelled(cancel, [lambda: None])


def test_a_cancel_event_ends_a_wait_that_sleeps() -> None:
    """Another thread's cancel ends the pause, an hour early by this test's clock."""
    cancel, observed = threading.Event(), threading.Event()

    def stop() -> None:
        observed.wait()
        cancel.set()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(WaitCancelled):
        until_cancelled(cancel, [observed.set] * 2)
    thread.join()


def test_a_wait_without_a_fake_sleep_really_sleeps() -> None:
    """Real pauses end by themselves, and the next poll follows."""
    looks: list[int] = []
    waiter = Waiter()
    seen = waiter.until(
        lambda: looks.append(1) or READY,  # type: ignore[func-returns-value]
        reached=lambda _: len(looks) == 2,
        goal="seen twice",
        command=Suggestion("wait"),
        timeout=60,
        on_event=lambda _: None,
    )
    assert seen is READY
    assert len(looks) == 2


def test_a_goal_may_be_that_the_endpoint_is_gone() -> None:
    """None is an observation like any other, and can be the goal of a wait."""
    scene = Scene(READY, None)
    assert scene.wait(reached=lambda seen: seen is None) is None


def test_both_states_are_described() -> None:
    """The line has the ID and both states; a missing endpoint has its own words."""
    assert describe(READY) == "ep-1 Active, connection Connected"
    assert (
        describe(replace(READY, endpoint_id="ep-2", connection_status="New")) == "ep-2 Active, connection New"
    )
    assert describe(None) == "no endpoint"
