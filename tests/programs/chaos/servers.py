"""The server behind a gate, and connections through the gate."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.ports import free_port

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.engine import Target, open_engine
from tidb_pe_magic.sandbox.network.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.sandbox.faults import Faults


@dataclass(kw_only=True)
class Server:
    """A MySQL-protocol server with an empty database `test`.

    Attributes:
        execute: executes a statement directly, without a gate, and returns its rows.
    """

    host: str
    port: int
    user: str
    password: str
    execute: Callable[[str], Any]


@contextlib.contextmanager
def open_gate(server: Server, faults: Faults | None = None) -> Iterator[tuple[Gate, tuple[str, int]]]:
    """Yield an open gate to the server, and its address."""
    with Gate((server.host, server.port), faults) as gate:
        address = ("127.0.0.1", free_port())
        gate.open([address])
        yield gate, address


def engine_at(address: tuple[str, int], user: str, password: str) -> Any:
    """Return the product's engine for an address."""
    host, port = address
    return open_engine(
        Target(host=host, port=port, user=user, database="test", password=Secret(password))
    ).engine
