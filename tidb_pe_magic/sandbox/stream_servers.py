"""The clients of asyncio's servers: none is lost, even if it is just arriving while its server stops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

# Iterations of the loop between a connection's accept and its callback, with a margin.
_TURNS_TO_CONNECTED = 5


def serve_client(work: Coroutine[Any, Any, None], writer: asyncio.StreamWriter) -> asyncio.Task[None]:
    """Serve a client in a task, whose end drops the connection.

    A task that is canceled before its first step has dropped nothing itself.
    """
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(lambda _: writer.transport.abort())
    return task


async def stop_accepting(servers: Iterable[asyncio.Server]) -> None:
    """Stop accepting, and turn newly accepted sockets into connections that can be dropped.

    asyncio loses a connection's socket if its server is closed between the accept and the first step.
    """
    loop = asyncio.get_running_loop()
    for server in servers:
        for sock in server.sockets:
            with contextlib.suppress(NotImplementedError):  # Windows' loop does not support readers
                loop.remove_reader(sock.fileno())
    for _ in range(_TURNS_TO_CONNECTED):
        await asyncio.sleep(0)
