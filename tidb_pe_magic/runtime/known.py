"""Names that this kernel has seen, for completion: no cloud is asked for them."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.model import Cluster, Deletion, SecurityGroup, Vpc, VpcEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tidb_pe_magic.model import Result
    from tidb_pe_magic.runtime.open_connections import OpenConnection, OpenConnections

# What names a thing in a command, by the option that takes it.
_NAMED: dict[type, Mapping[str, str]] = {
    Cluster: {"cluster": "display_name"},
    Vpc: {"vpc": "vpc_id"},
    SecurityGroup: {"security_group": "security_group_id"},
    VpcEndpoint: {"endpoint": "endpoint_id", "vpc": "vpc_id"},
}
_MOST = 500  # of each: the newest; a list of more helps nobody


class KnownNames:
    """Names of clusters, networks and endpoints from what was shown, and the open connections."""

    def __init__(self, connections: OpenConnections) -> None:
        """Know nothing but the open connections."""
        self._connections = connections
        self._lock = threading.Lock()
        self._names: dict[str, dict[str, None]] = {}

    def learn(self, result: Result) -> None:
        """Take the names out of what a step returned; an endpoint that was deleted is forgotten."""
        found = list(_named(result))
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
        """Return the names that an option such as `cluster`, `vpc` or `endpoint` can have, by name."""
        with self._lock:
            return sorted(self._names.get(option, ()))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The open connections, the one that was opened last at the end."""
        return tuple(self._connections)

    def connection(self, alias: str | None = None) -> OpenConnection | None:
        """Return an open connection, by default the one that was opened last; None where it is not open."""
        name = alias or next(iter(reversed(self.aliases)), "")
        return self._connections.record(name)


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Yield each option and a name for it that is anywhere in a result."""
    if isinstance(value, tuple):
        for each in value:
            yield from _named(each)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for option, field in _NAMED.get(type(value), {}).items():
            yield option, getattr(value, field)
        for each in _fields(value):
            yield from _named(getattr(value, each))


def _fields(value: Any) -> Iterable[str]:
    return (each.name for each in dataclasses.fields(value) if each.metadata.get("plain", True))
