"""The login to a cluster that may be asleep: an idle Starter cluster wakes at its first login."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.model import Notice
from tidb_pe_magic.threads import SLICE, in_thread

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tidb_pe_magic.database.engine import Target, TestedEngine
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context

# Seconds until the login, and for the first query after it.
_REACHED = 8.0
# Seconds after which a message explains why a login has not been answered.
_EXPLAINED = 3.0
WAKING = "waking the cluster… (an idle Starter cluster wakes at its first login)"


def open_awake(
    context: Context, target: Target, *, login_timeout: float, on_event: EventHook
) -> TestedEngine:
    """Return an engine after a successful login and query; only the login has the longer time limit.

    The stop button and the cancel event end the wait immediately; the login ends at its own time limit.

    Args:
        context: its clock, and the cancel event.
        target: where to connect.
        login_timeout: seconds until the login is abandoned.
        on_event: receives an event if the cluster seems to be asleep.

    Raises:
        ConnectionFailed: with the first stage that failed.
        WaitCancelled: the stop button, or the cancel event.
    """
    reached = threading.Event()
    answer = _begin(target, login_timeout, reached)
    since: float | None = None
    explained = False
    try:
        while not wait([answer], timeout=SLICE).done and not context.cancel.is_set():
            if reached.is_set() and since is None:
                since = context.clock()
            if since is not None and not explained and context.clock() - since >= _EXPLAINED:
                explained = True
                on_event(Notice(text=WAKING))
    except KeyboardInterrupt:
        pass
    else:
        if answer.done():
            return answer.result()
    answer.add_done_callback(_dispose)
    what = "while the cluster was waking up" if explained else "before the connection was opened"
    raise errors.WaitCancelled(f"stopped {what}.", advice="Run the same command again.")


def _begin(target: Target, login_timeout: float, reached: threading.Event) -> Future[TestedEngine]:
    """Open the engine in a separate thread, so that a silent server does not block the caller."""
    from tidb_pe_magic.database.engine import open_engine  # noqa: PLC0415 - sqlalchemy is slow to import

    return in_thread(
        lambda: open_engine(
            target,
            timeout=min(_REACHED, login_timeout),
            login_timeout=login_timeout,
            on_login=reached.set,
        ),
        name="tidb_pe-login",
    )


def _dispose(answer: Future[TestedEngine]) -> None:
    """Close an engine that was opened after the wait had ended."""
    if answer.exception() is None:
        answer.result().engine.dispose()
