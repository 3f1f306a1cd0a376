"""Waiting for the cloud: one loop, with injected clock and cancel event."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clouds.retries import once
from tidb_pe_magic.model import (
    ConnectionStatus,
    EndpointObserved,
    EndpointStatus,
    ObservationFailed,
    VpcEndpoint,
)
from tidb_pe_magic.threads import interruptible_sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.model import EventHook

T = TypeVar("T")

_FIRST_DELAY, _GROWTH, _LONGEST_DELAY = 1.0, 1.5, 5.0  # seconds; the first look-up is immediate
_DETACHED = "The cloud's work continues. Run the command again to wait for its end."


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """Polls until a goal is reached.

    Attributes:
        clock: seconds, monotonic.
        cancel: set it to end the wait.
        sleep: waits for at most this many seconds; returns True if the wait was canceled.
    """

    cancel: Flag = field(default_factory=Flag)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], bool] | None = None

    def until(  # noqa: PLR0913 - the differences between waits
        self,
        observe: Callable[[], VpcEndpoint | None],
        *,
        reached: Callable[[VpcEndpoint | None], bool],
        goal: str,
        command: Suggestion,
        timeout: float,
        on_event: EventHook,
    ) -> VpcEndpoint | None:
        """Call `observe` until `reached` returns True, and return the last observation.

        A cloud that does not answer or limits requests does not end the wait. Any other failure does.

        Args:
            observe: returns the endpoint's current state; None if it no longer exists.
            reached: returns whether the goal is reached; may raise if it never will be.
            goal: the goal, in words.
            command: the command that resumes the wait.
            timeout: seconds.
            on_event: receives each observation.

        Raises:
            WaitTimeout: the time limit was reached; the cloud's work continues.
            WaitCancelled: the stop button, or the cancel event; the cloud's work continues.
        """
        started = self.clock()

        def report_state(seen: VpcEndpoint | None) -> None:
            on_event(EndpointObserved(endpoint=seen, elapsed=self.clock() - started, waiting_for=goal))

        return self.watch(
            observe,
            on_observation=report_state,
            in_words=describe,
            reached=reached,
            goal=goal,
            command=command,
            timeout=timeout,
            on_event=on_event,
        )

    def watch(  # noqa: PLR0913 - the differences between waits
        self,
        observe: Callable[[], T],
        *,
        on_observation: Callable[[T], None],
        in_words: Callable[[T], str],
        reached: Callable[[T], bool],
        goal: str,
        command: Suggestion,
        timeout: float,
        on_event: EventHook,
    ) -> T:
        """Wait as `until` does, for something of any kind.

        Args:
            observe: returns an observation.
            on_observation: receives each observation.
            in_words: returns an observation as part of a sentence.
            reached: returns whether the goal is reached; may raise if it never will be.
            goal: the goal, in words.
            command: the command that resumes the wait.
            timeout: seconds.
            on_event: receives an event for each failed look-up.

        Raises:
            WaitTimeout: the time limit was reached; the cloud's work continues.
            WaitCancelled: the stop button, or the cancel event; the cloud's work continues.
        """
        started = self.clock()
        last: T | None = None
        seen = "nothing yet"
        delay = _FIRST_DELAY
        try:
            while True:
                pause = delay
                try:
                    with once():
                        last = observe()
                except (errors.Throttled, errors.ServiceUnavailable) as failure:
                    if last is None:
                        seen = f"no answer ({failure.message})"
                    on_event(ObservationFailed(error=failure.prose, elapsed=self.clock() - started))
                    pause = max(delay, getattr(failure, "retry_after", None) or 0.0)
                else:
                    seen = in_words(last)
                    on_observation(last)
                    if reached(last):
                        return last
                left = timeout - (self.clock() - started)
                if left <= 0:
                    raise errors.WaitTimeout(
                        f"{goal}: not reached after {timeout:g} s; last seen: {seen.removesuffix('.')}.",
                        last=_endpoint(last),
                        advice=Advice(_DETACHED, command),
                    )
                if interruptible_sleep(min(pause, left), self.cancel, self.sleep):
                    raise _wait_cancelled(goal, command, last, seen)
                delay = min(delay * _GROWTH, _LONGEST_DELAY)
        except KeyboardInterrupt:
            raise _wait_cancelled(goal, command, last, seen) from None


def _wait_cancelled(goal: str, command: Suggestion, last: object, seen: str) -> errors.WaitCancelled:
    return errors.WaitCancelled(
        f"detached while waiting for {goal}; last seen: {seen.removesuffix('.')}.",
        last=_endpoint(last),
        advice=Advice(_DETACHED, command),
    )


def _endpoint(last: object) -> VpcEndpoint | None:
    return last if isinstance(last, VpcEndpoint) else None


def describe(endpoint: VpcEndpoint | None) -> str:
    """Return a short description of both states."""
    if endpoint is None:
        return "no endpoint"
    return f"{endpoint.endpoint_id} {endpoint.states()}"


def is_accepted_or_pending(endpoint: VpcEndpoint | None) -> bool:
    """Return whether the endpoint is Connected, or waits for the service's owner: Active and Disconnected.

    Raises:
        EndpointFailed: it never will be connected.
    """
    return is_connected(endpoint) or (
        endpoint is not None
        and endpoint.endpoint_status == EndpointStatus.ACTIVE
        and endpoint.connection_status == ConnectionStatus.DISCONNECTED
    )


def is_connected(endpoint: VpcEndpoint | None) -> bool:
    """Return whether the endpoint is Active and Connected.

    The wait continues in unknown states and in Disconnected: without auto-accept, Disconnected means that the
    service's owner has not accepted yet.

    Raises:
        EndpointFailed: it never will be.
    """
    if endpoint is None:
        raise errors.EndpointFailed("the endpoint no longer exists.", advice=Advice("", Suggestion("create")))
    if endpoint.endpoint_status == EndpointStatus.DELETING:
        raise errors.EndpointFailed(
            f"endpoint {endpoint.endpoint_id} is being deleted.",
            last=endpoint,
            advice=Advice("", Suggestion("create")),
        )
    if endpoint.connection_status in {ConnectionStatus.SERVICE_DELETED, ConnectionStatus.DELETING}:
        raise errors.EndpointFailed(
            f"the connection of endpoint {endpoint.endpoint_id} is {endpoint.connection_status}.",
            last=endpoint,
            advice=Advice("Delete the endpoint.", Suggestion("delete", endpoint.endpoint_id, "--yes")),
        )
    if endpoint.is_locked():
        raise errors.EndpointFailed(
            f"endpoint {endpoint.endpoint_id} is locked: a payment of the Alibaba Cloud account is overdue.",
            last=endpoint,
            advice=Advice("Pay the bill, then wait again.", Suggestion("wait")),
        )
    return endpoint.ready
