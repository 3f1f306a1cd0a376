"""TiDB's connection IDs of 64 bits.

From the lowest bit on: 1 for 64 bits, 40 bits that count a server's connections, 22 bits for the server, and
a reserved one (`GCID` in TiDB's `pkg/util/globalconn/globalconn.go`). The handshake contains only the
lower half.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER: Final = 1
_SERVER_BIT: Final = 41
_HALF: Final = 32


def connection_ids() -> Iterator[int]:
    """Yield the IDs of one server's connections."""
    return ((_SERVER << _SERVER_BIT) | (count << 1) | 1 for count in itertools.count(1))


def is_truncated(number: int) -> bool:
    """Return whether a number is the lower half of such an ID: TiDB's KILL then only warns."""
    return bool(number & 1) and number >> _HALF == 0
