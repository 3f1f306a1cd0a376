"""A real IPython shell in this process, and the process as it was before."""

from __future__ import annotations

import atexit
import contextlib
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traitlets.config import Config


@contextlib.contextmanager
def started(config: Config, **options: Any) -> Iterator[Any]:
    """Return a shell as the process's only one, and end it as the process's end would.

    IPython leaves a module of its own in the place of `__main__`, with which no process can be spawned
    afterwards, unless it is told to clean up.
    """
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell: Any = InteractiveShell.instance(config=config, **options)
    try:
        yield shell
    finally:
        atexit.unregister(shell.atexit_operations)
        shell.atexit_operations()
        shell.cleanup()
        InteractiveShell.clear_instance()
