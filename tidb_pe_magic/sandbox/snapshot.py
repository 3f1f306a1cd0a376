"""The state of a whole sandbox as a value, which can be saved to a file.

The file contains the passwords of the sandbox's SQL users. They are useless elsewhere, but the file is
readable only by its owner anyway.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tidb_pe_magic.sandbox.alibaba.client_tokens import StoredAnswer  # noqa: TC001 - pydantic resolves the fields' types
from tidb_pe_magic.sandbox.alibaba.endpoint_states import ZONE_MOVES
from tidb_pe_magic.sandbox.alibaba.metadata import ForeignPage, InstancePlace  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.alibaba.roles import RolesState  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.alibaba.world_state import WorldState  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.faults import Fault  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.mysql.database_state import DatabaseState  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.private_file import write_private
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterState  # noqa: TC001 - as above
from tidb_pe_magic.sandbox.tidb_cloud.clusters import REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT: Final = "tidb_pe_magic sandbox snapshot"
VERSION: Final = 1


@dataclass(frozen=True)
class Snapshot:
    """The value that `Sandbox.snapshot` returns and `Sandbox.restore` accepts.

    It does not contain keys and ports, which differ for each sandbox, or the log of requests.

    Attributes:
        scenario: the scenario on the route to the database.
        ahead: seconds by which the clouds' clock was ahead.
        faults: the pending faults.
        rate_limit: by key: the minute (since 1970) and the number of requests in it.
        database: None for an upstream, whose content is unknown.
    """

    scenario: str | None
    world: WorldState
    clusters: ClusterState
    roles: RolesState
    client_tokens: tuple[StoredAnswer, ...]
    rate_limit: Mapping[str, tuple[int, int]]
    ahead: float
    place: InstancePlace | ForeignPage | None
    routed: bool
    faults: tuple[Fault, ...]
    database: DatabaseState | None

    def save(self, path: Path) -> None:
        """Write it atomically as JSON, readable only by its owner.

        Raises:
            OSError: the file cannot be written.
        """
        content = {"format": FORMAT, "version": VERSION, "snapshot": _plain(self)}
        write_private(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Snapshot:
        """Read a file of `save`, of this version or an earlier one.

        Raises:
            ValueError: it is not such a file, or its content is invalid.
            OSError: the file cannot be read.
        """
        # Imported here, because nothing else needs it, and the import is slow.
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - see above

        content = _read_file(path)
        try:
            snapshot = TypeAdapter(cls).validate_json(json.dumps(content["snapshot"]), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{path} is not a snapshot: {where}: {first['msg']}") from None
        if problem := next(_problems(snapshot), None):
            raise ValueError(f"{path} cannot be restored: {problem}")
        return snapshot


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is not a snapshot: it is not JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or "snapshot" not in content:
        raise ValueError(f"{path} is not a snapshot of this sandbox")
    if content.get("version") != VERSION:
        raise ValueError(
            f"{path} is of format {content.get('version')}, and this sandbox reads format {VERSION}: "
            "take the snapshot again"
        )
    return content


def _problems(snapshot: Snapshot) -> Iterator[str]:
    """Yield values of valid types that would break the sandbox, or open it to others."""
    clusters = {cluster.cluster_id for cluster in snapshot.clusters.clusters}
    for cluster in snapshot.clusters.clusters:
        if cluster.region_id not in REGIONS:
            yield f"cluster {cluster.cluster_id} is in a region that does not exist"
    for user in snapshot.clusters.sql_users:
        if user.cluster_id not in clusters:
            yield f"SQL user {user.user_name} is of a cluster that does not exist"
    endpoints = {endpoint.endpoint_id: endpoint for endpoint in snapshot.world.endpoints}
    for endpoint in endpoints.values():
        if endpoint.connection_status not in ZONE_MOVES:
            yield f"endpoint {endpoint.endpoint_id} has the unknown status {endpoint.connection_status}"
        for host in (endpoint.domain, *(zone.eni_ip for zone in endpoint.zones)):
            if _leaves_this_machine(host):
                yield f"endpoint {endpoint.endpoint_id} has {host}, which is not a loopback address"
    if unknown := next((name for name in snapshot.world.due if name not in endpoints), None):
        yield f"endpoint {unknown} does not exist and is due"


def _leaves_this_machine(host: str) -> bool:
    """Return whether other machines can reach the address; the sandbox never listens on a name."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(value: Any) -> Any:
    """Return the JSON value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
