"""The end of asyncio's servers, which must not lose a client that is just arriving."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Iterations of the loop between a connection's accept and its callback, with a margin.
_TURNS_TO_CONNECTED = 5


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
