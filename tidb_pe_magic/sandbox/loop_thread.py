"""A daemon thread with its own asyncio loop, independent of a notebook's loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


class LoopThread:
    """Runs coroutines from other threads until it is stopped.

    Stopping cancels whatever still runs, waits for it and for the loop's worker threads, closes the
    loop and joins the thread, so that Python does not warn about resources.
    """

    def __init__(self, name: str, *, workers: int = 0) -> None:
        """Set the thread's name, and the number of workers for `asyncio.to_thread`."""
        self._name = name
        self._workers = workers
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None

    @property
    def running(self) -> bool:
        """Whether the loop accepts coroutines."""
        return self._loop is not None

    def start(self) -> None:
        """Start the thread; returns when the loop runs."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=self._name, daemon=True)
        self._thread.start()
        ready.wait()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop and return its result, from any other thread."""
        if self._loop is None:
            coroutine.close()
            msg = f"the loop of {self._name} does not run"
            raise RuntimeError(msg)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def stop(self) -> None:
        """Cancel running coroutines and join the thread; may be called twice."""
        loop, end, thread = self._loop, self._end, self._thread
        if loop is None or end is None or thread is None:
            return
        self._loop = self._end = self._thread = None
        loop.call_soon_threadsafe(end.set)
        thread.join()

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._main(ready))

    async def _main(self, ready: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        if self._workers:
            loop.set_default_executor(ThreadPoolExecutor(self._workers, thread_name_prefix=self._name))
        end = asyncio.Event()
        self._loop, self._end = loop, end
        ready.set()
        await end.wait()
