"""A session's DuckDB work in worker threads: awaited in the server's loop, and interrupted by KILL."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from tidb_pe_magic.sandbox.mysql.errors import QUERY_INTERRUPTED, SqlError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_INTERRUPT_SECONDS = 0.02


class Work:
    """The work of one session; its statements run one after the other."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        """Create it; `interrupt` makes DuckDB end what it does for the session."""
        self._interrupt = interrupt
        self._running: asyncio.Future[Any] | None = None
        self._interrupted = asyncio.Event()

    def begin(self) -> None:
        """Begin a statement; an earlier interrupt does not end it."""
        self._interrupted.clear()

    def interrupt(self) -> None:
        """Interrupt the statement; a part of it that follows is refused."""
        self._interrupted.set()
        running = self._running
        if running is not None and not running.done():
            self._interrupt()
            # An interrupt before DuckDB has started to work is lost.
            asyncio.get_running_loop().call_later(_INTERRUPT_SECONDS, self._interrupt_again, running)

    def _interrupt_again(self, running: asyncio.Future[Any]) -> None:
        if running is self._running and not running.done():
            self.interrupt()

    async def run(self, work: Callable[[], _T], *, of_statement: bool) -> _T:
        """Run DuckDB work in a worker thread; a cancelled caller waits until the work has ended.

        Raises:
            SqlError: the work is of a statement that was killed while it was being parsed, so that there was
                no DuckDB work to interrupt.
        """
        if of_statement and self._interrupted.is_set():
            raise _interrupted()
        future: asyncio.Future[_T] = asyncio.get_running_loop().run_in_executor(None, work)
        self._running = future
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                self._interrupt()
                await asyncio.wait([future], timeout=_INTERRUPT_SECONDS)
            future.exception()
            raise
        finally:
            self._running = None

    async def sleep(self, seconds: float) -> None:
        """Wait for SLEEP.

        Raises:
            SqlError: the statement was killed.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._interrupted.wait(), seconds)
            raise _interrupted()


def _interrupted() -> SqlError:
    return SqlError(QUERY_INTERRUPTED, "Query execution was interrupted")
