"""The program `tidb-pe`, also `python -m tidb_pe_magic`: Ctrl-C ends it in one line, also while it starts."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> int:
    """Run the command line of this process, and return the exit code."""
    try:
        interrupt = _interrupt_event()
        from tidb_pe_magic import cli  # noqa: PLC0415 - Ctrl-C during this import is handled too

        return cli.main(interrupt=interrupt)
    except KeyboardInterrupt:
        print("tidb-pe: interrupted.", file=sys.stderr)  # noqa: T201 - the console is for it
        return 130


def _interrupt_event() -> threading.Event:
    """Return an event that Ctrl-C sets when it raises KeyboardInterrupt.

    Python drops an exception that is raised in a finalizer or in a weak reference's callback, such as those
    that every import runs. With the event, a wait ends even then.
    """
    interrupt = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        # In a new thread, because the code that this interrupts may hold the event's lock.
        _thread.start_new_thread(interrupt.set, ())
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where nohup has it ignored
        signal.signal(signal.SIGINT, handle)
    return interrupt


if __name__ == "__main__":
    sys.exit(main())
