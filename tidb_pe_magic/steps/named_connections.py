"""The connection after @: a saved one, or one in a connection file; and the error for a deleted endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.steps import connection_files, saved_connections

if TYPE_CHECKING:
    from tidb_pe_magic.model import SavedConnection
    from tidb_pe_magic.runtime.context import Context
    from tidb_pe_magic.steps.connection_files import ConnectionFile


@dataclass(frozen=True, kw_only=True)
class NamedConnection:
    """A saved connection, or one in a connection file.

    Attributes:
        name: the name after @.
        connection: host, user and further values.
        file: its connection file; None for a saved connection.
    """

    name: str
    connection: SavedConnection
    file: ConnectionFile | None = None


def find(context: Context, name: str) -> NamedConnection:
    """Read the connection after @: a path that ends with .json, or the name of a saved connection.

    Raises:
        InvalidRequest: it does not exist, or its file cannot be used.
    """
    if connection_files.is_path(name):
        file = connection_files.read(name)
        return NamedConnection(name=name, connection=file.connection, file=file)
    return NamedConnection(name=name, connection=saved_connections.load(context.environ, name))


def is_deleted(context: Context, saved: SavedConnection) -> bool:
    """Return whether Alibaba Cloud reports the saved endpoint as missing; False if the look-up fails."""
    try:
        context.alibaba(saved.cluster.region_id).endpoint(saved.endpoint_id)
    except errors.NotFound:
        return True
    except errors.TidbPeError:
        return False
    return False


def deleted_endpoint(
    context: Context, named: NamedConnection, failure: errors.ConnectionFailed
) -> errors.ConnectionFailed:
    """Return the error for a connection whose endpoint was deleted, with the saved values and time."""
    saved = named.connection
    cluster = f"for cluster {saved.cluster.display_name} in {saved.cluster.region_id}"
    again = ("connect", "--cluster", saved.cluster.cluster_id, "--alias", saved.name)
    if named.file is not None:
        when = f" on {named.file.saved}" if named.file.saved else ""
        advice = Advice(
            "Connect over the cluster's current endpoint and write the file again, or ask its author to.",
            Suggestion(*again, "--save-to", named.name),
        )
        said = f"{named.name} was written{when} {cluster}."
    else:
        when = f"{saved_connections.saved_at(context.environ, saved.name):%Y-%m-%d %H:%M} UTC"
        advice = Advice(
            "Connect over the cluster's current endpoint and save again, or delete the saved connection.",
            Suggestion(*again, "--save"),
            Suggestion("disconnect", "--alias", saved.name, "--forget"),
        )
        said = f"@{saved.name} was saved on {when} {cluster}."
    return errors.ConnectionFailed(
        failure.stage,
        f"endpoint {saved.endpoint_id} no longer exists. {said}",
        advice=advice,
        kind=failure.kind,
    )
