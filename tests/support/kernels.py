"""A real IPython kernel in a separate process, driven like a front end's."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from support import warm
from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

_SECONDS = 120.0
_CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
_KEPT = ("PATH", *warm.START)


@dataclass
class Reply:
    """A cell's output.

    Attributes:
        messages: all of the kernel's messages for it, in the protocol's form.
        error: the traceback's lines if it failed.
        asked: the questions to the front end.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Streams, results and displays as plain text."""
        parts: list[str] = []
        for message in self.messages:
            content = message["content"]
            parts.append(content.get("text") or content.get("data", {}).get("text/plain", ""))
        return "".join(parts)


class Kernel:
    """A kernel with directories and an environment of its own."""

    def __init__(self, environment: Mapping[str, str], directory: Path, *, cold: bool = False) -> None:
        """Prepare the kernel; entering the context starts it, warm as in `support.warm` or from cold."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        private = {
            "HOME": str(directory),
            "IPYTHONDIR": str(directory / "ipython"),
            "JUPYTER_CONFIG_DIR": str(directory / "config"),
            "JUPYTER_DATA_DIR": str(directory / "data"),
            "XDG_STATE_HOME": str(directory / "state"),
        }
        self._environment = {**kept, **private, **environment}
        self._directory = directory
        self._manager = (KernelManager if cold else warm.KernelManager)(
            kernel_name="python3", **{f"{channel}_port": free_port() for channel in _CHANNELS}
        )

    def __enter__(self) -> Self:
        """Start the kernel, and wait until it answers."""
        specification = self._manager.kernel_spec
        assert specification is not None
        specification.argv[0] = sys.executable
        self._manager.start_kernel(env=self._environment, cwd=str(self._directory))
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def _connect(self) -> None:
        client = self._manager.client()
        assert isinstance(client, BlockingKernelClient)
        self._client = client
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_SECONDS)

    def restart(self) -> None:
        """Restart the kernel, as the front end's button does."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=True)
        self._connect()

    def run(
        self,
        source: str,
        on_message: Callable[[dict[str, Any]], None] | None = None,
        *,
        answer: str | None = None,
    ) -> Reply:
        """Run a cell to its end, and return its output; None answers no question, as nbclient does."""
        reply = Reply()

        def keep(message: dict[str, Any]) -> None:
            if message["msg_type"] in {"stream", "execute_result", "display_data", "update_display_data"}:
                reply.messages.append(message)
            if message["msg_type"] == "error":
                reply.error = "\n".join(message["content"]["traceback"])
                reply.messages.append(message)
            if on_message is not None:
                on_message(message)

        def reply_to(message: dict[str, Any]) -> None:
            reply.asked.append(message["content"]["prompt"])
            self._client.input(answer or "")

        self._client.execute_interactive(
            source, output_hook=keep, stdin_hook=reply_to, timeout=_SECONDS, allow_stdin=answer is not None
        )
        return reply

    def complete(self, source: str) -> list[str]:
        """Press Tab at the mark | in a cell, and return the completions."""
        cursor = source.index("|")
        code = source.replace("|", "", 1)
        reply: Any = self._client.complete(code, cursor, reply=True, timeout=_SECONDS)
        matches: list[str] = reply["content"]["matches"]
        return matches

    def must(self, source: str) -> Reply:
        """Run a cell and check that it succeeds."""
        reply = self.run(source)
        assert not reply.error, f"{source}\n{reply.text}{reply.error}"
        return reply

    def interrupt(self) -> None:
        """Press the stop button."""
        self._manager.interrupt_kernel()
