"""A schedule of faults from a seed: the same seed, the same faults."""

from __future__ import annotations

import functools
import random
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.faults.fault import KINDS, Fault, Kind, Point
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_FAULTS = 8
_MOST_TIMES = 3
_MOST_SKIPPED = 4

#: The operations of the tutorial, with their weights: changes are struck more often.
_WEIGHTS: Mapping[str, tuple[Service, int]] = MappingProxyType(
    {
        "CreateVpcEndpoint": (Service.ALIBABA, 8),
        "DeleteVpcEndpoint": (Service.ALIBABA, 5),
        "RemoveZoneFromVpcEndpoint": (Service.ALIBABA, 5),
        "ListVpcEndpoints": (Service.ALIBABA, 4),
        "GetVpcEndpointAttribute": (Service.ALIBABA, 3),
        "ListVpcEndpointZones": (Service.ALIBABA, 3),
        "ListVpcEndpointSecurityGroups": (Service.ALIBABA, 2),
        "ListVpcEndpointServicesByEndUser": (Service.ALIBABA, 2),
        "CheckProductOpen": (Service.ALIBABA, 1),
        "DescribeVpcs": (Service.ALIBABA, 1),
        "DescribeVSwitches": (Service.ALIBABA, 1),
        "DescribeSecurityGroups": (Service.ALIBABA, 1),
        "DescribeSecurityGroupAttribute": (Service.ALIBABA, 1),
        "ListClusters": (Service.TIDB_CLOUD, 3),
        "GetCluster": (Service.TIDB_CLOUD, 2),
        "LOGIN": (Service.SQL, 2),
        "SELECT": (Service.SQL, 2),
        "INSERT": (Service.SQL, 3),
        "COMMIT": (Service.SQL, 1),
        "PING": (Service.SQL, 1),
    }
)


def schedule(seed: int, *, seconds: float | None = None, without: Sequence[Kind] = ()) -> tuple[Fault, ...]:
    """Return one to eight faults.

    Args:
        seed: any whole number.
        seconds: duration of black holes and drips, and value of retry headers; default: the kind's.
        without: excluded kinds.
    """
    # A separate generator with a text seed gives the same result on every platform.
    draw = random.Random(f"tidb_pe_magic faults {seed}")  # noqa: S311 - a schedule is not secret
    names, weights = list(_WEIGHTS), [weight for _, weight in _WEIGHTS.values()]
    faults = []
    for _ in range(draw.randint(1, _MOST_FAULTS)):
        operation = draw.choices(names, weights)[0]
        kind = draw.choice(_kinds(operation, frozenset(without)))
        faults.append(
            Fault(
                kind=kind,
                operation=operation,
                point=_point(draw, kind),
                times=draw.choices(range(1, _MOST_TIMES + 1), (6, 2, 1))[0],
                skip=draw.choices(range(_MOST_SKIPPED + 1), (8, 3, 2, 1, 1))[0],
                seconds=KINDS[kind].seconds if seconds is None else seconds,
                seed=draw.randrange(2**31),
            )
        )
    return tuple(faults)


@functools.cache
def _kinds(operation: str, without: frozenset[Kind]) -> tuple[Kind, ...]:
    service = _WEIGHTS[operation][0]
    return tuple(
        kind for kind in Kind if kind not in without and Fault(kind=kind).strikes(service, operation)
    )


def _point(draw: random.Random, kind: Kind) -> Point:
    return draw.choice(KINDS[kind].points)
