"""Names from this kernel's results, for completion without calling a cloud."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model import Cluster, Deletion, SecurityGroup, Vpc, VpcEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tidb_pe_magic.model import Result
    from tidb_pe_magic.runtime.open_connections import OpenConnection, OpenConnections

# The attribute with the name of a resource, by the option that accepts it.
_NAMED: dict[type, Mapping[str, str]] = {
    Cluster: {"cluster": "display_name"},
    Vpc: {"vpc": "vpc_id"},
    SecurityGroup: {"security_group": "security_group_id"},
    VpcEndpoint: {"endpoint": "endpoint_id", "vpc": "vpc_id"},
}
_MOST = 500  # of each kind, the newest; a longer list is not useful


class KnownNames:
    """Names of clusters, networks and endpoints from shown results, and the open connections."""

    def __init__(self, connections: OpenConnections) -> None:
        """Start with only the open connections."""
        self._connections = connections
        self._lock = threading.Lock()
        self._names: dict[str, dict[str, None]] = {}

    def learn(self, result: Result) -> None:
        """Add the names from a step's result; remove a deleted endpoint."""
        found = list(_option_names(result))
        with self._lock:
            for option, name in found:
                names = self._names.setdefault(option, {})
                names.pop(name, None)
                names[name] = None
                if len(names) > _MOST:
                    del names[next(iter(names))]
            if isinstance(result, Deletion):
                self._names.get("endpoint", {}).pop(result.endpoint_id, None)

    def of(self, option: str) -> list[str]:
        """Return the known values of an option such as `cluster`, `vpc` or `endpoint`, by name."""
        with self._lock:
            return sorted(self._names.get(option, ()))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The open connections, the most recent one last."""
        return tuple(self._connections)

    def connection(self, alias: str | None = None) -> OpenConnection | None:
        """Return an open connection, by default the most recent one; None if it is not open."""
        name = alias or next(iter(reversed(self.aliases)), "")
        return self._connections.record(name)


def _option_names(value: Any) -> Iterator[tuple[str, str]]:
    """Yield each option and name that occur anywhere in a result."""
    if isinstance(value, tuple):
        for each in value:
            yield from _option_names(each)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for option, field in _NAMED.get(type(value), {}).items():
            yield option, getattr(value, field)
        for each in _fields(value):
            yield from _option_names(getattr(value, each))


def _fields(value: Any) -> Iterable[str]:
    return (each.name for each in dataclasses.fields(value) if each.metadata.get("plain", True))
