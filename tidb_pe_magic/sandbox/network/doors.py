"""The addresses of the endpoints: open at the gate while an endpoint is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.network.addresses import Address, is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.alibaba.endpoint_states import Endpoint
    from tidb_pe_magic.sandbox.network.gate import Gate


class Doors:
    """Opens and closes the gate's addresses when endpoints change. Callers must serialize their calls."""

    def __init__(self, gate: Gate, admits: Callable[[Endpoint], bool]) -> None:
        """Start without open addresses.

        Args:
            gate: the gate that listens on the addresses.
            admits: returns whether the notebook can reach an endpoint.
        """
        self._gate = gate
        self._admits = admits
        self._reachable: dict[str, frozenset[Address]] = {}
        self._admitted: dict[str, frozenset[Address]] = {}
        self._filtered: frozenset[Address] = frozenset()

    def follow(self, endpoint: Endpoint) -> None:
        """Open the gate at a connected endpoint's addresses, and close it at the others."""
        own = frozenset((host, endpoint.port) for host in endpoint.addresses if is_address(host))
        nowhere = frozenset[Address]()
        admitted = own if self._admits(endpoint) else nowhere
        ident = endpoint.endpoint_id
        known = (self._reachable.get(ident, nowhere), self._admitted.get(ident, nowhere))
        if known == (own, admitted):
            return
        self._reachable[ident], self._admitted[ident] = own, admitted
        # If this machine has only one loopback address, the endpoints share it: it closes with the last
        # endpoint, and answers if one of them does.
        wanted = frozenset[Address]().union(*self._reachable.values())
        filtered = wanted.difference(*self._admitted.values())
        self._gate.close((self._gate.open_addresses - wanted) | (filtered ^ self._filtered))
        self._filtered = filtered
        if closed := wanted - self._gate.open_addresses:
            self._gate.open(closed, filtered=filtered)

    def close(self) -> None:
        """Close every address, and remove all endpoints."""
        self._gate.close(self._gate.open_addresses)
        self._reachable, self._admitted, self._filtered = {}, {}, frozenset()
