"""A lock for each plan, so that two kernels that run the same plan at once create only one endpoint."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.files import FILE_MODE, ensure_private, state_directory
from tidb_pe_magic.model import Notice
from tidb_pe_magic.threads import SLICE, interruptible_sleep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

    from tidb_pe_magic.runtime.context import Context

_LIMIT = 300.0  # seconds; a creation takes a few seconds, or two minutes with all retries


@contextmanager
def exclusively(context: Context, plan: str, what: str) -> Iterator[None]:
    """Hold the plan's lock in the block; the system releases it when the process ends.

    Args:
        context: the clock, the cancel event and the state directory.
        plan: identifies the lock.
        what: the action in the block, as in "another kernel is ...".

    Raises:
        JournalError: the lock's file cannot be created.
        WaitCancelled: the stop button, or the cancel event, while another process holds it.
        WaitTimeout: another process has held it for five minutes.
    """
    import filelock  # noqa: PLC0415 - slow to import

    path = state_directory(context.environ) / "locks" / f"{plan}.lock"
    try:
        ensure_private(path.parent.parent)
        ensure_private(path.parent)
        lock = filelock.FileLock(path, mode=FILE_MODE)
        _acquire(context, lock, what)
    except OSError as error:
        raise errors.JournalError(
            f"nothing was changed, because {path} cannot be locked: {error.strerror or error}.",
            advice="Correct that. TIDB_PE_STATE_DIR sets another directory.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _acquire(context: Context, lock: BaseFileLock, what: str) -> None:
    import filelock  # noqa: PLC0415 - slow to import

    end: float | None = None
    cancelled = False
    while not cancelled:
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            pass
        else:
            return
        if end is None:
            end = context.clock() + _LIMIT
            context.emit(Notice(text=f"another of your kernels is {what}; waiting until it is done"))
        if context.clock() > end:
            raise errors.WaitTimeout(
                f"another of your kernels has been {what} for {_LIMIT:g} s; nothing was changed.",
                advice="Stop that kernel, or check what it is waiting for.",
            )
        try:
            cancelled = interruptible_sleep(SLICE, context.cancel, context.sleep)
        except KeyboardInterrupt:
            cancelled = True
    raise errors.WaitCancelled(
        f"stopped while another of your kernels is {what}; nothing was changed.",
        advice="Run the same command again.",
    )
