"""Fleets for tests: a sandbox without a database, and files with its clusters and VPCs.

Each cluster has its own endpoint service, so every row of a fleet is a different endpoint.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.fleet_seed import VPCS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def fleet_sandbox(clusters: int, *, shared: bool = False, **options: Any) -> Iterator[Sandbox]:
    """Return the clouds with this many clusters and two VPCs. The server behind the gate is silent.

    Args:
        clusters: their number.
        shared: whether they share their region's endpoint service.
        options: of the sandbox.
    """
    exclusive = () if shared else ("fleet-*",)
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        host, port = upstream.getsockname()
        with Sandbox(upstream=f"{host}:{port}", fleet=clusters, exclusive=exclusive, **options) as sandbox:
            yield sandbox


def written(path: Path, clusters: Sequence[str], vpcs: Sequence[str] = VPCS, more: str = "") -> str:
    """Write a file of these clusters in each of these VPCs, and return its path."""
    path.write_text(
        f"[[endpoint]]\ncluster = {quoted(clusters)}\nvpc = {quoted(vpcs)}\n{more}", encoding="utf-8"
    )
    return str(path)


def quoted(words: Sequence[str]) -> str:
    """Return a list in TOML's notation."""
    return f"[{', '.join(f'{chr(34)}{word}{chr(34)}' for word in words)}]"


def named(count: int) -> list[str]:
    """Return the names of the first clusters of the sandbox."""
    return [f"fleet-{number}" for number in range(1, count + 1)]


def placed(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return service and VPC of each existing endpoint."""
    return sorted((each.service.service_id, each.vpc_id) for each in sandbox.world.endpoints.values())


def wanted(clusters: int) -> list[tuple[str, str]]:
    """Return service and VPC of each endpoint that a fleet of this many clusters in both VPCs has."""
    return sorted((service_id(number), vpc) for number in range(1, clusters + 1) for vpc in VPCS)


def service_id(number: int) -> str:
    """Return the ID of a cluster's own endpoint service."""
    return f"epsrv-t4nexclusive{93700000 + number}"
