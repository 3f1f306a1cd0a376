"""A real IPython shell in this process, with the process restored afterwards."""

from __future__ import annotations

import atexit
import contextlib
import gc
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from traitlets.config import Config


@contextlib.contextmanager
def start_shell(config: Config, **options: Any) -> Iterator[Any]:
    """Yield the process's only shell, and end it as the process's exit would.

    IPython replaces `__main__` with its own module, which prevents the spawning of processes
    afterwards unless IPython cleans up.
    """
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell: Any = InteractiveShell.instance(config=config, **options)
    try:
        yield shell
    finally:
        atexit.unregister(shell.atexit_operations)
        shell.atexit_operations()
        # It has collected garbage: what is left are modules, which the next shell need not go through again.
        gc.freeze()
        shell.cleanup()
        InteractiveShell.clear_instance()
