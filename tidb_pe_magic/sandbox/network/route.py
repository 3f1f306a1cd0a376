"""The route of SQL connections from the notebook to the database: the gate, its TLS, and impostors."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.network.doors import Doors
from tidb_pe_magic.sandbox.network.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidb_pe_magic.sandbox.alibaba.endpoint_states import Endpoint
    from tidb_pe_magic.sandbox.faults import Faults
    from tidb_pe_magic.sandbox.network.addresses import Address
    from tidb_pe_magic.sandbox.network.certificates import ServerTls
    from tidb_pe_magic.sandbox.network.impostors import Impostor


class Route:
    """The route to the database.

    Attributes:
        gate: The gate between the endpoints' addresses and the database; set by `open`.
        ca: File with the authority of the database's certificate, for `--ca`; empty without one.
    """

    gate: Gate

    def __init__(self, faults: Faults, admits: Callable[[Endpoint], bool]) -> None:
        """Set the faults of connections, and what returns whether the notebook can reach an endpoint."""
        self._faults = faults
        self._admits = admits
        self._impostors = contextlib.ExitStack()
        self.ca = ""

    @contextlib.contextmanager
    def open(self, database: Address, names: Sequence[str]) -> Iterator[None]:
        """Forward the endpoints' connections to the database.

        Args:
            database: its address.
            names: of its certificate; without them, the database's own TLS passes through the gate.
        """
        self._database = database
        self._tls = _own_tls(names)
        with (
            tempfile.TemporaryDirectory(prefix="tidb_pe_sandbox-") as directory,
            Gate(database, self._faults) as self.gate,
            self._impostors,
        ):
            self._authority = Path(directory) / "authority.pem"
            self._doors = Doors(self.gate, self._admits)
            self._offer_own_tls()
            yield

    def follow(self, endpoint: Endpoint) -> None:
        """Open the gate at a connected endpoint's addresses, and close it at the others."""
        self._doors.follow(endpoint)

    def reset(self) -> None:
        """Close every address, drop every connection, and direct the gate to the database again."""
        self._doors.close()
        self._impostors.close()
        self.gate.reset(self._database)
        self._offer_own_tls()

    def impersonate(self, impostor: Impostor) -> None:
        """Direct the gate to this server until the route is closed or reset."""
        self.gate.upstream = self._impostors.enter_context(impostor).address

    def offer_tls(self, tls: ServerTls | None, *, trusted: bool = True) -> None:
        """Let the gate offer TLS, and write its authority, as PEM, to the file `ca`.

        Args:
            tls: None disables TLS.
            trusted: False removes the authority.
        """
        self.gate.tls = None if tls is None else tls.context
        self.ca = ""
        if tls is not None and trusted:
            self._authority.write_bytes(tls.authority)
            self.ca = str(self._authority)

    def _offer_own_tls(self) -> None:
        """Let the gate use a certificate of the sandbox's own authority."""
        if self._tls is not None:
            self.offer_tls(self._tls)


def _own_tls(names: Sequence[str]) -> ServerTls | None:
    if not names:
        return None
    # Imported here, because an upstream does not need `cryptography`.
    from tidb_pe_magic.sandbox.network.certificates import server_tls  # noqa: PLC0415 - see above

    return server_tls(*names)
