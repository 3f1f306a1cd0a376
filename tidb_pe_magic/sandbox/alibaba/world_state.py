"""The state of the emulated Alibaba Cloud account at one moment, as a value."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a snapshot's file resolves the fields' types
from dataclasses import dataclass
from typing import Literal

from tidb_pe_magic.sandbox.alibaba.endpoint_states import Endpoint  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService, Network  # noqa: TC001 - as above

Mode = Literal["immediate", "manual", "time"]


@dataclass(frozen=True)
class WorldState:
    """The whole state of `World`, except for observers and time.

    Attributes:
        port: port of the endpoints' services.
        step: seconds per transition, in mode "time".
        due: seconds until each endpoint's next transition, in mode "time".
    """

    mode: Mode
    step: float
    port: int
    product_open: bool
    domain: str
    denied_actions: frozenset[str]
    network: Network
    services: tuple[EndpointService, ...]
    endpoints: tuple[Endpoint, ...]
    due: Mapping[str, float]
    deleted_services: tuple[EndpointService, ...] = ()
    single_endpoints: bool = False
    limits_calls: bool = False
